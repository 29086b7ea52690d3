"""Voice activity on real sound: speech is found in time, noise and tones are not speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ivrbot.media.wav import read_wav
from ivrbot.model.audio import FRAME_BYTES, FRAME_MS, SILENCE, Frame, Pcm
from ivrbot.speech.ear import Ear
from ivrbot.speech.endpointing import Endpointer, SpeechStarted, TurnEnded
from ivrbot.speech.vad import VoiceActivity, shared_silero

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


def test_silence_costs_no_network() -> None:
    class Counting:
        asked = 0

        def probability(self, samples: np.ndarray, state: np.ndarray) -> tuple[float, np.ndarray]:
            self.asked += 1
            return 0.0, state

    counting = Counting()
    activity = VoiceActivity(counting)  # type: ignore[arg-type]
    for _ in range(500):
        activity.feed(SILENCE)
    assert counting.asked == 0
