"""What enters the store of a queue's log: rows with their branch, without callers' numbers.

Takes rows as the PBX wrote them, gives rows in which a caller is a keyed hash; the number itself goes nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from ivrbot.analytics.contacts import UnitOf
from ivrbot.model.queue import LogPosition, QueueRow

NUMBER_AT: Final = 1
"""ENTERQUEUE's data: url, caller's number, position."""

_NUMBERLESS: Final = frozenset(
    {
        "CONNECT",
        "COMPLETECALLER",
        "COMPLETEAGENT",
        "ABANDON",
        "EXITWITHTIMEOUT",
        "EXITEMPTY",
        "RINGNOANSWER",
        "BOTCTX",
    }
)
_LONG = re.compile(r"\+?\d{7,}")


class QueueStore(Protocol):
    """Where rows are kept."""

    async def add_queue_rows(
        self,
        rows: Sequence[tuple[QueueRow, str]],
        source: str,
        position: LogPosition | None = None,
        mapped: Collection[str] = (),
    ) -> int:
        """Store rows with their branches and how far the log was read; gives how many were new or moved.

        Rows known already go to the branch given if their queue is among `mapped`.
        """
        ...


class QueueIntake:
    """Entrance of one log.

    Args:
        store: of rows.
        source: the log's name in the store.
        unit_of: makes units of numbers.
        branches: branch of each queue that is not the branch itself.
    """

    def __init__(
        self, store: QueueStore, source: str, *, unit_of: UnitOf, branches: Mapping[str, str] | None = None
    ) -> None:
        self._store = store
        self._source = source
        self._unit_of = unit_of
        self._branches = branches or {}

    async def take(self, rows: Sequence[QueueRow], position: LogPosition | None = None) -> int:
        """Store rows; gives how many were new, or known already but of a queue that is now mapped elsewhere.

        Raises:
            StorageError: neither rows nor position are stored.
        """
        prepared = [(self._without_number(row), self._branches.get(row.queue, row.queue)) for row in rows]
        return await self._store.add_queue_rows(prepared, self._source, position, self._branches.keys())

    def _without_number(self, row: QueueRow) -> QueueRow:
        data = row.data
        if row.event == "ENTERQUEUE":
            number = data[NUMBER_AT] if len(data) > NUMBER_AT else ""
            unit = self._unit_of(number, row.callid)
            return replace(row, data=(_LONG.sub("***", "".join(data[:1])), unit, *data[NUMBER_AT + 1 :]))
        if row.event in _NUMBERLESS:
            return row
        return replace(row, data=tuple(_LONG.sub("***", field) for field in data))
