"""From contacts to the operators' work; what too little data shows is not known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ivrbot.errors import StorageUnavailable
from ivrbot.model.call import CallId, Disposition
from ivrbot.model.contact import BotPart, Contact, Diagnostics, HumanPart, Origin
from ivrbot.model.shadow import Outcome
from ivrbot.rollout.forecasting.staffing import Target
from ivrbot.rollout.forecasting.workload import WINDOW, staffing_outlook, workload_of
from ivrbot.rollout.planning.plan import Plan, StaffingPlan

NOW = datetime(2026, 3, 9, 0, 0, tzinfo=UTC)
STAFFING = StaffingPlan(agents=2, share=0.9, within_s=30.0)
BOT = BotPart(Disposition.RESOLVED, "served", routed=True, served_s=60.0)
ASKED_ONLY = BotPart(Disposition.ESCALATED, "control_arm", routed=False, served_s=9.0)


def person(at: datetime, talk_s: float) -> HumanPart:
    return HumanPart(at, connected_at=at, talk_s=talk_s, hold_s=20.0, after_work_s=30.0)


def a_contact(number: int, bot: BotPart | None, talk_s: float | None, branch: str = "balance") -> Contact:
    at = NOW - WINDOW + timedelta(minutes=150 * number)
    return Contact(
        call_id=CallId(f"{branch}-{number}"),
        branch=branch,
        unit="u",
        topic="check_balance",
        trunk="",
        gateway="audiosocket",
        started_at=at,
        ended_at=at + timedelta(minutes=3),
        bot=bot,
        human=None if talk_s is None else person(at, talk_s),
        outcome=Outcome.RESOLVED,
        score=None,
        diagnostics=Diagnostics(),
        origin=Origin.PRODUCT,
        closed=True,
    )


def a_week(kind: Callable[[int], tuple[BotPart | None, float | None]]) -> list[Contact]:
    """64 contacts, one every two and a half hours."""
    return [a_contact(number, *kind(number)) for number in range(64)]


def half_and_half(number: int) -> tuple[BotPart | None, float | None]:
    """Every other call to the operators for 250 s of talk; the bot's are served to the end."""
    return (BOT, None) if number % 2 else (ASKED_ONLY, 250.0)


def test_volumes_times_and_the_bots_share() -> None:
    week = [
        *a_week(half_and_half),
        a_contact(3, BOT, None, "loans"),
        replace(a_contact(5, BOT, None), started_at=NOW),
    ]
    found = workload_of(week, "balance", STAFFING, "UTC", NOW)
    assert found.calls
    assert sum(found.calls) == 64
    assert (found.handle_s, found.bot_share, found.returned) == (300.0, 0.5, 0.0)
    assert (found.agents, found.target) == (2, Target(0.9, 30.0))


def test_calls_that_come_back_have_their_own_times() -> None:
    def all_back(number: int) -> tuple[BotPart | None, float | None]:
        return (BOT, 50.0) if number % 2 else (ASKED_ONLY, 250.0)

    found = workload_of(a_week(all_back), "balance", STAFFING, "UTC", NOW)
    assert (found.returned, found.handle_s, found.handle_returned_s) == (1.0, 300.0, 100.0)


def test_too_little_is_not_known() -> None:
    few = workload_of(a_week(half_and_half)[:40], "balance", None, "UTC", NOW)
    assert (few.handle_s, few.agents) == (None, None)
    assert not few.known
    young = workload_of(a_week(half_and_half)[12:], "balance", STAFFING, "UTC", NOW)
    assert young.calls is None
    assert workload_of([], "balance", STAFFING, "UTC", NOW).calls is None
    assert not workload_of([], "balance", STAFFING, "UTC", NOW).known


def test_calls_that_nobody_answered_make_no_times() -> None:
    def unanswered(number: int) -> tuple[BotPart | None, float | None]:
        return (ASKED_ONLY, 100.0)

    week = [
        replace(one, human=replace(one.human, connected_at=None))
        for one in a_week(unanswered)
        if one.human is not None
    ]
    assert workload_of(week, "balance", STAFFING, "UTC", NOW).handle_s is None


class _Contacts:
    def __init__(self, found: list[Contact] | None) -> None:
        self._found = found

    async def between(self, since: datetime, until: datetime) -> tuple[Contact, ...]:
        if self._found is None:
            raise StorageUnavailable("away")
        return tuple(one for one in self._found if since <= one.started_at < until)


@pytest.mark.parametrize("staffing", [STAFFING, None])
async def test_the_detail_of_a_decision(staffing: StaffingPlan | None) -> None:
    plan = cast(Plan, SimpleNamespace(branches={"balance": SimpleNamespace(staffing=staffing)}, timezone="UTC"))
    detail: dict[str, Any] = dict(await staffing_outlook(_Contacts(a_week(half_and_half)), plan, "balance", NOW))
    assert detail["rolled_back"]["calls_per_hour"] == 1.0
    assert detail["now"]["calls_per_hour"] == 0.5
    assert (detail["now"]["wait_s"] is None) == (staffing is None)
    assert ("not known" in detail["sentence_en"]) == (staffing is None)
    away: dict[str, Any] = dict(await staffing_outlook(_Contacts(None), plan, "balance", NOW))
    assert away["now"] is None
    assert "неизвестно" in away["sentence_ru"]
