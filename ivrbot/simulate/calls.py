"""Simulated calls in text: the whole core, a line without waiting, a bank of each caller's own.

Takes an open core and personas, gives what became of each call. Events are kept with the call, not in the store.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ivrbot import app, engines
from ivrbot.call.authentication import CustomerLocks
from ivrbot.call.channel import Completes, Heard
from ivrbot.call.session import CallSession
from ivrbot.config import Settings
from ivrbot.errors import LegClosed
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.dialogue import Collect
from ivrbot.model.events import EventType, JsonValue
from ivrbot.ports import NluEngine
from ivrbot.simulate.caller import Caller
from ivrbot.simulate.line import Durations, VirtualLine
from ivrbot.simulate.outcome import Event, Outcome
from ivrbot.simulate.persona import Persona
from ivrbot.simulate.truth import Traces, judge
from ivrbot.simulate.world import OwnAttempts, OwnBank

GATEWAY: Final = "simulated"


class World:
    """Everything that calls in text share.

    Args:
        core: of the product.
        durations: of prompts.
    """

    def __init__(self, core: app.Core, durations: Durations) -> None:
        self._core = core
        self._durations = durations
        self._live: set[CallId] = set()
        core.parts.router.watch(lambda: self._live, lambda: "")

    async def hold(self, persona: Persona) -> Outcome:
        """One call, from ring to end."""
        call_id = CallId(str(uuid.uuid4()))
        self._live.add(call_id)
        try:
            return await self._held(call_id, persona)
        finally:
            self._live.discard(call_id)

    async def _held(self, call_id: CallId, persona: Persona) -> Outcome:
        core, bank, caller = self._core, OwnBank(self._core.parts.fact_key), Caller(persona)
        line = _Ear(caller, persona, self._durations)
        registration = CallRegistration(
            call_id, caller=persona.phone, gateway=GATEWAY, language=persona.line_language
        )
        await core.store.register(registration, app.utc_now())
        parts = replace(core.parts, bank=bank, attempts=OwnAttempts(), locks=CustomerLocks())
        try:
            end = await CallSession(parts, registration, persona.line_language, line, line.emit).run()
            state = bank.state(persona.customer.phone)
        finally:
            await bank.close()
        if line.fault is not None:
            raise line.fault
        truth = judge(Traces(persona, bank.done, line.heard, state, end.escalated_to))
        return Outcome(
            persona,
            end.disposition,
            end.reason,
            end.topic,
            end.escalated_to,
            truth,
            caller.turns,
            line.solved_ms,
            line.now_ms(),
            tuple(line.gaps_ms),
            tuple(line.events),
            tuple(line.talk),
        )


@asynccontextmanager
async def open_world(settings: Settings, *, nlu: NluEngine | None = None) -> AsyncIterator[World]:
    """A core of its own in a folder that is removed: the bot is drawn for everybody, nothing real is touched.

    Args:
        settings: of the product; its models, flows and limits are used.
        nlu: an engine; None opens the one of the settings.
    """
    engine = nlu or await engines.open_nlu(settings)
    with TemporaryDirectory(prefix="ivrbot-simulate-") as folder:
        own = settings.model_copy(
            update={
                "data_dir": Path(folder),
                "models": settings.models.model_copy(update={"dir": settings.models_dir}),
                "asterisk": settings.asterisk.model_copy(update={"ami_host": ""}),
            }
        )
        async with app.open_core(own, plan_file=app.DEMO_PLAN, nlu=engine) as core:
            yield World(core, Durations.of(settings.tts.prompts_dir))


class _Ear(VirtualLine):
    """The line, with an ear on the events."""

    def __init__(self, caller: Caller, persona: Persona, durations: Durations) -> None:
        super().__init__(caller, persona, durations)
        self.events: list[Event] = []
        self.gaps_ms: list[float] = []
        self.fault: Exception | None = None

    async def listen(self, collect: Collect, completes: Completes) -> Heard:
        """A fault of the simulation must not pass for one of the bot."""
        try:
            return await super().listen(collect, completes)
        except LegClosed:
            raise
        except Exception as error:
            self.fault = error
            raise LegClosed("the simulated caller failed") from error

    def emit(self, type_: EventType, t_ms: int, data: dict[str, JsonValue]) -> None:
        """The recorder's place."""
        self.events.append((type_, t_ms, data))
        if type_ is EventType.BOT_SAID:
            self.note(str(data["response"]))
            if self.moved_s is not None:
                self.gaps_ms.append((time.perf_counter() - self.moved_s) * 1000)
                self.moved_s = None


async def many(world: World, personas: Iterable[Persona], *, concurrency: int) -> AsyncGenerator[Outcome, None]:
    """Calls beside each other, each given as soon as it and all before it have ended."""
    room = asyncio.Semaphore(concurrency)

    async def one(persona: Persona) -> Outcome:
        async with room:
            return await world.hold(persona)

    waiting: list[asyncio.Task[Outcome]] = []
    try:
        for persona in personas:
            waiting.append(asyncio.create_task(one(persona)))
            if len(waiting) >= 4 * concurrency:
                yield await waiting.pop(0)
        while waiting:
            yield await waiting.pop(0)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
