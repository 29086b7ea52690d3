"""Whose calls are whose: the branches that a call has been in.

Takes the store, gives names of branches. A call of which nothing is known belongs to no branch, so that only who
sees all branches may open it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, select

from ivrbot.model.call import CallId
from ivrbot.model.events import EventType
from ivrbot.storage import schema
from ivrbot.storage.contact_tables import contacts
from ivrbot.storage.store import Store

TELLING: Final = (EventType.TOPIC_STATED.value, EventType.ASSIGNED.value)


async def branches_of_call(store: Store, call_id: CallId) -> frozenset[str]:
    """Branches that a call has been in, as far as is stored by now.

    Raises:
        StorageUnavailable: not read.
    """
    return await store.read(lambda conn: _branches(conn, call_id))


def _branches(conn: Connection, call_id: str) -> frozenset[str]:
    exposures, events = schema.exposures, schema.events
    found = set(conn.execute(select(exposures.c.branch).where(exposures.c.call_id == call_id)).scalars())
    found |= set(conn.execute(select(contacts.c.branch).where(contacts.c.call_id == call_id)).scalars())
    told = select(events.c.data).where(events.c.call_id == call_id, events.c.type.in_(TELLING))
    found |= {str(data.get("branch") or "") for data in conn.execute(told).scalars()}
    return frozenset(found - {""})
