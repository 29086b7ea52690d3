"""How long each piece of a turn took: for the metrics of the process, and for the trace of the call.

Takes what a session does, gives observations; never what was said.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ivrbot import metrics
from ivrbot.call.channel import Heard, Keyed, Silence, Spoken, Unclear
from ivrbot.tracing import CallTrace


class CallMeasure:
    """Measures one call."""

    def __init__(self, trace: CallTrace) -> None:
        self._trace = trace

    def heard(self, heard: Heard) -> None:
        """The caller's turn is over and read."""
        match heard:
            case Spoken():
                metrics.STEP_S.labels("asr", heard.engine).observe(heard.asr_ms / 1000)
                self._trace.turn("spoken", heard.asr_ms, heard.engine)
            case Keyed():
                self._trace.turn("keyed")
            case Silence():
                self._trace.turn("silence")
            case Unclear():
                self._trace.turn("unclear")

    def listens(self) -> None:
        """Everything is said; the caller's turn."""
        self._trace.turn_over()

    @contextmanager
    def step(self, name: str, engine: str = "", **attributes: str) -> Iterator[None]:
        """A piece of work: "nlu", "dialogue", "route", "authentication", "bank", "tts"."""
        began_s = time.perf_counter()
        engines = {"engine": engine} if engine else {}
        try:
            with self._trace.step(name, **engines, **attributes):
                yield
        finally:
            metrics.STEP_S.labels(name, engine).observe(time.perf_counter() - began_s)

    def end(self, disposition: str, reason: str) -> None:
        """The bot's part is over."""
        self._trace.end(disposition, reason)
