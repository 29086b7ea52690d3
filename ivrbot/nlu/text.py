"""Text as the classifier sees it: lower case, one spelling, no punctuation. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_CHARS: Final = 2000
"""Longer text is cut: two minutes of speech."""

_NOT_WORD: Final = re.compile(r"[^\w']+|_+")
_LONG_RUN: Final = re.compile(r"(\w)\1{2,}")


def normalise(text: str) -> str:
    """Lower case, ё as е, straight apostrophes, words separated by single spaces, drawn-out letters shortened.

    Args:
        text: anything a recogniser or a keyboard gives.

    Returns:
        Words only; "" when there is none.
    """
    folded = unicodedata.normalize("NFKC", text[:MAX_CHARS]).lower().replace("ё", "е").replace("’", "'")
    words = (word.strip("'") for word in _NOT_WORD.sub(" ", folded).split())
    return _LONG_RUN.sub(r"\1\1", " ".join(word for word in words if word))
