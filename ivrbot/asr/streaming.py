"""One utterance read while it is spoken, for every recogniser that streams: partials on the way, then a reading.

Takes an engine that lends readers (the library's recognisers), gives `ports.AsrStream`s. A reader works in worker
threads, one job at a time; the stream lives on the event loop, keeps what waits within bounds, remembers its last
reading, and gives the reader back when no job uses it any more.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from ivrbot.asr.workers import Load, WorkerPool
from ivrbot.errors import EngineBadOutput, EngineError, EngineUnavailable
from ivrbot.model.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ, Pcm
from ivrbot.model.capacity import wanted_var
from ivrbot.model.speech import Expect, Hypothesis, Language, Partial, Transcript

CHUNK_MS: Final = 100
BACKLOG_MS: Final = 10_000
MAX_WAITING: Final = 64
_BYTES_PER_MS: Final = SAMPLE_RATE_HZ * SAMPLE_BYTES // 1000

ResultT = TypeVar("ResultT")


class Reader(Protocol):
    """A recogniser of a library with what it has read of one utterance; used by one job at a time.

    Attributes:
        cpu_ms: processor time spent on this utterance.
        busy: held while a job uses it.
    """

    cpu_ms: float
    busy: threading.Lock

    def accept(self, pcm: bytes) -> str:
        """Read on; returns everything heard so far."""
        ...

    def finish(self, pcm: bytes) -> tuple[Hypothesis, ...]:
        """Read the rest; returns readings of everything so far, best first. May be followed by more sound."""
        ...


ReaderT = TypeVar("ReaderT", bound=Reader)


class StreamingEngine(ABC, Generic[ReaderT]):
    """A recogniser that streams: worker threads, and readers to lend. See `ivrbot.ports.AsrEngine`.

    Args:
        name: for events, metrics and messages.
        instances: worker threads.
        deadline_ms: for one decode, waiting included.
        observe_queue_s: told each job's waiting time in seconds.
    """

    def __init__(
        self, name: str, *, instances: int, deadline_ms: int, observe_queue_s: Callable[[float], None]
    ) -> None:
        self._name = name
        self._instances = instances
        self._deadline_s = deadline_ms / 1000.0
        self._pool: WorkerPool[None] = WorkerPool(name, MAX_WAITING, observe_queue_s)

    @property
    def name(self) -> str:
        """Name for events and metrics."""
        return self._name

    @property
    def load(self) -> Load:
        """Waiting times, refusals and losses so far."""
        return self._pool.load

    @property
    def pool(self) -> WorkerPool[None]:
        """Worker threads, for streams."""
        return self._pool

    @property
    def deadline_s(self) -> float:
        """Of one decode."""
        return self._deadline_s

    async def start(self) -> None:
        """Load the models and warm them.

        Raises:
            EngineUnavailable: library or model is missing or damaged.
        """
        await self._pool.start(lambda: None, self._instances)
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._load)
        except BaseException:
            await self.close()
            raise

    def open(
        self, language: Language, expect: Expect, on_partial: Callable[[Partial], None]
    ) -> StreamedUtterance[ReaderT]:
        """Begin an utterance.

        Raises:
            EngineUnavailable: no model of that language is loaded.
        """
        if not self._hears(language):
            raise EngineUnavailable(f"{self._name} has no model for {language} loaded")
        return StreamedUtterance(self, language, expect, on_partial)

    async def close(self) -> None:
        """Let running jobs end and free everything."""
        await self._pool.close(lambda _: None)
        self._unload()

    @abstractmethod
    def take(self, language: Language, expect: Expect) -> ReaderT:
        """A reader for a new utterance; blocking, in worker threads only."""

    @abstractmethod
    def give_back(self, reader: ReaderT) -> None:
        """A reader that no job uses any more."""

    @abstractmethod
    def _load(self) -> None:
        """Load library and models; blocking. Raises EngineUnavailable."""

    @abstractmethod
    def _unload(self) -> None:
        """Forget them."""

    @abstractmethod
    def _hears(self, language: Language) -> bool:
        """Whether a model of the language is loaded."""


class StreamedUtterance(Generic[ReaderT]):
    """One utterance. See `ivrbot.ports.AsrStream`; belongs to the event loop."""

    def __init__(
        self,
        engine: StreamingEngine[ReaderT],
        language: Language,
        expect: Expect,
        on_partial: Callable[[Partial], None],
    ) -> None:
        self._engine = engine
        self._language = language
        self._expect = expect
        self._on_partial = on_partial
        self._wanted = wanted_var.get()
        self._pending = bytearray()
        self._heard_bytes = 0
        self._partial = ""
        self._reader: ReaderT | None = None
        self._transcript: Transcript | None = None
        self._pump_task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._guard = threading.Lock()
        self._making = threading.Lock()
        self._jobs = 0
        self._closed = False

    def feed(self, pcm: Pcm) -> None:
        """Add sound; beyond 10 s of backlog the oldest is dropped and counted."""
        if self._closed:
            return
        self._pending += pcm
        self._heard_bytes += len(pcm)
        self._transcript = None
        excess = len(self._pending) - BACKLOG_MS * _BYTES_PER_MS
        if excess > 0:
            del self._pending[:excess]
            self._engine.load.dropped_ms += excess // _BYTES_PER_MS
        if len(self._pending) >= CHUNK_MS * _BYTES_PER_MS and (self._pump_task is None or self._pump_task.done()):
            self._pump_task = asyncio.get_running_loop().create_task(self._pump())

    async def decode(self) -> Transcript:
        """Reading of everything so far; asked again without new sound it answers from memory.

        Raises:
            EngineTimeout: deadline passed.
            EngineUnavailable: closed, overloaded, or no recogniser could be made.
            EngineBadOutput: the library failed.
        """
        async with self._turn:
            if self._closed:
                raise EngineUnavailable("the utterance is closed")
            if self._transcript is None:
                self._transcript = await self._finish()
            return self._transcript

    async def settle(self) -> None:
        """Wait until what was fed has been read; for files, where sound comes faster than it was spoken."""
        if self._pump_task is not None:
            await asyncio.wait((self._pump_task,))

    def close(self) -> None:
        """Give the recogniser back as soon as no job uses it. Idempotent."""
        with self._guard:
            self._closed = True
        self._pending.clear()
        if self._pump_task is not None:
            self._pump_task.cancel()
        self._let_go_if_done()

    async def _pump(self) -> None:
        """Read whole chunks as long as there are any."""
        while len(self._pending) >= CHUNK_MS * _BYTES_PER_MS and not self._closed:
            async with self._turn:
                pcm = self._take_pending()
                t_ms = self._heard_bytes // _BYTES_PER_MS
                try:
                    text = await self._accept(pcm)
                except EngineError:
                    # Overload or failure: `decode` meets it again and says so; this sound is lost and counted.
                    self._engine.load.dropped_ms += len(pcm) // _BYTES_PER_MS
                    return
            if text and text != self._partial and not self._closed:
                self._partial = text
                self._on_partial(Partial(t_ms, text))

    async def _accept(self, pcm: bytes) -> str:
        return await self._engine.pool.run(
            lambda _: self._work(lambda one: one.accept(pcm)), self._engine.deadline_s, wanted=self._wanted
        )

    async def _finish(self) -> Transcript:
        pcm, heard_bytes = self._take_pending(), self._heard_bytes
        try:
            hypotheses = await self._engine.pool.run(
                lambda _: self._work(lambda one: one.finish(pcm)), self._engine.deadline_s, wanted=self._wanted
            )
        except EngineUnavailable:
            # Nothing was read: the sound waits for the next attempt.
            self._pending[:0] = pcm
            raise
        cpu_ms = round(self._reader.cpu_ms) if self._reader else 0
        return Transcript(hypotheses, self._engine.name, heard_bytes // _BYTES_PER_MS, cpu_ms)

    def _work(self, job: Callable[[ReaderT], ResultT]) -> ResultT:
        """Run a job on this utterance's recogniser, in a worker thread.

        A job whose waiter has given up still runs to its end: hence the lock.
        """
        with self._guard:
            if self._closed:
                raise EngineUnavailable("the utterance is closed")
            self._jobs += 1
        try:
            with self._making:
                if self._reader is None:
                    self._reader = self._engine.take(self._language, self._expect)
                reader = self._reader
            with reader.busy:
                return job(reader)
        except EngineError:
            raise
        # Libraries raise bare Exception.
        except Exception as error:
            raise EngineBadOutput(f"{self._engine.name} failed: {error}") from error
        finally:
            with self._guard:
                self._jobs -= 1
            self._let_go_if_done()

    def _let_go_if_done(self) -> None:
        with self._guard:
            if not self._closed or self._jobs or self._reader is None:
                return
            reader, self._reader = self._reader, None
        self._engine.give_back(reader)

    def _take_pending(self) -> bytes:
        pcm = bytes(self._pending)
        self._pending.clear()
        return pcm


def joined(parts: Sequence[Hypothesis]) -> Hypothesis:
    """Successive stretches as one reading; its confidence is their mean."""
    confidence = sum(part.confidence for part in parts) / len(parts)
    return Hypothesis(join_words(part.text for part in parts), round(confidence, 3))


def join_words(parts: Iterable[str]) -> str:
    """Texts one after another, without the blanks."""
    return " ".join(part for part in parts if part)
