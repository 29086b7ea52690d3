"""What two voices have in common, and what that is worth."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbot.identity.voices import ENROL_CALLS, compare, doubt_about, enrolled, likeness
from ivrbot.model.voiceprint import VoiceDoubt, VoiceSample, VoiceTemplate, VoiceThresholds, VoiceVerdict
from tests.contract.voiceprints import ANNA, MODEL, NOW

THRESHOLDS = VoiceThresholds(accept=0.84, flag=0.45)


def at(angle: float, **changes: object) -> VoiceSample:
    """A sample so far (radians) from the template's."""
    sample = VoiceSample((math.cos(angle), math.sin(angle)), MODEL, 9_000, 25.0)
    return replace(sample, **changes)  # type: ignore[arg-type]


TEMPLATE = VoiceTemplate(ANNA, (1.0, 0.0), MODEL, 3, 27_000, NOW)


@pytest.mark.parametrize(
    ("score", "verdict"),
    [
        (1.0, VoiceVerdict.ACCEPT),
        (0.8401, VoiceVerdict.ACCEPT),
        (0.8399, VoiceVerdict.STEP_UP),
        (0.4501, VoiceVerdict.STEP_UP),
        (0.4499, VoiceVerdict.FLAG),
        (-1.0, VoiceVerdict.FLAG),
    ],
)
def test_thresholds_part_the_verdicts(score: float, verdict: VoiceVerdict) -> None:
    done = compare(at(math.acos(score)), TEMPLATE, THRESHOLDS)
    assert (done.verdict, done.doubt) == (verdict, None)
    assert done.score == pytest.approx(score)


@pytest.mark.parametrize(
    ("sample", "doubt"),
    [
        (at(0, speech_ms=4_999), VoiceDoubt.TOO_LITTLE_SPEECH),
        (at(0, snr_db=9.9), VoiceDoubt.TOO_NOISY),
        (at(0, model="b" * 64), VoiceDoubt.OTHER_MODEL),
        (at(0, embedding=(1.0, 0.0, 0.0)), VoiceDoubt.OTHER_MODEL),
        (at(3, speech_ms=4_999), VoiceDoubt.TOO_LITTLE_SPEECH),
        (at(3, snr_db=9.9), VoiceDoubt.TOO_NOISY),
    ],
)
def test_what_cannot_be_compared_has_no_score_and_accuses_nobody(sample: VoiceSample, doubt: VoiceDoubt) -> None:
    done = compare(sample, TEMPLATE, THRESHOLDS)
    assert (done.verdict, done.score, done.doubt) == (VoiceVerdict.INDETERMINATE, None, doubt)


def test_nobody_is_accepted_who_was_not_enrolled() -> None:
    done = compare(at(0), None, THRESHOLDS)
    assert (done.verdict, done.doubt) == (VoiceVerdict.INDETERMINATE, VoiceDoubt.NOT_ENROLLED)


def test_an_answer_in_another_voice_is_not_accepted_whatever_was_played_before() -> None:
    done = compare(at(0.1), TEMPLATE, THRESHOLDS, at(1.5, speech_ms=900))
    assert (done.verdict, done.doubt) == (VoiceVerdict.STEP_UP, VoiceDoubt.ANSWER_DIFFERS)
    near = math.acos(THRESHOLDS.answer)
    for answer, verdict in ((near - 0.01, VoiceVerdict.ACCEPT), (near + 0.01, VoiceVerdict.STEP_UP)):
        assert compare(at(0.1), TEMPLATE, THRESHOLDS, at(answer, speech_ms=900)).verdict is verdict


def test_an_answer_alone_accepts_nothing() -> None:
    assert compare(at(0.8), TEMPLATE, THRESHOLDS, at(0)).verdict is VoiceVerdict.STEP_UP


def test_three_calls_make_a_template_and_two_do_not() -> None:
    calls = [at(0.1), at(-0.1), at(0.0)]
    assert enrolled(ANNA, [], THRESHOLDS, NOW) is None
    assert enrolled(ANNA, calls[:2], THRESHOLDS, NOW) is None
    template = enrolled(ANNA, calls, THRESHOLDS, NOW)
    assert template is not None
    assert template.embedding == pytest.approx((1.0, 0.0))
    assert (template.calls, template.speech_ms, template.model) == (ENROL_CALLS, 27_000, MODEL)


def test_somebody_else_in_one_of_the_calls_is_left_out() -> None:
    his = [at(0.1), at(-0.1)]
    assert enrolled(ANNA, [his[0], at(2.0), his[1]], THRESHOLDS, NOW) is None
    template = enrolled(ANNA, [his[0], at(2.0), his[1], at(0.0)], THRESHOLDS, NOW)
    assert template is not None
    assert template.calls == 3
    assert template.embedding == pytest.approx((1.0, 0.0))


def test_samples_of_a_model_of_before_do_not_count() -> None:
    old = [at(0, model="b" * 64)] * 2
    assert enrolled(ANNA, [*old, at(0)], THRESHOLDS, NOW) is None
    assert enrolled(ANNA, [*old, at(0), at(0.1), at(0.2)], THRESHOLDS, NOW) is not None


def test_a_sample_is_as_good_as_its_length_and_its_noise() -> None:
    assert doubt_about(at(0), THRESHOLDS) is None
    assert doubt_about(at(0, speech_ms=10), THRESHOLDS) is VoiceDoubt.TOO_LITTLE_SPEECH
    assert doubt_about(at(0, snr_db=0.0), THRESHOLDS) is VoiceDoubt.TOO_NOISY


@pytest.mark.parametrize("embedding", [(math.nan, 0.0), (math.inf, 0.0), (0.0, 0.0)])
def test_what_is_no_vector_accepts_nobody(embedding: tuple[float, float]) -> None:
    for sample, answer in ((at(0, embedding=embedding), None), (at(0), at(0, embedding=embedding))):
        done = compare(sample, TEMPLATE, THRESHOLDS, answer)
        assert (done.verdict, done.score, done.doubt) == (
            VoiceVerdict.INDETERMINATE,
            None,
            VoiceDoubt.ENGINE_FAILED,
        )


def test_a_noise_that_is_no_number_is_a_doubt() -> None:
    assert compare(at(0, snr_db=math.nan), TEMPLATE, THRESHOLDS).doubt is VoiceDoubt.TOO_NOISY


vectors = st.lists(
    st.floats(-1, 1, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-3), min_size=4, max_size=4
)


@given(vectors.filter(any), vectors.filter(any))
def test_likeness_is_symmetric_and_bounded(one: list[float], other: list[float]) -> None:
    found = likeness(one, other)
    assert -1 <= found <= 1
    assert found == likeness(other, one)
    assert likeness(one, one) == pytest.approx(1)


def test_vectors_of_different_lengths_have_no_likeness() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        likeness((1.0,), (1.0, 0.0))
