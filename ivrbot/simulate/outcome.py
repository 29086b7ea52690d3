"""What became of one simulated call, whatever carried it."""

from __future__ import annotations

from dataclasses import dataclass

from ivrbot.model.call import Disposition
from ivrbot.model.events import EventType, JsonValue
from ivrbot.simulate.persona import Persona
from ivrbot.simulate.truth import Truth

Event = tuple[EventType, int, dict[str, JsonValue]]
"""Type, call time in ms, data."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One finished call.

    Attributes:
        disposition: what the bot claims.
        reason: code beside it.
        topic: as the bot understood it.
        queue: where it handed over to, "" when it did not.
        truth: what the call was worth.
        turns: what the caller said or keyed, times.
        solved_ms: call time at which his wish was first fulfilled as far as he heard; None: never.
        lasted_ms: length of the call on the line.
        gaps_ms: response gaps; in text, computing time alone.
        events: with texts masked, as events are; empty where the call ran in another process.
        talk: the call as (who, what) lines, with secrets: for finding faults, never for a log.
    """

    persona: Persona
    disposition: Disposition
    reason: str
    topic: str
    queue: str
    truth: Truth
    turns: int
    solved_ms: int | None
    lasted_ms: int
    gaps_ms: tuple[float, ...]
    events: tuple[Event, ...]
    talk: tuple[tuple[str, str], ...]

    @property
    def false_success(self) -> bool:
        """The bot claims to have served a caller whom it has not served."""
        return self.disposition is Disposition.RESOLVED and not self.truth.served
