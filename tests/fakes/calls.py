"""The caller's end of a session, an understanding engine and a bank that do what a test tells them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from ivrbot import app
from ivrbot.call.channel import Completes, Heard, Keyed, Silence, Spoken
from ivrbot.call.tape import NOTHING, Tape
from ivrbot.config import Settings
from ivrbot.errors import LegClosed
from ivrbot.model.audio import Pcm
from ivrbot.model.bank import BankAnswer, BankRequest, Customer, FactHashes
from ivrbot.model.dialogue import Collect, Utterance
from ivrbot.model.speech import OUT_OF_SCOPE, Hypothesis, Language, NluResult
from ivrbot.ports import Bank

Turn = str | Heard | BaseException


def heard(line: str) -> Heard:
    """Keys for digits, silence for "", else words."""
    if line and set(line) <= set("0123456789*#"):
        return Keyed(line)
    return Spoken((Hypothesis(line),), "fake") if line else Silence()


_really_load = app._load_files


@cache
def product_files() -> Any:
    """What `app` loads for the demo plan; reading it takes half a second, so all tests share it."""
    return _really_load(Settings(), app.DEMO_PLAN)


class ScriptedCaller:
    """A `Channel`: takes the turns one after another, then hangs up.

    Attributes:
        said: masked texts of the bot, in order; `asked` the collects.
        say_failure: raised by every `say` whose utterance has a fragment when `only_variable`, else by every one.
        cut_short: the caller has interrupted; nothing is said before the next `speak_in`, as on a real line.
        on_listen: called before each turn.
        on_say: called with each text that was said.
        voice: what each spoken turn sounds like to whoever shares the turns; "" for a caller who types.
        prepared: texts that were to be made ready, request by request; `ready` the last of them.
        goes_on: he is speaking again.
        given: until when he was given time to go on; `on_time_given` is called then.
    """

    def __init__(self, turns: Iterable[Turn]) -> None:
        self._turns = iter(turns)
        self.said: list[str] = []
        self.asked: list[Collect] = []
        self.say_failure: BaseException | None = None
        self.only_variable = False
        self.on_listen: Callable[[], None] = lambda: None
        self.on_say: Callable[[str], None] = lambda _text: None
        self.completes: Completes | None = None
        self.cut_short = False
        self.closed = 0
        self.finished = 0
        self.gone = False
        self.prepared: list[list[str]] = []
        self.ready: list[str] = []
        self.goes_on = False
        self.given: list[int] = []
        self.on_time_given: Callable[[], None] = lambda: None
        self._now_ms = 0
        self.tape: Tape = NOTHING
        self.voice = Pcm(b"")
        self._share: Callable[[Pcm], None] | None = None

    def share_turns(self, with_: Callable[[Pcm], None]) -> bool:
        self._share = with_
        return bool(self.voice)

    def now_ms(self) -> int:
        self._now_ms += 10
        return self._now_ms

    def speak_in(self, language: Language) -> None:
        self.cut_short = False

    def prepare(self, utterances: Sequence[Utterance]) -> None:
        self.prepared.append([utterance.text for utterance in utterances])
        self.ready = self.prepared[-1]

    async def give_time(self, until_ms: int) -> bool:
        self.given.append(until_ms)
        self.on_time_given()
        return self.goes_on

    async def say(self, utterance: Utterance, *, interruptible: bool) -> None:
        if self.gone:
            raise LegClosed("hangup")
        variable = any(piece.kind == "fragment" for piece in utterance.pieces)
        if self.say_failure is not None and (variable or not self.only_variable):
            raise self.say_failure
        if self.cut_short and interruptible:
            return
        self.said.append(utterance.text)
        self.on_say(utterance.text)

    async def listen(self, collect: Collect, completes: Completes) -> Heard:
        if self.gone:
            raise LegClosed("hangup")
        self.asked.append(collect)
        self.completes = completes
        self.on_listen()
        turn = next(self._turns, None)
        if turn is None:
            self.gone = True
            raise LegClosed("hangup")
        self.cut_short = True
        if isinstance(turn, BaseException):
            raise turn
        said = heard(turn) if isinstance(turn, str) else turn
        if self._share is not None and isinstance(said, Spoken) and not said.over_prompt:
            self._share(self.voice)
        return said

    async def finish(self) -> None:
        self.finished += 1

    def show(self, who: str, text: str) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


class FakeNlu:
    """Knows the given texts; everything else is out of scope.

    Attributes:
        failures: raised by the next parses, in turn.
        read: every text that it was shown.
    """

    def __init__(self, intents: Mapping[str, str] | None = None) -> None:
        self._intents = dict(intents or {})
        self.failures: list[Exception] = []
        self.read: list[str] = []

    @property
    def name(self) -> str:
        return "fake"

    async def parse(self, text: str, language: Language) -> NluResult:
        self.read.append(text)
        if self.failures:
            raise self.failures.pop(0)
        intent = self._intents.get(text, OUT_OF_SCOPE)
        return NluResult(text, intent, 0.0 if intent == OUT_OF_SCOPE else 0.95, engine=self.name)

    async def close(self) -> None:
        pass


class HinderedBank:
    """A bank that can be held up or broken in front of a real one.

    Attributes:
        gate: what `gated` names waits for it before it begins, after `on_gate` was called.
        failures: raised instead of the next operations of a name, in turn.
        lookup_failures: raised instead of the next `find_customer`.
        executed: requests that got through, in order.
    """

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self.gate = asyncio.Event()
        self.gate.set()
        self.gated = ""
        self.on_gate: Callable[[], None] = lambda: None
        self.failures: dict[str, list[Exception]] = {}
        self.lookup_failures: list[Exception] = []
        self.executed: list[BankRequest] = []
        self.began = asyncio.Event()

    async def find_customer(self, phone: str) -> Customer | None:
        if self.lookup_failures:
            raise self.lookup_failures.pop(0)
        await self._pass("find_customer")
        return await self._bank.find_customer(phone)

    async def find_by_name(self, names: Sequence[str], born: Sequence[str]) -> tuple[Customer, ...]:
        return await self._bank.find_by_name(names, born)

    async def fact_hashes(self, customer_id: str) -> FactHashes:
        return await self._bank.fact_hashes(customer_id)

    async def execute(self, request: BankRequest) -> BankAnswer:
        if failures := self.failures.get(request.operation.value):
            raise failures.pop(0)
        await self._pass(request.operation.value)
        self.executed.append(request)
        return await self._bank.execute(request)

    async def close(self) -> None:
        await self._bank.close()

    async def _pass(self, name: str) -> None:
        if self.gated == name:
            self.began.set()
            self.on_gate()
            await self.gate.wait()


class Clock:
    """The running loop's clock, which a test can put forward: timers fall due without anybody waiting."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._real = loop.time
        self._ahead_s = 0.0
        loop.time = self._time  # type: ignore[method-assign]

    def forward(self, seconds: float) -> None:
        self._ahead_s += seconds

    def _time(self) -> float:
        return self._real() + self._ahead_s
