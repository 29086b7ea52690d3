"""Calls of other systems as a CSV file.

Takes lines of text, gives `ContactNote`s and every line that is none. Pure. The columns are those of `COLUMNS`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ivrbot.analytics.contacts import UnitOf
from ivrbot.model.contact import ContactNote, EndedBy, Origin
from ivrbot.model.queue import RejectedLine
from ivrbot.model.shadow import Outcome

COLUMNS: Final[Mapping[str, str]] = {
    "call_id": "required: ivrbot's id of the call, or the PBX's (uniqueid or linkedid)",
    "started_at": "required: ISO 8601 with a time zone",
    "branch": "required: name of the menu branch",
    "caller": "number, which is stored as a keyed hash only; empty when withheld",
    "answered": "`yes` or `no`: whether a person answered; empty: yes if `talk_s` is above 0",
    "wait_s": "seconds in queues until a person answered, or the caller gave up",
    "talk_s": "seconds of talk",
    "hold_s": "seconds on hold within the talk",
    "after_work_s": "seconds of the operator's work after the talk",
    "ended_by": "`caller`, `agent`, `transfer` or `system`",
    "outcome": "`resolved`, `unresolved` or `unknown`; empty: unknown",
    "transfers": "how often a person passed the caller on",
    "score": "the caller's own, 1 to 5",
}
REQUIRED: Final = ("call_id", "started_at", "branch")
MAX_SECONDS: Final = 7 * 86_400
MAX_ID: Final = 128


@dataclass(frozen=True, slots=True)
class ReadCalls:
    """What a file held.

    Attributes:
        notes: one per call, in the file's order.
        duplicate: lines that repeat another line of the file word for word.
        header: what is wrong with the first line; nothing else was read then.
    """

    notes: tuple[ContactNote, ...] = ()
    rejected: tuple[RejectedLine, ...] = ()
    duplicate: int = 0
    read: int = 0
    header: str = ""


def read_calls(
    lines: Iterable[str], unit_of: UnitOf, *, branches: Collection[str] = (), latest: datetime | None = None
) -> ReadCalls:
    """Read a whole file; the separator is a comma, or a semicolon if the first line has one.

    Args:
        lines: with their ends; the first is the header.
        unit_of: makes units of numbers.
        branches: those that there are; a line of another one is refused. Empty: any.
        latest: a call that started later than this, by its clock, is refused.
    """
    rows = iter(lines)
    first = next(rows, "").removeprefix("\ufeff")
    separator = ";" if ";" in first else ","
    header = [name.strip() for name in next(csv.reader([first], delimiter=separator), [])]
    wrong = _wrong_header(header)
    if wrong:
        return ReadCalls(header=wrong)
    reader = csv.reader(rows, delimiter=separator)
    notes: dict[str, ContactNote] = {}
    rejected = []
    duplicate = read = 0
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            read += 1
            rejected.append(RejectedLine(reader.line_num + 1, str(error)))
            continue
        if not any(field.strip() for field in fields):
            continue
        read += 1
        note = _known(_note(header, fields, unit_of), branches, latest)
        if isinstance(note, str):
            rejected.append(RejectedLine(reader.line_num + 1, note))
        elif notes.get(note.call_id, note) != note:
            rejected.append(RejectedLine(reader.line_num + 1, "another line says otherwise of this call"))
        else:
            duplicate += note.call_id in notes
            notes[note.call_id] = note
    return ReadCalls(tuple(notes.values()), tuple(rejected), duplicate, read)


def _known(note: ContactNote | str, branches: Collection[str], latest: datetime | None) -> ContactNote | str:
    """The note, or why it cannot belong here."""
    if isinstance(note, str):
        return note
    if branches and note.branch not in branches:
        return f"branch: there is no branch {note.branch}; allowed: {', '.join(sorted(branches))}"
    if latest is not None and note.started_at > latest:
        return "started_at: lies in the future"
    return note


def _wrong_header(header: list[str]) -> str:
    missing = [name for name in REQUIRED if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    twice = sorted({name for name in header if header.count(name) > 1})
    problems = [
        f"{what}: {', '.join(names)}"
        for what, names in (("missing columns", missing), ("unknown columns", unknown), ("doubled columns", twice))
        if names
    ]
    return "; ".join(problems) + (f"; allowed: {', '.join(COLUMNS)}" if unknown else "")


class _Wrong(ValueError):
    """A field that is not what its column allows."""


def _note(header: list[str], fields: list[str], unit_of: UnitOf) -> ContactNote | str:
    if len(fields) != len(header):
        return f"{len(fields)} fields instead of {len(header)}"
    row = {name: field.strip() for name, field in zip(header, fields, strict=True)}
    problems: list[str] = []

    def take(name: str, read: Callable[[str], Any]) -> Any:
        text = row.get(name, "")
        try:
            return read(text) if text or name in REQUIRED else None
        except ValueError as error:
            problems.append(f"{name}: {error}")
            return None

    call_id = take("call_id", _identifier)
    values: dict[str, Any] = {
        "started_at": take("started_at", _time),
        "branch": take("branch", _identifier),
        "answered": take("answered", _yes),
        "ended_by": take("ended_by", _one_of(EndedBy)),
        "outcome": take("outcome", _one_of(Outcome)) or Outcome.UNKNOWN,
        "transfers": take("transfers", _whole(0, 100)),
        "score": take("score", _whole(1, 5)),
    }
    for name in ("wait_s", "talk_s", "hold_s", "after_work_s"):
        values[name] = take(name, _seconds)
    if problems:
        return "; ".join(problems)
    return ContactNote(call_id=call_id, origin=Origin.CSV, unit=unit_of(row.get("caller", ""), call_id), **values)


def _identifier(text: str) -> str:
    if not text:
        raise _Wrong("is empty")
    if len(text) > MAX_ID or not text.isprintable():
        raise _Wrong("is no name")
    return text


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise _Wrong("is no ISO 8601 time") from None
    if at.tzinfo is None:
        raise _Wrong("has no time zone")
    return at


def _yes(text: str) -> bool:
    known = {"yes": True, "no": False, "1": True, "0": False, "true": True, "false": False}
    if text.lower() not in known:
        raise _Wrong("is neither yes nor no")
    return known[text.lower()]


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _Wrong("is no number") from None
    if not (math.isfinite(value) and 0 <= value <= MAX_SECONDS):
        raise _Wrong("is not between 0 and a week")
    return value


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 6 and low <= int(text) <= high):
            raise _Wrong(f"is no whole number from {low} to {high}")
        return int(text)

    return read


def _one_of(kind: type[EndedBy] | type[Outcome]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return kind(text.lower())
        except ValueError:
            raise _Wrong(f"is none of {', '.join(item.value for item in kind)}") from None

    return read
