"""Vosk behind the recognition port: streams, and hears Russian far better than the embedded Whisper base.

Takes 8 kHz sound of one utterance as it comes, gives partials and the reading of everything so far. A recogniser
burns more than half a second of processor time on its first decode, so recognisers are warmed, pooled and reused;
decoding runs in worker threads (the library lets go of the interpreter lock), one job per recogniser at a time.
Source: Vosk API 0.3.45 (vosk_api.h).
"""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from ivrbot.asr.workers import Load, WorkerPool
from ivrbot.errors import ConfigError, EngineBadOutput, EngineError, EngineUnavailable, Problem
from ivrbot.model.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ, Pcm, silence
from ivrbot.model.speech import Expect, Hypothesis, Language, Partial, Transcript

NAME: Final = "vosk"
CHUNK_MS: Final = 100
BACKLOG_MS: Final = 10_000
ALTERNATIVES: Final = 5
MAX_WAITING: Final = 64
WARM_UP_MS: Final = 1000
_BYTES_PER_MS: Final = SAMPLE_RATE_HZ * SAMPLE_BYTES // 1000
_N_BEST: Final = frozenset((Expect.SECRET, Expect.NAME, Expect.DIGITS))
_MAY_HAVE_GRAMMAR: Final = frozenset((Expect.YES_NO, Expect.DIGITS))

Grammars = Mapping[tuple[Language, Expect], Sequence[str]]
ResultT = TypeVar("ResultT")
_Key = tuple[Language, Expect | None]


@dataclass(slots=True)
class _Recogniser:
    """A recogniser of the library with what it has finished; used by one job at a time."""

    key: _Key
    handle: Any
    finished: list[Hypothesis] = field(default_factory=list)
    result: tuple[Hypothesis, ...] | None = None
    cpu_ms: float = 0.0
    busy: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, alternatives: int) -> None:
        self.handle.Reset()
        self.handle.SetMaxAlternatives(alternatives)
        self.finished.clear()
        self.result = None
        self.cpu_ms = 0.0

    def accept(self, pcm: bytes) -> str:
        """Read on; returns everything heard so far."""
        started = time.thread_time()
        self.result = None
        tail = ""
        if self.handle.AcceptWaveform(pcm):
            self.finished += _hypotheses(self.handle.Result())[:1]
        else:
            tail = str(json.loads(self.handle.PartialResult()).get("partial", ""))
        self.cpu_ms += (time.thread_time() - started) * 1000.0
        return _join([*(one.text for one in self.finished), _spoken(tail)])

    def finish(self, pcm: bytes) -> tuple[Hypothesis, ...]:
        """Read the rest; returns readings of everything so far, best first."""
        if not pcm and self.result is not None:
            return self.result
        started = time.thread_time()
        if pcm and self.handle.AcceptWaveform(pcm):
            self.finished += _hypotheses(self.handle.Result())[:1]
        last = _hypotheses(self.handle.FinalResult())
        before = tuple(self.finished)
        if last:
            self.result = tuple(_joined((*before, reading)) for reading in last)
        else:
            self.result = (_joined(before),) if before else ()
        self.finished += last[:1]
        self.cpu_ms += (time.thread_time() - started) * 1000.0
        return self.result


class VoskEngine:
    """Vosk models of one or more languages. See `ivrbot.ports.AsrEngine`."""

    def __init__(
        self,
        folders: Mapping[Language, Path],
        *,
        instances: int = 2,
        deadline_ms: int = 6000,
        grammars: Grammars | None = None,
        observe_queue_s: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Describe the engine; `start` loads it.

        Args:
            folders: model of each language.
            instances: worker threads, and recognisers warmed per language; more come when more callers speak.
            deadline_ms: for one decode, waiting included.
            grammars: words to choose from by language and expectation, for yes/no and digits only; needs a model
                with a dynamic graph (the small ones).
            observe_queue_s: told each job's waiting time in seconds.

        Raises:
            ConfigError: a grammar for anything but yes/no and digits. A secret must never be in a grammar: speech
                that is not on the list comes back as the secret, with confidence 1.
        """
        self._folders = dict(folders)
        self._instances = instances
        self._deadline_s = deadline_ms / 1000.0
        self._grammars = {key: tuple(words) for key, words in (grammars or {}).items()}
        wrong = [expect for _, expect in self._grammars if expect not in _MAY_HAVE_GRAMMAR]
        if wrong:
            raise ConfigError(
                [Problem("", None, "grammars", one, "may not have a grammar", "yes_no, digits") for one in wrong]
            )
        self._pool: WorkerPool[None] = WorkerPool(NAME, MAX_WAITING, observe_queue_s)
        self._models: dict[Language, Any] = {}
        self._free: dict[_Key, list[_Recogniser]] = defaultdict(list)

    @property
    def name(self) -> str:
        """Name for events and metrics."""
        return NAME

    @property
    def load(self) -> Load:
        """Waiting times and refusals so far."""
        return self._pool.load

    async def start(self) -> None:
        """Load the models and warm the recognisers.

        Raises:
            EngineUnavailable: library or model is missing or damaged.
        """
        await self._pool.start(lambda: None, self._instances)
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._load)
        except BaseException:
            await self.close()
            raise

    def open(self, language: Language, expect: Expect, on_partial: Callable[[Partial], None]) -> VoskStream:
        """Begin an utterance.

        Raises:
            EngineUnavailable: no model of that language is loaded.
        """
        if language not in self._models:
            raise EngineUnavailable(f"vosk has no model for {language} loaded")
        return VoskStream(self, language, expect, on_partial)

    async def close(self) -> None:
        """Let running jobs end and free everything."""
        await self._pool.close(lambda _: None)
        self._free.clear()
        self._models.clear()

    def take(self, language: Language, expect: Expect) -> _Recogniser:
        """A recogniser, fresh or reused; blocking, in worker threads only."""
        key = (language, expect if (language, expect) in self._grammars else None)
        free = self._free[key]
        try:
            recogniser = free.pop()
        except IndexError:
            recogniser = self._make(key)
        recogniser.begin(ALTERNATIVES if expect in _N_BEST else 0)
        return recogniser

    def give_back(self, recogniser: _Recogniser) -> None:
        """Return a recogniser that no job uses any more."""
        if self._models:
            self._free[recogniser.key].append(recogniser)

    @property
    def pool(self) -> WorkerPool[None]:
        """Worker threads, for streams."""
        return self._pool

    @property
    def deadline_s(self) -> float:
        """Of one decode."""
        return self._deadline_s

    def _load(self) -> None:
        try:
            import vosk
        except (ImportError, OSError) as error:
            raise EngineUnavailable(f"vosk cannot be loaded ({error}): install the package vosk") from error
        vosk.SetLogLevel(-1)
        for language, folder in self._folders.items():
            try:
                self._models[language] = vosk.Model(str(folder))
            # The library raises bare Exception.
            except Exception as error:
                raise EngineUnavailable(
                    f"{folder} holds no usable Vosk model for {language}; see `ivrbot models list`"
                ) from error
            keys: list[_Key] = [(language, None)]
            keys += [key for key in self._grammars if key[0] == language]
            for key in keys:
                self._free[key] = [self._warmed(key) for _ in range(self._instances)]

    def _warmed(self, key: _Key) -> _Recogniser:
        recogniser = self._make(key)
        recogniser.begin(0)
        recogniser.finish(silence(WARM_UP_MS))
        return recogniser

    def _make(self, key: _Key) -> _Recogniser:
        import vosk

        language, expect = key
        words = self._grammars[(language, expect)] if expect is not None else ()
        grammar = (json.dumps([*words, "[unk]"], ensure_ascii=False),) if words else ()
        try:
            handle = vosk.KaldiRecognizer(self._models[language], SAMPLE_RATE_HZ, *grammar)
        # The library raises bare Exception.
        except Exception as error:
            raise EngineUnavailable(f"vosk made no recogniser for {language}: {error}") from error
        handle.SetWords(True)
        return _Recogniser(key, handle)


class VoskStream:
    """One utterance. See `ivrbot.ports.AsrStream`; belongs to the event loop."""

    def __init__(
        self, engine: VoskEngine, language: Language, expect: Expect, on_partial: Callable[[Partial], None]
    ) -> None:
        self._engine = engine
        self._language = language
        self._expect = expect
        self._on_partial = on_partial
        self._pending = bytearray()
        self._heard_bytes = 0
        self._partial = ""
        self._recogniser: _Recogniser | None = None
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
            lambda _: self._work(lambda one: one.accept(pcm)), self._engine.deadline_s
        )

    async def _finish(self) -> Transcript:
        pcm, heard_bytes = self._take_pending(), self._heard_bytes
        try:
            hypotheses = await self._engine.pool.run(
                lambda _: self._work(lambda one: one.finish(pcm)), self._engine.deadline_s
            )
        except EngineUnavailable:
            # Nothing was read: the sound waits for the next attempt.
            self._pending[:0] = pcm
            raise
        cpu_ms = round(self._recogniser.cpu_ms) if self._recogniser else 0
        return Transcript(hypotheses, NAME, heard_bytes // _BYTES_PER_MS, cpu_ms)

    def _work(self, job: Callable[[_Recogniser], ResultT]) -> ResultT:
        """Run a job on this utterance's recogniser, in a worker thread.

        A job whose waiter has given up still runs to its end: hence the lock.
        """
        with self._guard:
            if self._closed:
                raise EngineUnavailable("the utterance is closed")
            self._jobs += 1
        try:
            with self._making:
                if self._recogniser is None:
                    self._recogniser = self._engine.take(self._language, self._expect)
                recogniser = self._recogniser
            with recogniser.busy:
                return job(recogniser)
        except EngineError:
            raise
        # The library raises bare Exception.
        except Exception as error:
            raise EngineBadOutput(f"vosk failed: {error}") from error
        finally:
            with self._guard:
                self._jobs -= 1
            self._let_go_if_done()

    def _let_go_if_done(self) -> None:
        with self._guard:
            if not self._closed or self._jobs or self._recogniser is None:
                return
            recogniser, self._recogniser = self._recogniser, None
        self._engine.give_back(recogniser)

    def _take_pending(self) -> bytes:
        pcm = bytes(self._pending)
        self._pending.clear()
        return pcm


def _hypotheses(answer: str) -> tuple[Hypothesis, ...]:
    """Readings of a result of the library, best first, without blanks.

    Without alternatives the confidence is the mean over the words; with them it is the reading's share among all
    (softmax of the library's scores), which compares readings and does not say whether any is right.
    """
    result = json.loads(answer)
    if "alternatives" not in result:
        words = [word.get("conf", 1.0) for word in result.get("result", ())]
        text = _spoken(result.get("text", ""))
        confidence = sum(words) / len(words) if words else 1.0
        return (Hypothesis(text, round(min(1.0, confidence), 3)),) if text else ()
    found = [(_spoken(one.get("text", "")), float(one.get("confidence", 0.0))) for one in result["alternatives"]]
    top = max((score for _, score in found), default=0.0)
    weights = [(text, math.exp(score - top)) for text, score in found if text]
    total = sum(weight for _, weight in weights) or 1.0
    return tuple(Hypothesis(text, round(weight / total, 3)) for text, weight in weights)


def _spoken(text: str) -> str:
    """Without the mark for words outside a grammar."""
    return _join(word for word in text.split() if word != "[unk]")


def _joined(parts: Sequence[Hypothesis]) -> Hypothesis:
    """Successive stretches as one reading; its confidence is their mean."""
    confidence = sum(part.confidence for part in parts) / len(parts)
    return Hypothesis(_join(part.text for part in parts), round(confidence, 3))


def _join(parts: Iterable[str]) -> str:
    return " ".join(part for part in parts if part)
