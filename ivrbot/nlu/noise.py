"""Noised copies of training sentences: what a recogniser and a flustered caller do to words. Pure, seeded.

Dropped words, changed or lost inflections, single wrong letters, an opening phrase before the request.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from ivrbot.model.speech import Language

OPENINGS: Final[dict[Language, tuple[str, ...]]] = {
    "ru": (
        "алло",
        "здравствуйте",
        "алло здравствуйте",
        "добрый день",
        "девушка",
        "алло девушка тут такое дело",
        "ну это",
        "слушайте",
        "скажите пожалуйста",
        "здравствуйте подскажите пожалуйста",
        "добрый вечер у меня вопрос",
        "мне бы",
        "в общем",
    ),
    "en": (
        "hello",
        "hi",
        "hello there",
        "good morning",
        "hi um",
        "so listen",
        "excuse me",
        "could you tell me please",
        "hi i have a question",
        "yeah hi",
        "well",
        "hello i'm calling because",
    ),
}
_LETTERS: Final[dict[Language, str]] = {
    "ru": "абвгдежзийклмнопрстуфхцчшщыьэюя",
    "en": "abcdefghijklmnopqrstuvwxyz",
}
_BARE_INTENTS: Final = frozenset({"greet", "goodbye"})
_DROP_CHANCE: Final = 0.15
_WORD_NOISE_CHANCE: Final = 0.2
_OPENING_CHANCE: Final = 0.35


def noised(text: str, intent: str, language: Language, rng: random.Random) -> str:
    """One noised copy of a normalised sentence.

    Args:
        text: normalised sentence.
        intent: its label; greetings and farewells get no opening phrase.
        language: whose letters and openings to use.
        rng: source of randomness, seeded by the caller.

    Returns:
        A sentence with at least one word.
    """
    words = text.split()
    if len(words) > 2:
        words = [word for word in words if rng.random() >= _DROP_CHANCE] or words
    words = [_noised_word(word, language, rng) for word in words]
    if intent not in _BARE_INTENTS and rng.random() < _OPENING_CHANCE:
        words.insert(0, rng.choice(OPENINGS[language]))
    return " ".join(words)


def with_noise(
    texts: Sequence[str], labels: Sequence[str], language: Language, copies: int, rng: random.Random
) -> tuple[list[str], list[str]]:
    """The sentences followed by `copies` noised versions of each, with their labels."""
    all_texts, all_labels = list(texts), list(labels)
    for _ in range(copies):
        all_texts.extend(noised(text, label, language, rng) for text, label in zip(texts, labels, strict=True))
        all_labels.extend(labels)
    return all_texts, all_labels


def _noised_word(word: str, language: Language, rng: random.Random) -> str:
    if len(word) < 4 or rng.random() >= _WORD_NOISE_CHANCE:
        return word
    kind = rng.randrange(3)
    if kind == 0:  # the ending is swallowed
        return word[: -rng.randint(1, 2)]
    letter = rng.choice(_LETTERS[language])
    if kind == 1:  # another ending is heard
        return word[:-1] + letter
    place = rng.randrange(1, len(word))
    return word[:place] + letter + word[place + 1 :]
