"""What lies between the end of a caller's turn and the first sound of the answer, with and without preparation.

    python -m benchmarks.answers [--calls 20] [--live]

Real core (flows, understanding of the settings, ladder, demo bank, SQLite on this disk, rollout) and the real
voice; the caller's words are given as texts, so that recognition plays no part. Half of the calls give the early
reading at the pause, 80 ms before the turn is over, as the ear does; they and the others take turns. `--live`
speaks everything with the settings' live voice instead of the recordings.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from ivrbot import app
from ivrbot.call.channel import Completes, Heard, Spoken
from ivrbot.call.rehearsal import Rehearsal
from ivrbot.call.session import CallSession
from ivrbot.call.tape import NOTHING, Tape
from ivrbot.config import Settings, load_settings
from ivrbot.engines import open_nlu, prompt_stores, start_tts
from ivrbot.errors import LegClosed
from ivrbot.model.audio import Pcm
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.dialogue import Collect, Utterance
from ivrbot.model.speech import Hypothesis, Language
from ivrbot.ports import Voice
from ivrbot.tts.voice import BankVoice

CALLER = "+79161234567"
PAUSE_S = 0.08
TURNS: dict[str, tuple[tuple[str, str], ...]] = {
    "block": (
        ("a topic, drawn", "потеряла карту"),
        ("a fact for the ladder", "четыре два семь один"),
        ("yes, a write at the bank", "да"),
        ("no, the next question", "нет"),
        ("no, goodbye", "нет спасибо"),
    ),
    "limits": (
        ("a topic, drawn", "какие лимиты по карте"),
        ("a fact for the ladder", "четыре два семь один"),
        ("a command", "повторите"),
        ("a remark", "вы робот"),
        ("the second fact, a read at the bank", "кодовое слово черёмуха"),
    ),
}
STEPS = ("nlu", "dialogue", "route", "authentication", "bank", "tts")


class Stopwatch:
    """Spans of one turn in milliseconds; takes the place of a trace."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = defaultdict(float)

    def turn(self, _kind: str, _asr_ms: int = 0, _engine: str = "") -> None:
        self.ms.clear()

    def turn_over(self) -> None:
        pass

    @contextmanager
    def step(self, name: str, **_attributes: str) -> Iterator[None]:
        began_s = time.perf_counter()
        try:
            yield
        finally:
            self.ms[name] += (time.perf_counter() - began_s) * 1000

    def end(self, _disposition: str, _reason: str) -> None:
        pass


class Watched:
    """Tracing that hands out one stopwatch."""

    def __init__(self, watch: Stopwatch) -> None:
        self._watch = watch

    def call(self, _call_id: str, _gateway: str) -> Stopwatch:
        return self._watch

    def close(self) -> None:
        pass


class Caller:
    """A `Channel`: says the turns, and notes how long each answer's first sound takes."""

    def __init__(
        self,
        turns: Sequence[tuple[str, str]],
        voice: Voice,
        watch: Stopwatch,
        rows: list[tuple[str, float, float, dict[str, float]]],
        prepared: bool,
    ) -> None:
        self._turns = iter(turns)
        self._voice = Rehearsal(voice)
        self._watch = watch
        self._rows = rows
        self._prepared = prepared
        self._kind = ""
        self._ended_s = self._cpu_s = 0.0
        self._began_s = time.monotonic()
        self.tape: Tape = NOTHING

    def start(self, group: asyncio.TaskGroup) -> None:
        self._voice.start(group)

    def share_turns(self, with_: Any) -> bool:
        return False

    def now_ms(self) -> int:
        return int((time.monotonic() - self._began_s) * 1000)

    def speak_in(self, language: Language) -> None:
        pass

    def prepare(self, utterances: Sequence[Utterance]) -> None:
        if self._prepared:
            self._voice.prepare(utterances)

    @property
    def goes_on(self) -> bool:
        return False

    async def give_time(self, until_ms: int) -> bool:
        return False

    async def say(self, utterance: Utterance, *, interruptible: bool) -> None:
        async for phrase in self._voice.speak(utterance):
            self._sounds(phrase)

    def _sounds(self, phrase: Pcm) -> None:
        if self._kind and phrase:
            wall_ms = (time.perf_counter() - self._ended_s) * 1000
            self._rows.append(
                (self._kind, wall_ms, (time.process_time() - self._cpu_s) * 1000, {**self._watch.ms})
            )
            self._kind = ""

    async def listen(self, collect: Collect, completes: Completes) -> Heard:
        kind, text = next(self._turns, ("", ""))
        if not kind:
            raise LegClosed("hangup")
        if self._prepared:
            await completes(text)
        await asyncio.sleep(PAUSE_S)
        self._kind, self._ended_s, self._cpu_s = kind, time.perf_counter(), time.process_time()
        return Spoken((Hypothesis(text),), "text")

    async def finish(self) -> None:
        pass

    def show(self, who: str, text: str) -> None:
        pass

    def close(self) -> None:
        self._voice.stop()


Rows = dict[bool, list[tuple[str, float, float, dict[str, float]]]]


async def measure(settings: Settings, calls: int, live: bool) -> Rows:
    rows: Rows = {False: [], True: []}
    engine = await start_tts(settings) if live else None
    voice = BankVoice({} if live else prompt_stores(settings), engine)
    nlu = await open_nlu(settings)
    async with app.open_core(settings, plan_file=app.DEMO_PLAN, nlu=nlu) as core:
        for number in range(calls):
            for script in TURNS.values():
                for prepared in (False, True) if number % 2 else (True, False):
                    await call(core, script, voice, rows[prepared], prepared)
                    # so that no call is told that its card is blocked already, nor refused for earlier ones
                    await core.parts.bank.bank.reset()  # type: ignore[attr-defined]
                    await core.store.forget_failures()
    if engine is not None:
        await engine.close()
    return rows


async def call(
    core: app.Core,
    script: Sequence[tuple[str, str]],
    voice: Voice,
    rows: list[tuple[str, float, float, dict[str, float]]],
    prepared: bool,
) -> None:
    registration = CallRegistration(CallId(str(uuid.uuid4())), caller=CALLER, gateway="bench")
    await core.store.register(registration, app.utc_now())
    watch = Stopwatch()
    caller = Caller(script, voice, watch, rows, prepared)
    parts = replace(core.parts, tracing=Watched(watch))  # type: ignore[arg-type]

    def emit(*event: Any) -> None:
        core.recorder.emit(registration.call_id, *event)

    async with asyncio.TaskGroup() as group:
        caller.start(group)
        await CallSession(parts, registration, "ru", caller, emit).run()


def table(rows: Rows) -> str:
    kinds = list(dict.fromkeys(kind for kind, *_ in rows[False]))
    lines = [
        f"| turn | prepared | n | wall ms p50 | p95 | CPU ms p50 | {' | '.join(STEPS)} |",
        f"|{'---|' * (6 + len(STEPS))}",
    ]
    for kind in kinds:
        for prepared in (False, True):
            found = [row for row in rows[prepared] if row[0] == kind]
            walls = [row[1] for row in found]
            steps = [f"{median(row[3].get(step, 0.0) for row in found):.1f}" for step in STEPS]
            p95 = quantiles(walls, n=20)[-1] if len(walls) > 1 else walls[0]
            cells = [kind, "yes" if prepared else "no", str(len(found)), f"{median(walls):.1f}", f"{p95:.1f}"]
            lines.append(f"| {' | '.join([*cells, f'{median(row[2] for row in found):.1f}', *steps])} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--live", action="store_true")
    args = parser.parse_args()
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        chosen = load_settings(Path.cwd())
        models = chosen.models.model_copy(update={"dir": chosen.models_dir})
        settings = chosen.model_copy(update={"data_dir": Path(folder), "models": models})
        rows = asyncio.run(measure(settings, args.calls, args.live))
    print(table(rows))
    print(f"\nload average {', '.join(f'{one:.1f}' for one in os.getloadavg())}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
