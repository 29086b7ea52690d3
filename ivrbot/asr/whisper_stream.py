"""One utterance on its way through Whisper: guesses, partials, and readings from memory.

Takes sound on the event loop, asks the engine for passes over all of it, remembers the last ones: what is asked
again without new sound costs nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Final, TypeVar

from ivrbot.asr.agreement import AgreedPrefix
from ivrbot.asr.fairness import JobKind
from ivrbot.asr.whisper_model import MAX_AUDIO_MS, Reading
from ivrbot.asr.whisper_readings import NAME, transcript
from ivrbot.errors import EngineUnavailable
from ivrbot.model.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ, Pcm
from ivrbot.model.capacity import wanted_var
from ivrbot.model.speech import Expect, Language, Partial, Transcript, unheard

if TYPE_CHECKING:
    from ivrbot.asr.whisper import WhisperEngine

PARTIAL_EVERY_MS: Final = 500
GUESS_SHARE: Final = 0.3
"""Guesses within an utterance may take so much of its length in processor time before the next is made."""

_BYTES_PER_MS: Final = SAMPLE_RATE_HZ * SAMPLE_BYTES // 1000

ResultT = TypeVar("ResultT")


class WhisperStream:
    """One utterance. See `ivrbot.ports.AsrStream`; belongs to the event loop."""

    def __init__(
        self, engine: WhisperEngine, language: Language, expect: Expect, on_partial: Callable[[Partial], None]
    ) -> None:
        self._engine = engine
        self._language = language
        self._expect = expect
        self._on_partial = on_partial
        self._wanted = wanted_var.get()
        self._sound = bytearray()
        self._dropped_ms = 0
        self._partial_from_ms = PARTIAL_EVERY_MS
        self._agreed = AgreedPrefix()
        self._partial_task: asyncio.Task[None] | None = None
        self._first_task: asyncio.Task[Reading | None] | None = None
        self._second_task: asyncio.Task[Reading | None] | None = None
        self._decode_task: asyncio.Task[Transcript] | None = None
        self._decoded_ms = -1
        self._guessed_ms = 0.0
        self._closed = False

    def feed(self, pcm: Pcm) -> None:
        """Add sound; beyond 29 s the oldest is dropped and counted."""
        if self._closed:
            return
        self._sound += pcm
        excess = len(self._sound) - MAX_AUDIO_MS * _BYTES_PER_MS
        if excess > 0:
            del self._sound[:excess]
            self._dropped_ms += excess // _BYTES_PER_MS
            self._engine.note_dropped(excess // _BYTES_PER_MS)
        if self._on_partial is unheard:
            return
        if self._heard_ms >= self._partial_from_ms and (self._partial_task is None or self._partial_task.done()):
            self._partial_from_ms = self._heard_ms + PARTIAL_EVERY_MS
            self._partial_task = asyncio.get_running_loop().create_task(self._make_partial())

    def may_guess(self) -> bool:
        """Whether a reading made now keeps nobody waiting and those of this utterance cost little so far."""
        if self._closed or not self._engine.idle:
            return False
        return self._guessed_ms <= GUESS_SHARE * self._heard_ms

    async def guess(self) -> Transcript:
        """First reading of everything so far, perhaps in the middle of a word; `decode` goes on from it.

        Raises:
            EngineError: see `WhisperEngine.read`.
        """
        if self._closed:
            raise EngineUnavailable("the utterance is closed")
        began_s, expected_ms = time.monotonic(), self._engine.expected_ms(self._heard_ms)
        self._guessed_ms += expected_ms
        self._begin_first(JobKind.DIP)
        if self._second_task is None and self._engine.reads_twice(self._expect):
            self._second_task = self._begin_second(Pcm(bytes(self._sound)))
        first = self._first_task
        assert first is not None
        try:
            reading = await shielded(first)
        except asyncio.CancelledError:
            if self._decode_task is None and not first.done():
                first.cancel()  # he goes on, and nobody else waits for it
                self._guessed_ms -= max(0.0, expected_ms - (time.monotonic() - began_s) * 1000.0)
                if self._second_task is not None:
                    self._second_task.cancel()
            raise
        return transcript(reading, self._heard_ms, reading.cpu_ms) if reading else Transcript((), NAME)

    async def decode(self) -> Transcript:
        """Reading of everything so far; asked again without new sound it answers from memory.

        Raises:
            EngineError: see `WhisperEngine.read`.
        """
        if self._closed:
            raise EngineUnavailable("the utterance is closed")
        self._begin_first()
        if self._decode_task is None or failed(self._decode_task):
            assert self._first_task is not None
            self._decode_task = self._task(self._finish(self._first_task, Pcm(bytes(self._sound))))
        return await shielded(self._decode_task)

    async def _finish(self, first: asyncio.Task[Reading | None], pcm: Pcm) -> Transcript:
        beside, self._second_task = self._second_task, None
        if beside is None and not first.done():
            beside = self._begin_second(pcm)
        try:
            reading = await asyncio.shield(first)
            return await self._engine.read_again(pcm, self._language, self._expect, reading, self._wanted, beside)
        finally:
            if beside is not None:
                beside.cancel()

    def _begin_second(self, pcm: Pcm) -> asyncio.Task[Reading | None] | None:
        return self._engine.begin_second(pcm, self._language, self._expect, self._wanted)

    def _begin_first(self, kind: JobKind = JobKind.READ) -> None:
        """Begin the first pass over what was heard, unless it has begun."""
        if self._first_task is not None and self._decoded_ms == self._heard_ms and not failed(self._first_task):
            return
        for task in (self._first_task, self._second_task, self._decode_task):
            if task is not None:
                task.cancel()
        self._decoded_ms = self._heard_ms
        self._decode_task = self._second_task = None
        self._first_task = self._task(
            self._engine.read_first(Pcm(bytes(self._sound)), self._language, self._expect, self._wanted, kind)
        )

    @staticmethod
    def _task(work: Coroutine[None, None, ResultT]) -> asyncio.Task[ResultT]:
        task = asyncio.get_running_loop().create_task(work)
        # A reading that nobody waits for any more may fail unheard.
        task.add_done_callback(failed)
        return task

    async def settle(self) -> None:
        """Wait for the partial in the making; for files, where sound comes faster than it was spoken."""
        if self._partial_task is not None:
            await asyncio.wait((self._partial_task,))

    def close(self) -> None:
        """Drop the sound and everything pending. Idempotent."""
        self._closed = True
        self._sound.clear()
        for task in (self._partial_task, self._first_task, self._second_task, self._decode_task):
            if task is not None:
                task.cancel()

    @property
    def _heard_ms(self) -> int:
        return self._dropped_ms + len(self._sound) // _BYTES_PER_MS

    async def _make_partial(self) -> None:
        t_ms = self._heard_ms
        started = time.monotonic()
        text = await self._engine.read_partial(Pcm(bytes(self._sound)), self._language, self._wanted)
        # At most half of one core per speaking caller, however slow the machine.
        took_ms = round((time.monotonic() - started) * 1000)
        self._partial_from_ms = max(self._partial_from_ms, t_ms + 2 * took_ms)
        if text and not self._closed and self._agreed.add(text):
            self._on_partial(Partial(t_ms, self._agreed.text))


def failed(task: asyncio.Task[ResultT]) -> bool:
    """Whether a reading has ended without one; asking keeps a failure that nobody waits for quiet."""
    return task.done() and (task.cancelled() or task.exception() is not None)


async def shielded(task: asyncio.Task[ResultT]) -> ResultT:
    """Wait for a reading that goes on when its waiter gives up."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if task.cancelled() and current is not None and not current.cancelling():
            raise EngineUnavailable("the reading was superseded or its utterance closed") from None
        raise
