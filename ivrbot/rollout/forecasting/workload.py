"""What the contacts of a branch say of its operators' work, and what follows for their queue.

Takes contacts, gives the `Workload` of `forecasting.staffing`. What too few contacts show is not known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from ivrbot.errors import StorageError
from ivrbot.model.contact import Contact, HumanPart
from ivrbot.model.events import JsonValue
from ivrbot.rollout.forecasting.staffing import Outlook, Target, Workload, outlook, weekly_profile
from ivrbot.rollout.planning.plan import Plan, StaffingPlan

WINDOW: Final = timedelta(days=7)
"""Every hour of the week once; longer windows cost more than they tell."""
MIN_CONTACTS: Final = 30
"""Fewer handled contacts make no mean that a promise could rest on."""


class Contacts(Protocol):
    """Where contacts come from."""

    async def between(self, since: datetime, until: datetime) -> tuple[Contact, ...]:
        """Contacts that started in a stretch of time.

        Raises:
            StorageError: not read.
        """
        ...


def workload_of(
    contacts: Iterable[Contact], branch: str, staffing: StaffingPlan | None, timezone: str, until: datetime
) -> Workload:
    """Volumes, times and the bot's share of a branch in the week before a moment.

    Args:
        contacts: of any branches and times, each once.
        branch: of the menu.
        staffing: what the plan tells of the operators; None: not known.
        timezone: IANA name of the plan.
        until: end of the week looked at.
    """
    known = list(contacts)
    own = [one for one in known if one.branch == branch and until - WINDOW <= one.started_at < until]
    # Data of less than a week leaves hours empty of which nobody knows whether somebody rang.
    whole = any(one.started_at < until - WINDOW + timedelta(days=1) for one in known)
    calls = weekly_profile((one.started_at for one in own), timezone, 1.0) if own and whole else None
    closed = [one for one in own if one.closed]
    by_bot = [one for one in closed if one.bot is not None and one.bot.routed]
    back = [one for one in by_bot if one.human is not None]
    by_people = [one for one in closed if one.human is not None and not (one.bot is not None and one.bot.routed)]
    return Workload(
        calls,
        _mean_handle_s(by_people),
        bot_share=len(by_bot) / len(closed) if closed else 0.0,
        returned=len(back) / len(by_bot) if by_bot else 0.0,
        handle_returned_s=_mean_handle_s(back),
        agents=staffing.agents if staffing else None,
        target=Target(staffing.share, staffing.within_s) if staffing else Target(),
    )


def _mean_handle_s(contacts: Sequence[Contact]) -> float | None:
    """Talk, hold and after-work of those whom a person answered; None when they are too few."""
    served = [_handle_s(one.human) for one in contacts if one.human is not None and one.human.connected_at]
    mean = sum(served) / len(served) if len(served) >= MIN_CONTACTS else 0.0
    return mean or None


def _handle_s(human: HumanPart) -> float:
    return human.talk_s + human.hold_s + human.after_work_s


async def staffing_outlook(contacts: Contacts, plan: Plan, branch: str, now: datetime) -> dict[str, JsonValue]:
    """The staffing part of a decision's detail: numbers and sentences, "not known" where they are not.

    Args:
        contacts: of both arms.
        plan: in force.
        branch: one of the plan.
        now: aware time.
    """
    ladder = plan.branches[branch]
    target = Target(ladder.staffing.share, ladder.staffing.within_s) if ladder.staffing else Target()
    try:
        found = await contacts.between(now - WINDOW, now)
    except StorageError:
        return Outlook(target).as_json()

    def compute() -> dict[str, JsonValue]:
        return outlook(workload_of(found, branch, ladder.staffing, plan.timezone, now)).as_json()

    # Off the event loop: calls are being answered on it.
    return await asyncio.to_thread(compute)
