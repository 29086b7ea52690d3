"""First exposures with their contacts as numpy columns, a million of them in some seconds.

Takes a reading connection, gives `FirstExposures`. Two plain scans in the order in which rows lie on the disk, and
all joining in numpy, which lets go of the lock of Python; rows are fetched in small pieces, so that calls on the
event loop never wait long. Call ids and units become 64-bit hashes of this process: that two of a million collide
has a probability below one in ten million.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from ivrbot.model.contact_columns import CONTACT_FIELDS, OWN_FIELDS, ContactColumns, FirstExposures
from ivrbot.storage.contact_tables import NUMBERS

PIECE_ROWS: Final = 2_000

# SQLite would take the index of units, which visits the rows at random; the time's index and the table itself lie
# in the order in which they were written.
_EXPOSED: Final = """
SELECT call_id, unit, {at}, arm = 'treatment', propensity, stage, trunk, prefix
FROM exposures {hint} WHERE branch = :branch AND epoch = :epoch
"""
_CONTACTS: Final = """
SELECT call_id, unit, started_us, asked_us, entered, numbers
FROM contacts {hint} WHERE branch = :branch AND started_us >= :since_us
"""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(slots=True)
class _Exposed:
    """Columns of first exposures, oldest first."""

    call: Ints
    unit: Ints
    at_us: Ints
    stage: Ints
    treated: NDArray[np.bool_]
    propensity: Floats
    texts: dict[str, NDArray[np.str_]]
    stages: tuple[str, ...]


@dataclass(slots=True)
class _Contacts:
    """Columns of all contacts of a branch; `numbers` float32[n, len(OWN_FIELDS)]."""

    call: Ints
    unit: Ints
    started_us: Ints
    asked_us: Ints
    entered: NDArray[np.bool_]
    numbers: NDArray[np.float32]


def first_exposures(conn: Connection, branch: str, epoch: int, window_us: int) -> FirstExposures:
    """Read them, ordered by time.

    Args:
        conn: a reading transaction.
        branch: whose exposures.
        epoch: whose exposures.
        window_us: repeats count up to so long after the first exposure.
    """
    exposed = _read_exposed(conn, branch, epoch)
    if exposed is None:
        return _nothing()
    known = _read_contacts(conn, branch, int(exposed.at_us[0]) - 86_400_000_000)
    place, met = _matching(known.call, exposed.call)
    own = np.where(met[:, None], known.numbers[place], np.float32(np.nan)).astype(np.float64)
    columns = ContactColumns(
        **{name: own[:, at] for at, name in enumerate(OWN_FIELDS)},
        **_repeats(exposed, known, met, window_us),
    )
    return FirstExposures(
        at_us=exposed.at_us,
        stage=exposed.stage,
        stages=exposed.stages,
        treated=exposed.treated,
        propensity=exposed.propensity,
        contacts=columns,
        asked_us=np.where(met, known.asked_us[place], 0),
        entered=met & known.entered[place],
        trunk=exposed.texts.get("trunk"),
        prefix=exposed.texts.get("prefix"),
    )


def _read_exposed(conn: Connection, branch: str, epoch: int) -> _Exposed | None:
    sqlite = conn.dialect.name == "sqlite"
    # PostgreSQL chooses by the order of rows on the disk by itself; its times become what numpy reads by a cast.
    moment = "at" if sqlite else "CAST(extract(epoch FROM at) * 1000000 AS bigint)"
    query = _EXPOSED.format(at=moment, hint="NOT INDEXED" if sqlite else "")
    named = {"branch": branch, "epoch": epoch}
    stages, trunks, prefixes = _Codes(), _Codes(), _Codes()
    pieces: list[tuple[NDArray[Any], ...]] = []
    for rows in _pieces(conn, query, named):
        call, unit, at, treated, propensity, stage, trunk, prefix = zip(*rows, strict=True)
        pieces.append(
            (
                _hashes(call),
                _hashes(unit),
                np.array(at, dtype="datetime64[us]" if sqlite else np.int64).astype(np.int64),
                stages.of(stage),
                np.array(treated, dtype=np.bool_),
                np.array(propensity, dtype=np.float64),
                trunks.of(trunk),
                prefixes.of(prefix),
            )
        )
    if not pieces:
        return None
    columns = [np.concatenate(parts) for parts in zip(*pieces, strict=True)]
    first = _first_of_each(columns[1], columns[2], columns[0])
    calls, units, at_us, stage_codes, with_bot, propensities, trunk_codes, prefix_codes = (
        column[first] for column in columns
    )
    told = {"trunk": trunks.words()[trunk_codes], "prefix": prefixes.words()[prefix_codes]}
    return _Exposed(calls, units, at_us, stage_codes, with_bot, propensities, told, tuple(stages))


def _first_of_each(unit: Ints, at_us: Ints, call: Ints) -> Ints:
    """Places of the earliest row of each unit, oldest first."""
    order = np.lexsort((call, at_us, unit))
    heads = np.append(True, unit[order][1:] != unit[order][:-1])
    firsts = order[heads]
    by_time: Ints = firsts[np.lexsort((call[firsts], at_us[firsts]))]
    return by_time


class _Codes(dict[str, int]):
    """Numbers texts as they come."""

    def __missing__(self, name: str) -> int:
        self[name] = len(self)
        return self[name]

    def of(self, names: Sequence[str]) -> Ints:
        """The number of each text; the loop runs in C."""
        return np.fromiter(map(self.__getitem__, names), dtype=np.int64, count=len(names))

    def words(self) -> NDArray[np.str_]:
        """The texts in the order of their numbers."""
        return np.array(list(self), dtype=np.str_)


def _read_contacts(conn: Connection, branch: str, since_us: int) -> _Contacts:
    query = _CONTACTS.format(hint="INDEXED BY ix_contacts_started" if conn.dialect.name == "sqlite" else "")
    named = {"branch": branch, "since_us": since_us}
    pieces: list[tuple[NDArray[Any], ...]] = []
    for rows in _pieces(conn, query, named):
        call, unit, started, asked, entered, numbers = zip(*rows, strict=True)
        packed = b"".join(numbers)
        if len(packed) != NUMBERS.itemsize * len(rows):
            packed = b"".join(one if len(one) == NUMBERS.itemsize else _UNKNOWN for one in numbers)
        pieces.append(
            (
                _hashes(call),
                _hashes(unit),
                np.array(started, dtype=np.int64),
                np.array(asked, dtype=np.int64),
                np.array(entered, dtype=np.bool_),
                np.frombuffer(packed, dtype="<f4").reshape(len(rows), len(OWN_FIELDS)),
            )
        )
    if not pieces:
        # One row that matches nothing: every place in the joins below then exists.
        zero = np.zeros(1, dtype=np.int64)
        unknown = np.full((1, len(OWN_FIELDS)), np.nan, dtype=np.float32)
        return _Contacts(zero, zero, zero, zero, zero > 0, unknown)
    return _Contacts(*(np.concatenate(parts) for parts in zip(*pieces, strict=True)))


_UNKNOWN: Final = np.full(len(OWN_FIELDS), np.nan, dtype="<f4").tobytes()
"""For numbers that an older version packed otherwise: not known until they are folded again."""


def _matching(keys: Ints, wanted: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Place of each wanted key among `keys`, and whether it is there."""
    order = np.argsort(keys, kind="stable")
    at = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    place = order[at]
    return place, keys[place] == wanted


def _repeats(
    exposed: _Exposed, known: _Contacts, met: NDArray[np.bool_], window_us: int
) -> dict[str, NDArray[np.float64]]:
    """What followed each first exposure within the window: count, seconds, how the last one went."""
    count = np.zeros(len(exposed.at_us))
    total_s, last_outcome, last_s, last_solved_s = count.copy(), count * np.nan, count.copy(), count * np.nan
    first, same = _matching(exposed.unit, known.unit)
    after_us = known.started_us - exposed.at_us[first]
    later = same & (after_us > 0) & (after_us <= window_us) & (known.call != exposed.call[first])
    rows = np.flatnonzero(later)
    if len(rows):
        rows = rows[np.lexsort((known.started_us[rows], first[rows]))]
        place, numbers = first[rows], known.numbers[rows].astype(np.float64)
        outcome, duration_s, solved_s = (
            numbers[:, OWN_FIELDS.index(name)] for name in ("outcome", "duration_s", "solved_s")
        )
        np.add.at(count, place, 1.0)
        np.add.at(total_s, place, duration_s)
        ends = np.append(place[1:] != place[:-1], True)
        at = place[ends]
        last_outcome[at], last_s[at], last_solved_s[at] = outcome[ends], duration_s[ends], solved_s[ends]
    return {
        "repeats": np.where(met, count, np.nan),
        "repeats_s": total_s - last_s,
        "last_outcome": last_outcome,
        "last_duration_s": last_s,
        "last_solved_s": last_solved_s,
    }


def _hashes(names: Sequence[str]) -> Ints:
    return np.fromiter(map(hash, names), dtype=np.int64, count=len(names))


def _pieces(conn: Connection, query: str, named: dict[str, Any]) -> Iterator[Sequence[tuple[Any, ...]]]:
    if conn.dialect.name != "sqlite":
        # without a cursor on the server, PostgreSQL's driver would fetch everything at once
        streamed = conn.execute(text(query), named, execution_options={"yield_per": PIECE_ROWS})
        for rows in streamed.partitions():
            yield [tuple(row) for row in rows]
        return
    result = conn.execute(text(query), named)
    try:
        cursor = result.cursor  # rows as the driver gives them: SQLAlchemy's own cost twice as much
        while rows := cursor.fetchmany(PIECE_ROWS):
            yield rows
    finally:
        result.close()


def _nothing() -> FirstExposures:
    none = np.empty(0)
    return FirstExposures(
        at_us=none.astype(np.int64),
        stage=none.astype(np.int64),
        stages=(),
        treated=none.astype(np.bool_),
        propensity=none,
        contacts=ContactColumns(**dict.fromkeys(CONTACT_FIELDS, none)),
        asked_us=none.astype(np.int64),
        entered=none.astype(np.bool_),
    )
