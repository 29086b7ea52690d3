"""The wire format of Protocol Buffers: fields of a message from bytes, and bytes from fields. Pure.

Takes the bytes of one message, gives numbers of fields with what they hold (nothing is copied); which field means
what is the reader's business. Source: Protocol Buffers documentation, "Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5


class NotAMessage(ValueError):
    """The bytes are no message."""


# --- reading ------------------------------------------------------------------------------------------


def as_bytes(value: int | memoryview) -> memoryview:
    """The content of a field that holds bytes.

    Raises:
        NotAMessage: it holds a number.
    """
    if isinstance(value, int):
        raise NotAMessage("a number where bytes should be")
    return value


def as_text(value: int | memoryview) -> str:
    """The content of a field that holds text.

    Raises:
        NotAMessage: it holds something else.
    """
    try:
        return bytes(as_bytes(value)).decode()
    except UnicodeDecodeError as error:
        raise NotAMessage("bytes that are no text") from error


def whole_numbers(values: Sequence[int | memoryview]) -> Iterator[int]:
    """Numbers of a repeated field, one by one or packed."""
    for value in values:
        if isinstance(value, int):
            yield value
        else:
            at = 0
            while at < len(value):
                number, at = _varint(value, at)
                yield number


def fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Numbers and values of a message's fields, in their order.

    Raises:
        NotAMessage: the bytes are none.
    """
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        kind = key & 7
        if kind == VARINT:
            number, at = _varint(content, at)
            yield key >> 3, number
            continue
        size = {FIXED64: 8, FIXED32: 4}.get(kind, 0)
        if kind == BYTES:
            size, at = _varint(content, at)
        elif not size:
            raise NotAMessage(f"field of kind {kind}")
        if at + size > len(content):
            raise NotAMessage("it ends in the middle")
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
    raise NotAMessage("a number that does not end")


# --- writing ------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """A number; negative ones as 64 bits without a sign."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(field: int, value: int) -> bytes:
    """A field with a number."""
    return varint(field << 3 | VARINT) + varint(value)


def float32(field: int, value: float) -> bytes:
    """A field with a number in single precision."""
    return varint(field << 3 | FIXED32) + struct.pack("<f", value)


def block(field: int, content: bytes | memoryview) -> bytes:
    """A field with bytes, or with another message."""
    return varint(field << 3 | BYTES) + varint(len(content)) + bytes(content)


def text(field: int, content: str) -> bytes:
    """A field with text."""
    return block(field, content.encode())
