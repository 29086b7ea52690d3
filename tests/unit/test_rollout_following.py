"""The plan's file while the program runs: new plans come into force, broken ones change nothing."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ivrbot.rollout.governing.control import adopt, set_share
from ivrbot.rollout.governing.following import PlanFollower
from ivrbot.rollout.planning.check import load_plan
from tests.fakes.store import MemoryStore

NOW = datetime(2026, 9, 1, tzinfo=UTC)
TEXT = "goal: g\nsalt: s\nbranches: {balance: {start: shadow}}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "rollout.yaml"
    file.write_text(TEXT)
    return file


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def follower(path: Path, store: MemoryStore) -> PlanFollower:
    plan = load_plan(path, {"balance"})
    await adopt(plan, store, "serve", NOW)
    return PlanFollower(path, plan, lambda file: load_plan(file, {"balance"}), store, "serve", lambda: NOW)


def write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")  # another file each time: two writes may bear the same time
    fresh.write_text(text)
    fresh.replace(path)


async def test_a_new_plan_comes_into_force_once(follower: PlanFollower, path: Path, store: MemoryStore) -> None:
    assert not await follower.reload_if_changed()
    write(path, TEXT.replace("goal: g", "goal: h"))
    assert await follower.reload_if_changed()
    assert not await follower.reload_if_changed()
    assert (follower.plan.goal, follower.error) == ("h", "")
    assert (await store.own_states())["balance"].plan_revision == follower.plan.revision


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (TEXT[:20], "not valid YAML"),
        (TEXT.replace("shadow", "moon") + "bogus: 1\n", "unknown stage"),
        ("a: &a [1]\nb: *a\n" + TEXT, "aliases are not allowed"),
    ],
    ids=["empty", "half-written", "wrong", "hostile"],
)
async def test_a_broken_plan_changes_nothing_and_says_why(
    follower: PlanFollower, path: Path, store: MemoryStore, text: str, message: str
) -> None:
    before, rows = follower.plan, len(store.rows)
    write(path, text)
    assert not await follower.reload_if_changed()
    assert follower.plan is before
    assert message in follower.error
    assert len(store.rows) == rows
    write(path, TEXT)
    assert not await follower.reload_if_changed()  # the old plan again
    assert follower.error == ""


async def test_a_missing_file_changes_nothing(follower: PlanFollower, path: Path) -> None:
    path.unlink()  # noqa: ASYNC240
    assert not await follower.reload_if_changed()
    assert follower.plan.goal == "g"
    assert follower.error


async def test_a_new_salt_is_refused_while_callers_are_drawn(
    follower: PlanFollower, path: Path, store: MemoryStore
) -> None:
    await set_share(follower.plan, store, "balance", 0.1, who="a", why="w", at=NOW)
    write(path, TEXT.replace("salt: s", "salt: t"))
    assert not await follower.reload_if_changed()
    assert "would reshuffle every caller" in follower.error
    assert follower.plan.salt == "s"


async def test_a_store_that_is_away_is_asked_again(follower: PlanFollower, path: Path, store: MemoryStore) -> None:
    write(path, TEXT.replace("goal: g", "goal: h"))
    store.down = True
    assert not await follower.reload_if_changed()
    assert (follower.plan.goal, follower.error) == ("g", "the store does not answer: storage_unavailable")
    store.down = False
    assert await follower.reload_if_changed()
    assert follower.error == ""


async def test_touching_the_file_is_no_change(follower: PlanFollower, path: Path, store: MemoryStore) -> None:
    rows = len(store.rows)
    os.utime(path, ns=(1, 1))
    assert not await follower.reload_if_changed()
    assert len(store.rows) == rows
