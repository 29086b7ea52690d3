"""What the operators' queue will feel is kept with every change, and never stands in its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ivrbot.model.events import JsonValue
from ivrbot.rollout.forecasting.workload import staffing_outlook
from ivrbot.rollout.governing import controller as controller_module
from ivrbot.rollout.planning.plan import Plan
from ivrbot.storage.contacts import ContactBook
from tests.fakes.evidence import Truth
from tests.unit.test_rollout_controller import TEXT, World, opened


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path, TEXT) as world:
        yield world


async def fine(plan: Plan, branch: str, now: datetime) -> Mapping[str, JsonValue]:
    return {"sentence_en": f"{branch} of {len(plan.branches)} branches"}


async def broken(plan: Plan, branch: str, now: datetime) -> Mapping[str, JsonValue]:
    raise RuntimeError("nobody knows")


async def hanging(plan: Plan, branch: str, now: datetime) -> Mapping[str, JsonValue]:
    await asyncio.Event().wait()
    return {}


async def detail_after_a_look(world: World, staffing: Any) -> Mapping[str, JsonValue]:
    await world.controller(staffing=staffing).look()
    (row,) = await world.rows()
    await world.verified()
    return row.detail


async def test_an_advance_says_what_the_queue_will_feel(world: World) -> None:
    world.calls(bot=Truth(true_resolution=0.76))
    detail = await detail_after_a_look(world, fine)
    assert detail["staffing"] == {"sentence_en": "balance of 2 branches"}
    assert (await world.stage())[0] == "fifth"


async def test_a_roll_back_says_it_too(world: World) -> None:
    world.calls(bot=Truth(true_resolution=0.5))
    assert "staffing" in await detail_after_a_look(world, fine)
    assert (await world.stage())[1] == 0.0


@pytest.mark.parametrize("staffing", [broken, hanging])
async def test_a_roll_back_does_not_wait_for_it(
    world: World, staffing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller_module, "STAFFING_S", 0.01)
    world.calls(bot=Truth(true_resolution=0.5))
    assert "staffing" not in await detail_after_a_look(world, staffing)
    assert (await world.stage())[1] == 0.0


async def test_without_contacts_it_is_said_to_be_unknown(world: World) -> None:
    world.calls(bot=Truth(true_resolution=0.76))
    detail = await detail_after_a_look(world, partial(staffing_outlook, ContactBook(world.store)))
    staffing = detail["staffing"]
    assert isinstance(staffing, dict)
    assert staffing["now"] is None
    assert "not known" in str(staffing["sentence_en"])


async def test_a_hold_needs_none(world: World) -> None:
    world.calls(days=1)
    assert "staffing" not in await detail_after_a_look(world, fine)
