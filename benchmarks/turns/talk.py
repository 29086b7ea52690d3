"""One call: listen, speak, listen; then its turns are measured on what was said and heard."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from benchmarks.turns.callers import Guide, Person, Saying
from benchmarks.turns.lines import Line
from benchmarks.turns.measure import ANSWER_MS, Heard, turn
from benchmarks.turns.sound import halves, spoken
from ivrbot.errors import LegClosed

QUIET_MS: Final = 600
"""The bot has finished when it was quiet for so long."""
INTERRUPT_MS: Final = 800
"""So long after the prompt's first sound, at the earliest, a caller who interrupts begins."""
IN_SOUND_MS: Final = 60
"""He begins while the bot sounds, not in a pause of its prompt: it was heard within so long before."""
ANSWER_SOUNDS_S: Final = 0.3
"""The last answer is heard for so long more: of its first sound alone nobody could tell that it is no click."""
GREETING_S: Final = 30.0
ASK_S: Final = 20.0
TURNS: Final = 8


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that was spoken, with what became of it."""

    call: int
    person: Person
    saying: Saying
    answer: str
    heard: Heard

    @property
    def handed_over(self) -> bool:
        """The system left the caller to an operator without a word: his answer, though not in sound."""
        told = self.answer.split()
        without_words = "escalated" in told and not any(name.startswith("utter_") for name in told)
        return without_words and not self.heard.answered

    def as_json(self) -> dict[str, Any]:
        """A row of the file of turns."""
        saying, heard = self.saying, self.heard
        return {
            "call": self.call,
            "language": self.person.language,
            "voice": self.person.voice,
            "kind": saying.kind,
            "text": " ".join(halves(saying.sentence)),
            "question": saying.question,
            "answer": self.answer,
            "hesitation_ms": saying.pause_ms,
            "after_whole_clause": saying.whole_clause,
            "meant_to_interrupt": saying.interrupts,
            "over_prompt": heard.over_prompt,
            "began_ms": round(heard.began_ms),
            "ended_ms": round(heard.ended_ms),
            "answered": heard.answered or self.handed_over,
            "handed_over": self.handed_over,
            "cut_off": heard.cut_off,
            "gap_ms": None if heard.gap_ms is None else round(heard.gap_ms),
            "stop_ms": None if heard.stop_ms is None else round(heard.stop_ms),
        }


@dataclass(frozen=True, slots=True)
class _Spoken:
    saying: Saying
    from_ms: int
    to_ms: int
    answer: str = ""


class Budget:
    """How many turns are still wanted, and until when; shared by all callers."""

    def __init__(self, turns: int, until_s: float = math.inf) -> None:
        """Takes the number of turns and a moment of the event loop's clock."""
        self.left = turns
        self._until_s = until_s

    @property
    def is_spent(self) -> bool:
        """Nothing more is to be spoken."""
        return self.left <= 0 or asyncio.get_running_loop().time() >= self._until_s

    def take(self) -> bool:
        """Whether one more may be spoken."""
        taken = not self.is_spent
        self.left -= taken
        return taken


async def converse(
    line: Line, call: int, person: Person, guide: Guide, floor: asyncio.Semaphore, budget: Budget
) -> list[Turn]:
    """Talk until the system hangs up, asks nothing more, or enough turns were spoken.

    Args:
        line: an answered call.
        call: its number.
        person: who speaks.
        guide: what the system asks.
        floor: held from the first word of a turn to its answer: as many callers speak at once as it lets in.
        budget: turns still wanted.
    """
    turns: list[_Spoken] = []
    since_ms = 0
    saying = await guide.first()
    while saying is not None and len(turns) < TURNS and not line.over and budget.take():
        spoke = await _say(line, person, saying, guide, floor, since_ms)
        if spoke is None:
            budget.left += 1
            break
        since_ms = spoke.to_ms
        saying = None if line.over else await guide.next()
        turns.append(replace(spoke, answer=guide.answer))
    await asyncio.sleep(ANSWER_SOUNDS_S)
    return _measured(line, call, person, turns)


def _measured(line: Line, call: int, person: Person, turns: Sequence[_Spoken]) -> list[Turn]:
    said, heard = line.said_track, line.heard_track
    found = ((spoke, turn(said, heard, spoke.from_ms, spoke.to_ms)) for spoke in turns)
    return [Turn(call, person, spoke.saying, spoke.answer, measured) for spoke, measured in found if measured]


async def _say(
    line: Line, person: Person, saying: Saying, guide: Guide, floor: asyncio.Semaphore, since_ms: int
) -> _Spoken | None:
    """Wait for the moment, speak, wait for the answer's first sound; None when the system never spoke."""
    pcm = spoken(saying.sentence, person.voice, saying.pause_ms)
    patience_s = ASK_S if since_ms else GREETING_S
    if not await line.wait_answered(since_ms, quiet_ms=0, deadline_s=patience_s):
        return None
    if saying.interrupts:
        heard_from_ms = line.elapsed_ms
        await floor.acquire()
        await asyncio.sleep(max(0, heard_from_ms + INTERRUPT_MS - line.elapsed_ms) / 1000)
        await line.wait_answered(line.elapsed_ms - IN_SOUND_MS, quiet_ms=0, deadline_s=QUIET_MS / 1000)
    elif not await _floor_in_silence(line, floor, since_ms, patience_s):
        return None
    try:
        if line.over:
            return None
        guide.spoke()
        from_ms = line.elapsed_ms
        line.send(pcm)
        await line.wait_said()
        to_ms = line.elapsed_ms
        await line.wait_answered(to_ms, quiet_ms=0, deadline_s=ANSWER_MS / 1000)
        return _Spoken(saying, from_ms, to_ms)
    except LegClosed:
        return None
    finally:
        floor.release()


async def _floor_in_silence(line: Line, floor: asyncio.Semaphore, since_ms: int, patience_s: float) -> bool:
    """Take the floor when the bot is quiet; while one waited for it, it may have begun to speak again."""
    while True:
        if not await line.wait_answered(since_ms, quiet_ms=QUIET_MS, deadline_s=patience_s):
            return False
        await floor.acquire()
        if await line.wait_answered(since_ms, quiet_ms=QUIET_MS, deadline_s=0.05):
            return True
        floor.release()
