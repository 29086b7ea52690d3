"""A product owner's weeks with one branch: asks, watches, files a certificate, is saved from a bad night.

The database, the evidence, the decisions and the audit are the real ones; time is the test's, and callers are
drawn with a seed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ivrbot.analytics.evidence_source import ContactEvidence
from ivrbot.errors import ConfigError
from ivrbot.model.call import CallId
from ivrbot.model.evidence import Verdict
from ivrbot.model.experiment import BranchState, Route
from ivrbot.model.proposals import Proposal
from ivrbot.reports.certificate_page import certificate_html, certificate_json
from ivrbot.rollout.drawing.routing import route_call
from ivrbot.rollout.governing import control, proposals
from ivrbot.rollout.governing.acting import reason_of
from ivrbot.rollout.governing.audit import AuditReport, verify
from ivrbot.rollout.governing.certificate import Certificate, certify, find
from ivrbot.rollout.governing.controller import Controller, ControllerParts
from ivrbot.rollout.planning.check import load_plan
from ivrbot.rollout.planning.plan import Plan
from ivrbot.storage.audit_rows import AuditTrail, stored_audit
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.leases import Leadership
from ivrbot.storage.rollout_book import RolloutBook
from ivrbot.storage.shadow import ShadowBook
from ivrbot.storage.store import Store
from tests.fakes.stored_calls import Callers, Served

MONDAY = datetime(2026, 3, 2, 7, tzinfo=UTC)  # ten in the morning in Moscow
PLAN = """
goal: "Balance calls no worse than with operators, by summer"
salt: spring
timezone: Europe/Moscow
two_person: true
working_hours: {days: mon-fri, from: "09:00", to: "18:00"}
defaults:
  primary:
    - {kpi: true_resolution, margin: 0.05}
    - {kpi: time_to_solution_s, margin: 20}
branches: {balance: {start: shadow}}
"""
OWNER, COLLEAGUE = "user:olga", "user:ivan"
GOOD = Served(resolved=0.90, solved_s=120.0)
BAD_NIGHT = Served(hangs_up=0.60, solved_s=120.0)
STORM_A_DAY = 3000


class Office:
    """One bank: a database, a clock, a controller, and people."""

    def __init__(self, store: Store, plan: Plan) -> None:
        self.store = store
        self.plan = plan
        self.now = MONDAY
        self.book = RolloutBook(store)
        self.desk = proposals.Desk(plan, store, self.book)
        self.callers = Callers(store)
        self.controller = Controller(
            ControllerParts(
                plan=lambda: plan,
                audit=AuditTrail(store),
                leader=Leadership(store, "rollout", "office", 60.0),
                source=ContactEvidence(ContactBook(store), shadow=ShadowBook(store).evidence),
                proposals=self.book,
                now=lambda: self.now,
            )
        )

    async def state(self) -> BranchState:
        return (await self.store.own_states())["balance"]

    async def until(self, moment: datetime) -> None:
        """Callers ring, and the controller looks once a day, up to a moment."""
        while self.now < moment:
            later = min(moment, self.now + timedelta(days=1))
            await self.callers.ring(await self.state(), self.now, later, bot=GOOD)
            self.now = later
            await self.controller.look()

    async def waiting(self) -> Proposal:
        (found,) = [
            item for item in await proposals.current(self.store, self.book, self.now) if proposals.is_open(item)
        ]
        return found

    async def approve(self, proposal_id: str, who: str) -> None:
        await proposals.approve(self.desk, proposal_id, who=who, why="agreed", at=self.now)

    async def actions(self) -> list[tuple[str, str]]:
        return [(row.action, reason_of(row)) for row in await self.store.history("balance")]

    async def certificate(self) -> Certificate:
        rows = await self.store.history()
        return certify(rows, find(rows, "balance"))

    async def verified(self) -> AuditReport:
        found, own = await stored_audit(self.store)
        return verify([(row.row, row.fault) for row in found], own)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    file = tmp_path / "rollout.yaml"
    file.write_text(PLAN)
    plan = load_plan(file, {"balance"})
    async with Store(tmp_path / "bank.sqlite") as store:
        await control.adopt(plan, store, "start:bank", MONDAY)
        yield Office(store, plan)


async def test_the_owners_weeks(office: Office) -> None:
    await ten_per_cent_by_two_persons(office)
    await weeks_of_calls_until_the_controller_asks(office)
    await twenty_per_cent_and_its_certificate(office)
    await a_breach_at_night_rolls_back_at_once(office)
    await the_audit_says_so_and_says_where_it_was_touched(office)


async def ten_per_cent_by_two_persons(office: Office) -> None:
    asked = await proposals.propose(office.desk, "balance", 0.1, who=OWNER, why="shadow looks well", at=office.now)
    with pytest.raises(ConfigError, match="cannot approve"):
        await office.approve(asked.proposal_id, OWNER)
    with pytest.raises(ConfigError, match="two persons"):
        await control.set_share(
            office.plan, office.store, "balance", 0.1, who=OWNER, why="alone", at=office.now, override=True
        )
    await office.approve(asked.proposal_id, COLLEAGUE)
    state = await office.state()
    assert (state.stage, state.share, state.epoch) == ("tenth", 0.1, 1)
    first = await office.certificate()
    assert (first.proposed_by, first.approved_by, first.evidence) == (OWNER, COLLEAGUE, None)
    assert "No comparison" in certificate_html(first, "en")


async def weeks_of_calls_until_the_controller_asks(office: Office) -> None:
    begun = office.now
    await office.until(begun + timedelta(days=7))
    # A week's calls are there, but none of them has had the week in which its caller might have rung again.
    assert (await office.actions())[-1] == ("hold", "few_callers")
    assert (await office.state()).share == 0.1
    await office.until(begun + timedelta(days=21))
    asked = await office.waiting()
    assert (asked.proposer, asked.to_share) == ("controller", 0.2)
    assert (await office.state()).share == 0.1
    assert [action for action, _ in await office.actions()].count("propose") == 2


async def twenty_per_cent_and_its_certificate(office: Office) -> None:
    await office.approve((await office.waiting()).proposal_id, OWNER)
    assert (await office.state()).share == 0.2
    paper = await office.certificate()
    assert (paper.before.share, paper.after.share) == (0.1, 0.2)
    assert (paper.proposed_by, paper.approved_by) == ("controller", OWNER)
    assert paper.evidence is not None
    assert paper.evidence.verdict is Verdict.PASS
    resolution = paper.evidence.kpis[0]
    assert resolution.metric.lower is not None
    assert resolution.metric.lower > -0.05
    assert resolution.metric.upper is not None
    assert resolution.metric.lower < 0.15 * 0.96 < resolution.metric.upper, "the interval holds the planted truth"
    document = json.loads(json.dumps(certificate_json(paper)))
    assert (document["goal"], document["hash"]) == (office.plan.goal, paper.hash)
    for language, words in (("en", "Certificate of non-inferiority"), ("ru", "не хуже")):
        assert words in certificate_html(paper, language, office.plan.timezone)  # type: ignore[arg-type]


async def a_breach_at_night_rolls_back_at_once(office: Office) -> None:
    await office.until(office.now + timedelta(days=4, hours=8))  # Friday, six o'clock: people go home
    assert (await office.state()).share == 0.2
    evening = office.now
    office.now += timedelta(hours=9)
    await office.callers.ring(await office.state(), evening, office.now, bot=BAD_NIGHT, a_day=STORM_A_DAY)
    await office.controller.look()
    state = await office.state()
    assert (state.stage, state.share, state.epoch) == ("shadow", 0.0, 2)
    fall = next(row for row in await office.store.history("balance") if row.action == "roll_back")
    assert (fall.who, reason_of(fall)) == ("controller", "guardrail_failed")
    assert "abandonment_mid_task" in fall.why
    local = fall.at.astimezone(ZoneInfo("Europe/Moscow"))
    assert (local.strftime("%A"), local.hour) == ("Saturday", 3)
    answer = await route_call(
        office.plan,
        office.store,
        "balance",
        caller="+79990000001",
        call_id=CallId("c-after"),
        caller_key=b"key",
        at=office.now,
    )
    assert (answer.route, answer.arm) == (Route.OPERATOR, None)


async def the_audit_says_so_and_says_where_it_was_touched(office: Office) -> None:
    report = await office.verified()
    assert report.ok, report.reason
    assert report.rederived == report.decisions > 5
    fall = next(row for row in await office.store.history("balance") if row.action == "roll_back")
    with sqlite3.connect(str(office.store.where)) as raw:
        changed = "UPDATE audit SET why = replace(why, 'abandonment', 'abandonmemt') WHERE seq = ?"
        assert raw.execute(changed, [fall.seq]).rowcount == 1
    raw.close()
    report = await office.verified()
    assert (report.ok, report.broken_at) == (False, fall.seq)
    assert report.reason == f"row {fall.seq} was changed after it was written"
