"""`python -m benchmarks.soak_day [--hours 8] [--lines 5]`: what grows in a branch's day, hour by hour (Linux).

The product's own gateway, calls, flows, understanding, bank and storage in one process, over real sockets, with
the callers beside them. Stand-ins: the recogniser, which gives one of some sentences for whatever is said (the
real ones are in `benchmarks.soak`); no sentence encoder and no live voice, recorded prompts only.

A branch with five lines, each busy half of the time with calls of a minute and a half on average: 100 calls an
hour. Callers listen, speak, speak over prompts, press keys and hang up at random moments; some ask for an operator
and are handed over. One in seven is broken: vanishes without a word (a half-open socket), resets, sends damaged
frames, half a frame, a flood, does not read, or never says who it is.

Exit code 1 when files, threads or tasks grow, or memory or objects by more than is said below.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.soak_day.callers import MEAN_CALL_S, Callers
from benchmarks.soak_day.clock import SimulatedLoop, real_s
from ivrbot import app, engines, upkeep
from ivrbot.call.door import CallDesk
from ivrbot.config import Settings, load_settings
from ivrbot.media.framing import frames_of
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import Frame, Pcm
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.speech import Expect, Hypothesis, Language, Partial, Transcript
from ivrbot.ports import AsrStream
from ivrbot.telephony.audiosocket import AudioSocketGateway
from ivrbot.telephony.pacer import Pacer
from ivrbot.tts.voice import BankVoice

HOUR_S: Final = 3600.0
SETTLE_S: Final = 120.0
"""Between the last call of an hour and the look: what is forgotten in time is forgotten."""
SPARE: Final = 3
"""Files, threads and tasks may differ by so many: timers, connections that are being closed."""
MAX_MB_PER_HOUR: Final = 1.0
MAX_OBJECTS_PER_HOUR: Final = 500
"""In the second half of the run; a hundred calls that leave five things each behind are found."""
SAID: Final = (
    "заблокируйте карту", "потеряла карту", "сколько денег на карте", "да", "нет", "верно", "четыре два семь один",
    "оператор", "повторите", "подождите", "не знаю", "какая ставка по вкладу", "кошка", "",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """The process at the end of an hour, no call under way."""

    hours: float
    calls: int
    rss_mb: float
    files: int
    threads: int
    tasks: int
    objects: int


class Guesser:
    """A recogniser that hears one of some sentences; what it is given is read to the end."""

    name = "stand-in"

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    async def start(self) -> None:
        """It is there."""

    def open(self, language: Language, expect: Expect, on_partial: Callable[[Partial], None]) -> AsrStream:
        del language, expect
        return _Guess(self._random.choice(SAID), on_partial)

    async def close(self) -> None:
        """Nothing is held."""


class _Guess:
    def __init__(self, text: str, on_partial: Callable[[Partial], None]) -> None:
        self._text, self._on_partial = text, on_partial
        self._sound = bytearray()

    def feed(self, pcm: Pcm) -> None:
        before = len(self._sound)
        self._sound += pcm
        if before < 16_000 <= len(self._sound):
            self._on_partial(Partial(1000, self._text))

    async def decode(self) -> Transcript:
        await asyncio.sleep(0.2)
        hypotheses = (Hypothesis(self._text, 0.8),) if self._text else ()
        return Transcript(hypotheses, "stand-in", len(self._sound) // 16)

    def close(self) -> None:
        self._sound.clear()


@asynccontextmanager
async def product(settings: Settings, seed: int) -> AsyncIterator[tuple[CallDesk, int]]:
    """The call desk behind its gateway, and the gateway's port."""
    hearing, voice = Guesser(seed), BankVoice(engines.prompt_stores(settings), None)
    engines.shared_silero()
    async with (
        app.open_core(app.with_demo_sms(settings), plan_file=app.DEMO_PLAN) as core,
        asyncio.TaskGroup() as group,
    ):
        desk = CallDesk(
            core.parts,
            asr=lambda language: hearing,
            voice=voice,
            settings=settings.call,
            record=core.recorder.emit,
            registered_only=True,
        )
        gateway = AudioSocketGateway(desk, Pacer(), settings.media)
        port = await gateway.start()
        desk.open(group)
        contacts = group.create_task(upkeep.follow_contacts(core))
        try:
            yield desk, port
        finally:
            await gateway.stop()
            await desk.drain(10)
            contacts.cancel()


def look(hours: float, calls: int) -> Look:
    """How big the process is now."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    found = dict(re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.MULTILINE))
    files = len(list(Path("/proc/self/fd").iterdir()))
    tasks = len(asyncio.all_tasks())
    return Look(
        hours, calls, int(found["VmRSS"]) / 1024, files, int(found["Threads"]), tasks, len(gc.get_objects())
    )


async def hour(callers: Callers, lines: int, ends_s: float, kinds: Counter[str], pause: random.Random) -> None:
    """Calls on all lines until the hour is over."""
    loop = asyncio.get_running_loop()

    async def line() -> None:
        while loop.time() < ends_s:
            kinds[await callers.call()] += 1
            await asyncio.sleep(pause.expovariate(1 / MEAN_CALL_S))

    async with asyncio.TaskGroup() as group:
        for _ in range(lines):
            group.create_task(line())
    await asyncio.sleep(SETTLE_S)


async def soak(hours: int, lines: int, seed: int, settings: Settings) -> tuple[list[Look], Counter[str]]:
    """The day; a look after every hour, told at once."""
    sentences = some_sentences(settings)
    kinds: Counter[str] = Counter()
    looks = []
    async with product(settings, seed) as (desk, port):

        async def register(call_id: CallId, caller: str) -> bool:
            return await desk.register(CallRegistration(call_id, caller=caller))

        callers = Callers(port, register, sentences, seed)
        loop, pause = asyncio.get_running_loop(), random.Random(seed + 1)
        began_s, real_began_s = loop.time(), real_s()
        print("| simulated hours | calls | real s | resident memory | objects | files | threads | tasks |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        for number in range(1, hours + 1):
            await hour(callers, lines, began_s + number * HOUR_S, kinds, pause)
            looks.append(look((loop.time() - began_s) / HOUR_S, kinds.total()))
            now = looks[-1]
            print(
                f"| {now.hours:.1f} | {now.calls} | {real_s() - real_began_s:.0f} | {now.rss_mb:.1f} MB "
                f"| {now.objects} | {now.files} | {now.threads} | {now.tasks} |",
                flush=True,
            )
    return looks, kinds


def some_sentences(settings: Settings) -> list[list[Frame]]:
    """Recorded prompts of up to three seconds, for callers to say."""
    sounds = [read_wav(path) for path in sorted((settings.tts.prompts_dir / "ru").glob("*.wav"))]
    return [list(frames_of(sound)) for sound in sounds if 8_000 < len(sound) < 48_000][:20]


def grown(looks: list[Look]) -> list[str]:
    """What grows: from the first hour on, memory and objects in the second half."""
    first, half, last = looks[0], looks[(len(looks) - 1) // 2], looks[-1]
    found = [
        f"{name}: {getattr(first, name)} after the first hour, {getattr(last, name)} at the end"
        for name in ("files", "threads", "tasks")
        if getattr(last, name) > getattr(first, name) + SPARE
    ]
    hours = max(1.0, last.hours - half.hours)
    for name, most in (("rss_mb", MAX_MB_PER_HOUR), ("objects", MAX_OBJECTS_PER_HOUR)):
        per_hour = (getattr(last, name) - getattr(half, name)) / hours
        if per_hour > most:
            found.append(f"{name}: {per_hour:.1f} an hour in the second half, at most {most}")
    return found


def main() -> None:
    """Run and judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak_day")
    parser.add_argument("--hours", type=int, default=8)
    parser.add_argument("--lines", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="soak-day-") as folder:
        changes = {"IVRBOT_DATA_DIR": folder, "IVRBOT_MODELS__DIR": folder, "IVRBOT_MEDIA__PORT": "0"}
        settings = load_settings(Path.cwd(), {**os.environ, **changes})
        loop = SimulatedLoop()
        try:
            looks, kinds = loop.run_until_complete(soak(options.hours, options.lines, options.seed, settings))
        finally:
            loop.close()
    print(f"\nload average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores at the end")
    print("callers: " + ", ".join(f"{name} {count}" for name, count in kinds.most_common()))
    leaks = grown(looks) if len(looks) > 1 else []
    print("\n".join(leaks) or "nothing grows")
    sys.exit(bool(leaks))


if __name__ == "__main__":
    main()
