"""Noised copies of training sentences: what a recogniser and a flustered caller do to words. Pure, seeded.

A fifth of the words is lost; of the others a third is misheard: it takes the ending of another word, or some of
its letters become others whose sounds are made in the same part of the mouth, are lost or doubled. Nothing here
comes from what measures (tests/heavy_noise.py has tables of its own, of grammatical forms and of spellings).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Final

from ivrbot.model.speech import Language

DROP_CHANCE: Final = 0.2
MISHEARD_CHANCE: Final = 0.3
_ENDING_CHANCE: Final = 0.45
_ENDING_LETTERS: Final = 3
_SHORTEST_WITH_ENDING: Final = 5
_SHORTEST_MISHEARD: Final = 3

_NEIGHBOURS: Final[dict[Language, tuple[str, ...]]] = {
    "ru": ("аоуыэ", "еёияйю", "бпвф", "дтзс", "гкх", "жшщчц", "мнлр"),
    "en": ("aeiouy", "bpvf", "dtszc", "gkqc", "hw", "mn", "lr"),
}


class TrainingNoise:
    """Noise of one language; every call draws from the same source."""

    def __init__(self, language: Language, texts: Iterable[str], rng: random.Random) -> None:
        """Takes the words whose endings are borrowed.

        Args:
            language: whose letters are confused.
            texts: normalised sentences.
            rng: source of randomness, seeded by the caller.
        """
        words = sorted({word for text in texts for word in text.split() if len(word) > _SHORTEST_WITH_ENDING})
        self._endings = [word[-size:] for word in words for size in range(1, _ENDING_LETTERS + 1)]
        groups = _NEIGHBOURS[language]
        self._others = {
            letter: "".join(group.replace(letter, "") for group in groups if letter in group)
            for letter in set("".join(groups))
        }
        self._rng = rng

    def __call__(self, text: str) -> str:
        """One noised copy of a normalised sentence, with at least one word."""
        words = text.split()
        kept = [word for word in words if self._rng.random() >= DROP_CHANCE] or [self._rng.choice(words)]
        return " ".join(self._heard(word) for word in kept)

    def _heard(self, word: str) -> str:
        rng = self._rng
        if len(word) < _SHORTEST_MISHEARD or rng.random() >= MISHEARD_CHANCE:
            return word
        if self._endings and len(word) >= _SHORTEST_WITH_ENDING and rng.random() < _ENDING_CHANCE:
            return word[: -rng.randint(1, min(_ENDING_LETTERS, len(word) - 3))] + rng.choice(self._endings)
        for _ in range(rng.choice((1, 1, 2))):
            word = self._misheard_letter(word)
        return word

    def _misheard_letter(self, word: str) -> str:
        place, kind = self._rng.randrange(len(word)), self._rng.random()
        letter = word[place]
        if kind < 0.8 and letter in self._others:
            letter = self._rng.choice(self._others[letter])
        elif kind < 0.9:
            letter = ""
        else:
            letter += letter
        return word[:place] + letter + word[place + 1 :]


def with_noise(
    texts: Sequence[str], labels: Sequence[str], language: Language, copies: int, rng: random.Random
) -> tuple[list[str], list[str]]:
    """The sentences followed by `copies` noised versions of each, with their labels."""
    noise = TrainingNoise(language, texts, rng)
    return [*texts, *(noise(text) for _ in range(copies) for text in texts)], [*labels] * (copies + 1)
