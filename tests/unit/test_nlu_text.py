"""Normalisation and noise."""

from __future__ import annotations

import random

import pytest

from ivrbot.nlu.noise import noised, with_noise
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


def test_noise_is_seeded_and_keeps_words() -> None:
    text = "у меня украли карту в метро"
    first = [noised(text, "block_card", "ru", random.Random(seed)) for seed in range(50)]
    assert first == [noised(text, "block_card", "ru", random.Random(seed)) for seed in range(50)]
    assert all(first)
    assert len(set(first)) > 25


def test_noise_leaves_the_original_and_its_label() -> None:
    texts, labels = with_noise(["карту украли", "алло"], ["block_card", "greet"], "ru", 2, random.Random(1))
    assert texts[:2] == ["карту украли", "алло"]
    assert labels == ["block_card", "greet"] * 3
