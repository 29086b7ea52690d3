"""What a caller rang about before, for the operator who will talk to him.

Takes an open `Store` and what makes units of numbers, gives `ContactHistory`. Callers are found by their
keyed hash; no number is looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from sqlalchemy import Connection, select

from ivrbot.model.call import CallRegistration, PastContact
from ivrbot.model.contact import Contact
from ivrbot.storage.contact_bodies import contact_from
from ivrbot.storage.contact_tables import contact_bodies, contacts
from ivrbot.storage.store import Store

SHOWN: Final = 5


class ContactHistory:
    """Last contacts of a caller.

    Args:
        store: holds the contacts.
        unit_of: makes a unit of a number as signalled and a call id.
        branches: of the menu; contacts without a branch are not shown.
    """

    def __init__(self, store: Store, unit_of: Callable[[str, str], str], branches: Collection[str]) -> None:
        self._store = store
        self._unit_of = unit_of
        self._branches = tuple(sorted(branches))

    async def recent(self, registration: CallRegistration) -> tuple[PastContact, ...]:
        """The caller's last contacts before this call, newest first; none for a withheld number."""
        if not registration.caller:
            return ()
        unit = self._unit_of(registration.caller, registration.call_id)
        found = await self._store.read(
            partial(_of_unit, unit=unit, branches=self._branches, but=registration.call_id)
        )
        return tuple(_past(contact) for contact in found)


def _of_unit(conn: Connection, unit: str, branches: tuple[str, ...], but: str) -> tuple[Contact, ...]:
    table = contacts
    query = (
        select(contact_bodies.c.body)
        .join(
            table,
            (table.c.call_id == contact_bodies.c.call_id) & (table.c.branch == contact_bodies.c.branch),
        )
        # naming the branches lets the index on (branch, unit, time) serve
        .where(table.c.branch.in_(branches), table.c.unit == unit, table.c.call_id != but)
        .order_by(table.c.started_us.desc())
        .limit(SHOWN)
    )
    return tuple(contact_from(body) for body in conn.execute(query).scalars())


def _past(contact: Contact) -> PastContact:
    bot = contact.bot is not None and contact.bot.routed
    person = contact.human is not None and contact.human.connected_at is not None
    by = "both" if bot and person else "bot" if bot else "operator" if person else ""
    return PastContact(contact.started_at, contact.topic, contact.outcome.value, by)
