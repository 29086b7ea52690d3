"""Erases a caller from the database on his request (Russian law 152-FZ, articles 14 and 21), and proves it.

Takes a store, what tells his number and his keyed hash, gives `Erased`. What was counted stays counted: his calls,
draws and outcomes keep their rows, under a random unit that leads to nobody. See docs/decisions/0043-erasure.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    Table,
    bindparam,
    cast,
    delete,
    select,
    true,
    update,
)

from ivrbot.model.events import JsonValue
from ivrbot.storage import schema
from ivrbot.storage.activity import activity
from ivrbot.storage.callback_tables import callback_numbers, callbacks
from ivrbot.storage.contact_tables import contact_bodies, contact_notes, contacts, queue_rows
from ivrbot.storage.labels import nlu_labels
from ivrbot.storage.quality import quality_scores
from ivrbot.storage.rollout_book import exclusions
from ivrbot.storage.rollups import mark_days
from ivrbot.storage.store import Store
from ivrbot.storage.stranger_calls import STRANGER
from ivrbot.storage.voiceprints import customers_of_calls, forget_customers

FIND_S: Final = 600.0
CALLS_AT_A_TIME: Final = 50
"""Of one write: calls on the line wait for it."""

WORDS: Final = frozenset({"text", "heard", "value", "name", "slots"})
"""Fields of events that hold what was said; never kept."""
_CODE: Final = re.compile(r"[A-Za-z0-9_.:/+-]{0,64}")


@dataclass(frozen=True, slots=True)
class Caller:
    """How one caller is known in the database.

    Attributes:
        is_his: whether a stored number is his, however it is spelt.
        unit: his keyed hash in evidence.
        subject_of: what a number's failed authentications are counted under.
        replacement: random, 64 hexadecimal digits: his rows' new unit.
        customer_id: as the bank knows him, "" when it does not: his voiceprint is found by it.
    """

    is_his: Callable[[str], bool]
    unit: str
    subject_of: Callable[[str], str]
    replacement: str
    customer_id: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Where a caller stands.

    Attributes:
        calls: the product's call ids, and those of calls that it never saw.
        numbers: as stored, in any spelling.
        callbacks: that would dial him.
        customers: whose voices were kept, or asked for, in his calls.
    """

    calls: frozenset[str]
    numbers: frozenset[str]
    callbacks: frozenset[str]
    customers: frozenset[str]


@dataclass(slots=True)
class Erased:
    """What was done.

    Attributes:
        call_ids: of his calls; their recordings are the asker's to remove.
        rows: erased or unlinked, by table.
        backups: files that were written before and still hold him.
        audit_rows: links of the rollout's audit with his keyed hash (an exclusion): a chain cannot lose a link.
        is_file_clean: no earlier page is left beside the database; False: somebody was reading, ask again.
    """

    call_ids: tuple[str, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    backups: tuple[str, ...] = ()
    audit_rows: int = 0
    is_file_clean: bool = True


async def erase(store: Store, caller: Caller) -> Erased:
    """Erase a caller everywhere; asked again, there is nothing left to do.

    Raises:
        StorageUnavailable: not finished; asking again goes on.
    """
    found = await store.read(lambda conn: find(conn, caller), deadline_s=FIND_S)
    done = Erased(tuple(sorted(found.calls)))
    names = sorted(found.calls)
    for at in range(0, max(len(names), 1), CALLS_AT_A_TIME):
        piece = names[at : at + CALLS_AT_A_TIME]

        def of_calls(conn: Connection, piece: Sequence[str] = piece) -> dict[str, int]:
            return _erase_calls(conn, piece, caller)

        _add(done.rows, await store.write(of_calls))
    _add(done.rows, await store.write(lambda conn: _erase_rest(conn, found, caller)))
    done.backups, done.audit_rows = await store.read(lambda conn: _left(conn, caller), deadline_s=FIND_S)
    done.is_file_clean = await store.clean()
    return done


# --- finding ------------------------------------------------------------------------------------------


def find(conn: Connection, caller: Caller) -> Found:
    """Look everywhere, by number and by keyed hash."""
    calls: set[str] = set()
    numbers: set[str] = set()
    table = schema.calls
    for column in (table.c.caller, table.c.dossier_caller):
        for row in conn.execute(select(table.c.call_id, column.label("number")).where(column != "")):
            if caller.is_his(row.number):
                calls.add(row.call_id)
                numbers.add(row.number)
    dialled = set()
    for row in conn.execute(select(callback_numbers)):
        if caller.is_his(row.number):
            dialled.add(row.callback_id)
            numbers.add(row.number)
    for table in (schema.exposures, contacts):
        calls |= set(conn.execute(select(table.c.call_id).where(table.c.unit == caller.unit)).scalars())
    held = select(contact_notes.c.call_id).where(_holds(contact_notes.c.body, caller.unit))
    calls |= set(conn.execute(held).scalars())
    customers = customers_of_calls(conn, calls) | ({caller.customer_id} - {""})
    return Found(frozenset(calls), frozenset(numbers), frozenset(dialled), customers)


def _holds(column: ColumnElement[Any], unit: str) -> ColumnElement[bool]:
    """A JSON document with the keyed hash in it, wherever."""
    return cast(column, String).contains(unit, autoescape=True)


# --- erasing ------------------------------------------------------------------------------------------


def _erase_calls(conn: Connection, names: Sequence[str], caller: Caller) -> dict[str, int]:
    calls, rows = schema.calls, {}
    blank = {"caller": "", "dossier_caller": ""}
    rows["calls"] = conn.execute(update(calls).where(calls.c.call_id.in_(names)).values(blank)).rowcount
    asked = select(callbacks.c.callback_id).where(callbacks.c.call_id.in_(names))
    dialled = delete(callback_numbers).where(callback_numbers.c.callback_id.in_(asked))
    rows["callback_numbers"] = conn.execute(dialled).rowcount
    for table in (schema.dossiers, schema.auth_failures, nlu_labels):
        rows[table.name] = conn.execute(delete(table).where(table.c.call_id.in_(names))).rowcount
    noted = quality_scores.c.call_id.in_(names) & (quality_scores.c.note != "")
    rows["quality_scores"] = conn.execute(update(quality_scores).where(noted).values(note="")).rowcount
    rows["events"] = strip_events(conn, schema.events.c.call_id.in_(names))
    rows["evidence"] = _unlink(conn, names, caller)
    return rows


def _unlink(conn: Connection, names: Sequence[str], caller: Caller) -> int:
    """His draws and contacts under the new unit; gives how many rows that were."""
    count = 0
    for table in (schema.exposures, contacts):
        his = table.c.call_id.in_(names) & (table.c.unit == caller.unit)
        count += conn.execute(update(table).where(his).values(unit=caller.replacement)).rowcount
    keys = [*names, *(name.removeprefix(STRANGER) for name in names if name.startswith(STRANGER))]
    for table in (contact_bodies, contact_notes):
        count += _replace_in(conn, table, "body", table.c.call_id.in_(keys), caller)
    began = conn.execute(select(contacts.c.started_us).where(contacts.c.call_id.in_(names))).scalars()
    mark_days(conn, began)
    return count


def _replace_in(conn: Connection, table: Table, column: str, wanted: ColumnElement[bool], caller: Caller) -> int:
    """Put the new unit where the old one stands in JSON documents."""
    keys = list(table.primary_key.columns)
    held = select(*keys, table.c[column]).where(wanted, _holds(table.c[column], caller.unit))
    changed = []
    for row in conn.execute(held).all():
        values = {f"key_{key.name}": row._mapping[key] for key in keys}
        changed.append(values | {"document": _replaced(row._mapping[table.c[column]], caller)})
    if changed:
        where = [key == bindparam(f"key_{key.name}") for key in keys]
        conn.execute(update(table).where(*where).values({column: bindparam("document")}), changed)
    return len(changed)


def _replaced(value: Any, caller: Caller) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(item, caller) for name, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, caller) for item in value]
    return caller.replacement if value == caller.unit else value


def _erase_rest(conn: Connection, found: Found, caller: Caller) -> dict[str, int]:
    """What belongs to him and to no call of his."""
    rows = {}
    named = callback_numbers.c.callback_id.in_(sorted(found.callbacks))
    rows["callback_numbers"] = conn.execute(delete(callback_numbers).where(named)).rowcount
    subjects = sorted({caller.subject_of(number) for number in found.numbers})
    failures = schema.auth_failures
    rows["auth_failures"] = conn.execute(delete(failures).where(failures.c.subject.in_(subjects))).rowcount
    rows["exclusions"] = conn.execute(delete(exclusions).where(exclusions.c.unit == caller.unit)).rowcount
    rows["voiceprints"] = forget_customers(conn, found.customers)
    rows["queue_rows"] = _replace_in(conn, queue_rows, "data", true(), caller)
    return rows


def strip_events(conn: Connection, wanted: ColumnElement[bool]) -> int:
    """Take out of events what was said; figures and codes stay, so that a contact folds as before."""
    table = schema.events
    changed = []
    for row in conn.execute(select(table.c.call_id, table.c.seq, table.c.data).where(wanted)).all():
        kept = stripped(row.data)
        if kept != row.data:
            changed.append({"of_call": row.call_id, "of_seq": row.seq, "kept": kept})
    if changed:
        its = (table.c.call_id == bindparam("of_call"), table.c.seq == bindparam("of_seq"))
        conn.execute(update(table).where(*its).values(data=bindparam("kept")), changed)
    return len(changed)


def stripped(data: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Details of an event without words."""
    return {name: "" if name in WORDS else _without_words(value) for name, value in data.items()}


def _without_words(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return value if _CODE.fullmatch(value) else ""
    if isinstance(value, list):
        return [_without_words(item) for item in value]
    return stripped(value) if isinstance(value, dict) else value


# --- what is left ---------------------------------------------------------------------------------------


def _left(conn: Connection, caller: Caller) -> tuple[tuple[str, ...], int]:
    made = select(activity.c.detail).where(activity.c.kind == "database", activity.c.action == "backup")
    backups = tuple(dict.fromkeys(str(detail.get("file", "")) for detail in conn.execute(made).scalars()))
    links = select(schema.audit.c.seq).where(_holds(schema.audit.c.detail, caller.unit))
    return backups, len(conn.execute(links).all())


def _add(rows: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        rows[name] = rows.get(name, 0) + count
