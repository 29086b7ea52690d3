"""A caller's sentences out of templates.

`(a|b)` is one of several, `[a]` is said half of the time, `{name}` is a value; both may be nested.
Pure: chance comes in as an argument.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

CLOSING = {"(": ")", "[": "]"}


def say(template: str, rng: random.Random, values: Mapping[str, str] | None = None) -> str:
    """One sentence of a template.

    Args:
        template: see the module's text.
        rng: chooses.
        values: by name; a name without a value is an error.

    Raises:
        ValueError: a bracket is not closed.
        KeyError: a value is missing.
    """
    said = _expand(template, rng)
    return " ".join(said.format_map(dict(values or {})).split())


def all_of(template: str) -> int:
    """How many sentences a template can give, values aside."""
    total = 1
    for piece, kind in _pieces(template):
        if kind:
            options = [all_of(option) for option in _options(piece)]
            total *= sum(options) + (kind == "[")
    return total


def _expand(template: str, rng: random.Random) -> str:
    out = []
    for piece, kind in _pieces(template):
        if not kind:
            out.append(piece)
        elif kind == "(" or rng.random() < 0.5:
            out.append(_expand(rng.choice(_options(piece)), rng))
    return "".join(out)


def _pieces(template: str) -> list[tuple[str, str]]:
    """Plain text with "", and the inside of each outermost bracket with the bracket."""
    pieces: list[tuple[str, str]] = []
    start = depth = 0
    opened = ""
    for at, char in enumerate(template):
        if char in CLOSING:
            if depth == 0:
                pieces.append((template[start:at], ""))
                start, opened = at + 1, char
            depth += 1
        elif char in CLOSING.values():
            depth -= 1
            if depth < 0:
                raise ValueError(f"a bracket is closed that was never opened: {template!r}")
            if depth == 0:
                pieces.append((template[start:at], opened))
                start = at + 1
    if depth:
        raise ValueError(f"a bracket is not closed: {template!r}")
    pieces.append((template[start:], ""))
    return pieces


def _options(inside: str) -> list[str]:
    options, depth, start = [], 0, 0
    for at, char in enumerate(inside):
        if char in CLOSING:
            depth += 1
        elif char in CLOSING.values():
            depth -= 1
        elif char == "|" and depth == 0:
            options.append(inside[start:at])
            start = at + 1
    return [*options, inside[start:]]
