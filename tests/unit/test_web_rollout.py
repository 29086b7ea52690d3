"""The rollout's and the audit's pages: who may do what, two persons, reasons, refusals in words, what is kept."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ivrbot.model.evidence import Decision, Evidence, ShadowEvidence, Step, Verdict
from ivrbot.model.experiment import BranchState
from ivrbot.model.people import Role
from ivrbot.model.rollout import ALL_BRANCHES, effective_states
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.rollout.governing import control
from ivrbot.rollout.governing.audit import Snapshot
from ivrbot.rollout.planning.check import load_plan
from ivrbot.rollout.planning.plan import Plan
from ivrbot.storage.audit_list import AuditFilter, AuditList
from ivrbot.storage.rollout_book import RolloutBook
from ivrbot.web.rendering import labels_of, texts_of
from ivrbot.web.rollout_words import statement
from ivrbot.web.saying import Say
from ivrbot.web.timeline import Words
from tests.fakes.stored_calls import Callers
from tests.unit.web_fixture import Site, Visitor, open_site

PLAN = """
goal: "Balance calls no worse than with operators"
salt: spring
timezone: Europe/Moscow
two_person: true
defaults:
  primary:
    - {kpi: true_resolution, margin: 0.05}
branches:
  balance: {start: shadow}
  loans: {after: balance}
"""
NUMBER = "+79161234567"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "rollout.yaml").write_text(PLAN)
    return load_plan(tmp_path / "rollout.yaml", {"balance", "loans"})


@pytest.fixture
async def site(tmp_path: Path, plan: Plan) -> AsyncIterator[Site]:
    async with open_site(tmp_path, login="always", plan=plan) as site:
        yield site


async def send(visitor: Visitor, path: str, **fields: str) -> tuple[int, str]:
    """A form, as a browser sends it: with the proof that stands in it."""
    status, page = await visitor.get(path, **{"Accept-Language": "en"})
    assert status == 200, page
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    async with visitor.session.post(
        visitor.url + path.partition("?")[0],
        data={**hidden, **fields},
        headers={"Accept-Language": "en"},
        allow_redirects=False,
    ) as response:
        return response.status, response.headers.get("Location") or await response.text()


async def test_a_rise_takes_two_persons(site: Site) -> None:
    async with site.logged_in("olga", Role.OWNER) as olga, site.logged_in("ivan", Role.OWNER) as ivan:
        status, where = await send(olga, "/rollout/balance/propose", share="0.1", why="shadow looks well")
        assert (status, "done=propose" in where) == (303, True)
        (asked,) = await RolloutBook(site.parts.store).proposals(open_only=True)
        _, page = await olga.get("/rollout", **{"Accept-Language": "en"})
        assert "another person must approve it" in page
        assert "/approve?id=" not in page
        status, page = await send(olga, f"/rollout/balance/approve?id={asked.proposal_id}", why="mine")
        assert status == 400
        assert "whoever proposed it cannot approve it; another person must" in page
        status, page = await send(olga, "/rollout/balance/set", share="0.1", why="alone", override="1")
        assert status == 400
        assert "a rise needs two persons" in page
        _, page = await ivan.get("/rollout", **{"Accept-Language": "ru"})
        assert f"/rollout/balance/approve?id={asked.proposal_id}" in page
        assert (await send(ivan, f"/rollout/balance/approve?id={asked.proposal_id}", why="agreed"))[0] == 303
        state = (await site.parts.store.own_states())["balance"]
        assert (state.stage, state.share) == ("tenth", 0.1)
        newest = (await site.parts.store.history("balance"))[-1]
        assert (newest.action, newest.who, newest.why) == ("approve", "ivan", "agreed")
        status, page = await send(ivan, "/rollout/balance/rollback", why="")
        assert (status, "a reason is required" in page) == (400, True)
        assert (await send(ivan, "/rollout/balance/rollback", why="a bad night"))[0] == 303
        assert (await site.parts.store.own_states())["balance"].share == 0


async def test_everything_is_stopped_and_resumed(site: Site) -> None:
    async with site.logged_in("olga", Role.OWNER) as olga:
        assert (await send(olga, "/rollout/all/kill", why="an incident"))[0] == 303
        states = effective_states(await site.parts.store.own_states())
        assert all(state.killed for state in states.values())
        _, page = await olga.get("/rollout", **{"Accept-Language": "en"})
        assert "every call goes to operators" in page
        assert (await send(olga, "/rollout/all/resume", why="it is over"))[0] == 303
        assert not (await site.parts.store.own_states())[ALL_BRANCHES].killed


async def test_a_branchs_owner_stays_in_his_branch(site: Site) -> None:
    async with site.logged_in("lena", Role.OWNER, branches=frozenset({"loans"})) as lena:
        _, page = await lena.get("/rollout")
        assert "/rollout/loans" in page
        assert "/rollout/balance" not in page
        for path in ("/rollout/balance", "/rollout/balance/kill", "/rollout/all/kill", "/audit/export"):
            assert (await lena.get(path))[0] == 404, path
        await control.kill(site.parts.store, "balance", who="olga", why="x", at=datetime.now(UTC))
        _, page = await lena.get("/audit")
        assert "olga" not in page
    async with site.logged_in("anna", Role.ANALYST) as anna:
        _, page = await anna.get("/rollout")
        assert "/kill" not in page
        assert (await anna.get("/rollout/balance/kill"))[0] == 403
        assert (await anna.get("/audit"))[0] == 403


async def test_an_excluded_caller_is_a_hash(site: Site) -> None:
    async with site.logged_in("olga", Role.OWNER) as olga:
        status, page = await send(
            olga, "/rollout/all/exclude", number="no", kind="opt_out", where="loans", why="asked"
        )
        assert (status, "not a telephone number" in page) == (400, True)
        for kept in ('value="no">', 'value="opt_out" selected>', 'value="loans" selected>', ">asked</textarea>"):
            assert kept in page
        done, _ = await send(olga, "/rollout/all/exclude", number=NUMBER, kind="vip", where="loans", why="asked")
        assert done == 303
        (kept,) = await RolloutBook(site.parts.store).exclusions()
        assert (kept.kind, kept.branch, kept.who) == ("vip", "loans", "olga")
        assert kept.unit == site.parts.router.unit_of_number(NUMBER)
        _, page = await olga.get("/rollout/exclusions")
        assert kept.unit[:12] in page
        assert NUMBER not in page
        assert (await send(olga, f"/rollout/loans/include?unit={kept.unit}", why="no more"))[0] == 303
        assert not await RolloutBook(site.parts.store).exclusions()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_branch_shows_what_it_has_shown(site: Site, plan: Plan, language: str) -> None:
    now = datetime.now(UTC)
    await control.set_share(
        _alone(plan),
        site.parts.store,
        "balance",
        0.1,
        who="test",
        why="x",
        at=now - timedelta(days=20),
        early=True,
    )
    state = (await site.parts.store.own_states())["balance"]
    await Callers(site.parts.store, a_day=150).ring(state, now - timedelta(days=20), now)
    async with site.logged_in("olga", Role.OWNER) as olga:
        status, page = await olga.get("/rollout/balance", **{"Accept-Language": language})
        assert status == 200, page
        assert page.count("<svg") >= 4
        assert f'href="/api/v1/rollout/certificates/{(await site.parts.store.history("balance"))[-1].seq}' in page
        _, board = await olga.get("/rollout", **{"Accept-Language": language})
    kpi = {"en": "solved at the first call", "ru": "решено с первого звонка"}[language]
    assert kpi in page
    assert kpi in board
    assert "..</p>" not in board


def _alone(plan: Plan) -> Plan:
    return replace(plan, two_person=False)


# --- the audit ------------------------------------------------------------------------------------------


async def test_both_logs_stand_in_one_list(site: Site) -> None:
    now = datetime.now(UTC)
    await control.kill(site.parts.store, "loans", who="ivan", why="<i>strange</i>", at=now)
    await site.parts.activity.note("ivan", "view", "call", "c" * 36, branch="loans")
    async with site.logged_in("root", Role.ADMIN) as root:
        _, page = await root.get("/audit?who=ivan&verify=1", **{"Accept-Language": "en"})
        assert "&lt;i&gt;strange&lt;/i&gt;" in page
        assert f"/calls/{'c' * 36}" in page
        assert page.count("chain intact") == 2
        _, only = await root.get("/audit?who=ivan&log=activity")
        assert "strange" not in only
        status, text = await root.get("/audit/export?format=jsonl")
        rows = [json.loads(line) for line in text.splitlines()]
        assert (status, rows[-1]["who"], rows[-1]["branch"]) == (200, "ivan", "loans")
        assert (await root.get("/audit/export?format=exe"))[0] == 400
        newest = (await site.parts.activity.read(limit=1))[0]
        assert (newest.action, newest.kind) == ("export", "audit")


async def test_pages_of_the_audit_follow_each_other(site: Site) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    for at in range(6):
        branch = "loans" if at % 2 else "balance"
        await control.kill(site.parts.store, branch, who="ivan", why=str(at), at=now)
        await control.resume(site.parts.store, branch, who="ivan", why=str(at), at=now)
        await site.parts.activity.note("ivan", "view", "call", str(at))
    listed = AuditList(site.parts.store)
    whole, _ = await listed.page(AuditFilter(who="ivan"))
    assert len(whole) == 18
    seen: list[tuple[str, int]] = []
    lines, following = await listed.page(AuditFilter(who="ivan"), size=4)
    while True:
        seen += [(line.log, line.seq) for line in lines]
        if following is None:
            break
        lines, following = await listed.page(AuditFilter(who="ivan"), following, size=4)
    assert seen == [(line.log, line.seq) for line in whole]


# --- sentences ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_a_sentence_of_its_own(plan: Plan, language: Language) -> None:
    words = Words(texts_of(language), labels_of(language), Say(language))
    ladder = plan.branches["balance"]
    now = datetime.now(UTC)
    shadow = ShadowEvidence(n=60, correct=40)
    evidence = Evidence("balance", 1, "shadow", now, stage_since=now - timedelta(days=1), shadow=shadow)
    state = BranchState("balance", "shadow", 0.0, 0.0)
    for reason in ("few_shadow_calls", "topic_accuracy", "shadow_passed", "srm", "stale_operators", "min_days"):
        decision = Decision("balance", Verdict.INCONCLUSIVE, Step.HOLD, reason, "THE AUDIT'S OWN", "tenth")
        told = statement(Snapshot(ladder, state, evidence, now, decision), words)
        assert "AUDIT" not in told
        assert "{" not in told
    unknown = Decision("balance", Verdict.ERROR, Step.HOLD, "new_code", "THE AUDIT'S OWN", "shadow")
    assert statement(Snapshot(ladder, state, None, now, unknown), words) == "THE AUDIT'S OWN"


@pytest.mark.parametrize(("language", "said"), [("en", "Plan "), ("ru", "План ")])
async def test_what_came_with_a_plan_is_said_in_the_readers_language(site: Site, language: str, said: str) -> None:
    async with site.logged_in("olga", Role.OWNER) as olga:
        for path in ("/rollout/balance", "/audit"):
            _, page = await olga.get(f"{path}?lang={language}")
            assert re.search(rf'<td data-name="[^"]+">{said}[0-9a-f]{{16}}</td>', page), path


async def test_a_rung_that_may_be_left_at_once_asks_for_no_days(tmp_path: Path) -> None:
    async with open_site(tmp_path, login="always") as site, site.logged_in("olga", Role.OWNER) as olga:
        _, page = await olga.get("/rollout/balance")
        assert re.search(r"<dd>2 Mar 2026: \d+ days\s*</dd>", page)
        assert "at least 0" not in page


async def test_who_proposed_takes_it_back_and_others_reject(site: Site) -> None:
    async with site.logged_in("olga", Role.OWNER) as olga, site.logged_in("ivan", Role.OWNER) as ivan:
        assert (await send(olga, "/rollout/balance/propose", share="0.1", why="try", override="1"))[0] == 303
        for who, said, unsaid in (
            (olga, ">Take it back</a>", ">Reject</a>"),
            (ivan, ">Reject</a>", ">Take it back</a>"),
        ):
            _, page = await who.get("/rollout")
            assert said in page
            assert unsaid not in page


async def test_a_refusal_names_the_right_that_is_missing(site: Site) -> None:
    async with site.logged_in("olga", Role.OWNER) as olga:
        status, page = await olga.get("/people?lang=ru", Accept="text/html")
        assert (status, "Нужно право: управлять сотрудниками и токенами" in page) == (403, True)
