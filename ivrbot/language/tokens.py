"""Recogniser text -> tokens: words, digit strings and punctuation in one spelling.

Takes text as recognisers write it (Whisper: capitals, commas, "42-71"; Vosk, T-one: bare lower case).
Gives a tuple of `Token`; nothing is dropped except white space and quotation marks.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum

from ivrbot.model.speech import Language


class Kind(Enum):
    """What a token is made of."""

    WORD = "word"
    DIGITS = "digits"
    MARK = "mark"


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of text.

    Attributes:
        text: lower case, "ё" as "е", digits as said.
        kind: word, digits or punctuation mark.
        spaced: white space (or the start of the text) stands before it.
    """

    text: str
    kind: Kind
    spaced: bool = True


_SPACES = re.compile(r"[\s\u00a0\u2009\u202f]+")
_PIECE = re.compile(r"(?P<digits>\d+)|(?P<word>[^\W\d_]+(?:'[^\W\d_]+)*)|(?P<mark>[^\s\w])|_")
_APOSTROPHES = str.maketrans({"’": "'", "ʼ": "'", "`": "'", "‘": "'", "–": "-", "—": "-", "‑": "-", "−": "-"})
_SILENT_MARKS = frozenset("\"«»„“”()[]{}*'")


def normalise(text: str, language: Language) -> str:
    """Bring text into one spelling: NFKC, lower case, one kind of dash and apostrophe, "ё" as "е" in Russian."""
    plain = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).lower()
    # A stress mark on a vowel is never meant; "й" and "ё" are single characters after NFKC.
    plain = plain.replace("\u0301", "").replace("…", " ... ")
    if language == "ru":
        plain = plain.replace("ё", "е")
    return _SPACES.sub(" ", plain).strip()


def tokenise(text: str, language: Language) -> tuple[Token, ...]:
    """Cut text into words, digit strings and marks.

    Args:
        text: one utterance, any case, with or without punctuation.
        language: decides about "ё" only.

    Returns:
        Tokens in order; "5000р" gives two tokens, the second one not `spaced`.
    """
    plain = normalise(text, language)
    tokens: list[Token] = []
    for match in _PIECE.finditer(plain):
        piece = match.group()
        if piece == "_" or piece in _SILENT_MARKS:
            continue
        kind = Kind.DIGITS if match["digits"] else Kind.WORD if match["word"] else Kind.MARK
        start = match.start()
        tokens.append(Token(piece, kind, start == 0 or plain[start - 1] == " "))
    return tuple(tokens)


def words(text: str, language: Language) -> tuple[str, ...]:
    """Give the words and digit strings of `text` without marks."""
    return tuple(token.text for token in tokenise(text, language) if token.kind is not Kind.MARK)
