"""Does something that was not understood sound like a word that matters? For small recognisers' spelling by ear.

Whisper base writes short Russian words as it hears them ("атиратор", "лаператор" for "оператор"). Pure.
Source: approximate string matching by dynamic programming with a free start (Sellers 1980).
"""

from __future__ import annotations

from collections.abc import Iterable

from ivrbot.language.phonetic import phonetic_key, transcript_words
from ivrbot.model.speech import Language


def resemblance(text: str, word: str, language: Language) -> float:
    """How much of `word` can be heard somewhere in `text`: 1 is all of it, 0 nothing.

    One less the least number of edits between the word's phonetic key and any stretch of the text's, divided by
    the key's length.
    """
    wanted = phonetic_key(word, language)
    heard = phonetic_key("".join(transcript_words(text, language)), language)
    if not wanted:
        return 0.0
    # costs[i]: least edits between the first i sounds of the word and a stretch that ends here
    costs = list(range(len(wanted) + 1))
    best = costs[-1]
    for sound in heard:
        before = costs[0]
        for index, expected in enumerate(wanted, start=1):
            changed = before + (sound != expected)
            before = costs[index]
            costs[index] = min(changed, costs[index] + 1, costs[index - 1] + 1)
        best = min(best, costs[-1])
    return 1.0 - best / len(wanted)


def sounds_like(texts: Iterable[str], words: Iterable[str], language: Language, least: float) -> bool:
    """Whether any of the texts holds something that resembles any of the words at least so much."""
    words = tuple(words)
    return any(resemblance(text, word, language) >= least for text in texts for word in words)
