"""Which pieces of words a language needs."""

from __future__ import annotations

import pytest

from ivrbot.asr import whisper_vocabulary
from ivrbot.asr.whisper_vocabulary import spoken

PIECES = ("a", "Ġcard", "18", "Ð¾", "ÐºÐ°ÑĢÑĤÐ°", "Ġî", "å¤§", "Ñĸ", "ĠÐ", "Ġzürich", "<|ru|>", "<|0.00|>")
"""English twice, figures, Russian twice, half a sign, Han, Ukrainian, half a letter, a German word, two marks."""


@pytest.fixture(autouse=True)
def _few_latin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper_vocabulary, "COMMON_LATIN", 1)


def test_russian_keeps_its_letters_figures_marks_and_the_commonest_latin() -> None:
    kept = [PIECES[index] for index in spoken(PIECES, "ru")]
    assert kept == ["a", "18", "Ð¾", "ÐºÐ°ÑĢÑĤÐ°", "ĠÐ", "<|ru|>", "<|0.00|>"]


def test_english_keeps_plain_letters_only() -> None:
    assert [PIECES[index] for index in spoken(PIECES, "en")] == ["a", "Ġcard", "18", "ĠÐ", "<|ru|>", "<|0.00|>"]


def test_every_single_byte_stays_sayable() -> None:
    letters = list(whisper_vocabulary._byte_letters())
    assert len(letters) == len(set(letters)) == 256
    assert len(spoken(letters, "ru")) == len(spoken(letters, "en")) == 256
