"""Trials: nobody is tested against himself of the same call, and the document holds figures only."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ivrbot.model.voiceprint import VoiceThresholds
from ivrbot.voiceprint.calibration import calibrated, calibration_path, describe, load, save
from ivrbot.voiceprint.features import as_samples, telephone_band
from ivrbot.voiceprint.network import VoiceNetwork, network_path
from ivrbot.voiceprint.speech import find_speech
from ivrbot.voiceprint.trials import LeftOut, Plan, Voice, hear_speaker, joined, make_trials, normalised, stretches
from tests.voice_sounds import buzz, write_small_network

NOW = datetime(2026, 9, 1, 12, 30, tzinfo=UTC)
PLAN = Plan(enrol_ms=2000, enrol_calls=1, test_ms=1000)
SOUND = buzz(140, 900, 6.0)


def vectors(*angles: float) -> list[np.ndarray]:
    return [np.array([np.cos(angle), np.sin(angle)], np.float32) for angle in angles]


def voice(*angles: float, lone: bool = False) -> Voice:
    return Voice(vectors(*angles), [[vector] for vector in vectors(*angles)], lone)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> VoiceNetwork:
    folder = tmp_path_factory.mktemp("models")
    write_small_network(folder)
    return VoiceNetwork(network_path(folder))


def test_stretches_hold_so_much_speech_each() -> None:
    parts = list(stretches(SOUND, 1000))
    assert len(parts) >= 3
    assert b"".join(parts) == SOUND[: sum(map(len, parts))]
    for part in parts:
        speech = find_speech(part, telephone_band(as_samples(part)))
        assert speech.duration_ms == pytest.approx(1000, abs=150)
    assert list(stretches(SOUND, 60_000)) == list(stretches(b"", 1000)) == []


def test_short_files_are_joined_until_they_hold_enough() -> None:
    parts = list(stretches(SOUND, 500))
    calls = list(joined(parts, 1500))
    assert len(calls) == len(parts) // 3 or len(calls) == len(parts) // 4
    assert b"".join(calls) == b"".join(parts)[: sum(map(len, calls))]


def test_templates_are_not_tested_on_their_own_calls() -> None:
    trials = make_trials([voice(0.0, 0.1, 0.2), voice(1.5, 1.6)], PLAN)
    assert sorted(np.round(np.arccos(trials.genuine), 2)) == [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.2, 0.2]
    assert len(trials.impostor) == 2 * 3 * 2
    assert trials.impostor.max() == pytest.approx(np.cos(1.3), abs=1e-5)


def test_templates_of_several_calls_leave_one_to_test() -> None:
    trials = make_trials([voice(0.0, 0.2, 0.4), voice(1.5, 1.6)], Plan(enrol_calls=2))
    # Calls 0 and 1 make 0.1, tested by call 2; of two calls one enrols.
    assert sorted(np.round(np.arccos(trials.genuine), 2)) == [0.1, 0.1, 0.3]


def test_a_lone_call_is_tested_on_its_rest() -> None:
    trials = make_trials([voice(0.0, lone=True), voice(1.0, lone=True)], PLAN)
    assert len(trials.genuine) == len(trials.impostor) == 2


def test_too_few_speakers() -> None:
    with pytest.raises(ValueError, match="two speakers"):
        make_trials([voice(0.0, 0.1)], PLAN)
    with pytest.raises(ValueError, match="no speaker has a call to enrol"):
        make_trials([voice(0.0), voice(1.0)], PLAN)


def test_whole_speakers_are_drawn_for_the_interval() -> None:
    clear = make_trials([voice(number, number + 0.05) for number in range(6)], PLAN)
    assert clear.eer_interval() == (0.0, 0.0)
    muddled = make_trials([voice(0.0, 2.0), *(voice(number, number + 0.05) for number in range(6))], PLAN)
    low, high = muddled.eer_interval()
    assert low == 0.0 < high
    assert muddled.eer_interval() == (low, high)


def test_what_is_of_no_use_is_counted(network: VoiceNetwork) -> None:
    left_out = LeftOut()
    heard = hear_speaker(network, [SOUND, buzz(140, 900, 1.0), buzz(140, 900, 6.0, seed=2)], PLAN, left_out)
    assert (len(heard.enrolling), left_out.calls_too_short, left_out.speakers_too_few_calls) == (2, 1, 0)
    alone = hear_speaker(network, [SOUND], PLAN, left_out)
    assert (len(alone.enrolling), alone.lone, left_out.speakers_too_few_calls) == (1, True, 0)
    assert len(alone.tests[0]) < len(heard.tests[0])
    assert not hear_speaker(network, [SOUND[: len(SOUND) // 3]], PLAN, left_out).enrolling
    assert (left_out.calls_too_short, left_out.speakers_too_few_calls) == (2, 1)


def test_the_document_comes_back_as_it_was(tmp_path: Path) -> None:
    voices = [voice(0.0, 0.1, 0.2), voice(1.5, 1.6), voice(0.3, 0.35)]
    trials = make_trials(voices, PLAN)
    made = calibrated(
        trials,
        describe("bank's own", False, voices, PLAN, LeftOut(1, 2, 3)),
        VoiceThresholds(0.98, 0.9),
        "f" * 64,
        NOW,
    )
    path = calibration_path(tmp_path)
    save(made, path)
    assert load(path) == made
    assert [file.name for file in path.parent.iterdir()] == ["calibration.json"]
    assert made.recordings.speakers == 3
    assert (made.accept.far.count, made.accept.far.of) == (6, len(trials.impostor))
    assert made.accept.far.low < made.accept.far.value < made.accept.far.high
    assert made.equal_error.low <= made.equal_error.value <= made.equal_error.high
    # 32 impostor trials cannot show one in a hundred.
    assert [one.at for one in made.suggested] == [None, None, None]
    assert len(made.curve) == 101


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]", b"\xff\xfe", b'{"format": 2}'])
def test_no_document_or_a_damaged_one(tmp_path: Path, content: bytes | None) -> None:
    path = calibration_path(tmp_path)
    if content is not None:
        path.parent.mkdir()
        path.write_bytes(content)
    assert load(path) is None


def test_normalised_scores_are_how_far_they_lie_above_those_of_strangers() -> None:
    of_template, of_test = np.array([[0.1, 0.3]], np.float32), np.array([[0.2, 0.6], [0.0, 0.2]], np.float32)
    found = normalised(np.array([[0.5, 0.4]], np.float32), of_template, of_test)
    assert found == pytest.approx(np.array([[(3.0 + 0.5) / 2, (2.0 + 3.0) / 2]]), abs=1e-5)


def test_a_voice_that_is_like_everybody_gets_less_when_normalised() -> None:
    common, rare = voice(0.0, 0.1), voice(1.5, 1.6)
    cohort = np.array(vectors(0.2, 0.3, 0.5), np.float32)
    plain, by_others = make_trials([common, rare], PLAN), make_trials([common, rare], PLAN, cohort)
    assert plain.genuine[0] == pytest.approx(plain.genuine[-1], abs=1e-5)
    assert by_others.genuine[0] < by_others.genuine[-1]
