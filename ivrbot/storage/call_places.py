"""Places of calls that several workers of one machine share: announced to one, taken by whichever gets the leg.

Takes the store and who asks, gives claims. A place is given once: how many workers soever are asked for it at the
same moment, the database lets one through. Times are seconds of the machine's monotonic clock, which its processes
share; only places of one supervisor's workers are ever compared.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Double,
    Index,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from ivrbot.errors import StorageConflict
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.places import Claim
from ivrbot.storage import schema, statements
from ivrbot.storage.store import Store

EXPECTED: Final = "expected"
LIVE: Final = "live"
OVER: Final = "over"
OLD: Final = timedelta(days=1)
"""Places of supervisors that are gone are forgotten after so long."""

places = Table(
    "call_places",
    schema.metadata,
    Column("call_id", String, primary_key=True),
    Column("node", String, nullable=False),
    Column("worker", String, nullable=False),
    Column("state", String, nullable=False),
    Column("at", schema.UtcDateTime, nullable=False),
    Column("until_s", Double, nullable=False),
    Column("decided", Boolean, nullable=False),
    Column("to_bot", Boolean, nullable=False),
    Column("topic", String, nullable=False),
    Index("ix_call_places_node_state", "node", "state"),
)


class CallPlaces:
    """The places of one supervisor's workers, seen by one of them.

    Args:
        store: of all workers.
        node: the supervisor.
        worker: this process.
        clock_s: the machine's monotonic clock.
    """

    def __init__(self, store: Store, node: str, worker: str, clock_s: Callable[[], float]) -> None:
        self._store = store
        self._node = node
        self._worker = worker
        self._clock_s = clock_s

    async def announce(self, registration: CallRegistration, at: datetime, *, most: int, wait_s: float) -> bool:
        """Register a call and keep a place for it.

        Args:
            registration: of the call.
            at: aware UTC.
            most: calls at once, announced or under way, in all workers together.
            wait_s: the leg must have come by then.

        Returns:
            False when there is no room; then nothing is stored.

        Raises:
            StorageConflict: this call id was seen before.
            StorageUnavailable: not stored.
        """
        now_s = self._clock_s()
        row = {
            "call_id": registration.call_id,
            "node": self._node,
            "worker": "",
            "state": EXPECTED,
            "at": at,
            "until_s": now_s + wait_s,
            "decided": False,
            "to_bot": True,
            "topic": "",
        }
        return await self._store.write(
            partial(_announce, registration=registration, row=row, most=most, now_s=now_s)
        )

    async def decide(self, call_id: CallId, *, to_bot: bool, topic: str) -> None:
        """Where somebody else's menu sends a call that waits; any other is none of ours.

        Raises:
            StorageUnavailable: not stored.
        """
        which = (places.c.call_id == call_id, places.c.node == self._node, places.c.state == EXPECTED)

        def work(conn: Connection) -> None:
            conn.execute(update(places).where(*which).values(decided=True, to_bot=to_bot, topic=topic))

        await self._store.write(work)

    async def claim(self, call_id: CallId, at: datetime, *, keep_s: float, announced_only: bool) -> Claim | None:
        """Take a call whose leg has come here.

        Args:
            call_id: as the leg says.
            at: aware UTC.
            keep_s: no call lasts longer.
            announced_only: False takes calls that nobody has announced as well.

        Returns:
            None: nobody announced it, it was sent to an operator, or it has had its leg.

        Raises:
            StorageUnavailable: not known: not taken.
        """
        now_s = self._clock_s()
        row = {
            "node": self._node,
            "worker": self._worker,
            "state": LIVE,
            "at": at,
            "until_s": now_s + keep_s,
        }
        return await self._store.write(
            partial(_claim, call_id=call_id, row=row, now_s=now_s, announced_only=announced_only)
        )

    async def leave(self, call_id: CallId) -> None:
        """The call is over; its id stays used.

        Raises:
            StorageUnavailable: not stored: the place is free when its time is over.
        """
        await self._store.write(lambda conn: _over(conn, places.c.call_id == call_id))

    async def free(self, worker: str) -> None:
        """A worker is gone, and its calls with it.

        Raises:
            StorageUnavailable: not stored.
        """
        await self._store.write(lambda conn: _over(conn, places.c.node == self._node, places.c.worker == worker))

    async def forget(self, at: datetime) -> tuple[CallRegistration, ...]:
        """Forget places whose time is over; gives the calls whose leg has never come.

        Raises:
            StorageUnavailable: not done.
        """
        return await self._store.write(partial(_forget, node=self._node, now_s=self._clock_s(), at=at))


def _announce(
    conn: Connection, registration: CallRegistration, row: dict[str, Any], most: int, now_s: float
) -> bool:
    if statements.registration_of(conn, registration.call_id) is not None or _known(conn, registration.call_id):
        raise StorageConflict(f"call {registration.call_id} is registered already")
    held = select(func.count()).where(
        places.c.node == row["node"],
        places.c.state.in_((EXPECTED, LIVE)),
        places.c.until_s > now_s,
        places.c.to_bot,
    )
    if conn.execute(held).scalar_one() >= most:
        return False
    statements.register_call(conn, registration, row["at"])
    conn.execute(insert(places).values(**row))
    return True


def _claim(
    conn: Connection, call_id: CallId, row: dict[str, Any], now_s: float, announced_only: bool
) -> Claim | None:
    found = conn.execute(select(places).where(places.c.call_id == call_id)).one_or_none()
    registration = statements.registration_of(conn, call_id)
    if found is None:
        if announced_only or registration is not None:
            return None
        plain = {"call_id": call_id, "decided": False, "to_bot": True, "topic": ""}
        conn.execute(insert(places).values(**row, **plain))
        return Claim(CallRegistration(call_id), announced=False)
    is_ours = found.node == row["node"] and found.state == EXPECTED and found.until_s > now_s
    if not is_ours or not found.to_bot or registration is None:
        return None
    conn.execute(update(places).where(places.c.call_id == call_id).values(**row))
    return Claim(registration, found.decided, found.topic)


def _over(conn: Connection, *which: Any) -> None:
    conn.execute(update(places).where(*which, places.c.state == LIVE).values(state=OVER))


def _forget(conn: Connection, node: str, now_s: float, at: datetime) -> tuple[CallRegistration, ...]:
    late = (places.c.node == node, places.c.until_s <= now_s)
    never_came = conn.execute(select(places.c.call_id).where(*late, places.c.state == EXPECTED)).scalars().all()
    found = [statements.registration_of(conn, call_id) for call_id in never_came]
    conn.execute(delete(places).where(*late))
    conn.execute(delete(places).where(places.c.node != node, places.c.at < at - OLD))
    return tuple(one for one in found if one is not None)


def _known(conn: Connection, call_id: CallId) -> bool:
    return conn.execute(select(places.c.call_id).where(places.c.call_id == call_id)).first() is not None
