"""Predictions of the shadow stage, and what operators say of calls.

Takes the store, gives `DispositionBook` and `ShadowBook`. Dispositions are only ever added: the last one of a call
counts, the earlier ones stay. A prediction of a live call is read out of its events.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    Row,
    String,
    Table,
    distinct,
    func,
    insert,
    select,
    text,
    update,
)

from ivrbot.model.call import CallId
from ivrbot.model.events import EventType
from ivrbot.model.evidence import ShadowEvidence
from ivrbot.model.shadow import (
    CallDisposition,
    Expected,
    Outcome,
    Prediction,
    ShadowCall,
    live_prediction,
    shadow_evidence,
)
from ivrbot.storage import schema, statements
from ivrbot.storage.contact_tables import mark_due
from ivrbot.storage.schema import UtcDateTime, metadata
from ivrbot.storage.store import Store

LATE: Final = timedelta(days=2)
"""How late events may reach the store (by the journal, after the database was away) and still be found."""
CATCH_UP_CALLS: Final = 100
"""Calls looked at again at a time; the rest follows with the next reading."""
READ_S: Final = 20.0
"""A stage's calls are many; nobody waits on a line for them."""

TELEPHONE_GATEWAYS: Final = ("audiosocket",)
"""Calls by any other way (browser, text, microphone, demo) are tests, so they count as synthetic."""
_DECIDED: Final = (EventType.ASSIGNED, EventType.ESCALATED, EventType.CALL_ENDED)
"""Any of them shows that a call's events are there."""

dispositions = Table(
    "dispositions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("call_id", String, nullable=False),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("who", String, nullable=False),
    Column("topic", String, nullable=False),
    Column("branch", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("note_code", String, nullable=False),
    Column("looked_at", Boolean, nullable=False, default=False),
    Index("ix_dispositions_call", "call_id", "id"),
)

shadow_calls = Table(
    "shadow_calls",
    metadata,
    Column("call_id", String, primary_key=True),
    Column("source", String, nullable=False),
    Column("content_hash", String, nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("topic", String, nullable=False),
    Column("branch", String, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("expected", String, nullable=False),
    Column("stated_by", String, nullable=False),
    Column("synthetic", Boolean, nullable=False),
    Column("operator_topic", String, nullable=False),
    Column("operator_branch", String, nullable=False),
    Column("outcome", String, nullable=False),
)


class Added(StrEnum):
    """What became of a recording's prediction."""

    NEW = "new"
    AGAIN = "again"
    SAME_SOUND = "same_sound"
    OTHER_SOUND = "other_sound"
    LIVE = "live"


class DispositionBook:
    """What operators say of calls.

    Args:
        store: the database; open.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, disposition: CallDisposition) -> bool:
        """Note a disposition; with it, what the bot would have done with the call.

        Returns:
            Whether it says anything new; the last one repeated is not written again.

        Raises:
            StorageUnavailable: not written.
        """
        return await self._store.write(partial(_add_disposition, disposition=disposition))

    async def history(self, call_id: CallId) -> tuple[CallDisposition, ...]:
        """All dispositions of a call, the one that counts last.

        Raises:
            StorageUnavailable: not read.
        """
        return await self._store.read(partial(_history, call_id=call_id))

    async def latest(self, call_id: CallId) -> CallDisposition | None:
        """The disposition that counts.

        Raises:
            StorageUnavailable: not read.
        """
        history = await self.history(call_id)
        return history[-1] if history else None


class ShadowBook:
    """Predictions beside dispositions.

    Args:
        store: the database; open.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, call: ShadowCall) -> Added:
        """Store a recording's prediction. The same recording again replaces its prediction (the bot has learnt).

        Returns:
            `SAME_SOUND`: another call has this very recording; `OTHER_SOUND`: this call has another recording;
            `LIVE`: the call was predicted while it ran. Nothing is written then.

        Raises:
            StorageUnavailable: not written.
        """
        return await self._store.write(partial(_add_recording, call=call))

    async def calls(self, since: datetime) -> tuple[ShadowCall, ...]:
        """Everything predicted since a moment, with the operators' last word.

        Raises:
            StorageUnavailable: not read.
        """
        if missing := await self._store.read(_missing):
            await self._store.write(partial(_predict_all, call_ids=missing))
        return await self._store.read(partial(_calls, since=since), deadline_s=READ_S)

    async def evidence(self, branch: str, since: datetime) -> ShadowEvidence:
        """What the controller reads of a branch.

        Raises:
            StorageUnavailable: not read.
        """
        return shadow_evidence(branch, await self.calls(since))

    async def waiting(self, since: datetime) -> dict[str, int]:
        """Live calls by branch in its shadow rung whose operator has not said anything yet.

        Raises:
            StorageUnavailable: not read.
        """
        return await self._store.read(partial(_waiting, since=since), deadline_s=READ_S)


# --- dispositions -------------------------------------------------------------------------------------


def _add_disposition(conn: Connection, disposition: CallDisposition) -> bool:
    last = (_history(conn, disposition.call_id) or (None,))[-1]
    if last is not None and replace(last, at=disposition.at, who=disposition.who) == disposition:
        return False
    conn.execute(insert(dispositions).values(asdict(disposition) | {"outcome": disposition.outcome.value}))
    _predict_live(conn, disposition.call_id)
    mark_due(conn, [disposition.call_id])
    return True


def _history(conn: Connection, call_id: CallId) -> tuple[CallDisposition, ...]:
    query = select(dispositions).where(dispositions.c.call_id == call_id).order_by(dispositions.c.id)
    return tuple(
        CallDisposition(
            CallId(row.call_id), row.at, row.who, row.topic, row.branch, Outcome(row.outcome), row.note_code
        )
        for row in conn.execute(query)
    )


# --- predictions --------------------------------------------------------------------------------------


def _predict_live(conn: Connection, call_id: CallId) -> None:
    """Keep what the bot would have done with a call; nothing when it was none of the shadow stage's."""
    events = statements.events_of(conn, call_id)
    if not any(event.type in _DECIDED for event in events):
        return  # its events are still on their way
    looked_at = update(dispositions).where(dispositions.c.call_id == call_id).values(looked_at=True)
    conn.execute(looked_at)
    known = conn.execute(select(shadow_calls.c.call_id).where(shadow_calls.c.call_id == call_id)).first()
    prediction = live_prediction(events)
    if known is not None or prediction is None:
        return
    stated = next((event.at for event in events if event.type is EventType.TOPIC_STATED), events[-1].at)
    registration = statements.registration_of(conn, call_id)
    synthetic = registration is None or registration.gateway not in TELEPHONE_GATEWAYS
    _insert(conn, ShadowCall(call_id, "live", "", stated, prediction, synthetic))


def _predict_all(conn: Connection, call_ids: tuple[CallId, ...]) -> None:
    for call_id in call_ids:
        _predict_live(conn, call_id)


def _missing(conn: Connection) -> tuple[CallId, ...]:
    """Calls whose disposition came before their events were in the store, the newest first."""
    newest = conn.execute(select(func.max(dispositions.c.at))).scalar_one_or_none()
    if newest is None:
        return ()
    table, events = dispositions, schema.events
    query = (
        select(table.c.call_id)
        .where(table.c.at >= newest - LATE, table.c.looked_at.is_(False))
        .where(
            select(events.c.seq)
            .where(events.c.call_id == table.c.call_id, events.c.type.in_([kind.value for kind in _DECIDED]))
            .exists()
        )
        .order_by(table.c.id.desc())
        .limit(CATCH_UP_CALLS)
    )
    return tuple(dict.fromkeys(CallId(call_id) for call_id in conn.execute(query).scalars()))


def _add_recording(conn: Connection, call: ShadowCall) -> Added:
    table = shadow_calls
    held = conn.execute(
        select(table.c.source, table.c.content_hash).where(table.c.call_id == call.call_id)
    ).first()
    if held is None:
        twin = conn.execute(select(table.c.call_id).where(table.c.content_hash == call.content_hash)).first()
        if twin is not None:
            return Added.SAME_SOUND
        _insert(conn, call)
        return Added.NEW
    if held.source == "live":
        return Added.LIVE
    if held.content_hash != call.content_hash:
        return Added.OTHER_SOUND
    conn.execute(update(table).where(table.c.call_id == call.call_id).values(_values(call)))
    return Added.AGAIN


def _insert(conn: Connection, call: ShadowCall) -> None:
    conn.execute(insert(shadow_calls).values(_values(call)))


def _values(call: ShadowCall) -> dict[str, Any]:
    prediction = call.prediction
    return {
        "call_id": call.call_id,
        "source": call.source,
        "content_hash": call.content_hash,
        "at": call.at,
        "topic": prediction.topic,
        "branch": prediction.branch,
        "confidence": prediction.confidence,
        "expected": prediction.expected.value,
        "stated_by": prediction.by,
        "synthetic": call.synthetic,
        "operator_topic": call.operator_topic,
        "operator_branch": call.operator_branch,
        "outcome": call.outcome.value if call.outcome else "",
    }


def _calls(conn: Connection, since: datetime) -> tuple[ShadowCall, ...]:
    newest = select(func.max(dispositions.c.id).label("id")).group_by(dispositions.c.call_id).subquery()
    said = select(dispositions).join(newest, newest.c.id == dispositions.c.id).subquery()
    query = (
        select(
            shadow_calls,
            said.c.topic.label("said_topic"),
            said.c.branch.label("said_branch"),
            said.c.outcome.label("said_outcome"),
        )
        .outerjoin(said, said.c.call_id == shadow_calls.c.call_id)
        .where(shadow_calls.c.at >= since)
        .order_by(shadow_calls.c.at, shadow_calls.c.call_id)
    )
    return tuple(_call(row) for row in conn.execute(query))


def _call(row: Row[Any]) -> ShadowCall:
    """The desk's last word stands above the one that came with a recording."""
    told = row.said_topic is not None
    outcome = row.said_outcome if told else row.outcome
    return ShadowCall(
        row.call_id,
        row.source,
        row.content_hash,
        row.at,
        Prediction(row.topic, row.branch, row.confidence, Expected(row.expected), row.stated_by),
        row.synthetic,
        row.said_topic if told else row.operator_topic,
        row.said_branch if told else row.operator_branch,
        Outcome(outcome) if outcome else None,
    )


def _waiting(conn: Connection, since: datetime) -> dict[str, int]:
    events = schema.events
    branch = events.c.data["branch"].as_string().label("drawn_branch")
    query = (
        select(branch, func.count(distinct(events.c.call_id)))
        .outerjoin(dispositions, dispositions.c.call_id == events.c.call_id)
        .where(
            events.c.at >= since,
            events.c.type == EventType.ASSIGNED.value,
            events.c.data["reason"].as_string() == "shadow",
            dispositions.c.call_id.is_(None),
        )
        .group_by(text("drawn_branch"))  # by name: PostgreSQL takes two parameters for two expressions
    )
    return {str(name): int(count) for name, count in conn.execute(query)}
