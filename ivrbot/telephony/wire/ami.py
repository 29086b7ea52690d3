"""Asterisk Manager Interface: bytes to messages and back, no I/O.

Takes what the socket gave, in pieces of any size; gives whole messages. A message is a run of `Name: value` lines
ended by an empty line; the server first sends one greeting line.

Source: "Asterisk Manager Interface (AMI)" and "AMI Actions" in the Asterisk documentation; the limit of 1,024
bytes for a line that the server reads is that of its input buffer (main/manager.c).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ivrbot.errors import ProtocolError

GREETING = "Asterisk Call Manager/"
MAX_LINE_BYTES = 8192
MAX_MESSAGE_BYTES = 65536
MAX_SENT_LINE_BYTES = 1000
MAX_VALUE_BYTES = 512

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class AmiMessage:
    """One message of the server.

    Attributes:
        fields: name and value in the order received; a name may be repeated.
    """

    fields: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str:
        """Value of the first field of that name, whatever its case; "" without one."""
        wanted = name.lower()
        return next((value for field, value in self.fields if field.lower() == wanted), "")


class AmiParser:
    """Puts the server's bytes together."""

    def __init__(self) -> None:
        self._buffer = b""
        self._fields: list[tuple[str, str]] = []
        self._message_bytes = 0
        self.version = ""

    def feed(self, data: bytes) -> tuple[AmiMessage, ...]:
        """Add bytes.

        Args:
            data: the next piece, of any size.

        Returns:
            The messages that are complete now.

        Raises:
            ProtocolError: another protocol's greeting, or a line or message beyond its limit.
        """
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > MAX_LINE_BYTES:
            raise ProtocolError("AMI line is too long")
        done = []
        for line in lines:
            message = self._line(line.removesuffix(b"\r"))
            if message is not None:
                done.append(message)
        return tuple(done)

    def _line(self, line: bytes) -> AmiMessage | None:
        if len(line) > MAX_LINE_BYTES:
            raise ProtocolError("AMI line is too long")
        text = line.decode("utf-8", errors="replace")
        if not self.version:
            if not text.startswith(GREETING):
                raise ProtocolError("not an Asterisk Manager Interface")
            self.version = text.removeprefix(GREETING) or "unknown"
            return None
        if not text:
            fields, self._fields, self._message_bytes = tuple(self._fields), [], 0
            return AmiMessage(fields) if fields else None
        self._message_bytes += len(line)
        if self._message_bytes > MAX_MESSAGE_BYTES:
            raise ProtocolError("AMI message is too long")
        name, _, value = text.partition(":")
        self._fields.append((name.strip(), value.strip()))
        return None


def clean_value(text: str) -> str:
    """Make a text fit for a value: control characters and line ends become a space, at most 512 bytes of UTF-8."""
    flat = _CONTROL.sub(" ", text).strip()
    return flat.encode("utf-8", errors="replace")[:MAX_VALUE_BYTES].decode("utf-8", errors="ignore")


def encode_action(action: str, fields: Sequence[tuple[str, str]]) -> bytes:
    """Bytes of one action.

    Args:
        action: its name ("Setvar").
        fields: further fields in order.

    Raises:
        ValueError: a name or value could break out of its line, or the line is longer than the server reads.
    """
    lines = []
    for name, value in (("Action", action), *fields):
        if not _FIELD.fullmatch(name) or _CONTROL.search(value):
            raise ValueError(f"AMI field {name!r} is not one line")
        line = f"{name}: {value}".encode()
        if len(line) > MAX_SENT_LINE_BYTES:
            raise ValueError(f"AMI field {name!r} is too long")
        lines.append(line)
    return b"\r\n".join([*lines, b"", b""])
