"""What a recogniser makes of a caller's words: dropped, misheard, glued or invented. Pure, seeded.

Written apart from the noise that the classifier is trained with, so that it is not tested on its own medicine.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from ivrbot.model.speech import Language

_LIKE: Final[Mapping[Language, tuple[tuple[str, str], ...]]] = {
    "ru": (
        ("о", "а"), ("а", "о"), ("е", "и"), ("и", "е"), ("д", "т"), ("т", "д"), ("б", "п"), ("п", "б"),
        ("з", "с"), ("с", "з"), ("в", "ф"), ("г", "к"), ("к", "г"), ("ж", "ш"), ("ш", "щ"), ("м", "н"),
        ("н", "м"), ("тс", "ц"), ("ться", "ца"), ("ого", "ово"), ("ую", "у"), ("ая", "а"), ("ть", "т"),
        ("ь", ""), ("й", ""),
    ),
    "en": (
        ("th", "d"), ("ee", "i"), ("i", "e"), ("e", "i"), ("a", "e"), ("o", "u"), ("d", "t"), ("t", "d"),
        ("b", "p"), ("p", "b"), ("s", "z"), ("v", "f"), ("c", "k"), ("m", "n"), ("n", "m"), ("ing", "in"),
        ("ed", ""), ("s", ""),
    ),
}  # fmt: skip
_SHORT: Final[Mapping[Language, tuple[str, ...]]] = {
    "ru": ("и", "а", "ну", "в", "на", "не то", "что", "это"),
    "en": ("a", "the", "uh", "and", "to", "it", "so"),
}
SPARED: Final = frozenset({"не", "нет", "no", "not", "don't", "да", "yes"})
"""Losing these turns a sentence round: that is measured apart (`harsh`), since no dialogue can undo it."""


def misheard(text: str, level: float, language: Language, rng: random.Random, *, harsh: bool = False) -> str:
    """The sentence as a recogniser writes it down.

    Args:
        text: what was said.
        level: share of words that go wrong, 0..1.
        language: whose sounds are mixed up.
        rng: source of chance.
        harsh: short words of consent and refusal are not spared either.

    Returns:
        Lower case; may be "" when nothing is left.
    """
    words = []
    for word in text.lower().split():
        spared = word in SPARED and not harsh
        if spared or rng.random() >= level:
            words.append(word)
            continue
        kind = rng.random()
        if kind < 0.35:
            continue
        if kind < 0.85:
            words.append(_sounds_like(word, language, rng))
        elif kind < 0.93:
            words.extend((rng.choice(_SHORT[language]), word))
        else:
            words.append(word[: max(2, len(word) - rng.randint(1, 3))])
    return " ".join(words)


def _sounds_like(word: str, language: Language, rng: random.Random) -> str:
    fitting = [(old, new) for old, new in _LIKE[language] if old in word[1:]]
    if not fitting:
        return word
    old, new = rng.choice(fitting)
    places = [at for at in range(1, len(word)) if word.startswith(old, at)]
    at = rng.choice(places)
    return word[:at] + new + word[at + len(old) :]
