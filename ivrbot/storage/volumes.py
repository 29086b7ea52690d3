"""How many callers a branch has, from the contacts stored.

Takes the store and a stretch of time; gives new callers per day and branch, for forecasts. No numbers leave it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection, func, select

from ivrbot.storage.contact_statements import microseconds
from ivrbot.storage.contact_tables import contacts
from ivrbot.storage.store import Store

VOLUME_DAYS: Final = 28
"""Days that a volume is the mean of: four of every weekday."""

_DAY_US: Final = timedelta(days=1) // timedelta(microseconds=1)


async def callers_per_day(store: Store, since: datetime, until: datetime) -> dict[str, float]:
    """New callers per day of each branch that has any, operators' and bot's together.

    A caller counts once in the stretch, as he does in an epoch of that length. The days are counted from the first
    contact of any branch, so that a young database does not look like a quiet line.

    Args:
        store: open.
        since: aware time.
        until: aware time.

    Raises:
        StorageError: not readable.
    """
    return await store.read(partial(_callers_per_day, since_us=microseconds(since), until_us=microseconds(until)))


def _callers_per_day(conn: Connection, since_us: int, until_us: int) -> dict[str, float]:
    within = contacts.c.started_us.between(since_us, until_us)
    query = select(
        contacts.c.branch, func.count(contacts.c.unit.distinct()), func.min(contacts.c.started_us)
    ).where(within)
    found = conn.execute(query.group_by(contacts.c.branch)).all()
    if not found:
        return {}
    days = max(1.0, (until_us - min(int(first) for _, _, first in found)) / _DAY_US)
    return {str(branch): int(callers) / days for branch, callers, _ in found}
