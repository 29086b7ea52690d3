"""Whisper behind the recognition port: the embedded engine that always works.

Takes 8 kHz sound of one utterance, gives its reading. Not a streaming model: each decode reads the whole utterance
again, so the call layer hides the time by decoding early (speculatively) when a pause begins and taking that
reading if nothing was said after it. A second pass with a larger window and beam 5 follows if the first is unsure
(average log-probability below -0.7) or loops, if nobody waits and its expected time fits its budget. Of a
secret both passes are made, and their readings count together.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Final, TypeVar

from ivrbot.asr import guards
from ivrbot.asr.agreement import AgreedPrefix
from ivrbot.asr.fairness import JobKind
from ivrbot.asr.whisper_model import (
    MAX_AUDIO_MS,
    MIN_AUDIO_MS,
    TAIL_FRAMES,
    DecodeOptions,
    Reading,
    WhisperModel,
)
from ivrbot.asr.workers import Load, WorkerPool
from ivrbot.errors import EngineError, EngineUnavailable
from ivrbot.model.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ, Pcm, duration_ms, silence
from ivrbot.model.capacity import Wanted, wanted_var
from ivrbot.model.speech import Expect, Hypothesis, Language, Partial, Transcript, unheard

NAME: Final = "whisper"
UNSURE_LOG_PROB: Final = -0.7
PARTIAL_EVERY_MS: Final = 500
PARTIAL_MIN_FRAMES: Final = 600
MAX_WAITING_PER_INSTANCE: Final = 12
WARM_UP_MS: Final = 300
_BYTES_PER_MS: Final = SAMPLE_RATE_HZ * SAMPLE_BYTES // 1000

SECOND_PASS_TAIL_FRAMES: Final = 700

GUESS_SHARE: Final = 0.3
"""Guesses within an utterance may take so much of its length in processor time before the next is made."""

ResultT = TypeVar("ResultT")

_FIRST = DecodeOptions()
# Measured on three voices: sentences are read better with some silence before them, figures and single words
# without; a beam prefers "1,8400" to "1,8,4,0"; of five readings of a short word one is usually right.
_FIRST_FIGURES = DecodeOptions(beam=1, lead_ms=0)
_FIRST_N_BEST = DecodeOptions(beam=5, hypotheses=5, lead_ms=0)
_SECOND = DecodeOptions(tail_frames=SECOND_PASS_TAIL_FRAMES, beam=5, hypotheses=5)
_PARTIAL = DecodeOptions(min_frames=PARTIAL_MIN_FRAMES)
_N_BEST = frozenset((Expect.SECRET, Expect.NAME, Expect.YES_NO))
_FIGURES = frozenset((Expect.DIGITS, Expect.DATE))
# A code word stands alone and is rare: two passes together hold it in three answers of four, one alone in half.
_BOTH_PASSES = frozenset((Expect.SECRET,))


class WhisperEngine:
    """Several instances of one Whisper model. See `ivrbot.ports.AsrEngine`."""

    def __init__(
        self,
        folder: Path,
        *,
        instances: int = 2,
        deadline_ms: int = 6000,
        second_pass_ms: int = 1500,
        partials: bool = True,
        observe_queue_s: Callable[[float], None] = lambda _: None,
        loader: Callable[[Path], WhisperModel] = WhisperModel,
    ) -> None:
        """Describe the engine; `start` loads it.

        Args:
            folder: the model (`<models>/whisper-base`).
            instances: models in memory, best one per core (each about 150 MB).
            deadline_ms: for one decode, waiting included.
            second_pass_ms: longest second pass that a caller may be kept waiting for, 0 for none.
            partials: whether readings of unfinished utterances are made on idle instances.
            observe_queue_s: told each decode's waiting time in seconds.
            loader: makes one instance from the folder.
        """
        self._folder = folder
        self._loader = loader
        self._instances = instances
        self._deadline_s = deadline_ms / 1000.0
        self._second_pass_ms = second_pass_ms
        self._partials = partials
        self._pool: WorkerPool[WhisperModel] = WorkerPool(
            NAME, instances * MAX_WAITING_PER_INSTANCE, observe_queue_s
        )
        self._ms_per_frame = 0.0

    @property
    def name(self) -> str:
        """Name for events and metrics."""
        return NAME

    @property
    def load(self) -> Load:
        """Waiting times and refusals so far."""
        return self._pool.load

    @property
    def waiting(self) -> int:
        """Decodes waiting for an instance now."""
        return self._pool.waiting

    @property
    def pool(self) -> WorkerPool[WhisperModel]:
        """Instances and who waits for them."""
        return self._pool

    async def start(self) -> None:
        """Load every instance and decode a moment of silence on it.

        Raises:
            EngineUnavailable: library or model is missing or damaged.
        """
        await self._pool.start(self._load, self._instances)

    def open(self, language: Language, expect: Expect, on_partial: Callable[[Partial], None]) -> WhisperStream:
        """Begin an utterance.

        Raises:
            EngineUnavailable: not started.
        """
        return WhisperStream(self, language, expect, on_partial)

    async def close(self) -> None:
        """Let running decodes end and free the models."""
        await self._pool.close(lambda model: model.close())

    async def read(self, pcm: Pcm, language: Language, expect: Expect, wanted: Wanted | None = None) -> Transcript:
        """Decode a whole utterance, with a second pass where it pays.

        Raises:
            EngineTimeout: deadline passed.
            EngineUnavailable: overloaded or closed.
            EngineBadOutput: the library failed.
        """
        first = await self.read_first(pcm, language, expect, wanted)
        return await self.read_again(pcm, language, expect, first, wanted)

    async def read_first(
        self,
        pcm: Pcm,
        language: Language,
        expect: Expect,
        wanted: Wanted | None = None,
        kind: JobKind = JobKind.READ,
    ) -> Reading | None:
        """The first pass alone; None for sound too short to be read. Raises as `read`."""
        if duration_ms(pcm) < MIN_AUDIO_MS:
            return None
        options = self._first_pass(expect)

        def job(model: WhisperModel) -> Reading:
            return self._timed(model, pcm, language, options)

        if kind is JobKind.DIP:
            guess = await self._pool.run_if_idle(job, kind=kind, wanted=wanted, deadline_s=self._deadline_s)
            if guess:
                return guess
        return await self._pool.run(job, self._deadline_s, wanted=wanted)

    async def read_again(
        self,
        pcm: Pcm,
        language: Language,
        expect: Expect,
        reading: Reading | None,
        wanted: Wanted | None = None,
        beside: asyncio.Task[Reading | None] | None = None,
    ) -> Transcript:
        """What a first pass has read, bettered by a second one where that pays. Never fails.

        Args:
            pcm: the utterance.
            language: spoken.
            expect: what was asked for.
            reading: of the first pass; None where there was too little to read.
            wanted: whose it is.
            beside: a second pass that has begun already, see `begin_second`; cancelled where it is not needed.
        """
        audio_ms = duration_ms(pcm)
        if reading is None:
            return Transcript((), NAME, audio_ms)
        cpu_ms = reading.cpu_ms
        # Of a secret also under load: misheard it costs another turn, and the recogniser another reading.
        both = expect in _BOTH_PASSES
        again = both or (_unsure(reading, audio_ms) and self._pool.allows(JobKind.SECOND))
        second = await self._second(pcm, language, wanted, beside) if again else None
        if second is None:
            return _transcript(reading, audio_ms, cpu_ms)
        return _transcript(_together(reading, second) if both else second, audio_ms, cpu_ms + second.cpu_ms)

    def begin_second(
        self, pcm: Pcm, language: Language, expect: Expect, wanted: Wanted | None = None
    ) -> asyncio.Task[Reading | None] | None:
        """Begin the second pass of a closed answer beside its first, on an instance that nobody wants.

        Short answers are unsure more often than not; None where it is not worth it or nothing is idle.
        """
        audio_ms = duration_ms(pcm)
        until = time.monotonic() + self._deadline_s
        if expect is Expect.OPEN or audio_ms < MIN_AUDIO_MS or not self._pool.allows(JobKind.SECOND):
            return None
        if not self._second_pass_fits(audio_ms, until):
            return None
        work = self._pool.run_if_idle(
            lambda model: model.transcribe(pcm, language, _SECOND),
            kind=JobKind.SECOND,
            wanted=wanted,
            deadline_s=self._deadline_s,
        )
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(_failed)
        return task

    async def _second(
        self, pcm: Pcm, language: Language, wanted: Wanted | None, beside: asyncio.Task[Reading | None] | None
    ) -> Reading | None:
        """The second pass; None where it does not fit or fails: the first reading is there, nothing is lost."""
        until = time.monotonic() + self._deadline_s
        try:
            if beside is not None and (reading := await beside):
                return reading
            if not self._second_pass_fits(duration_ms(pcm), until):
                return None
            return await self._pool.run(
                lambda model: model.transcribe(pcm, language, _SECOND),
                until - time.monotonic(),
                kind=JobKind.SECOND,
                wanted=wanted,
            )
        except EngineError:
            return None

    async def read_partial(self, pcm: Pcm, language: Language, wanted: Wanted | None = None) -> str | None:
        """Text of an unfinished utterance, or None when no instance is idle or the engine failed."""
        # One instance stays free for finals: a caller waits for those, nobody for a partial.
        if not self._partials or self._pool.idle < min(2, self._instances):
            return None
        try:
            reading = await self._pool.run_if_idle(
                lambda model: model.transcribe(pcm, language, _PARTIAL), wanted=wanted
            )
        except EngineError:
            return None
        if reading is None or _unsure(reading, duration_ms(pcm)):
            return None
        return _transcript(reading, 0, 0.0).text

    @property
    def idle(self) -> bool:
        """Whether a guess would run at once, and guesses are not left out under load."""
        return self._pool.idle > 0 and self._pool.allows(JobKind.DIP)

    def expected_ms(self, audio_ms: int) -> float:
        """What a first pass costs on this machine now."""
        return self._ms_per_frame * (audio_ms // 10 + TAIL_FRAMES)

    def note_dropped(self, dropped_ms: int) -> None:
        """Count sound that did not fit."""
        self._pool.load.dropped_ms += dropped_ms

    def _load(self) -> WhisperModel:
        model = self._loader(self._folder)
        # Once and short: a decode of nothing costs as much as one of words, and a start waits for it.
        self._timed(model, silence(WARM_UP_MS), "en", _FIRST)
        return model

    def _timed(self, model: WhisperModel, pcm: Pcm, language: Language, options: DecodeOptions) -> Reading:
        """Decode and keep a running figure of what a 10 ms step of window costs on this machine now."""
        started = time.monotonic()
        reading = model.transcribe(pcm, language, options)
        frames = duration_ms(pcm) // 10 + TAIL_FRAMES
        latest = (time.monotonic() - started) * 1000.0 / frames
        self._ms_per_frame = latest if not self._ms_per_frame else 0.7 * self._ms_per_frame + 0.3 * latest
        return reading

    def _first_pass(self, expect: Expect) -> DecodeOptions:
        if expect in _BOTH_PASSES or (expect in _N_BEST and self._pool.allows(JobKind.SECOND)):
            return _FIRST_N_BEST
        return _FIRST_FIGURES if expect in _FIGURES | _N_BEST else _FIRST

    def _second_pass_fits(self, audio_ms: int, until: float) -> bool:
        # Beam 5 costs about a fifth more than the window alone would.
        expected_ms = 1.2 * self._ms_per_frame * (audio_ms // 10 + SECOND_PASS_TAIL_FRAMES)
        left_ms = (until - time.monotonic()) * 1000.0
        # Only at once: whoever waits for this reading would not understand waiting for its betterment, too.
        return self._pool.idle > 0 and expected_ms <= min(self._second_pass_ms, left_ms)


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
        self._guessed_ms += self._engine.expected_ms(self._heard_ms)
        self._begin_first(JobKind.DIP)
        assert self._first_task is not None
        reading = await _shielded(self._first_task)
        return _transcript(reading, self._heard_ms, reading.cpu_ms) if reading else Transcript((), NAME)

    async def decode(self) -> Transcript:
        """Reading of everything so far; asked again without new sound it answers from memory.

        Raises:
            EngineError: see `WhisperEngine.read`.
        """
        if self._closed:
            raise EngineUnavailable("the utterance is closed")
        self._begin_first()
        if self._decode_task is None or _failed(self._decode_task):
            assert self._first_task is not None
            self._decode_task = self._task(self._finish(self._first_task, Pcm(bytes(self._sound))))
        return await _shielded(self._decode_task)

    async def _finish(self, first: asyncio.Task[Reading | None], pcm: Pcm) -> Transcript:
        beside = (
            None if first.done() else self._engine.begin_second(pcm, self._language, self._expect, self._wanted)
        )
        try:
            reading = await asyncio.shield(first)
            return await self._engine.read_again(pcm, self._language, self._expect, reading, self._wanted, beside)
        finally:
            if beside is not None:
                beside.cancel()

    def _begin_first(self, kind: JobKind = JobKind.READ) -> None:
        """Begin the first pass over what was heard, unless it has begun."""
        if self._first_task is not None and self._decoded_ms == self._heard_ms and not _failed(self._first_task):
            return
        for task in (self._first_task, self._decode_task):
            if task is not None:
                task.cancel()
        self._decoded_ms = self._heard_ms
        self._decode_task = None
        self._first_task = self._task(
            self._engine.read_first(Pcm(bytes(self._sound)), self._language, self._expect, self._wanted, kind)
        )

    @staticmethod
    def _task(work: Coroutine[None, None, ResultT]) -> asyncio.Task[ResultT]:
        task = asyncio.get_running_loop().create_task(work)
        # A reading that nobody waits for any more may fail unheard.
        task.add_done_callback(_failed)
        return task

    async def settle(self) -> None:
        """Wait for the partial in the making; for files, where sound comes faster than it was spoken."""
        if self._partial_task is not None:
            await asyncio.wait((self._partial_task,))

    def close(self) -> None:
        """Drop the sound and everything pending. Idempotent."""
        self._closed = True
        self._sound.clear()
        for task in (self._partial_task, self._first_task, self._decode_task):
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


def _failed(task: asyncio.Task[ResultT]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


async def _shielded(task: asyncio.Task[ResultT]) -> ResultT:
    """Wait for a reading that goes on when its waiter gives up."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if task.cancelled() and current is not None and not current.cancelling():
            raise EngineUnavailable("the reading was superseded or its utterance closed") from None
        raise


def _unsure(reading: Reading, audio_ms: int) -> bool:
    text, log_prob = reading.texts[0]
    return log_prob < UNSURE_LOG_PROB or guards.is_repetitive(guards.clean(text), audio_ms / 1000.0)


def _together(one: Reading, other: Reading) -> Reading:
    """Readings of two passes as one, the likeliest first."""
    texts = sorted((*one.texts, *other.texts), key=lambda found: -found[1])
    return Reading(tuple(texts), min(one.no_speech, other.no_speech), one.cpu_ms + other.cpu_ms)


def _transcript(reading: Reading, audio_ms: int, cpu_ms: float) -> Transcript:
    """Apply the guards; equal readings are merged, the best first."""
    hypotheses: dict[str, Hypothesis] = {}
    if not guards.is_doubtful(reading.no_speech, reading.texts[0][1]):
        for raw, log_prob in reading.texts:
            text = guards.unloop(guards.clean(raw))
            if guards.is_invented(text) or (audio_ms and guards.is_repetitive(text, audio_ms / 1000.0)):
                continue
            hypotheses.setdefault(text.casefold(), Hypothesis(text, round(math.exp(min(0.0, log_prob)), 3)))
    return Transcript(tuple(hypotheses.values()), NAME, audio_ms, round(cpu_ms))
