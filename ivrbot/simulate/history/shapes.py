"""What a call with the bot leaves behind, taken from real simulated calls, to be placed at many times.

Takes outcomes, gives `Shape`s by branch. Pure.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ivrbot.model.events import EventType, JsonValue
from ivrbot.simulate.outcome import Event, Outcome

GAP_MS: Final = (430.0, 0.45)
"""Median and spread (of its logarithm) of a response gap over the telephone."""
EMERGENCIES: Final = frozenset({"block_card"})


@dataclass(frozen=True, slots=True)
class Shape:
    """A call as its events tell it.

    Attributes:
        branch: where its topic belongs, "" when none was stated.
        topic: last one stated.
        drawable: the topic is served by the bot, so that the caller is drawn.
        events: from the first word to the end.
        drawn_at: index of the event of the draw; -1 without one.
        served: the caller got what he rang for.
    """

    branch: str
    topic: str
    drawable: bool
    events: tuple[Event, ...]
    drawn_at: int
    served: bool

    @property
    def queue(self) -> str:
        """Where the bot handed over, "" when it did not."""
        return str(self.events[-1][2].get("escalated_to") or "")


def shape_of(outcome: Outcome) -> Shape | None:
    """The shape of a call; None of one that went through several branches, which a history leaves out."""
    events = outcome.events
    stated = [data for kind, _, data in events if kind is EventType.TOPIC_STATED]
    branches = {str(data["branch"]) for data in stated}
    if len(branches) > 1 or events[-1][0] is not EventType.CALL_ENDED:
        return None
    draws = [at for at, (kind, _, _) in enumerate(events) if kind is EventType.ASSIGNED]
    drawn = bool(draws) and events[draws[0]][2]["route"] == "bot"
    return Shape(
        branch=branches.pop() if branches else "",
        topic=str(stated[-1]["topic"]) if stated else "",
        drawable=drawn,
        events=events,
        drawn_at=draws[0] if draws else -1,
        served=outcome.truth.served,
    )


def shapes_of(outcomes: Iterable[Outcome]) -> tuple[Shape, ...]:
    """All shapes that a history can use."""
    return tuple(shape for outcome in outcomes if (shape := shape_of(outcome)) is not None)


def with_gaps(events: Iterable[Event], rng: random.Random) -> list[Event]:
    """The events with response gaps as a telephone line has them."""
    told: list[Event] = []
    answered = False
    for kind, t_ms, data in events:
        if answered and kind is EventType.BOT_SAID:
            gap_ms = round(rng.lognormvariate(0.0, GAP_MS[1]) * GAP_MS[0])
            told.append((EventType.RESPONSE_GAP, t_ms, {"gap_ms": gap_ms}))
            answered = False
        told.append((kind, t_ms, data))
        answered = answered or kind in (EventType.CALLER_SAID, EventType.KEYS_PRESSED)
    return told


def to_operator(shape: Shape, draw: dict[str, JsonValue], reason: str) -> list[Event]:
    """The call up to its draw, then straight to the branch's operators."""
    before = list(shape.events[: shape.drawn_at])
    t_ms = shape.events[shape.drawn_at][1]
    handed: dict[str, JsonValue] = {"topic": shape.topic, "dossier": ""}
    return [
        *before,
        (EventType.ASSIGNED, t_ms, draw),
        (EventType.ESCALATED, t_ms + 250, {**handed, "reason": reason, "queue": shape.branch}),
        (
            EventType.CALL_ENDED,
            t_ms + 400,
            {**handed, "disposition": "escalated", "reason": reason, "escalated_to": shape.branch},
        ),
    ]


def with_bot(shape: Shape, draw: dict[str, JsonValue]) -> list[Event]:
    """The whole call, with the draw as it was made now."""
    events = list(shape.events)
    events[shape.drawn_at] = (EventType.ASSIGNED, events[shape.drawn_at][1], draw)
    return events


def left_at_greeting(after_ms: int) -> list[Event]:
    """Somebody who hears a robot and goes."""
    ended: dict[str, JsonValue] = {
        "disposition": "abandoned",
        "reason": "hung_up",
        "topic": "",
        "escalated_to": "",
    }
    return [
        (EventType.CALL_STARTED, 0, {"language": "ru", "gateway": "demo"}),
        (
            EventType.BOT_SAID,
            20,
            {"text": "Здравствуйте! Это банк, говорит робот.", "response": "utter_greeting"},
        ),
        (EventType.CALL_ENDED, after_ms, {**ended, "dossier": ""}),
    ]


def cut_short(events: list[Event], rng: random.Random) -> list[Event]:
    """The caller loses patience somewhere in the middle, before anything was done."""
    done = next((at for at, (kind, _, data) in enumerate(events) if data.get("served")), len(events) - 1)
    places = [at for at in range(3, done) if events[at][0] is EventType.BOT_SAID]
    if not places:
        return events
    at = rng.choice(places[-3:])
    topic = events[-1][2].get("topic", "")
    gone: dict[str, JsonValue] = {"disposition": "abandoned", "reason": "hung_up", "topic": topic}
    left = [event for event in events[: at + 1] if event[0] is not EventType.ESCALATED]
    ended = (EventType.CALL_ENDED, events[at][1] + 4000, {**gone, "escalated_to": "", "dossier": ""})
    return [*left, ended]


def bank_silent(events: list[Event], branch: str) -> list[Event]:
    """The bank does not answer its first question: the caller goes to an operator."""
    at = next((at for at, (kind, _, _) in enumerate(events) if kind is EventType.BANK_REQUESTED), None)
    if at is None:
        return events
    action, t_ms = events[at][2]["action"], events[at][1] + 6000
    topic = events[-1][2].get("topic", "")
    handed: dict[str, JsonValue] = {"topic": topic, "dossier": ""}
    reason = "bank_unavailable"
    return [
        *events[: at + 1],
        (
            EventType.BANK_REPLIED,
            t_ms,
            {"action": action, "status": "unavailable", "reference": "", "served": False},
        ),
        (EventType.ESCALATED, t_ms + 3000, {**handed, "reason": reason, "queue": branch}),
        (
            EventType.CALL_ENDED,
            t_ms + 3200,
            {**handed, "disposition": "escalated", "reason": reason, "escalated_to": branch},
        ),
    ]


def scored(events: list[Event], score: int | None) -> list[Event]:
    """The bot asks for a score before its goodbye; None: no key was pressed."""
    *told, (kind, t_ms, data) = events
    asked: list[Event] = [(EventType.SCORE_ASKED, t_ms, {"by": "bot"})]
    if score is not None:
        asked.append((EventType.CALL_SCORED, t_ms + 3500, {"score": score, "by": "bot"}))
    return [*told, *asked, (kind, t_ms + 5000, data)]
