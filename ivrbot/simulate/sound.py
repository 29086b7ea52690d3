"""Simulated calls in sound, placed as a PBX places them: through the AudioSocket gateway of a running server.

Takes personas, gives outcomes. Callers speak with voices that are installed, hear by the call's event stream, and
their gaps are measured on the sound. The bank's books are out of reach here: what was told decides.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ivrbot.config import Settings
from ivrbot.media.gap import measure_gaps
from ivrbot.model.call import CallId, Disposition
from ivrbot.simulate.caller import DELIVERS, Caller
from ivrbot.simulate.gateway import ENDED_S, Followed, Server
from ivrbot.simulate.moves import HangUp, Press, Quiet, Words
from ivrbot.simulate.outcome import Outcome
from ivrbot.simulate.persona import Persona
from ivrbot.simulate.truth import QUEUES, Truth
from ivrbot.simulate.voices import Voices
from ivrbot.telephony.audiosocket_client import AudioSocketCall

QUIET_MS: Final = 700
"""The bot has finished when it was silent for so long after it had spoken."""
ANSWER_S: Final = 40.0
SILENCE_S: Final = 12.0
"""A caller who says nothing waits so long for the bot to ask again."""
KEY_S: Final = 0.25
MOST_MOVES: Final = 40


async def in_sound(
    settings: Settings, personas: Sequence[Persona], *, concurrency: int, address: str, api: str
) -> AsyncGenerator[Outcome, None]:
    """Place the calls, so many at once, each given as soon as it has ended.

    Raises:
        MissingError: no server answers, or no voice is installed.
    """
    voices, room = Voices(settings), asyncio.Semaphore(concurrency)
    async with Server(settings, address, api) as server:

        async def one(persona: Persona) -> Outcome:
            async with room:
                return await _Conversation(server, voices, persona).hold()

        tasks = [asyncio.create_task(one(persona)) for persona in personas]
        try:
            for task in asyncio.as_completed(tasks):
                yield await task
        finally:
            for waiting in tasks:
                waiting.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await voices.close()


@dataclass(slots=True)
class _Conversation:
    """One call in sound."""

    server: Server
    voices: Voices
    persona: Persona
    phone: AudioSocketCall = field(default_factory=AudioSocketCall)
    followed: Followed = field(default_factory=Followed)
    talk: list[tuple[str, str]] = field(default_factory=list)
    heard: int = 0
    solved_ms: int | None = None

    async def hold(self) -> Outcome:
        """From registration to the server's last event."""
        call_id, caller = CallId(str(uuid.uuid4())), Caller(self.persona)
        await self.server.register(call_id, self.persona)
        await self.phone.connect(self.server.host, self.server.port, call_id)
        follower = asyncio.create_task(self.server.follow(call_id, self.followed))
        try:
            await self._converse(caller)
            self.phone.hang_up()
            await asyncio.wait([asyncio.create_task(self.followed.over.wait())], timeout=ENDED_S)
        finally:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)
        return self._outcome(caller)

    async def _converse(self, caller: Caller) -> None:
        since_ms = 0
        for _ in range(MOST_MOVES):
            await self.phone.wait_answered(since_ms, quiet_ms=QUIET_MS, deadline_s=ANSWER_S)
            if self.phone.cause or self.followed.ended:
                return
            fresh = self.followed.told[self.heard :]
            self.heard += len(fresh)
            self.talk.extend(("bot", line.text) for line in fresh)
            move = caller.answer(fresh)
            if caller.satisfied and self.solved_ms is None:
                self.solved_ms = self.phone.elapsed_ms
            match move:
                case HangUp():
                    return
                case Quiet():
                    since_ms = self.phone.elapsed_ms
                    await self.phone.wait_answered(since_ms, quiet_ms=QUIET_MS, deadline_s=SILENCE_S)
                case Press():
                    since_ms = await self._press(move.digits)
                case Words():
                    self.talk.append(("caller", move.text))
                    self.phone.send(await self.voices.speak(self.persona, move.text))
                    await self.phone.wait_said()
                    since_ms = self.phone.elapsed_ms

    async def _press(self, digits: str) -> int:
        self.talk.append(("caller", digits))
        for digit in digits:
            if not self.phone.cause:
                self.phone.press(digit)
            await asyncio.sleep(KEY_S)
        return self.phone.elapsed_ms

    def _outcome(self, caller: Caller) -> Outcome:
        ended = self.followed.ended or {"disposition": "failed", "reason": "no_end"}
        queue, goal = str(ended.get("escalated_to") or ""), self.persona.goal
        told = {line.response for line in self.followed.told}
        served = queue in QUEUES[goal.name] if goal.by_operator else bool(told & DELIVERS[goal.name])
        gaps = measure_gaps(self.phone.said_track, self.phone.heard_track)
        return Outcome(
            persona=self.persona,
            disposition=Disposition(str(ended["disposition"])),
            reason=str(ended.get("reason", "")),
            topic=str(ended.get("topic", "")),
            queue=queue,
            truth=Truth(served),
            turns=caller.turns,
            solved_ms=self.solved_ms,
            lasted_ms=self.phone.elapsed_ms,
            gaps_ms=tuple(float(gap.gap_ms) for gap in gaps),
            events=(),
            talk=tuple(self.talk),
        )
