"""Writing a neural network as an ONNX file, with nothing but the standard library.

Takes nodes, weights, inputs and outputs, gives the bytes of a ModelProto. The same network gives the same bytes on
every machine, so that a built file has a hash. Source: onnx.proto3 of ONNX 1.17 (field numbers).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ivrbot.protowire import block, float32, integer, text

IR_VERSION: Final = 8
OPSET: Final = 17
"""Last in which ReduceMean takes its axes as an attribute; onnxruntime reads it since 1.12."""

FLOAT: Final = 1
INT64: Final = 7

Attribute = int | float | Sequence[int]


@dataclass(slots=True)
class Graph:
    """A network under construction; values go by name.

    Attributes:
        name: stands in the file.
    """

    name: str
    _nodes: list[bytes] = field(default_factory=list)
    _weights: list[bytes] = field(default_factory=list)
    _weight_names: set[str] = field(default_factory=set)

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Attribute) -> str:
        """Append an operation.

        Args:
            operator: ONNX name of opset 17.
            inputs: names of values; "" leaves an optional one out.
            output: name of its result.
            attributes: ints, floats and lists of ints.

        Returns:
            `output`.
        """
        parts = [text(1, name) for name in inputs]
        parts += [text(2, output), text(3, output), text(4, operator)]
        parts += [block(5, _attribute(name, value)) for name, value in sorted(attributes.items())]
        self._nodes.append(b"".join(parts))
        return output

    def floats(self, name: str, shape: Sequence[int], data: bytes) -> str:
        """Add float32 weights, little-endian, the last dimension fastest; a name may be given once only."""
        return self._weight(name, shape, FLOAT, data, 4)

    def ints(self, name: str, values: Sequence[int]) -> str:
        """Add a vector of int64, once per name."""
        return self._weight(name, (len(values),), INT64, struct.pack(f"<{len(values)}q", *values), 8)

    def _weight(self, name: str, shape: Sequence[int], kind: int, data: bytes, item_bytes: int) -> str:
        items = 1
        for size in shape:
            items *= size
        if name in self._weight_names or len(data) != items * item_bytes:
            raise ValueError(f"weights {name!r}: given twice, or {len(data)} bytes for {tuple(shape)}")
        self._weight_names.add(name)
        dims = b"".join(integer(1, size) for size in shape)
        self._weights.append(dims + integer(2, kind) + text(8, name) + block(9, data))
        return name

    def to_bytes(
        self,
        given: tuple[str, Sequence[str | int]],
        gives: tuple[str, Sequence[str | int]],
        notes: Mapping[str, str],
    ) -> bytes:
        """The whole file.

        Args:
            given: name and shape of the one float input; words are sizes left open.
            gives: the same of the one output.
            notes: metadata, in their order.
        """
        graph = [block(1, node) for node in self._nodes]
        graph += [text(2, self.name)]
        graph += [block(5, weight) for weight in self._weights]
        graph += [block(11, _value(*given)), block(12, _value(*gives))]
        model = [integer(1, IR_VERSION), text(2, "ivrbot"), block(7, b"".join(graph))]
        model += [block(8, text(1, "") + integer(2, OPSET))]
        model += [block(14, text(1, key) + text(2, value)) for key, value in notes.items()]
        return b"".join(model)


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, float):
        return text(1, name) + float32(2, value) + integer(20, 1)
    if isinstance(value, int):
        return text(1, name) + integer(3, value) + integer(20, 2)
    return text(1, name) + b"".join(integer(8, item) for item in value) + integer(20, 7)


def _value(name: str, shape: Sequence[str | int]) -> bytes:
    dims = (text(2, size) if isinstance(size, str) else integer(1, size) for size in shape)
    tensor = integer(1, FLOAT) + block(2, b"".join(block(1, dim) for dim in dims))
    return text(1, name) + block(2, block(1, tensor))
