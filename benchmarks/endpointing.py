"""When turns end, offline: python -m benchmarks.endpointing [--count 24] [--policy before]

Sentences of callers (synthetic voices over telephone sound), half of them with a hesitation of 200 to 900 ms
between two words, in silence and in noise, go frame by frame through the real ear, the real recogniser and the
real understanding. Time is virtual: what Whisper computes takes its processor time, so that a loaded machine
changes little (and `--reference-ms` puts that right: the processor time that the reference decode takes on the
machine that is asked about). Per question and noise: the gap from the last voiced sample to the reading of the
turn, in its parts; sentences of which a turn ended before they did; those understood; processor time of Whisper
per utterance. The answer itself begins 20 to 60 ms later. `--policy before` hears as the ear did when it counted
silence from the moment when the detector lets go, read at pauses only, made partials of every turn, and waited for
sentences of unknown topic.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.nlu import VOICES, sample
from ivrbot.asr.whisper import WhisperEngine
from ivrbot.asr.whisper_model import TAIL_FRAMES, DecodeOptions, Encoded, Reading, WhisperModel
from ivrbot.asr.whisper_readings import NAME
from ivrbot.call import hearing
from ivrbot.call.hearing import Hearing
from ivrbot.call.hearing import Reading as Heard
from ivrbot.call.understanding import Understanding
from ivrbot.config import PROJECT_ROOT, load_settings
from ivrbot.dialogue.loader import load_flows
from ivrbot.dialogue.questions import FACT_QUESTIONS
from ivrbot.dialogue.reading import answers_question
from ivrbot.dialogue.schema import FlowSet
from ivrbot.media.framing import frames_of
from ivrbot.model.audio import FRAME_MS, SAMPLE_RATE_HZ, Frame, Pcm, silence
from ivrbot.model.dialogue import Collect
from ivrbot.model.speech import LANGUAGES, Expect, Language
from ivrbot.nlu.embedded import EmbeddedNlu
from ivrbot.nlu.encoder import ENCODER_FILE
from ivrbot.speech.ear import Ear
from ivrbot.speech.endpointing import (
    Completeness,
    EndpointConfig,
    Endpointer,
    SpeechDipped,
    SpeechEvent,
    SpeechStarted,
    TurnEnded,
)
from ivrbot.speech.vad import VoiceActivity
from tests.caller_speech import CallerVoice, caller_pcm
from tests.fakes.virtual_time import VirtualTimeLoop

BEFORE_MS: Final = 1200
AFTER_MS: Final = 2600
HESITATION_MS: Final = (200, 900)
VOICED_DB: Final = 35.0
"""Below the loudest 20 ms of the sentence nothing is voice."""
NOISES: Final = (None, 20, 10)
_TOPIC: Final = Collect("topic", Expect.OPEN, max_digits=1)
_CONFIRM: Final = Collect("confirm_block", Expect.YES_NO, max_digits=1)
_ANSWERS: Final[dict[Language, tuple[tuple[Collect, str], ...]]] = {
    "ru": (
        (_CONFIRM, "да"),
        (_CONFIRM, "нет"),
        (_CONFIRM, "да | верно"),
        (_CONFIRM, "нет | не эту"),
        (FACT_QUESTIONS["last_four"], "четыре два семь один"),
        (FACT_QUESTIONS["last_four"], "восемь три | ноль пять"),
        (FACT_QUESTIONS["last_four"], "шестьдесят один | сорок восемь"),
        (FACT_QUESTIONS["date_of_birth"], "двенадцатое мая | тысяча девятьсот восемьдесят пятого года"),
        (FACT_QUESTIONS["full_name"], "Соколова | Анна Петровна"),
    ),
    "en": (
        (_CONFIRM, "yes"),
        (_CONFIRM, "no"),
        (_CONFIRM, "yes | that's right"),
        (_CONFIRM, "no | not that one"),
        (FACT_QUESTIONS["last_four"], "four two seven one"),
        (FACT_QUESTIONS["last_four"], "eight three | zero five"),
        (FACT_QUESTIONS["last_four"], "sixty one | forty eight"),
        (FACT_QUESTIONS["date_of_birth"], "the twelfth of May | nineteen eighty five"),
        (FACT_QUESTIONS["full_name"], "Anna | Sokolova"),
    ),
}
Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Said:
    """One utterance: its clean sound (with silence around), where its voice ends, and what it should come to."""

    language: Language
    collect: Collect
    text: str
    topic: str
    sound: Samples
    end_ms: int
    halting: bool


@dataclass(slots=True)
class Outcome:
    """What the ear made of one utterance; times in ms of the sound, -1 where nothing came."""

    end_ms: int
    ends: list[int] = field(default_factory=list)
    dips: list[int] = field(default_factory=list)
    reads: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    cpu_ms: float = 0.0
    jobs: int = 0
    answered_when_cut: bool = True
    right: bool = False

    @property
    def gap_ms(self) -> int | None:
        """From the end of the voice to the reading of the turn that holds it."""
        later = [at for at in self.told if at >= self.end_ms]
        return later[0] - self.end_ms if later else None

    @property
    def parts_ms(self) -> tuple[int, int, int] | None:
        """Voice's end to dip, dip to first reading, reading to the reading told."""
        told = next((at for at in self.told if at >= self.end_ms), None)
        dip = next((at for at in self.dips if at >= self.end_ms - FRAME_MS), None)
        if told is None or dip is None:
            return None
        read = next((at for at in self.reads if at >= dip), told)
        return dip - self.end_ms, read - dip, told - read

    @property
    def cuts(self) -> int:
        """Turns that ended while the caller had more to say."""
        return sum(at < self.end_ms - 2 * FRAME_MS for at in self.ends)


class CostedLoop(VirtualTimeLoop):
    """Virtual time in which work in executors takes the processor time that it took, times `scale`."""

    scale = 1.0

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        began_s = time.process_time()
        future: asyncio.Future[Any] = self.create_future()
        try:
            result, failure = func(*args), None
        except Exception as error:  # noqa: BLE001 - as an executor would
            result, failure = None, error
        took_s = (time.process_time() - began_s) * self.scale

        def finish() -> None:
            if not future.done():
                future.set_exception(failure) if failure else future.set_result(result)

        self.call_later(took_s, finish)
        return future


class AtOnce(Executor):
    """Works in its caller's thread; understanding takes a millisecond or two, which are not counted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class CostedWhisper(WhisperEngine):
    """Whisper whose idea of its own speed comes from processor time.

    Attributes:
        cpu_ms: spent so far.
        jobs: decodes of every kind.
        guesses: whether dips are read.
    """

    def __init__(self, folder: Path, instances: int, guesses: bool) -> None:
        super().__init__(folder, instances=instances, deadline_ms=60_000, loader=self._counting)
        self.cpu_ms = 0.0
        self.jobs = 0
        self.scale = 1.0
        self._guesses = guesses

    @property
    def idle(self) -> bool:
        return self._guesses and super().idle

    def _note_pace(self, reading: Reading, audio_ms: int, took_s: float) -> None:
        self._ms_per_frame = reading.cpu_ms * self.scale / (audio_ms // 10 + TAIL_FRAMES)

    def _counting(self, folder: Path) -> WhisperModel:
        engine = self

        class Counting(WhisperModel):
            def encode(self, pcm: Pcm, language: Language, options: DecodeOptions) -> Encoded:
                encoded = super().encode(pcm, language, options)
                engine.cpu_ms += encoded.cpu_ms * engine.scale
                return encoded

            def decode(self, encoded: Encoded) -> Reading:
                reading = super().decode(encoded)
                engine.cpu_ms += (reading.cpu_ms - encoded.cpu_ms) * engine.scale
                engine.jobs += 1
                return reading

        return Counting(folder)


class DetectorAlone:
    """Voice activity as the detector tells it, with its late letting go."""

    def __init__(self) -> None:
        self._inner = VoiceActivity()

    @property
    def perhaps(self) -> bool:
        return self._inner.perhaps

    def hear(self, frame: Frame, then: Callable[[Frame, bool], None]) -> None:
        self._inner.hear(frame, lambda heard, _voiced: then(heard, self._inner._speech))


class HearingBefore(Hearing):
    """Knows topics only; makes partials always."""

    def _begin(self, event: SpeechStarted) -> None:
        self._is_speaking = lambda: True
        super()._begin(event)

    def _completeness(self, text: str, *, answered: bool) -> Completeness:
        if answered:
            return Completeness.ANSWERED
        return Completeness.UNFINISHED if self._expect is Expect.OPEN else Completeness.UNKNOWN


class NotingEndpointer(Endpointer):
    """Tells its events."""

    def __init__(self, config: EndpointConfig, note: Callable[[SpeechEvent], None]) -> None:
        super().__init__(config)
        self._note = note

    def feed(self, is_speech: bool, frame_ms: int) -> tuple[SpeechEvent, ...]:
        events = super().feed(is_speech, frame_ms)
        for event in events:
            self._note(event)
        return events


def utterances(count: int, seed: int = 3) -> Iterator[Said]:
    """Sentences of topics, half of them halting, and answers to closed questions."""
    rng = random.Random(seed)
    for language in LANGUAGES:
        for number, (topic, text) in enumerate(sample(language, count, seed)):
            words = text.split()
            if number % 2 and len(words) > 2:
                words.insert(rng.randrange(1, len(words)), "|")
            yield _said(language, VOICES[language][number % 3], _TOPIC, " ".join(words), topic, rng)
        for number, (collect, text) in enumerate(_ANSWERS[language]):
            yield _said(language, VOICES[language][number % 3], collect, text, "", rng)


def _said(
    language: Language, voice: CallerVoice, collect: Collect, text: str, topic: str, rng: random.Random
) -> Said:
    pieces = [np.frombuffer(caller_pcm(part.strip(), voice), "<i2").astype(float) for part in text.split("|")]
    sound = np.zeros(_samples(BEFORE_MS))
    for number, piece in enumerate(pieces):
        if number:
            sound = np.concatenate((sound, np.zeros(_samples(rng.randint(*HESITATION_MS)))))
        sound = np.concatenate((sound, piece))
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    levels = 10 * np.log10(np.mean(frames**2, axis=1) + 1.0)
    end = int(np.flatnonzero(levels > levels.max() - VOICED_DB)[-1] + 1) * FRAME_MS
    sound = np.concatenate((sound, np.zeros(_samples(AFTER_MS))))
    return Said(language, collect, text, topic, sound, end, halting="|" in text)


def _samples(ms: int) -> int:
    return ms * SAMPLE_RATE_HZ // 1000


def with_noise(said: Said, noise_db: int | None) -> Pcm:
    """The sound with noise that falls 3 dB an octave, so far below the speech; the same for every run."""
    sound = said.sound
    if noise_db is not None:
        spectrum = np.fft.rfft(np.random.default_rng(len(sound)).normal(size=len(sound)))
        spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
        spectrum[0] = 0
        noise = np.fft.irfft(spectrum, len(sound))
        voiced = sound[np.abs(sound) > 0]
        sound = sound + noise * np.sqrt(np.mean(voiced**2) / np.mean(noise**2)) / 10 ** (noise_db / 20)
    return Pcm(np.clip(sound, -32768, 32767).astype("<i2").tobytes())


class Bench:
    """One policy with its engines."""

    def __init__(self, policy: str, models_dir: Path, instances: int) -> None:
        self._before = policy == "before"
        self.asr = CostedWhisper(models_dir / "whisper-base", instances, guesses=not self._before)
        data, cache = PROJECT_ROOT / "nlu_data", PROJECT_ROOT / ".cache" / "nlu"
        self._nlu = EmbeddedNlu.train(data, models_dir / ENCODER_FILE, cache_dir=cache, executor=AtOnce())
        self._flows: FlowSet = load_flows(PROJECT_ROOT / "flows")

    async def hear(self, loop: CostedLoop, said: Said, pcm: Pcm) -> Outcome:
        """Let the ear hear one utterance."""
        outcome = Outcome(said.end_ms)
        cpu_ms, jobs = self.asr.cpu_ms, self.asr.jobs
        began_s = loop.time()

        def now_ms() -> int:
            return round((loop.time() - began_s) * 1000)

        understanding = Understanding(self._nlu)

        async def completes(text: str) -> bool:
            outcome.reads.append(now_ms())
            nlu = await understanding.meaning(text, said.collect, said.language)
            return answers_question(self._flows, said.collect, text, nlu, said.language)

        def read(reading: Heard) -> None:
            outcome.told.append(now_ms())
            outcome.texts.append(reading.transcript.text if reading.transcript else "")

        def note(event: SpeechEvent) -> None:
            if isinstance(event, SpeechDipped):
                outcome.dips.append(now_ms() + FRAME_MS)
            elif isinstance(event, TurnEnded):
                outcome.ends.append(now_ms() + FRAME_MS)

        async with asyncio.TaskGroup() as group:
            ear = self._hearing(now_ms, read, note)
            ear.start(group)
            ear.prepare(said.language, said.collect.expect, completes, digits=said.collect.max_digits)
            for frame in frames_of(pcm):
                ear.feed(frame)
                await asyncio.sleep(FRAME_MS / 1000)
            ear.stop()
        outcome.cpu_ms, outcome.jobs = self.asr.cpu_ms - cpu_ms, self.asr.jobs - jobs
        outcome.right = await self._is_right(said, outcome)
        return outcome

    async def _is_right(self, said: Said, outcome: Outcome) -> bool:
        text = " ".join(text for text in outcome.texts if text)
        if said.topic:
            return (await self._nlu.parse(text, said.language)).intent == said.topic
        nlu = await Understanding(self._nlu).meaning(text, said.collect, said.language)
        return answers_question(self._flows, said.collect, text, nlu, said.language)

    def _hearing(
        self, now_ms: Callable[[], int], read: Callable[[Heard], None], note: Callable[[SpeechEvent], None]
    ) -> Hearing:
        made = (HearingBefore if self._before else Hearing)(
            lambda _language: self.asr,
            now_ms=now_ms,
            is_speaking=lambda: False,
            on_speech=lambda: None,
            on_words=lambda _text: None,
            on_nothing=lambda: None,
            on_reading=read,
            on_no_input=lambda: None,
        )
        config = EndpointConfig(pause_ms=120, answered_ms=120) if self._before else hearing.ENDPOINTING
        made._endpointer = NotingEndpointer(config, note)
        made._ear = Ear(made._endpointer)
        if self._before:
            made._activity = DetectorAlone()  # type: ignore[assignment]
        return made

    def reference_ms(self, model: WhisperModel) -> float:
        """Processor time of a decode that is always the same."""
        pcm = Pcm(caller_pcm("what is my balance", "bdl") + silence(300))
        return statistics.median(model.transcribe(pcm, "en", DecodeOptions()).cpu_ms for _ in range(3))


async def run(arguments: argparse.Namespace, loop: CostedLoop) -> None:
    """Measure and print."""
    models = load_settings(Path()).models_dir
    bench = Bench(arguments.policy, models, arguments.instances)
    await bench.asr.start()
    probe = WhisperModel(models / "whisper-base")
    everything = list(utterances(arguments.count))
    noises = [None if one == "none" else int(one) for one in arguments.noise.split(",")]
    print(f"\n{NAME}, policy {arguments.policy}, {len(everything)} utterances, load {os.getloadavg()[0]:.1f}")
    print("\n| question | noise, dB | gap p50 | p95 | to the dip | to its reading | to the end | ", end="")
    print("cut, of halting | cut, of others | understood | decodes | CPU ms |")
    print("|" + "---|" * 12)
    references = []
    for noise in noises:
        found: list[tuple[Said, Outcome]] = []
        for number, said in enumerate(everything):
            if number % 10 == 0:
                references.append(bench.reference_ms(probe))
                if arguments.reference_ms:
                    loop.scale = bench.asr.scale = arguments.reference_ms / references[-1]
            found.append((said, await bench.hear(loop, said, with_noise(said, noise))))
            if arguments.show:
                _show(*found[-1])
        for name, kind in (("open", Expect.OPEN), ("closed", None), ("all", None)):
            rows = [one for one in found if name == "all" or (one[0].collect.expect is Expect.OPEN) == bool(kind)]
            print(row(name, noise, rows), flush=True)
    print(f"\nReference decode: {min(references):.0f} to {max(references):.0f} ms of CPU", end="")
    print(f", counted as {arguments.reference_ms} ms." if arguments.reference_ms else ".")
    await bench.asr.close()


def row(name: str, noise: int | None, rows: Sequence[tuple[Said, Outcome]]) -> str:
    """One line of the table."""
    gaps = sorted(gap for _, one in rows if (gap := one.gap_ms) is not None)
    parts = [one.parts_ms for _, one in rows if one.parts_ms is not None]
    middle = [f"{statistics.median(values):.0f}" for values in zip(*parts, strict=True)] or ["-"] * 3
    halting = [one.cuts > 0 for said, one in rows if said.halting]
    others = [one.cuts > 0 for said, one in rows if not said.halting]
    figures = [
        name,
        "none" if noise is None else str(noise),
        f"{statistics.median(gaps):.0f}" if gaps else "-",
        f"{gaps[int(0.95 * (len(gaps) - 1))]:.0f}" if gaps else "-",
        *middle,
        f"{sum(halting)} of {len(halting)}",
        f"{sum(others)} of {len(others)}",
        f"{sum(one.right for _, one in rows)} of {len(rows)}",
        f"{statistics.mean(one.jobs for _, one in rows):.1f}",
        f"{statistics.mean(one.cpu_ms for _, one in rows):.0f}",
    ]
    return f"| {' | '.join(figures)} |"


def _show(said: Said, one: Outcome) -> None:
    print(f"    {one.gap_ms} {one.parts_ms} cuts {one.cuts} {one.right}", end=" ")
    print(f"{one.jobs} decodes {one.cpu_ms:.0f} ms: {said.text} => {' / '.join(one.texts)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endpointing", description=__doc__)
    parser.add_argument("--count", type=int, default=24, help="sentences of topics per language")
    parser.add_argument("--policy", choices=("now", "before"), default="now")
    parser.add_argument("--noise", default="none,20,10", help="dB below the speech, comma between")
    parser.add_argument("--instances", type=int, default=2)
    parser.add_argument("--reference-ms", type=float, default=0.0, help="what the reference decode takes")
    parser.add_argument("--show", action="store_true", help="every utterance")
    arguments = parser.parse_args()
    loop = CostedLoop()
    try:
        loop.run_until_complete(run(arguments, loop))
    finally:
        loop.close()


if __name__ == "__main__":
    main()
