"""Calls to contacts: one contact per branch of a call, both arms alike.

Takes everything stored of a call (events, exposures, rows of queues, what other systems say), gives `Contact`s.
Pure: folding again with more gives what folding once with all would have given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ivrbot.analytics.queue_fold import closed, fold_queue, in_order, last_at, score_asked, score_of
from ivrbot.model.call import CallId, Disposition
from ivrbot.model.contact import (
    BotPart,
    CallMaterial,
    Contact,
    ContactNote,
    Diagnostics,
    EndedBy,
    HumanPart,
    Origin,
    Unserved,
)
from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.shadow import Outcome

UnitOf = Callable[[str, str], str]
"""Keyed hash of a number as signalled, or of the call id when it is withheld."""

STRANGER: Final = "queue:"
MAX_RING_S: Final = 60.0
_COUNTED: Final = {
    EventType.NO_MATCH: "no_match",
    EventType.NO_INPUT: "no_input",
    EventType.FALSE_BARGE_IN: "false_barge_in",
    EventType.ENGINE_FAILED: "engine_failures",
}


@dataclass(slots=True)
class _Part:
    """A stretch of a call in one branch; offsets in seconds from the ring."""

    branch: str
    topic: str
    from_s: float
    until_s: float = 0.0
    routed: bool = False
    done_s: float | None = None
    whole: bool = False


def fold(material: CallMaterial, *, unit_of: UnitOf) -> tuple[Contact, ...]:
    """Contacts of one call, by branch.

    Args:
        material: everything stored of it.
        unit_of: makes units of callers that were not exposed.
    """
    if material.events:
        contacts = _from_events(material, unit_of)
    elif material.exposures:
        contacts = _from_exposures(material)
    else:
        contacts = _from_strangers(material, unit_of)
    return tuple(_judged(contact, material) for contact in contacts)


# --- calls that the product saw -------------------------------------------------------------------------


def _from_events(material: CallMaterial, unit_of: UnitOf) -> list[Contact]:
    events = sorted(material.events, key=lambda event: event.seq)
    ring = events[0].at
    offsets = _offsets(events)
    parts, current = _parts(events, offsets, [exposure.branch for exposure in material.exposures])
    end = next((event for event in reversed(events) if event.type is EventType.CALL_ENDED), None)
    asked_s = _asked_s(events, offsets, end)
    asked_at = None if asked_s is None else ring + timedelta(seconds=asked_s)
    human = _human(material, asked_at)
    caller = material.registration.caller if material.registration else ""
    drawn = material.exposures[0].unit if material.exposures else material.unit
    unit = drawn or unit_of(caller, material.key)
    died = end is None and any(event.type is EventType.CALL_STARTED for event in events)
    contacts = []
    for part in parts:
        # What the bot had finished before the caller went on to another topic is no business of the operator's.
        own_human = human if part.done_s is None or part.whole or part is current else None
        bot_end = ring + timedelta(seconds=part.until_s)
        ended_at = max(bot_end, _human_end(material, own_human) or bot_end)
        contacts.append(
            Contact(
                call_id=CallId(material.key),
                branch=part.branch,
                unit=unit,
                topic=part.topic,
                trunk=material.trunk,
                gateway=material.registration.gateway if material.registration else "",
                started_at=ring + timedelta(seconds=part.from_s),
                ended_at=ended_at,
                bot=_bot(part, end),
                human=own_human,
                outcome=Outcome.UNKNOWN,
                score=None,
                diagnostics=_diagnostics(events, offsets, part, first=part is parts[0], died=died),
                origin=Origin.PRODUCT,
                closed=own_human is None or closed(own_human),
            )
        )
    return contacts


def _offsets(events: Sequence[CallEvent]) -> list[float]:
    """Seconds from the ring of each event, by the call's own clock; only the ring before it is wall time.

    The question for a score, and what comes after it, take no time: operators' calls are asked after their end.
    """
    started = next((event for event in events if event.type is EventType.CALL_STARTED), events[0])
    ring_s = (started.at - events[0].at) / timedelta(seconds=1)
    ring_s = ring_s if 0 <= ring_s <= MAX_RING_S else 0.0
    asked = _score_asked(events)
    last_ms = asked.t_ms if asked and asked.data.get("by") == "bot" else math.inf
    return [0.0 if event.seq < started.seq else ring_s + min(event.t_ms, last_ms) / 1000 for event in events]


def _score_asked(events: Sequence[CallEvent]) -> CallEvent | None:
    return next((event for event in events if event.type is EventType.SCORE_ASKED), None)


def _score_given(events: Sequence[CallEvent]) -> int | None:
    """The last key that he pressed for a score."""
    given = [event.data.get("score") for event in events if event.type is EventType.CALL_SCORED]
    valid = [score for score in given if isinstance(score, int) and 1 <= score <= 5]
    return valid[-1] if valid else None


def _parts(
    events: Sequence[CallEvent], offsets: Sequence[float], exposed: Sequence[str]
) -> tuple[list[_Part], _Part | None]:
    """Stretches of the call, and the last of them; a call that comes back to a branch goes on with its first."""
    end_s = max(offsets)
    parts: dict[str, _Part] = {}
    current: _Part | None = None
    for event, at_s in zip(events, offsets, strict=True):
        if event.type is EventType.TOPIC_STATED:
            branch = str(event.data.get("branch", ""))
            if current is not None:
                current.until_s = at_s
            current = parts.setdefault(branch, _Part(branch, "", at_s if parts else 0.0))
            current.topic = str(event.data.get("topic", ""))
        elif current is not None:
            _take(current, event, at_s)
    if current is not None:
        current.until_s = end_s
    done = [part.done_s for part in parts.values() if part.done_s is not None]
    for branch in exposed:  # drawn without a topic: the front, which is the whole call
        if branch not in parts:
            parts[branch] = _Part(branch, "", 0.0, end_s, True, done[0] if done else None, whole=True)
    found = list(parts.values()) or [_Part("", "", 0.0, end_s, whole=True)]
    return found, current


def _take(part: _Part, event: CallEvent, at_s: float) -> None:
    if event.type is EventType.ASSIGNED:
        part.routed = part.routed or event.data.get("route") == "bot"
    elif event.type is EventType.BANK_REPLIED and event.data.get("served") and part.done_s is None:
        part.done_s = max(0.0, at_s - part.from_s)


def _asked_s(events: Sequence[CallEvent], offsets: Sequence[float], end: CallEvent | None) -> float | None:
    """When a person was asked for; None: never. A bot that died leaves its caller to the dialplan: a person."""
    for event, at_s in zip(events, offsets, strict=True):
        if event.type is EventType.ESCALATED:
            return at_s
    if end is None:
        return max(offsets)
    failed = end.data.get("disposition") == Disposition.FAILED.value and end.data.get("reason") != "declined"
    return max(offsets) if failed or end.data.get("escalated_to") else None


def _bot(part: _Part, end: CallEvent | None) -> BotPart:
    disposition = Disposition(str(end.data["disposition"])) if end else None
    reason = str(end.data.get("reason", "")) if end else "bot_lost"
    return BotPart(disposition, reason, part.routed, max(0.0, part.until_s - part.from_s), part.done_s)


def _diagnostics(
    events: Sequence[CallEvent], offsets: Sequence[float], part: _Part, *, first: bool, died: bool
) -> Diagnostics:
    counts = dict.fromkeys(_COUNTED.values(), 0)
    gaps = []
    asked = _score_asked(events)
    for event, at_s in zip(events, offsets, strict=True):
        if asked is not None and event.seq > asked.seq:
            break
        if not (part.from_s <= at_s <= part.until_s or (first and at_s < part.from_s)):
            continue
        name = _COUNTED.get(event.type)
        if name is not None:
            counts[name] += 1
        gap = event.data.get("gap_ms") if event.type is EventType.RESPONSE_GAP else None
        if isinstance(gap, int):
            gaps.append(gap)
    counts["engine_failures"] += died
    return Diagnostics(**counts, gaps_ms=tuple(gaps))


def _from_exposures(material: CallMaterial) -> list[Contact]:
    """Drawn for another system (the decision API), which alone knows what the bot or the menu did."""
    contacts = []
    for exposure in material.exposures:
        human = _human(material, exposure.at) if material.rows or material.note else None
        contacts.append(
            Contact(
                call_id=exposure.call_id,
                branch=exposure.branch,
                unit=exposure.unit,
                topic="",
                trunk=material.trunk,
                gateway="",
                started_at=exposure.at,
                ended_at=max(exposure.at, _human_end(material, human) or exposure.at),
                bot=None,
                human=human or HumanPart(exposure.at),
                outcome=Outcome.UNKNOWN,
                score=None,
                diagnostics=Diagnostics(),
                origin=Origin.PRODUCT,
                closed=human is not None and closed(human),
            )
        )
    return contacts


# --- calls that the product never saw -------------------------------------------------------------------


def _from_strangers(material: CallMaterial, unit_of: UnitOf) -> list[Contact]:
    rows, note = in_order(material.rows), material.note
    human = _human(material, None)
    if human is None:
        return []
    queue = next((row.queue for row in rows if row.event == "ENTERQUEUE"), rows[0].queue if rows else "")
    branch = material.queue_branch.get(queue, queue) or (note.branch if note else "")
    told = next((row.data[1] for row in rows if row.event == "ENTERQUEUE" and len(row.data) > 1), "")
    unit = told or (note.unit if note else "") or material.unit or unit_of("", material.key)
    started_at = min(filter(None, (note.started_at if note else None, human.entered_at)), default=human.asked_at)
    return [
        Contact(
            call_id=CallId(f"{STRANGER}{material.key}"),
            branch=branch,
            unit=unit,
            topic="",
            trunk="",
            gateway="",
            started_at=started_at,
            ended_at=max(started_at, _human_end(material, human) or started_at),
            bot=None,
            human=human,
            outcome=Outcome.UNKNOWN,
            score=None,
            diagnostics=Diagnostics(),
            origin=Origin.QUEUE_LOG if rows else Origin.CSV,
            closed=closed(human),
        )
    ]


# --- people ---------------------------------------------------------------------------------------------


def _human(material: CallMaterial, asked_at: datetime | None) -> HumanPart | None:
    """The person's part: rows of queues first, an imported call for what they do not say."""
    note = material.note
    part = fold_queue(material.rows, asked_at)
    if note is None or (part is None and material.events):
        return part
    if part is None or part.entered_at is None:
        return _from_note(note, asked_at)
    return replace(
        part,
        hold_s=note.hold_s or 0.0,
        after_work_s=note.after_work_s or 0.0,
        transfers=max(part.transfers, note.transfers or 0),
    )


def _from_note(note: ContactNote, asked_at: datetime | None) -> HumanPart:
    at = asked_at or note.started_at
    waited = timedelta(seconds=note.wait_s or 0.0)
    answered = note.answered if note.answered is not None else (note.talk_s or 0.0) > 0
    return HumanPart(
        asked_at=at,
        entered_at=at,
        connected_at=at + waited if answered else None,
        wait_s=note.wait_s,
        talk_s=note.talk_s or 0.0,
        hold_s=note.hold_s or 0.0,
        after_work_s=note.after_work_s or 0.0,
        ended_by=note.ended_by or EndedBy.SYSTEM,
        unserved=None if answered else _unserved(note),
        transfers=note.transfers or 0,
    )


def _unserved(note: ContactNote) -> Unserved:
    return Unserved.TIMED_OUT if note.ended_by is EndedBy.SYSTEM else Unserved.ABANDONED


def _human_end(material: CallMaterial, human: HumanPart | None) -> datetime | None:
    """When the person's part ended: the newest row, but never before what its own durations say."""
    if human is None:
        return None
    if human.entered_at is None:
        return human.asked_at
    waited = timedelta(seconds=(human.wait_s or 0.0) + human.talk_s)
    by_durations = human.entered_at + waited
    newest = last_at(material.rows)
    if newest is None or not timedelta(0) <= newest - by_durations <= timedelta(minutes=10):
        return by_durations
    return newest


# --- how it closed --------------------------------------------------------------------------------------


def _judged(contact: Contact, material: CallMaterial) -> Contact:
    """With outcome, score and what the operator said."""
    said, note = material.disposition, material.note
    coded = said.outcome if said else Outcome.UNKNOWN
    if coded is Outcome.UNKNOWN and note is not None:
        coded = note.outcome
    misrouted = None
    if said is not None and contact.topic:
        misrouted = said.branch != contact.branch
    return replace(
        contact,
        outcome=_outcome(contact, coded),
        score=_score_given(material.events) or score_of(material.rows) or (note.score if note else None),
        misrouted=misrouted,
        score_asked=_score_asked(material.events) is not None or score_asked(material.rows),
        qa_score=material.qa_score,
    )


def _outcome(contact: Contact, coded: Outcome) -> Outcome:
    bot, human = contact.bot, contact.human
    if bot is not None and bot.done_after_s is not None:
        return Outcome.RESOLVED
    if human is None:
        return Outcome.UNRESOLVED  # the bot's part is over, nothing was confirmed
    if human.connected_at is not None:
        # An answered call without a code counts as resolved: that favours people, never the bot.
        return Outcome.RESOLVED if coded is Outcome.UNKNOWN else coded
    if human.unserved is not None:
        return Outcome.UNRESOLVED
    return coded
