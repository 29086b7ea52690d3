"""First exposures with their contacts as numpy columns, a million of them in some seconds.

Takes a reading connection of SQLite, gives `FirstExposures`. The database does the grouping outside Python's lock;
rows are fetched and turned into numbers in small pieces, so that calls on the event loop never wait long for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from ivrbot.model.contact_columns import CONTACT_FIELDS, OWN_FIELDS, ContactColumns, FirstExposures
from ivrbot.storage import schema

PIECE_ROWS: Final = 2_000

# SQLite keeps times as text "YYYY-MM-DD HH:MM:SS.ffffff".
_AT_US: Final = "CAST(strftime('%s', at) AS INTEGER) * 1000000 + CAST(substr(at, 21, 6) AS INTEGER)"

_FIRST: Final = f"""
WITH ranked AS (
  SELECT rowid AS id, call_id, unit, arm, propensity, stage, {{extra}} {_AT_US} AS at_us,
         ROW_NUMBER() OVER (PARTITION BY unit ORDER BY at, call_id) AS nth
  FROM exposures WHERE branch = :branch AND epoch = :epoch
), first AS MATERIALIZED (SELECT * FROM ranked WHERE nth = 1)
"""

_OWN: Final = """
SELECT first.stage, {extra} first.id, first.at_us, first.arm = 'treatment', first.propensity,
       COALESCE(c.asked_us, 0), COALESCE(c.entered, 0), {own}
FROM first LEFT JOIN contacts c ON c.call_id = first.call_id AND c.branch = :branch
"""

_REPEATS: Final = """
SELECT first.id, c.outcome, c.duration_s, c.solved_s
FROM first JOIN contacts c ON c.branch = :branch AND c.unit = first.unit
  AND c.started_us > first.at_us AND c.started_us <= first.at_us + :window_us AND c.call_id <> first.call_id
ORDER BY first.id, c.started_us
"""

_NUMBERS: Final = 6  # id, at_us, treated, propensity, asked_us, entered


def first_exposures(conn: Connection, branch: str, epoch: int, window_us: int) -> FirstExposures:
    """Read them, ordered by time.

    Args:
        conn: a reading transaction.
        branch: whose exposures.
        epoch: whose exposures.
        window_us: repeats count up to so long after the first exposure.
    """
    texts = [name for name in ("trunk", "prefix") if name in schema.exposures.c]
    extra = "".join(f"{name}, " for name in texts)
    named = {"branch": branch, "epoch": epoch, "window_us": window_us}
    own = ", ".join(f"c.{name}" for name in OWN_FIELDS)
    query = _FIRST.format(extra=extra) + _OWN.format(extra="".join(f"first.{t}, " for t in texts), own=own)
    codes: dict[str, int] = {}
    stages: list[NDArray[np.int64]] = []
    words: list[list[str]] = [[] for _ in texts]
    pieces: list[NDArray[np.float64]] = []
    for rows in _pieces(conn, query, named):
        stages.append(np.array([codes.setdefault(row[0], len(codes)) for row in rows], dtype=np.int64))
        for at, column in enumerate(words, start=1):
            column.extend(row[at] or "" for row in rows)
        pieces.append(np.array([row[1 + len(texts) :] for row in rows], dtype=np.float64))
    if not pieces:
        return _nothing()
    table = np.concatenate(pieces)
    del pieces
    order = np.lexsort((table[:, 0], table[:, 1]))
    table = table[order]
    held = {name: table[:, _NUMBERS + at] for at, name in enumerate(OWN_FIELDS)}
    seen = ~np.isnan(held["closed"])
    columns = ContactColumns(**held, **_repeats(conn, branch, epoch, named, table[:, 0], seen))
    told = {name: np.array(words[at], dtype=np.str_)[order] for at, name in enumerate(texts)}
    return FirstExposures(
        at_us=table[:, 1].astype(np.int64),
        stage=np.concatenate(stages)[order],
        stages=tuple(codes),
        treated=table[:, 2] > 0,
        propensity=table[:, 3],
        contacts=columns,
        asked_us=table[:, 4].astype(np.int64),
        entered=table[:, 5] > 0,
        trunk=told.get("trunk"),
        prefix=told.get("prefix"),
    )


def _repeats(
    conn: Connection,
    branch: str,
    epoch: int,
    named: dict[str, Any],
    ids: NDArray[np.float64],
    seen: NDArray[np.bool_],
) -> dict[str, NDArray[np.float64]]:
    """What followed each first exposure within the window: count, seconds, how the last one went."""
    count = np.zeros(len(ids))
    total_s, last_outcome, last_s, last_solved_s = count.copy(), count * np.nan, count.copy(), count * np.nan
    pieces = [
        np.array(rows, dtype=np.float64) for rows in _pieces(conn, _FIRST.format(extra="") + _REPEATS, named)
    ]
    if pieces:
        rows = np.concatenate(pieces)
        by_id = np.argsort(ids)
        place = by_id[np.searchsorted(ids[by_id], rows[:, 0])]
        np.add.at(count, place, 1.0)
        np.add.at(total_s, place, rows[:, 2])
        ends = np.append(rows[1:, 0] != rows[:-1, 0], True)
        at = place[ends]
        last_outcome[at], last_s[at], last_solved_s[at] = rows[ends, 1], rows[ends, 2], rows[ends, 3]
    return {
        "repeats": np.where(seen, count, np.nan),
        "repeats_s": total_s - last_s,
        "last_outcome": last_outcome,
        "last_duration_s": last_s,
        "last_solved_s": last_solved_s,
    }


def _pieces(conn: Connection, query: str, named: dict[str, Any]) -> Iterator[Sequence[tuple[Any, ...]]]:
    cursor = conn.connection.cursor()
    try:
        cursor.execute(query, named)
        while rows := cursor.fetchmany(PIECE_ROWS):
            yield rows
    finally:
        cursor.close()


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
