"""One utterance read while it is spoken, for every recogniser that streams: partials on the way, then a reading.

Takes an engine that lends readers (the library's recognisers), gives `ports.AsrStream`s. A reader works in worker
threads, one job at a time; the stream lives on the event loop, keeps what waits within bounds, remembers its last
reading, and gives the reader back when no job uses it any more. Sound is lost to a library that fails on it or to
the bound, and counted; a job that never came to its turn leaves it to the next one.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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


@dataclass(slots=True)
class _Share:
    """The sound of one job; whether it is read or put back is settled under the utterance's guard.

    Attributes:
        pcm: 8 kHz sound.
        heard_bytes: of the utterance, up to the end of `pcm`.
        is_taken: the reader has it.
        is_put_back: the job was given up first: it must not read.
    """

    pcm: bytes
    heard_bytes: int
    is_taken: bool = False
    is_put_back: bool = False


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
        self._pump_from_bytes = 0
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
        if not self._has_chunk() or self._heard_bytes < self._pump_from_bytes:
            return
        if self._pump_task is None or self._pump_task.done():
            self._pump_task = asyncio.get_running_loop().create_task(self._pump())

    def _has_chunk(self) -> bool:
        return len(self._pending) >= CHUNK_MS * _BYTES_PER_MS

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
            if self._transcript is not None:
                return self._transcript
            hypotheses, heard_bytes = await self._read(lambda reader, pcm: reader.finish(pcm))
            cpu_ms = round(self._reader.cpu_ms) if self._reader else 0
            transcript = Transcript(hypotheses, self._engine.name, heard_bytes // _BYTES_PER_MS, cpu_ms)
            if heard_bytes == self._heard_bytes:
                self._transcript = transcript
            return transcript

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
        while self._has_chunk() and not self._closed:
            async with self._turn:
                if not self._has_chunk():
                    return
                try:
                    text, heard_bytes = await self._read(lambda reader, pcm: reader.accept(pcm))
                except EngineError:
                    # Overload or failure: `decode` meets it again and says so.
                    self._pump_from_bytes = self._heard_bytes + CHUNK_MS * _BYTES_PER_MS
                    return
            if text and text != self._partial and not self._closed:
                self._partial = text
                self._on_partial(Partial(heard_bytes // _BYTES_PER_MS, text))

    async def _read(self, job: Callable[[ReaderT, bytes], ResultT]) -> tuple[ResultT, int]:
        """Let a job read what waits; gives its result and how much of the utterance that comprises, in bytes."""
        share = _Share(bytes(self._pending), self._heard_bytes)
        self._pending.clear()
        try:
            result = await self._engine.pool.run(
                lambda _: self._work(job, share), self._engine.deadline_s, wanted=self._wanted
            )
        except EngineBadOutput:
            if share.is_taken:
                self._engine.load.dropped_ms += len(share.pcm) // _BYTES_PER_MS
            raise
        finally:
            self._put_back(share)
        return result, share.heard_bytes

    def _put_back(self, share: _Share) -> None:
        """Sound that no reader has taken waits for the next job."""
        with self._guard:
            if share.is_taken or self._closed:
                return
            share.is_put_back = True
        self._pending[:0] = share.pcm

    def _work(self, job: Callable[[ReaderT, bytes], ResultT], share: _Share) -> ResultT:
        """Run a job on this utterance's recogniser, in a worker thread.

        A job that reads when its waiter gives up still runs to its end: hence the lock.
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
                self._take(share)
                return job(reader, share.pcm)
        except EngineError:
            raise
        # Libraries raise bare Exception.
        except Exception as error:
            raise EngineBadOutput(f"{self._engine.name} failed: {error}") from error
        finally:
            with self._guard:
                self._jobs -= 1
            self._let_go_if_done()

    def _take(self, share: _Share) -> None:
        with self._guard:
            if self._closed or share.is_put_back:
                raise EngineUnavailable("nobody waits for this reading any more")
            share.is_taken = True

    def _let_go_if_done(self) -> None:
        with self._guard:
            if not self._closed or self._jobs or self._reader is None:
                return
            reader, self._reader = self._reader, None
        self._engine.give_back(reader)


def joined(parts: Sequence[Hypothesis]) -> Hypothesis:
    """Successive stretches as one reading; its confidence is their mean."""
    confidence = sum(part.confidence for part in parts) / len(parts)
    return Hypothesis(join_words(part.text for part in parts), round(confidence, 3))


def join_words(parts: Iterable[str]) -> str:
    """Texts one after another, without the blanks."""
    return " ".join(part for part in parts if part)
