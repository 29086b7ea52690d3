"""Whisper behind the recognition port: the embedded engine that always works.

Takes 8 kHz sound of one utterance, gives its reading. Not a streaming model: each decode reads the whole utterance
again, so the call layer hides the time by decoding early (speculatively) when a pause begins and taking that
reading if nothing was said after it. A first pass that does nothing but repeat itself is made again, greedily. A
second pass with a larger window and beam 5 follows if the first is unsure (average log-probability below -0.65) or
loops, if nobody waits and its expected time fits its budget. Of a secret both passes are made, and their readings
count together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from ivrbot.asr.fairness import JobKind
from ivrbot.asr.whisper_model import MIN_AUDIO_MS, TAIL_FRAMES, DecodeOptions, Encoded, Reading, WhisperModel
from ivrbot.asr.whisper_readings import NAME, lost_in_loops, repeats_itself, together, transcript, unsure
from ivrbot.asr.whisper_stream import WhisperStream, failed
from ivrbot.asr.workers import Halves, Load, WorkerPool
from ivrbot.errors import EngineError
from ivrbot.model.audio import Pcm, duration_ms, silence
from ivrbot.model.capacity import Wanted
from ivrbot.model.speech import Expect, Language, Partial, Transcript

PARTIAL_MIN_FRAMES: Final = 600
MAX_WAITING_PER_INSTANCE: Final = 12
WARM_UP_MS: Final = 300
SECOND_PASS_TAIL_FRAMES: Final = 700
IDLE_LINE_PEAK: Final = 24
"""Greatest sample of a line on which nothing is said: the second step of A-law (ITU-T G.711), -63 dBFS."""

_FIRST = DecodeOptions()
# Measured on three voices: sentences are read better with some silence before them, figures and single words
# without; a beam prefers "1,8400" to "1,8,4,0"; of five readings of a short word one is usually right.
_FIRST_FIGURES = DecodeOptions(beam=1, lead_ms=0)
# A beam may find an endless repetition likeliest, in all its readings; this got out of 12 such loops of 12.
_GREEDY = _FIRST_FIGURES
_FIRST_N_BEST = DecodeOptions(beam=5, hypotheses=5, lead_ms=0)
_SECOND = DecodeOptions(tail_frames=SECOND_PASS_TAIL_FRAMES, beam=5, hypotheses=5)
_PARTIAL = DecodeOptions(min_frames=PARTIAL_MIN_FRAMES)
_N_BEST = frozenset((Expect.SECRET, Expect.NAME, Expect.YES_NO))
_SENTENCES = frozenset((Expect.OPEN, Expect.NAME))
# A code word stands alone and is rare: two passes together hold it in three answers of four, one alone in half.
_BOTH_PASSES = frozenset((Expect.SECRET,))


@dataclass(frozen=True, slots=True)
class _Half:
    """A first pass in its middle, and what that took, in seconds."""

    encoded: Encoded
    took_s: float


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
            instances: models in memory, best one per core (they share one network of 260 MB).
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
            NAME, instances * MAX_WAITING_PER_INSTANCE, observe_queue_s, lambda model: model.give_up()
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
        """The first pass alone; None for sound too short or too quiet to be read. Raises as `read`."""
        if not _holds_sound(pcm):
            return None
        options = self._first_pass(expect)

        def encode(model: WhisperModel) -> _Half:
            began_s = time.monotonic()
            return _Half(model.encode(pcm, language, options), time.monotonic() - began_s)

        def decode(model: WhisperModel, half: _Half) -> Reading:
            began_s = time.monotonic()
            reading = model.decode(half.encoded)
            self._note_pace(reading, duration_ms(pcm), half.took_s + time.monotonic() - began_s)
            if not lost_in_loops(reading, duration_ms(pcm)):
                return reading
            # Here, not in a second pass: that is left out under load, and he has said something.
            greedy = model.transcribe(pcm, language, _GREEDY)
            found = reading if repeats_itself(greedy, duration_ms(pcm)) else greedy
            return replace(found, cpu_ms=reading.cpu_ms + greedy.cpu_ms)

        if kind is JobKind.DIP:
            # Most dips are within words: when he goes on, half of the work has not been begun.
            guess = await self._pool.run_if_idle(
                Halves(encode, decode), kind=kind, wanted=wanted, deadline_s=self._deadline_s
            )
            if guess:
                return guess
        return await self._pool.run(lambda model: decode(model, encode(model)), self._deadline_s, wanted=wanted)

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
        again = both or (unsure(reading, audio_ms) and self._pool.allows(JobKind.SECOND))
        second = await self._second(pcm, language, wanted, beside) if again else None
        if second is None:
            return transcript(reading, audio_ms, cpu_ms)
        return transcript(together(reading, second) if both else second, audio_ms, cpu_ms + second.cpu_ms)

    def begin_second(
        self, pcm: Pcm, language: Language, expect: Expect, wanted: Wanted | None = None
    ) -> asyncio.Task[Reading | None] | None:
        """Begin the second pass of a closed answer beside its first, on an instance that nobody wants.

        Short answers are unsure more often than not; None where it is not worth it or nothing is idle.
        """
        audio_ms = duration_ms(pcm)
        until = time.monotonic() + self._deadline_s
        if expect is Expect.OPEN or not _holds_sound(pcm) or not self._pool.allows(JobKind.SECOND):
            return None
        if not self._second_pass_fits(audio_ms, until):
            return None
        work = self._pool.run_if_idle(
            Halves(lambda model: model.encode(pcm, language, _SECOND), lambda model, half: model.decode(half)),
            kind=JobKind.SECOND,
            wanted=wanted,
            deadline_s=self._deadline_s,
        )
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(failed)
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
        if not self._partials or self._pool.idle < min(2, self._instances) or not _holds_sound(pcm):
            return None
        try:
            reading = await self._pool.run_if_idle(
                lambda model: model.transcribe(pcm, language, _PARTIAL), wanted=wanted
            )
        except EngineError:
            return None
        if reading is None or unsure(reading, duration_ms(pcm)):
            return None
        return transcript(reading, 0, 0.0).text

    @property
    def idle(self) -> bool:
        """Whether a guess would run at once, and guesses are not left out under load."""
        return self._pool.idle > 0 and self._pool.allows(JobKind.DIP)

    def reads_twice(self, expect: Expect) -> bool:
        """Whether both passes are made of such an answer, whatever the first one reads."""
        return expect in _BOTH_PASSES

    def expected_ms(self, audio_ms: int) -> float:
        """What a first pass costs on this machine now."""
        return self._ms_per_frame * (audio_ms // 10 + TAIL_FRAMES)

    def note_dropped(self, dropped_ms: int) -> None:
        """Count sound that did not fit."""
        self._pool.load.dropped_ms += dropped_ms

    def _load(self) -> WhisperModel:
        model = self._loader(self._folder)
        # Once and short: a decode of nothing costs as much as one of words, and a start waits for it.
        began_s = time.monotonic()
        reading = model.transcribe(silence(WARM_UP_MS), "en", _FIRST)
        self._note_pace(reading, WARM_UP_MS, time.monotonic() - began_s)
        return model

    def _note_pace(self, reading: Reading, audio_ms: int, took_s: float) -> None:
        """Keep a running figure of what a 10 ms step of window costs on this machine now."""
        latest = took_s * 1000.0 / (audio_ms // 10 + TAIL_FRAMES)
        self._ms_per_frame = latest if not self._ms_per_frame else 0.7 * self._ms_per_frame + 0.3 * latest

    def _first_pass(self, expect: Expect) -> DecodeOptions:
        if expect in _BOTH_PASSES or (expect in _N_BEST and self._pool.allows(JobKind.SECOND)):
            return _FIRST_N_BEST
        return _FIRST if expect in _SENTENCES else _FIRST_FIGURES

    def _second_pass_fits(self, audio_ms: int, until: float) -> bool:
        # Beam 5 costs about a fifth more than the window alone would.
        expected_ms = 1.2 * self._ms_per_frame * (audio_ms // 10 + SECOND_PASS_TAIL_FRAMES)
        left_ms = (until - time.monotonic()) * 1000.0
        # Only at once: whoever waits for this reading would not understand waiting for its betterment, too.
        return self._pool.idle > 0 and expected_ms <= min(self._second_pass_ms, left_ms)


def _holds_sound(pcm: Pcm) -> bool:
    """Whether there is anything to read; what the network says to an idle line is up to its rounding."""
    if duration_ms(pcm) < MIN_AUDIO_MS:
        return False
    samples = np.frombuffer(pcm, dtype="<i2")
    return bool(samples.max() > IDLE_LINE_PEAK or samples.min() < -IDLE_LINE_PEAK)
