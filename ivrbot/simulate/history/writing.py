"""Many calls into a store at once, in the tables that calls write: the bulk of a history.

Takes gathered calls, folds them with the product's own `fold`, inserts. For empty stores: nothing is looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from ivrbot.analytics.contacts import fold
from ivrbot.model.contact import CallMaterial
from ivrbot.model.events import EventType
from ivrbot.model.queue import LogPosition
from ivrbot.storage import schema
from ivrbot.storage.call_lines import call_list, lines_of
from ivrbot.storage.contact_statements import insert_contacts, microseconds
from ivrbot.storage.contact_tables import log_positions, queue_rows
from ivrbot.storage.rollups import mark_days
from ivrbot.storage.shadow import dispositions
from ivrbot.storage.store import Store

SOURCE = "simulated"


@dataclass(frozen=True, slots=True)
class Placed:
    """A call at its place in time.

    Attributes:
        at: the ring.
        material: everything that is stored of it.
    """

    at: datetime
    material: CallMaterial


async def write_calls(store: Store, calls: Sequence[Placed], complete_until: datetime) -> None:
    """Store a stretch of calls.

    Args:
        store: open, with a generous deadline.
        calls: none of them stored before.
        complete_until: people's data is known up to here.
    """
    folded = [fold(call.material, unit_of=_no_unit) for call in calls]

    def work(conn: Connection) -> None:
        for table, rows in _rows(calls).items():
            if rows:
                conn.execute(insert(schema.metadata.tables[table]), rows)
        contacts = [contact for found in folded for contact in found]
        insert_contacts(conn, contacts)
        lines = [
            line for call, found in zip(calls, folded, strict=True) for line in lines_of(call.material, found)
        ]
        if lines:
            conn.execute(insert(call_list), lines)
        mark_days(conn, {microseconds(contact.started_at) for contact in contacts})
        conn.execute(log_positions.delete().where(log_positions.c.source == SOURCE))
        position = LogPosition(1, 0, "", complete_until)
        conn.execute(insert(log_positions), [asdict(position) | {"source": SOURCE}])

    await store.write(work)


def _no_unit(_number: str, call_id: str) -> str:
    """Every simulated caller has one."""
    raise LookupError(f"{call_id} has no unit")


def _rows(calls: Sequence[Placed]) -> dict[str, list[dict[str, Any]]]:
    tables: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("calls", "events", "exposures", queue_rows.name, "outcomes", dispositions.name)
    }
    for call in calls:
        told = call.material
        assert told.registration is not None
        tables["calls"].append(_call_row(call))
        tables["events"].extend(
            {
                "call_id": event.call_id,
                "seq": event.seq,
                "type": event.type.value,
                "t_ms": event.t_ms,
                "at": event.at,
                "data": event.data,
            }
            for event in told.events
        )
        tables["exposures"].extend({**asdict(one), "arm": one.arm.value} for one in told.exposures)
        tables[queue_rows.name].extend(
            {
                "key": row.key,
                "at_us": row.at_us,
                "callid": row.callid,
                "queue": row.queue,
                "branch": row.queue,
                "agent": row.agent,
                "event": row.event,
                "data": row.data,
                "about": None,
            }
            for row in told.rows
        )
        tables["outcomes"].append(_outcome_row(told))
        if told.disposition is not None:
            said = told.disposition
            tables[dispositions.name].append({**asdict(said), "outcome": said.outcome.value, "looked_at": True})
    return tables


def _call_row(call: Placed) -> dict[str, Any]:
    told = call.material.registration
    assert told is not None
    row = asdict(told) | {"registered_at": call.at, "dossier_caller": ""}
    return {name: value for name, value in row.items() if name in schema.calls.c}


def _outcome_row(told: CallMaterial) -> dict[str, Any]:
    end = next(event for event in reversed(told.events) if event.type is EventType.CALL_ENDED)
    queue = str(end.data.get("escalated_to") or "")
    return {
        "call_id": told.key,
        "action": "transfer" if queue else "hangup",
        "queue": queue,
        "topic": str(end.data.get("topic") or ""),
        "dossier_id": "",
        "priority": 0,
    }
