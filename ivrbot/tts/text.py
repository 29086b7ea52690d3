"""Text on its way to a voice: cleaning, the key under which a recording is found, length of the sound to expect.

Takes text, gives text or milliseconds; pure.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from ivrbot.errors import EngineBadOutput

MAX_CHARACTERS: Final = 5000
"""More than five minutes of speech: nobody says that on a telephone."""

_MS_PER_LETTER: Final = 18
"""Quick speech has 20 letters a second (50 ms each); less than 18 ms a letter means that some were left out."""

_MOST_MS_PER_LETTER: Final = 700
"""A figure may be a long word."""
_MOST_MS_BESIDE: Final = 3000

_PHRASE_PAUSE_MS: Final = {".": 320, "!": 320, "?": 320, "…": 320, ":": 220, ";": 220, "—": 180, ",": 160}
_SPACE = re.compile(r"\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
_CLAUSE_END = re.compile(r"(?<=[,;:—])\s+")


def clean(text: str) -> str:
    """Make text safe to hand to an engine: composed, one line, without control and private characters.

    Engines read some control characters as commands (espeak-ng: U+0001) and stop at NUL.
    """
    composed = unicodedata.normalize("NFC", text)
    kept = (" " if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn"} else c for c in composed)
    return _SPACE.sub(" ", "".join(kept)).strip()


def key_of(text: str) -> str:
    """Key of a recording: the cleaned text in lower case; punctuation stays, as it changes the melody."""
    return clean(text).lower()


def is_pronounceable(text: str) -> bool:
    """Whether there is a letter or a figure in it."""
    return any(c.isalnum() for c in text)


def least_ms(text: str) -> int:
    """Shortest credible sound of a text, in milliseconds; below it the engine has left words out."""
    return _MS_PER_LETTER * sum(c.isalnum() for c in text)


def most_ms(text: str) -> int:
    """Longest credible sound of a text, in milliseconds; beyond it the engine does not stop."""
    return _MOST_MS_BESIDE + _MOST_MS_PER_LETTER * len(text)


def pause_between_ms(left: str, right: str, within_ms: int) -> int:
    """Pause where two pieces meet, in milliseconds.

    Args:
        left: text of the piece before.
        right: text of the piece after; may begin with the punctuation that closes `left`.
        within_ms: pause when no punctuation stands there.
    """
    marks = [text for text in (left.rstrip()[-1:], right.lstrip()[:1]) if text]
    return max([within_ms, *(_PHRASE_PAUSE_MS.get(mark, 0) for mark in marks)])


def speakable(text: str) -> str:
    """Cleaned text.

    Raises:
        EngineBadOutput: nothing that can be pronounced, or too much.
    """
    cleaned = clean(text)
    if not is_pronounceable(cleaned):
        raise EngineBadOutput("nothing to say")
    if len(cleaned) > MAX_CHARACTERS:
        raise EngineBadOutput(f"{len(cleaned)} characters are too many to speak; allowed: {MAX_CHARACTERS}")
    return cleaned


def sentences(text: str, longest: int) -> list[str]:
    """Cleaned text in the pieces that an engine makes at a stretch: sentences, and long ones in parts.

    Args:
        text: cleaned.
        longest: characters of a piece at most; a sentence beyond it is cut at commas, then between words.
    """
    found = []
    for sentence in _SENTENCE_END.split(text):
        for clause in _filled(_CLAUSE_END.split(sentence), longest):
            found += _filled(_words_of(clause, longest), longest)
    return [piece for piece in found if is_pronounceable(piece)]


def _words_of(clause: str, longest: int) -> list[str]:
    """Words, none of them longer than a piece may be."""
    return [word[at : at + longest] for word in clause.split(" ") for at in range(0, len(word), longest)]


def _filled(parts: list[str], longest: int) -> list[str]:
    """Parts put together again as far as they fit."""
    pieces: list[str] = []
    for part in parts:
        if pieces and len(pieces[-1]) + 1 + len(part) <= longest:
            pieces[-1] += " " + part
        else:
            pieces.append(part)
    return pieces
