"""Windows of many callers, judged together: what is asked within a few milliseconds is one product of matrices.

Takes windows with whom to tell, gives probabilities. With few speakers there is nothing to gain, and nobody is
made to wait: `is_crowd` is then False and callers ask the network themselves.

The network remembers what it heard before, and one that has heard nothing at all (its memory is zeros) is slow to
believe in the first voice: over line noise, half of sentences have a probability of 0.5 after 96 ms, and after 54
where noise was heard first. So callers begin with the memory of a network that has heard noise, worked out once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import cached_property
from typing import Final
from weakref import WeakSet

import numpy as np

from ivrbot.speech.silero import (
    CONTEXT_SAMPLES,
    INPUT_SAMPLES,
    MAX_BATCH,
    WINDOW_SAMPLES,
    SileroNetwork,
    State,
    new_state,
)

WAIT_S: Final = 0.004
"""A window waits so long for others; a frame is 20 ms."""
CROWD: Final = 24
"""Speakers from which on three or more windows meet within that time."""
NOISE_RMS: Final = 120.0
"""-49 dBFS, louder than most lines: after less, coughs and knocks look more like speech (90: by half more often);
after more, callers who speak low are found later (20 dB lower: half of them in 92 ms, after 250 in 160)."""
NOISE_WINDOWS: Final = 32
"""One second; eight windows were found too few."""
_LINES: Final = 16
log = logging.getLogger(__name__)

_Asked = tuple[bytes, State, Callable[[float], None], Context]


class Together:
    """One per process; belongs to the event loop.

    Args:
        network: that judges.

    Attributes:
        speakers: who is or may be speaking now.
    """

    def __init__(self, network: SileroNetwork) -> None:
        self.network = network
        self.speakers: WeakSet[object] = WeakSet()
        self._asked: list[_Asked] = []
        self._answering = False
        self._timer: asyncio.TimerHandle | None = None

    @cached_property
    def at_rest(self) -> State:
        """What a network remembers that has heard only noise: the mean of several lines, to be copied."""
        chance = np.random.default_rng(0)
        samples = CONTEXT_SAMPLES + NOISE_WINDOWS * WINDOW_SAMPLES
        noise = (NOISE_RMS * chance.standard_normal((_LINES, samples))).astype("<i2")
        states = [new_state() for _ in range(_LINES)]
        for start in range(0, NOISE_WINDOWS * WINDOW_SAMPLES, WINDOW_SAMPLES):
            self.network.probabilities([line[start : start + INPUT_SAMPLES].tobytes() for line in noise], states)
        mean: State = np.mean(states, axis=0, dtype=np.float32)
        return mean

    @property
    def is_crowd(self) -> bool:
        """Whether it is worth while to wait for others."""
        return len(self.speakers) >= CROWD

    def ask(self, window: bytes, state: State, then: Callable[[float], None]) -> None:
        """Have a window judged, soon.

        Args:
            window: see `SileroNetwork.probability`.
            state: the caller's; becomes that after the window.
            then: told the probability, in the context of whoever asks now.
        """
        self._asked.append((window, state, then, copy_context()))
        if self._timer is None and not self._answering:
            self._timer = asyncio.get_running_loop().call_later(WAIT_S, self.answer)

    def answer(self) -> None:
        """Judge what waits, and what is asked meanwhile: where sound came in bursts, many windows of each."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._answering = True
        try:
            while self._asked:
                asked, self._asked = self._asked[:MAX_BATCH], self._asked[MAX_BATCH:]
                self._answer(asked)
        finally:
            self._answering = False

    def _answer(self, asked: list[_Asked]) -> None:
        found = self.network.probabilities([window for window, *_ in asked], [state for _, state, *_ in asked])
        for probability, (_, _, then, context) in zip(found, asked, strict=True):
            try:
                context.run(then, probability)
            except Exception:  # one call's fault must not silence the others
                log.exception("a call could not hear")
