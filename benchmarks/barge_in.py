"""Who speaks over the bot, and what only sounds like it: python -m benchmarks.barge_in [--only KIND] [--count N]

The real channel (`call/sound.py` with its ears, mouth, voice activity, echo guard and the embedded recogniser)
plays the bank's prompts frame by frame while a line brings something else: coughs and knocks, music, a street (all
three SYNTHESISED by formulas, see `barge_in_sounds`), the bot's own voice coming back 20 to 400 ms later (every
other one through a room; closed loop: when the bot is silent, the echo ends), or callers' sentences in three
SYNTHETIC voices (RHVoice), alone and into an echo. The clock counts frames, not seconds: a decode takes as long as
the processor time that it needed, so a busy machine tells the same. All sound goes through A-law, over line noise
of -66 dBFS.

A piece that is no speech has passed when every prompt was heard to its end and nothing was taken for words. Every
silence within a prompt is counted on the sound: a pause ends with the phrase's start, a suspension (a sixth of a
second at most, where something might have been the beginning of speech) with the last word. The time to a pause is
from the first voiced sample of the caller to the end of the last frame of the prompt.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from statistics import mean
from typing import Final

import numpy as np

from benchmarks.barge_in_sounds import Sound, cough, music, street
from ivrbot.asr.choose import choose_engine
from ivrbot.call.backdrop import Backdrop
from ivrbot.call.channel import Heard, Spoken
from ivrbot.call.playout import _from_its_voice
from ivrbot.call.sound import SoundChannel
from ivrbot.config import load_settings
from ivrbot.engines import prompt_stores
from ivrbot.media.comfort import is_quiet
from ivrbot.media.g711 import alaw_to_pcm, pcm_to_alaw
from ivrbot.media.level import speech_stretches
from ivrbot.model.audio import FRAME_BYTES, FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ, Frame, Pcm
from ivrbot.model.dialogue import Collect, Piece, Utterance
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.speech import Expect, Language, Partial, Transcript
from ivrbot.ports import AsrEngine, AsrStream, Guessing
from ivrbot.tts.voice import BankVoice
from tests.caller_speech import CallerVoice, caller_pcm
from tests.fakes.line import QuietLeg

PROMPTS: Final[dict[Language, tuple[str, ...]]] = {
    "ru": (
        "Потеряли карту, нажмите один. Баланс, операции и зарплата, два. Оспорить операцию, три. Кредиты, четыре. "
        "Вклады, пять. Оператор, ноль.",
        "Какую карту? Назовите последние четыре цифры или скажите: все карты.",
    ),
    "en": (
        "For a lost card, press one. Balance, payments and salary, two. To dispute a payment, three. Loans, four. "
        "Deposits, five. For an operator, zero.",
        "I have sent a code to the number that the bank has on file. Do not say it aloud. If it does not come, "
        "press star.",
    ),
}
SENTENCES: Final = (
    "у меня украли карту срочно заблокируйте",
    "соедините с оператором",
    "сколько денег у меня сейчас на карте",
    "мне нужно заменить карту на новую",
    "позовите мне живого оператора пожалуйста",
)
VOICES: Final[tuple[CallerVoice, ...]] = ("anna", "elena", "irina")
LINE_NOISE_RMS: Final = 16.0
STARTS_MS: Final = 1500
PATIENCE_MS: Final = 40_000
QUESTION: Final = Collect("topic", Expect.OPEN, max_digits=1)
KINDS: Final = ("coughs", "music", "street", "echo20", "echo10", "speech", "double")


# --- a clock of frames, and a recogniser that keeps it --------------------------------------------------


class FrameClock:
    """Time that passes with the frames."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.busy = 0
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []

    async def until(self, when_s: float) -> None:
        """Wait for a moment."""
        if when_s > self.now_s:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((when_s, future))
            await future

    async def step(self) -> None:
        """20 ms pass; computing that is under way is waited for, its time is counted elsewhere."""
        self.now_s += FRAME_MS / 1000
        for when_s, future in self._waiting:
            if when_s <= self.now_s and not future.done():
                future.set_result(None)
        self._waiting = [(when_s, future) for when_s, future in self._waiting if not future.done()]
        for _ in range(6):
            await asyncio.sleep(0)
        while self.busy:  # noqa: ASYNC110 - threads are at work, which the loop's clock does not see
            await asyncio.sleep(0.001)


class TimedStream:
    """A stream whose readings come after the processor time that they took."""

    def __init__(self, stream: AsrStream, clock: FrameClock) -> None:
        self._stream = stream
        self._clock = clock

    def feed(self, pcm: Pcm) -> None:
        self._stream.feed(pcm)

    def may_guess(self) -> bool:
        return isinstance(self._stream, Guessing) and self._stream.may_guess()

    async def guess(self) -> Transcript:
        assert isinstance(self._stream, Guessing)
        return await self._timed(self._stream.guess())

    async def decode(self) -> Transcript:
        return await self._timed(self._stream.decode())

    def close(self) -> None:
        self._stream.close()

    async def _timed(self, reading: Coroutine[None, None, Transcript]) -> Transcript:
        began_s = self._clock.now_s
        self._clock.busy += 1
        try:
            transcript = await reading
        finally:
            self._clock.busy -= 1
        await self._clock.until(began_s + transcript.cpu_ms / 1000)
        return transcript


class TimedAsr:
    """An engine on the clock of frames."""

    def __init__(self, engine: AsrEngine, clock: FrameClock) -> None:
        self._engine = engine
        self._clock = clock

    @property
    def name(self) -> str:
        return self._engine.name

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def open(self, language: Language, expect: Expect, on_partial: Callable[[Partial], None]) -> TimedStream:
        return TimedStream(self._engine.open(language, expect, on_partial), self._clock)


# --- one call -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Result:
    """One prompt with something over it.

    Attributes:
        told: events of a barge-in, in order.
        went_on: the prompt was heard to its end.
        from_start: after how many silences the interrupted phrase began again.
        silences_ms: silences within the prompts.
        paused_after_ms: from the caller's first voiced sample to the end of the last prompt frame.
        text: what was taken for words.
    """

    told: list[EventType] = field(default_factory=list)
    went_on: bool = False
    from_start: int = 0
    silences_ms: list[int] = field(default_factory=list)
    paused_after_ms: float | None = None
    text: str = ""

    @property
    def pauses(self) -> int:
        return self.told.count(EventType.BARGE_IN)


class Line:
    """What the caller's side brings: something of its own, and perhaps an echo of what was played."""

    def __init__(self, own: Sound, at_ms: int, seed: int, echo: Sound | None = None) -> None:
        self._own = own
        self._at = at_ms * SAMPLE_RATE_HZ // 1000
        self._echo = echo
        self._chance = np.random.default_rng(seed)
        self._played = np.zeros(0 if echo is None else len(echo))
        self._position = 0

    def frame(self, played: Frame | None) -> Frame:
        """The next 20 ms; `played` is what the bot sent last."""
        start = self._position - self._at
        piece = self._own[max(0, start) : max(0, start + FRAME_SAMPLES)]
        sound = LINE_NOISE_RMS * self._chance.standard_normal(FRAME_SAMPLES)
        if len(piece):
            offset = max(0, -start)
            sound[offset : offset + len(piece)] += piece[: FRAME_SAMPLES - offset]
        if self._echo is not None:
            new = np.zeros(FRAME_SAMPLES) if played is None else np.frombuffer(played, "<i2").astype(np.float64)
            self._played = np.concatenate((self._played[FRAME_SAMPLES:], new))
            sound += np.convolve(self._played, self._echo[: 1 - FRAME_SAMPLES], "valid")  # a way ends in zeros
        self._position += FRAME_SAMPLES
        pcm = np.clip(np.rint(sound), -32768, 32767).astype("<i2").tobytes()
        return Frame(Pcm(alaw_to_pcm(pcm_to_alaw(pcm))))


def echo_path(number: int, count: int, loss_db: float) -> Sound:
    """An echo's way: its delay, and in every other case a room of 10 to 40 ms."""
    chance = np.random.default_rng(3000 + number)
    delay = int((20 + 380 * number / max(1, count - 1)) * SAMPLE_RATE_HZ / 1000)
    length = (400 + 60) * SAMPLE_RATE_HZ // 1000 // FRAME_SAMPLES * FRAME_SAMPLES + FRAME_SAMPLES
    path = np.zeros(length)
    path[delay] = 1.0
    if number % 2:
        room = int(chance.uniform(0.01, 0.04) * SAMPLE_RATE_HZ)
        tail = chance.standard_normal(room) * np.exp(-np.arange(room) / (room / 4)) * 0.3
        path[delay + 1 : delay + 1 + room] += tail[: length - delay - 1]
    return np.asarray(path * 10 ** (-loss_db / 20) / np.sqrt(np.sum(path**2)))


class Stage:
    """Engine, prompts and recordings that all calls share."""

    def __init__(self, engine: AsrEngine, voice: BankVoice) -> None:
        self.engine = engine
        self.voice = voice

    async def call(self, line: Line, language: Language, onset_ms: float | None = None) -> Result:
        """Play the prompts over a line until they are heard, or somebody was."""
        clock, result = FrameClock(), Result()

        def emit(type_: EventType, _t_ms: int, _data: dict[str, JsonValue]) -> None:
            if type_ in (EventType.BARGE_IN, EventType.FALSE_BARGE_IN):
                result.told.append(type_)

        asr = TimedAsr(self.engine, clock)
        channel = SoundChannel(
            QuietLeg(),
            lambda _language: asr,
            self.voice,
            emit,
            clock=lambda: clock.now_s,
            backdrop=Backdrop(noise=True, thinking=True),
        )
        async with asyncio.TaskGroup() as group:
            channel.start(group)
            channel.speak_in(language)
            for text in PROMPTS[language]:
                spoken = Utterance(language, text, text, (Piece(text, "static"),))
                await channel.say(spoken, interruptible=True)
            listening = group.create_task(channel.listen(QUESTION, _never))
            played = await _play(channel, clock, line, listening)
            if listening.done():
                heard = listening.result()
                result.text = heard.hypotheses[0].text if isinstance(heard, Spoken) else type(heard).__name__
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
            channel.close()
        sounds = [(await _sound(self.voice, text, language)) for text in PROMPTS[language]]
        _judge(result, played, sounds, onset_ms)
        return result


async def _never(_text: str) -> bool:
    return False


async def _sound(voice: BankVoice, text: str, language: Language) -> bytes:
    return b"".join([pcm async for pcm in voice.speak(Utterance(language, text, text, (Piece(text, "static"),)))])


async def _play(
    channel: SoundChannel, clock: FrameClock, line: Line, listening: asyncio.Task[Heard]
) -> list[Frame | None]:
    played: list[Frame | None] = []
    quiet = 0
    while len(played) * FRAME_MS < PATIENCE_MS and not listening.done():
        channel.on_frame(line.frame(played[-1] if played else None))
        played.append(channel.next_frame())
        await clock.step()
        busy = channel._playout.speaking or channel._hearing.in_turn or channel._hearing.is_reading
        quiet = 0 if busy else quiet + 1
        if quiet > 1000 // FRAME_MS:
            break
    return played


def _judge(
    result: Result, played: Sequence[Frame | None], sounds: Sequence[bytes], onset_ms: float | None
) -> None:
    """Find the prompts in what was played: where it paused, how it went on, whether it was heard to its end."""
    starts = {start[:FRAME_BYTES] for sound in sounds for start in (sound, _from_its_voice(Pcm(sound)))}
    said = {sound[at : at + FRAME_BYTES] for sound in sounds for at in range(0, len(sound), FRAME_BYTES)}
    last = sounds[-1][len(sounds[-1]) // FRAME_BYTES * FRAME_BYTES - FRAME_BYTES :][:FRAME_BYTES]
    is_prompt = [frame is not None and (frame in said or not is_quiet(frame)) for frame in played]
    result.went_on = any(frame == last for frame in played)
    silent_from: int | None = None
    for number, prompt in enumerate(is_prompt):
        if not prompt and silent_from is None and number:
            silent_from = number
        elif prompt and silent_from is not None:
            result.silences_ms.append((number - silent_from) * FRAME_MS)
            result.from_start += played[number] in starts
            silent_from = None
    if onset_ms is not None:
        silent = (n for n, prompt in enumerate(is_prompt) if not prompt and (n + 1) * FRAME_MS > onset_ms)
        first = next(silent, None)
        result.paused_after_ms = None if first is None else (first + 1) * FRAME_MS - onset_ms


# --- what is measured -----------------------------------------------------------------------------------


async def noises(stage: Stage, make: Callable[[int], Sound], count: int) -> list[Result]:
    """Sounds of the caller's side, over Russian and English prompts in turn."""
    languages: list[Language] = ["ru", "en"]
    return [
        await stage.call(Line(make(number), STARTS_MS + 40 * number, number), languages[number % 2])
        for number in range(count)
    ]


async def echoes(stage: Stage, count: int, loss_db: float) -> list[Result]:
    """The bot's own voice."""
    languages: list[Language] = ["ru", "en"]
    silence = np.zeros(0)
    return [
        await stage.call(Line(silence, 0, number, echo_path(number, count, loss_db)), languages[number % 2])
        for number in range(count)
    ]


async def speech(stage: Stage, count: int, loss_db: float | None) -> list[Result]:
    """Sentences over the prompt; with an echo of the bot beneath them, or without."""
    results = []
    pairs = cycle([(text, voice) for text in SENTENCES for voice in VOICES])
    for number, (text, voice) in zip(range(count), pairs, strict=False):
        pcm = caller_pcm(text, voice)
        at_ms = STARTS_MS + 370 * number % 4000
        own = np.frombuffer(pcm, "<i2").astype(np.float64)
        echo = None if loss_db is None else echo_path(number, count, loss_db)
        onset_ms = at_ms + speech_stretches(pcm)[0].start_ms
        results.append(await stage.call(Line(own, at_ms, number, echo), "ru", onset_ms))
    return results


def noise_row(name: str, results: Sequence[Result]) -> str:
    """A row of the first table."""
    passed = sum(result.went_on and not result.text for result in results)
    silences = [silence for result in results for silence in result.silences_ms]
    pauses = sum(result.pauses for result in results)
    texts = "; ".join(result.text for result in results if result.text)
    cells = (
        name,
        f"{passed} of {len(results)}",
        f"{pauses} ({max((result.pauses for result in results), default=0)})",
        f"{sum(result.from_start for result in results)} of {pauses}",
        len(silences) - pauses,
        f"{max(silences, default=0)} ms",
        texts or "none",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def speech_row(name: str, results: Sequence[Result]) -> str:
    """A row of the second table."""
    times = [result.paused_after_ms for result in results if result.paused_after_ms is not None]
    used = sum(bool(result.text) and not result.went_on for result in results)
    p50, p90, p95 = np.percentile(times, [50, 90, 95])
    within = sum(one <= 150 for one in times)
    cells = (
        name,
        f"{used} of {len(results)}",
        f"{p50:.0f} / {p90:.0f} / {p95:.0f} / {max(times):.0f} ms",
        f"{within} of {len(results)}",
        f"{mean(result.pauses for result in results):.1f}",
    )
    return "| " + " | ".join(cells) + " |"


async def main(only: Sequence[str], count: int) -> None:
    """Measure and print."""
    settings = load_settings(Path.cwd())
    patient = settings.asr.model_copy(update={"deadline_ms": 60_000})  # no deadline by the clock on the wall
    engine = choose_engine(patient, settings.models_dir)
    await engine.start()
    stage = Stage(engine, BankVoice(prompt_stores(settings)))
    began_s = time.process_time()
    made: dict[str, Callable[[], Coroutine[None, None, list[Result]]]] = {
        "coughs": lambda: noises(stage, cough, count),
        "music": lambda: noises(stage, music, count),
        "street": lambda: noises(stage, street, count),
        "echo20": lambda: echoes(stage, count, 20.0),
        "echo10": lambda: echoes(stage, count, 10.0),
        "speech": lambda: speech(stage, count + count // 5, None),
        "double": lambda: speech(stage, count + count // 5, 20.0),
    }
    names = {
        "coughs": "coughs and knocks (synthesised)",
        "music": "music (synthesised)",
        "street": "street (synthesised)",
        "echo20": "own echo, -20 dB, 20 to 400 ms",
        "echo10": "own echo, -10 dB, 20 to 400 ms",
        "speech": "a sentence (synthetic voices)",
        "double": "the same into an echo of -20 dB",
    }
    try:
        found = {kind: await made[kind]() for kind in KINDS if kind in only}
    finally:
        await engine.close()
    print("| over the prompt | went on | pauses (most in one) | went on from the phrase's start | ", end="")
    print("suspensions | longest silence | taken for words |")
    print("|---|---|---|---|---|---|---|")
    for kind, results in found.items():
        if kind not in ("speech", "double"):
            print(noise_row(names[kind], results))
    print("\n| over the prompt | words used | paused after (p50 / p90 / p95 / longest) | within 150 ms | pauses |")
    print("|---|---|---|---|---|")
    for kind, results in found.items():
        if kind in ("speech", "double"):
            print(speech_row(names[kind], results))
    load, took_s = ", ".join(f"{one:.1f}" for one in os.getloadavg()), time.process_time() - began_s
    print(f"\n{os.cpu_count()} cores, load average {load}; {took_s:.0f} s of processor time")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--count", type=int, default=25)
    given = parser.parse_args()
    asyncio.run(main(given.only, given.count))
