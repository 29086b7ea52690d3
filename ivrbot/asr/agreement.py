"""Agreement of two: which words of a growing utterance may be shown before its end.

Takes readings of ever longer sound, gives the words that two successive readings share from the start. A word once
given stays given, so partials only grow. Pure.
Source: Liu et al. 2020, "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial Hypothesis
Selection" (local agreement, n = 2).
"""

from __future__ import annotations

import re

_EDGE = re.compile(r"^\W+|\W+$")


class AgreedPrefix:
    """Stable beginning of an utterance."""

    def __init__(self) -> None:
        self._previous: list[str] = []
        self._agreed: list[str] = []

    @property
    def text(self) -> str:
        """Words agreed so far."""
        return " ".join(self._agreed)

    def add(self, reading: str) -> bool:
        """Take the newest reading.

        Returns:
            Whether `text` has grown.
        """
        words = reading.split()
        common = 0
        for old, new in zip(self._previous, words, strict=False):
            if _bare(old) != _bare(new):
                break
            common += 1
        self._previous = words
        if common <= len(self._agreed):
            return False
        self._agreed += words[len(self._agreed) : common]
        return True


def _bare(word: str) -> str:
    return _EDGE.sub("", word).casefold()
