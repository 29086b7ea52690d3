"""ONNX files without the onnx package: the tensors and nodes of one, and the bytes of another.

Takes the bytes of a model, gives its parts as they stand in the file (nothing is copied); and puts a model
together from nodes, tensors, inputs and outputs. Only what `ivrbot.nlu.encoder` needs.
Source: onnx.proto of ONNX 1.16 (field numbers), Protocol Buffers encoding guide. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_IR_VERSION: Final = 8
_TYPES: Final[Mapping[int, str]] = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 9: "?"}
"""TensorProto.DataType to numpy's names."""

_NUMBERS: Final = {np.dtype(name): number for number, name in _TYPES.items()}
_STRING: Final = 8

Attribute = int | float | Sequence[int]


class NotOnnx(ValueError):
    """The bytes are no such file."""


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
            NotOnnx: it is not there, or of a kind that is not read.
        """
        if name not in self.tensors:
            raise NotOnnx(f"no tensor {name}")
        fields: dict[int, list[int | memoryview]] = {}
        for field, value in _fields(self.tensors[name]):
            fields.setdefault(field, []).append(value)
        sizes = list(_whole(fields.get(1, [])))
        kind = next(_whole(fields.get(2, [])), 0)
        if kind not in _TYPES:
            raise NotOnnx(f"tensor {name} is of kind {kind}")
        try:
            if 9 in fields:
                return np.frombuffer(_bytes(fields[9][0]), _TYPES[kind]).reshape(sizes)
            if 4 in fields:
                numbers = np.frombuffer(b"".join(map(_bytes, fields[4])), "<f4")
            else:
                # Negative numbers are written as 64 bits without a sign.
                numbers = np.array(list(_whole(fields.get(5, []))), np.uint64).astype(np.int64)
            return numbers.astype(_TYPES[kind]).reshape(sizes)
        except ValueError as error:
            raise NotOnnx(f"tensor {name}: {error}") from error


def parts(content: memoryview) -> Parts:
    """Takes a model apart.

    Raises:
        NotOnnx: the bytes are no ONNX model.
    """
    tensors: dict[str, memoryview] = {}
    nodes: dict[str, memoryview] = {}
    graph = [value for field, value in _fields(content) if field == 7 and not isinstance(value, int)]
    for field, value in _fields(graph[0]) if graph else ():
        if field == 5 and not isinstance(value, int):
            tensors.update((_text(name), value) for at, name in _fields(value) if at == 8)
        elif field == 1 and not isinstance(value, int):
            nodes.update((_text(name), value) for at, name in _fields(value) if at == 2)
    if not nodes:
        raise NotOnnx("no graph")
    return Parts(tensors, nodes)


def inputs_of(node: memoryview) -> list[str]:
    """Names of a raw node's inputs."""
    return [_text(name) for field, name in _fields(node) if field == 1]


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise NotOnnx("a number where bytes should be")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_bytes(value)).decode()


def _whole(values: Sequence[int | memoryview]) -> Iterator[int]:
    """Whole numbers, one by one or packed."""
    for value in values:
        if isinstance(value, int):
            yield value
        else:
            yield from _varints(value)


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Numbers and values of a message's fields."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        kind = key & 7
        if kind == _VARINT:
            number, at = _varint(content, at)
            yield key >> 3, number
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(kind, 0)
        if kind == _BYTES:
            size, at = _varint(content, at)
        elif not size:
            raise NotOnnx(f"field of kind {kind}")
        if at + size > len(content):
            raise NotOnnx("it ends in the middle")
        yield key >> 3, content[at : at + size]
        at += size


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while at < len(content) and shift < 70:
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise NotOnnx("a number that does not end")


def _varints(content: memoryview) -> Iterator[int]:
    at = 0
    while at < len(content):
        value, at = _varint(content, at)
        yield value


def _number(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _integer(field: int, value: int) -> bytes:
    return _number(field << 3 | _VARINT) + _number(value)


def _block(field: int, value: bytes | memoryview) -> bytes:
    return _number(field << 3 | _BYTES) + _number(len(value)) + bytes(value)


def node(
    operator: str,
    inputs: Sequence[str],
    output: str,
    *,
    domain: str = "",
    attributes: Mapping[str, Attribute] | None = None,
) -> bytes:
    """A NodeProto with one output."""
    content = b"".join(_block(1, name.encode()) for name in inputs) + _block(2, output.encode())
    content += _block(4, operator.encode()) + (_block(7, domain.encode()) if domain else b"")
    for name, value in (attributes or {}).items():
        content += _block(5, _block(1, name.encode()) + _attribute(value))
    return content


def _attribute(value: Attribute) -> bytes:
    if isinstance(value, int):
        return _integer(3, value) + _integer(20, 2)
    if isinstance(value, float):
        return _number(2 << 3 | _FIXED32) + np.float32(value).tobytes() + _integer(20, 1)
    return b"".join(_integer(8, one) for one in value) + _integer(20, 7)


def tensor(name: str, value: NDArray[np.generic]) -> bytes:
    """A TensorProto with raw data."""
    sizes = b"".join(_integer(1, size) for size in value.shape)
    return sizes + _integer(2, _NUMBERS[value.dtype]) + _block(8, name.encode()) + _block(9, value.tobytes())


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
    graph = b"".join(_block(1, one) for one in nodes) + _block(2, b"graph")
    graph += b"".join(_block(5, one) for one in tensors)
    graph += b"".join(_block(11, _value(one)) for one in inputs) + b"".join(
        _block(12, _value(one)) for one in outputs
    )
    versions = b"".join(
        _block(8, _block(1, domain.encode()) + _integer(2, version)) for domain, version in operators.items()
    )
    return _integer(1, _IR_VERSION) + versions + _block(7, graph)


def _value(value: Value) -> bytes:
    sizes = b"".join(
        _block(1, _integer(1, size) if isinstance(size, int) else _block(2, size.encode())) for size in value.shape
    )
    number = _STRING if value.kind == "string" else _NUMBERS[np.dtype(value.kind)]
    return _block(1, value.name.encode()) + _block(2, _block(1, _integer(1, number) + _block(2, sizes)))
