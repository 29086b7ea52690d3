"""The pieces of words that one language needs, of those that a Whisper model can write.

The decoder compares its state with a row for every piece of a word, 51,865 of them; Russian needs a sixth, English
four fifths. What is left out could be said only in another script.
Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2 (pieces are written
with one letter per byte).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.model.speech import Language

COMMON_LATIN: Final = 4000
"""Pieces are numbered by how common they are: the first hold what Latin is written in Russian ("SMS", "PIN")."""

_SPECIAL = re.compile(r"<\|.*\|>")
_LETTERS: Final[Mapping[Language, re.Pattern[str]]] = {
    "ru": re.compile(r"[А-яЁё]"),
    "en": re.compile(r"[A-Za-z]"),
}

Ids = NDArray[np.int64]


def spoken(pieces: Sequence[str], language: Language) -> Ids:
    """Numbers of the pieces that a language can need, ascending: its letters, figures, signs, single bytes."""
    return np.array(
        [index for index, piece in enumerate(pieces) if _is_spoken(piece, index, language)], dtype=np.int64
    )


def _is_spoken(piece: str, index: int, language: Language) -> bool:
    if _SPECIAL.fullmatch(piece):
        return True
    raw = _bytes_of(piece)
    if raw is None or len(raw) <= 1:
        return True
    text = _readable(raw)
    if text is None:
        return False
    letters = [char for char in text if char.isalpha()]
    if all(_LETTERS[language].match(char) for char in letters):
        return True
    return index < COMMON_LATIN and text.isascii()


def _readable(raw: bytes) -> str | None:
    """The text of a piece, a letter cut in two left out; None where that letter is no Cyrillic one."""
    body = raw
    if 0x80 <= raw[0] < 0xC0:
        body = raw[1:]
    if body and body[-1] in (0xD0, 0xD1):
        body = body[:-1]
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _bytes_of(piece: str) -> bytes | None:
    """The bytes that a piece writes; None for what is written otherwise."""
    try:
        return bytes(_BYTES[char] for char in piece)
    except KeyError:
        return None


def _byte_letters() -> dict[str, int]:
    """One letter per byte: printable ones stand for themselves, the others for letters from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


_BYTES: Final = _byte_letters()
