"""ONNX files without the onnx package: the tensors and nodes of one, and the bytes of another.

Takes the bytes of a model, gives its parts as they stand in the file (nothing is copied); and puts a model
together from nodes, tensors, inputs and outputs. Only what its users need.
Source: onnx.proto of ONNX 1.16 (field numbers). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.protowire import NotAMessage, as_bytes, as_text, block, fields, float32, integer, whole_numbers

_IR_VERSION: Final = 8
_TYPES: Final[Mapping[int, str]] = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 9: "?"}
"""TensorProto.DataType to numpy's names."""

_NUMBERS: Final = {np.dtype(name): number for number, name in _TYPES.items()}
_STRING: Final = 8

Attribute = int | float | Sequence[int]


@dataclass(frozen=True, slots=True)
class Value:
    """An input or output: `shape` has a name where a size is free; `kind` is a numpy type, or "string"."""

    name: str
    kind: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """A model taken apart: raw tensors by name, raw nodes by each of their outputs."""

    tensors: Mapping[str, memoryview]
    nodes: Mapping[str, memoryview]

    def array(self, name: str) -> NDArray[np.generic]:
        """One tensor, a view of the file's bytes where they are stored raw.

        Raises:
            NotAMessage: it is not there, or of a kind that is not read.
        """
        if name not in self.tensors:
            raise NotAMessage(f"no tensor {name}")
        found: dict[int, list[int | memoryview]] = {}
        for field, value in fields(self.tensors[name]):
            found.setdefault(field, []).append(value)
        sizes = list(whole_numbers(found.get(1, [])))
        kind = next(whole_numbers(found.get(2, [])), 0)
        if kind not in _TYPES:
            raise NotAMessage(f"tensor {name} is of kind {kind}")
        try:
            if 9 in found:
                return np.frombuffer(as_bytes(found[9][0]), _TYPES[kind]).reshape(sizes)
            if 4 in found:
                numbers = np.frombuffer(b"".join(map(as_bytes, found[4])), "<f4")
            else:
                # Negative numbers are written as 64 bits without a sign.
                numbers = np.array(list(whole_numbers(found.get(5, []))), np.uint64).astype(np.int64)
            return numbers.astype(_TYPES[kind]).reshape(sizes)
        except ValueError as error:
            raise NotAMessage(f"tensor {name}: {error}") from error


def parts(content: memoryview) -> Parts:
    """Takes a model apart.

    Raises:
        NotAMessage: the bytes are no ONNX model.
    """
    tensors: dict[str, memoryview] = {}
    nodes: dict[str, memoryview] = {}
    graph = [value for field, value in fields(content) if field == 7 and not isinstance(value, int)]
    for field, value in fields(graph[0]) if graph else ():
        if field == 5 and not isinstance(value, int):
            tensors.update((as_text(name), value) for at, name in fields(value) if at == 8)
        elif field == 1 and not isinstance(value, int):
            nodes.update((as_text(name), value) for at, name in fields(value) if at == 2)
    if not nodes:
        raise NotAMessage("no graph")
    return Parts(tensors, nodes)


def inputs_of(node: memoryview) -> list[str]:
    """Names of a raw node's inputs."""
    return [as_text(name) for field, name in fields(node) if field == 1]


def node(
    operator: str,
    inputs: Sequence[str],
    output: str | Sequence[str],
    *,
    domain: str = "",
    attributes: Mapping[str, Attribute] | None = None,
) -> bytes:
    """A NodeProto."""
    content = b"".join(block(1, name.encode()) for name in inputs)
    content += b"".join(block(2, name.encode()) for name in ([output] if isinstance(output, str) else output))
    content += block(4, operator.encode()) + (block(7, domain.encode()) if domain else b"")
    for name, value in (attributes or {}).items():
        content += block(5, block(1, name.encode()) + _attribute(value))
    return content


def _attribute(value: Attribute) -> bytes:
    if isinstance(value, int):
        return integer(3, value) + integer(20, 2)
    if isinstance(value, float):
        return float32(2, value) + integer(20, 1)
    return b"".join(integer(8, one) for one in value) + integer(20, 7)


def tensor(name: str, value: NDArray[np.generic]) -> bytes:
    """A TensorProto with raw data."""
    sizes = b"".join(integer(1, size) for size in value.shape)
    return sizes + integer(2, _NUMBERS[value.dtype]) + block(8, name.encode()) + block(9, value.tobytes())


def model(
    nodes: Sequence[bytes | memoryview],
    tensors: Sequence[bytes | memoryview],
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    operators: Mapping[str, int],
) -> bytes:
    """A ModelProto.

    Args:
        nodes: NodeProtos, each after those whose outputs it takes.
        tensors: TensorProtos that they take.
        inputs: what is given at each run.
        outputs: what a run gives.
        operators: version per domain of operators, "" for ONNX's own.
    """
    graph = b"".join(block(1, one) for one in nodes) + block(2, b"graph")
    graph += b"".join(block(5, one) for one in tensors)
    graph += b"".join(block(11, _value(one)) for one in inputs) + b"".join(
        block(12, _value(one)) for one in outputs
    )
    versions = b"".join(
        block(8, block(1, domain.encode()) + integer(2, version)) for domain, version in operators.items()
    )
    return integer(1, _IR_VERSION) + versions + block(7, graph)


def _value(value: Value) -> bytes:
    sizes = b"".join(
        block(1, integer(1, size) if isinstance(size, int) else block(2, size.encode())) for size in value.shape
    )
    number = _STRING if value.kind == "string" else _NUMBERS[np.dtype(value.kind)]
    return block(1, value.name.encode()) + block(2, block(1, integer(1, number) + block(2, sizes)))
