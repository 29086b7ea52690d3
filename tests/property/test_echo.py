"""What the echo guard leaves out of its search, because too little went out there, changes no decision."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ivrbot.media.framing import frames_of
from ivrbot.model.audio import FRAME_SAMPLES
from ivrbot.speech.echo import (
    BELOW_ONSET,
    LEAST_LOSS_DB,
    SHARE_UNKNOWN,
    SHARE_UNKNOWN_SHORT,
    EchoGuard,
)

HISTORY_FRAMES, WINDOW_FRAMES, LEAST_FRAMES = 40, 12, 3
loudness = st.lists(st.sampled_from((0.0, 0.0, 30.0, 1000.0, 8000.0)), min_size=5, max_size=5)


def share_at_any_delay(came: NDArray[np.float64], went: NDArray[np.float64]) -> float:
    """The largest share that a copy explains, less the least that is asked for: every delay is tried."""
    frames = np.square(came).reshape(WINDOW_FRAMES, -1).sum(axis=1)
    onset = min(int(np.argmax(frames > BELOW_ONSET * frames.max())), WINDOW_FRAMES - LEAST_FRAMES)
    came = came[onset * FRAME_SAMPLES // 2 :]
    energy = float(came @ came)
    causes = np.array([float(part @ part) for part in np.lib.stride_tricks.sliding_window_view(went, len(came))])
    explained = np.square(np.correlate(went, came, "valid")) / np.maximum(
        causes, energy * 10 ** (LEAST_LOSS_DB / 10)
    )
    return float(explained.max()) / energy - (SHARE_UNKNOWN_SHORT if onset else SHARE_UNKNOWN)


@settings(max_examples=60)
@given(loudness, loudness, st.integers(0, 4000), st.floats(0.0, 0.9), st.integers(0, 99))
def test_an_echo_is_found_wherever_it_is(
    bot: list[float], caller: list[float], delay: int, gain: float, seed: int
) -> None:
    noise = np.random.default_rng(seed).standard_normal((2, HISTORY_FRAMES * FRAME_SAMPLES))
    said = np.rint(noise[0] * np.repeat(bot, noise.shape[1] // 5))
    heard = np.rint(gain * np.roll(said, delay) + noise[1] * np.repeat(caller, noise.shape[1] // 5) + noise[1])
    said, heard = (np.clip(sound, -32768, 32767) for sound in (said, heard))
    guard = EchoGuard()
    for out, back in zip(
        frames_of(said.astype("<i2").tobytes()), frames_of(heard.astype("<i2").tobytes()), strict=True
    ):
        guard.said(out)
        guard.heard(back)
    halves = [sound.reshape(-1, 2).sum(axis=1) for sound in (heard, said)]
    margin = share_at_any_delay(halves[0][-WINDOW_FRAMES * FRAME_SAMPLES // 2 :], halves[1])
    if abs(margin) > 1e-4:
        assert guard.is_own() == (margin > 0)
