"""Places of calls among workers: each is given once, to one of them, and counts for all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ivrbot.errors import StorageConflict
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.storage.call_places import CallPlaces
from ivrbot.storage.store import Store

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
MOST = 3
WAIT_S = 30.0
KEEP_S = 600.0


class Clock:
    """Seconds, as told."""

    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


class Workers:
    """Two workers of one supervisor, and one of another."""

    def __init__(self, store: Store) -> None:
        self.clock = Clock()
        self.one = CallPlaces(store, "node", "node/1", self.clock)
        self.two = CallPlaces(store, "node", "node/2", self.clock)
        self.elsewhere = CallPlaces(store, "other", "other/1", self.clock)

    async def announce(self, name: str, most: int = MOST) -> bool:
        return await self.one.announce(registration(name), NOW, most=most, wait_s=WAIT_S)

    async def claim(self, places: CallPlaces, name: str, *, announced_only: bool = True) -> bool:
        claim = await places.claim(CallId(name), NOW, keep_s=KEEP_S, announced_only=announced_only)
        return claim is not None


def registration(name: str) -> CallRegistration:
    return CallRegistration(CallId(name), called="100", uniqueid=f"u-{name}")


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[Workers]:
    async with Store(tmp_path / "ivrbot.sqlite") as store:
        yield Workers(store)


async def test_a_call_announced_to_one_is_taken_by_another_and_by_nobody_again(workers: Workers) -> None:
    assert await workers.announce("a")
    claim = await workers.two.claim(CallId("a"), NOW, keep_s=KEEP_S, announced_only=True)
    assert claim is not None
    assert (claim.registration, claim.decided, claim.topic) == (registration("a"), False, "")
    for places in (workers.one, workers.two, workers.elsewhere):
        assert not await workers.claim(places, "a")
    with pytest.raises(StorageConflict):
        await workers.announce("a")
    await workers.two.leave(CallId("a"))
    assert not await workers.claim(workers.one, "a", announced_only=False)


async def test_of_many_that_claim_at_once_one_gets_it(workers: Workers) -> None:
    await workers.announce("a")
    claims = [workers.claim(places, "a") for places in (workers.one, workers.two) for _ in range(10)]
    assert sum(await asyncio.gather(*claims)) == 1


async def test_a_call_that_nobody_announced(workers: Workers) -> None:
    assert not await workers.claim(workers.one, "a")
    assert await workers.claim(workers.one, "a", announced_only=False)
    assert not await workers.claim(workers.two, "a", announced_only=False)
    with pytest.raises(StorageConflict):
        await workers.announce("a")


async def test_room_is_counted_over_all_workers(workers: Workers) -> None:
    for name in ("a", "b", "c"):
        assert await workers.announce(name)
    assert not await workers.announce("d")
    assert await workers.claim(workers.two, "a")
    assert not await workers.announce("d")
    await workers.two.leave(CallId("a"))
    assert await workers.announce("d")


async def test_a_dead_workers_calls_take_no_room(workers: Workers) -> None:
    for name in ("a", "b", "c"):
        await workers.announce(name)
        assert await workers.claim(workers.two if name != "a" else workers.one, name)
    await workers.one.free("node/2")
    assert await workers.announce("d")
    assert await workers.announce("e")
    assert not await workers.announce("f")
    assert not await workers.claim(workers.one, "b")


async def test_whom_another_menu_sent_to_an_operator_takes_no_room_and_never_comes_in(workers: Workers) -> None:
    await workers.announce("a", most=1)
    assert not await workers.announce("b", most=1)
    await workers.two.decide(CallId("a"), to_bot=False, topic="")
    assert await workers.announce("b", most=1)
    assert not await workers.claim(workers.one, "a")


async def test_what_another_menu_knows_comes_with_the_call(workers: Workers) -> None:
    await workers.announce("a")
    await workers.one.decide(CallId("a"), to_bot=True, topic="check_balance")
    claim = await workers.two.claim(CallId("a"), NOW, keep_s=KEEP_S, announced_only=True)
    assert claim is not None
    assert (claim.decided, claim.topic) == (True, "check_balance")


async def test_a_leg_that_comes_too_late_stays_out_and_its_call_is_told_once(workers: Workers) -> None:
    await workers.announce("a", most=1)
    assert await workers.one.forget(NOW) == ()
    workers.clock.s += WAIT_S
    assert not await workers.claim(workers.two, "a")
    assert await workers.announce("b", most=1)
    assert await workers.one.forget(NOW) == (registration("a"),)
    assert await workers.one.forget(NOW) == ()


async def test_places_of_another_supervisor_are_its_own(workers: Workers) -> None:
    await workers.announce("a", most=1)
    assert await workers.elsewhere.announce(registration("b"), NOW, most=1, wait_s=WAIT_S)
    assert not await workers.claim(workers.elsewhere, "a")
    await workers.elsewhere.free("node/1")
    workers.clock.s += WAIT_S + KEEP_S
    assert await workers.elsewhere.forget(NOW + timedelta(hours=1)) == (registration("b"),)
    assert await workers.one.forget(NOW + timedelta(hours=1)) == (registration("a"),)
