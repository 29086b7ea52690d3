"""Whatever comes in, only what the detector takes for speech is voiced, and louder never counts for less."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ivrbot.language.standing import Standing, standing
from ivrbot.model.audio import FRAME_SAMPLES, Frame, Pcm
from ivrbot.model.speech import LANGUAGES, Expect, Language
from ivrbot.speech.voiced import VoiceLevel

levels = st.floats(0, 30_000)
frames = st.lists(st.tuples(levels, st.booleans()), min_size=1, max_size=60)


def frame_of(rms: float) -> Frame:
    wave = rms * np.sqrt(2) * np.sin(np.arange(FRAME_SAMPLES) * 0.7)
    return Frame(Pcm(np.clip(wave, -32768, 32767).astype("<i2").tobytes()))


@given(frames)
def test_voiced_is_speech_and_thresholds_are_finite(heard: list[tuple[float, bool]]) -> None:
    level = VoiceLevel()
    for rms, is_speech in heard:
        assert not level.feed(frame_of(rms), is_speech) or is_speech
        assert 0 <= level.threshold_db < 100


@given(frames, levels, levels)
def test_louder_never_counts_for_less(heard: list[tuple[float, bool]], one: float, other: float) -> None:
    soft, loud = VoiceLevel(), VoiceLevel()
    for rms, is_speech in heard:
        soft.feed(frame_of(rms), is_speech)
        loud.feed(frame_of(rms), is_speech)
    quieter, louder = sorted((one, other))
    assert soft.feed(frame_of(quieter), True) <= loud.feed(frame_of(louder), True)


texts = st.text(st.sampled_from("абвгд яюabcdez .,?!-'1234567890"), max_size=40)


@given(texts, st.sampled_from(LANGUAGES), st.sampled_from(Expect), st.integers(0, 8))
def test_any_text_has_a_standing(text: str, language: Language, expect: Expect, digits: int) -> None:
    assert isinstance(standing(text, language, expect, digits), Standing)


@given(st.sampled_from(["и", "но", "потому что", "для", "мою", "ну", "э"]), texts)
def test_nothing_stands_on_a_word_that_wants_another(last: str, before: str) -> None:
    assert standing(f"{before} {last}", "ru", Expect.OPEN) is Standing.OPEN


@given(st.sampled_from(["and", "the", "my", "because", "of", "um", "you know"]), texts)
def test_nor_in_english(last: str, before: str) -> None:
    assert standing(f"{before} {last}", "en", Expect.OPEN) is Standing.OPEN
