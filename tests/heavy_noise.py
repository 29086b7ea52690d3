"""Heavy recogniser noise for measuring understanding: 20 % of the words lost, 30 % of the rest misheard.

Takes a sentence, gives what a bad line leaves of it. Made by rules of its own: nothing here is used in training
(`ivrbot.nlu.noise` borrows endings of other words and confuses letters by where in the mouth they are made). A
misheard word is

- the same word in another form, by tables of endings, or
- the word spelt as it sounds: reduced vowels, voiced for voiceless;

and with `real_words`, which is harsher, as often

- another word that sounds like it (recognisers give words, not letters), or the word run together with the next.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from typing import Final

from ivrbot.language.phonetic import phonetic_key
from ivrbot.model.speech import Language

DROP_CHANCE: Final = 0.2
ERROR_CHANCE: Final = 0.3

_ENDINGS: Final[dict[Language, tuple[tuple[str, ...], ...]]] = {
    "ru": (
        ("ать", "ают", "ает", "али", "ала", "ал", "ай", "айте"),
        ("ить", "ит", "ят", "ила", "или", "ил", "и", "ите"),
        ("ый", "ая", "ое", "ого", "ому", "ые", "ых", "ую"),
        ("ой", "ая", "ую", "ые", "ых"),
        ("ами", "ам", "ах", "а", "ы", "у", "ой", "е"),
        ("ями", "ям", "ях", "я", "и", "ю", "ей", "е"),
        ("ия", "ию", "ии", "ий", "ией"),
        ("а", "ы", "у", "е", "ой"),
        ("я", "и", "ю", "е"),
    ),
    "en": (
        ("ied", "ies", "y", "ying"),
        ("ing", "ed", "es", "s", "er"),
        ("ed", "ing", "s"),
        ("ly", ""),
        ("s", ""),
        ("e", "ing", "ed"),
    ),
}
_SOUNDS: Final[dict[Language, tuple[tuple[str, str], ...]]] = {
    "ru": (
        ("о", "а"),
        ("е", "и"),
        ("я", "и"),
        ("б", "п"),
        ("д", "т"),
        ("г", "к"),
        ("з", "с"),
        ("ж", "ш"),
        ("в", "ф"),
    ),
    "en": (
        *(("ea", "ee"), ("ou", "u"), ("ck", "k"), ("c", "k"), ("ph", "f"), ("th", "d"), ("d", "t"), ("b", "p")),
        *(("g", "k"), ("v", "f"), ("i", "e"), ("a", "e"), ("o", "u")),
    ),
}


class HeavyNoise:
    """Noise of one language; every call draws from the same seeded source."""

    def __init__(
        self,
        language: Language,
        vocabulary: Collection[str],
        seed: int,
        *,
        real_words: bool = False,
        error_chance: float = ERROR_CHANCE,
    ) -> None:
        """Takes what may be misheard.

        Args:
            language: of the sentences.
            vocabulary: words that may stand for others.
            seed: of the draws.
            real_words: other words are heard as well.
            error_chance: of a word that is not lost to be misheard.
        """
        self._error_chance = error_chance
        self._real_words = real_words
        self._language = language
        self._rng = random.Random(seed)
        self._keys: dict[str, list[str]] = {}
        for word in sorted(vocabulary):
            if len(word) > 3:
                self._keys.setdefault(phonetic_key(word, language), []).append(word)
        self._near: dict[str, list[str]] = {}

    def __call__(self, text: str) -> str:
        """The sentence after the noise, at least one word."""
        rng = self._rng
        words = text.split()
        kept = [word for word in words if rng.random() >= DROP_CHANCE] or [rng.choice(words)]
        return " ".join(self._heard(kept))

    def _heard(self, words: list[str]) -> Iterator[str]:
        rng, index = self._rng, 0
        while index < len(words):
            word = words[index]
            index += 1
            if rng.random() >= self._error_chance:
                yield word
                continue
            if self._real_words and rng.random() < 0.5:
                if rng.random() < 0.2 and index < len(words):
                    yield word + words[index]
                    index += 1
                else:
                    yield self._sounds_like(word)
            else:
                yield self._other_form(word) if rng.random() < 0.5 else self._as_spoken(word)

    def _sounds_like(self, word: str) -> str:
        if word not in self._near:
            key = phonetic_key(word, self._language)
            self._near[word] = [
                other
                for other_key, spelt in self._keys.items()
                if abs(len(other_key) - len(key)) <= 1 and _distance(key, other_key) <= max(1, len(key) // 3)
                for other in spelt
                if other != word
            ]
        near = self._near[word]
        return self._rng.choice(near) if near else self._as_spoken(word)

    def _other_form(self, word: str) -> str:
        for forms in _ENDINGS[self._language]:
            for ending in sorted(forms, key=len, reverse=True):
                if ending and word.endswith(ending) and len(word) - len(ending) >= 3:
                    other = self._rng.choice([form for form in forms if form != ending])
                    return word.removesuffix(ending) + other
        return self._as_spoken(word)

    def _as_spoken(self, word: str) -> str:
        changes = [pair for pair in _SOUNDS[self._language] if pair[0] in word]
        if not changes:
            return word
        for written, sound in self._rng.sample(changes, min(2, len(changes))):
            word = word.replace(written, sound, 1)
        return word


def _distance(left: str, right: str) -> int:
    """Levenshtein's."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]
