"""Normalisation and noise."""

from __future__ import annotations

import random

import pytest

from ivrbot.nlu.noise import TrainingNoise, with_noise
from ivrbot.nlu.text import MAX_CHARS, normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Ещё РАЗ, пожалуйста!  ", "еще раз пожалуйста"),
        ("I don’t know — really", "i don't know really"),
        ("дааааа", "даа"),
        ("card_kind 4271", "card kind 4271"),
        ("'quoted'", "quoted"),
        ("...", ""),
        ("", ""),
    ],
)
def test_normalise(text, expected) -> None:
    assert normalise(text) == expected
    assert normalise(expected) == expected


def test_normalise_cuts_endless_text() -> None:
    assert len(normalise("аб " * MAX_CHARS)) <= MAX_CHARS


TEXTS = ["у меня украли карту в метро", "заблокируйте пожалуйста зарплатную карточку"]


def test_noise_is_seeded_and_keeps_words() -> None:
    first = TrainingNoise("ru", TEXTS, random.Random(1))
    copies = [first(TEXTS[0]) for _ in range(50)]
    second = TrainingNoise("ru", TEXTS, random.Random(1))
    assert copies == [second(TEXTS[0]) for _ in range(50)]
    assert all(copies)
    assert len(set(copies)) > 25
    assert first("я") == "я"


def test_noise_drops_a_fifth_and_mishears_a_third() -> None:
    noise = TrainingNoise("ru", TEXTS, random.Random(2))
    words = TEXTS[1].split() * 100
    heard = noise(" ".join(words)).split()
    assert 0.7 * len(words) < len(heard) < 0.9 * len(words)
    changed = sum(word not in words for word in heard)
    assert 0.2 * len(heard) < changed < 0.4 * len(heard)


def test_noise_leaves_the_original_and_its_label() -> None:
    texts, labels = with_noise(["карту украли", "алло"], ["block_card", "greet"], "ru", 2, random.Random(1))
    assert texts[:2] == ["карту украли", "алло"]
    assert labels == ["block_card", "greet"] * 3
