"""What passes between a simulated caller and the line: lines heard, moves made. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """Something the bot said.

    Attributes:
        response: its key in `flows/<lang>.yml`.
        text: as spoken; masked where the caller's ear is the event stream.
    """

    response: str
    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """The caller speaks."""

    text: str


@dataclass(frozen=True, slots=True)
class Press:
    """The caller presses keys; `#` ends a number."""

    digits: str


@dataclass(frozen=True, slots=True)
class Quiet:
    """The caller says nothing."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """The caller leaves."""


Move = Words | Press | Quiet | HangUp
