"""The certificate: what is on it, in both languages; nothing on it that nobody showed."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import re
import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from ivrbot.analytics.kpi_names import KPIS
from ivrbot.errors import ConfigError
from ivrbot.model.evidence import Verdict
from ivrbot.model.experiment import BranchState
from ivrbot.model.rollout import GENESIS_HASH, AuditRow, StateChange, link
from ivrbot.model.speech import Language
from ivrbot.reports import texts
from ivrbot.reports.audit_export import COLUMNS, csv_lines, json_lines
from ivrbot.reports.certificate_page import certificate_html, certificate_json, style, style_source
from ivrbot.reports.interval import Picture, draw
from ivrbot.reports.numbers import amount, per_cent, whole
from ivrbot.rollout.governing.acting import change_for
from ivrbot.rollout.governing.audit import WHO, Snapshot, snapshot_detail
from ivrbot.rollout.governing.certificate import Certificate, certify, find, promotions
from ivrbot.rollout.judging.decide import decide
from ivrbot.rollout.judging.evidence import build_evidence
from ivrbot.rollout.planning.check import load_plan
from ivrbot.rollout.planning.plan import Plan, state_at
from tests.fakes.evidence import MemoryEvidence, Truth
from tests.unit.web_fixture import open_site

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOW = START + timedelta(days=21)
GOAL = 'Balance <b>calls</b> & "goal"'
LANGUAGES: tuple[Language, ...] = get_args(Language)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    path = tmp_path_factory.mktemp("plan") / "rollout.yaml"
    path.write_text(f"goal: {json.dumps(GOAL)}\nsalt: s\nbranches: {{balance: {{start: tenth}}}}\n")
    return load_plan(path, {"balance"})


@pytest.fixture(scope="module")
def held(plan: Plan) -> BranchState:
    return state_at(plan.branches["balance"], plan.branches["balance"].stages[1], plan.revision)


@pytest.fixture(scope="module")
def advance(plan: Plan, held: BranchState) -> StateChange:
    """A promotion to 20 % with everything behind it."""
    ladder, source, end = plan.branches["balance"], MemoryEvidence(), NOW - timedelta(hours=2)
    bot = Truth(true_resolution=0.76)
    source.add_calls("balance", 1, ladder.stages[1], since=START, until=end, callers=40_000, bot=bot)
    asked = source.unit_rows("balance", 1, kpis=tuple(vars(bot)), window_days=7, now=NOW)
    freshness = asyncio.run(source.freshness("balance"))
    evidence = build_evidence(
        asyncio.run(asked), ladder, held, now=NOW, stage_since=START, last_decision_at=START, freshness=freshness
    )
    decision = decide(ladder, held, evidence, NOW)
    detail = snapshot_detail(Snapshot(ladder, held, evidence, NOW, decision), plan)
    return change_for(decision, ladder, held, plan.revision, detail)


def chain(*changes: tuple[StateChange, str]) -> list[AuditRow]:
    rows: list[AuditRow] = []
    for change, who in changes:
        last = (rows[-1].seq, rows[-1].hash) if rows else (0, GENESIS_HASH)
        rows.append(link(change, who, "because <script>alert(1)</script>", NOW, last))
    return rows


@pytest.fixture(scope="module")
def rows(held: BranchState, advance: StateChange) -> list[AuditRow]:
    hold = StateChange(held, held, "hold")
    return chain((StateChange(None, held, "start"), "start:bank"), (hold, WHO), (advance, WHO))


@pytest.fixture(scope="module")
def certificate(rows: list[AuditRow]) -> Certificate:
    return certify(rows, rows[-1])


# --- what is on it ------------------------------------------------------------------------------------


def test_the_newest_promotion_of_a_branch_or_a_row_by_its_number(rows: list[AuditRow]) -> None:
    assert [row.seq for row in promotions(rows)] == [1, 3]
    assert find(rows, "balance").seq == find(rows, "3").seq == 3
    for wanted in ("2", "99", "loans"):
        with pytest.raises(ConfigError, match=r"no such promotion.*1 \(balance to 10%\), 3 \(balance to 20%\)"):
            find(rows, wanted)


def test_everything_that_an_owner_files_is_there(
    certificate: Certificate, plan: Plan, rows: list[AuditRow]
) -> None:
    document = json.loads(json.dumps(certificate_json(certificate)))
    assert (document["seq"], document["hash"], document["goal"]) == (3, rows[2].hash, GOAL)
    assert (document["before"]["share"], document["after"]["share"]) == (0.1, 0.2)
    assert document["plan_revision"] == plan.revision
    evidence = document["evidence"]
    assert evidence["verdict"] == "pass"
    lines = {line["metric"]["kpi"]: line for line in evidence["kpis"]}
    assert set(lines) == {
        "true_resolution",
        "time_to_solution_s",
        "abandonment_mid_task",
        "failed_transfer",
        "engine_failure",
    }
    resolution = lines["true_resolution"]
    assert (resolution["kind"], resolution["acceptable"]) == ("margin", -0.03)
    assert resolution["metric"]["lower"] < resolution["metric"]["difference"] < resolution["metric"]["upper"]
    assert evidence["callers_bot"] == resolution["metric"]["n_bot"]
    assert (lines["time_to_solution_s"]["acceptable"], lines["engine_failure"]["kind"]) == (20, "level")
    assert evidence["srm"]["ok"] is True
    assert evidence["freshness"]["bot_at"].startswith("2026-03-23")


def test_plain_means_stand_beside_the_weighted_difference(certificate: Certificate) -> None:
    assert certificate.evidence is not None
    line = certificate.evidence.kpis[0]
    assert line.raw_bot is not None
    assert line.raw_human is not None
    assert line.raw_bot == pytest.approx(0.76, abs=0.02)
    assert line.raw_human == pytest.approx(0.72, abs=0.02)
    assert line.raw_difference == line.raw_bot - line.raw_human


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_one_document_without_scripts_and_escapes_what_people_wrote(
    certificate: Certificate, language: Language
) -> None:
    page = certificate_html(certificate, language, "Europe/Moscow")
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=|\son\w+=|style=\"", page)
    assert "&lt;script&gt;alert(1)" in page
    assert "Balance &lt;b&gt;calls&lt;/b&gt; &amp; &#34;goal&#34;" in page
    assert page.count("<svg") == 5
    assert certificate.hash in page
    assert "2026-03-23 12:00" in page, "times are the plan's"
    assert "@page { size: A4" in page


def test_a_strict_policy_lets_the_style_through(certificate: Certificate) -> None:
    assert style() in certificate_html(certificate, "en")
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", style_source())


def test_an_override_is_stamped_and_stays_stamped_for_the_epoch(held: BranchState, advance: StateChange) -> None:
    forced = StateChange(None, held, "set", True)
    rows = chain((forced, "user:olga"), (advance, WHO))
    first, second = (certify(rows, row) for row in rows)
    assert [note.who for note in first.overrides] == [note.who for note in second.overrides] == ["user:olga"]
    assert (first.override, second.override) == (True, False)
    assert "BY OVERRIDE" in certificate_html(second, "en")
    assert "В ОБХОД ПРАВИЛ" in certificate_html(second, "ru")
    new_epoch = replace(advance, after=replace(advance.after, epoch=2))
    rows = chain((forced, "user:olga"), (new_epoch, WHO))
    assert certify(rows, rows[1]).overrides == ()


def test_a_promotion_without_a_comparison_says_so(held: BranchState) -> None:
    rows = chain((StateChange(None, held, "start"), "start:bank"))
    paper = certify(rows, rows[0])
    assert (paper.evidence, paper.no_evidence) == (None, "none")
    page = certificate_html(paper, "en")
    assert "No comparison" in page
    assert "Certificate of non-inferiority" not in page


def test_evidence_that_cannot_be_read_is_not_made_up(advance: StateChange, held: BranchState) -> None:
    other = replace(advance, detail={**advance.detail, "snapshot": {"version": 99}})
    rows = chain((StateChange(None, held, "start"), "start:bank"), (other, WHO))
    paper = certify(rows, rows[1])
    assert (paper.evidence, paper.no_evidence) == (None, "unreadable")
    assert "another version" in certificate_html(paper, "en")


def test_proposer_and_second_person_are_named(advance: StateChange, held: BranchState) -> None:
    approved = replace(
        advance, action="approve", detail={**advance.detail, "proposal": {"id": "abc234", "who": "user:olga"}}
    )
    rows = chain((StateChange(None, held, "start"), "start:bank"), (approved, "user:ivan"))
    paper = certify(rows, rows[1])
    assert (paper.proposed_by, paper.approved_by, paper.decided_by) == ("user:olga", "user:ivan", "user:ivan")


def test_staffing_is_told_in_the_pages_language(advance: StateChange, held: BranchState) -> None:
    told = replace(
        advance, detail={**advance.detail, "staffing": {"sentence_en": "Queue!", "sentence_ru": "Очередь!"}}
    )
    rows = chain((StateChange(None, held, "start"), "start:bank"), (told, WHO))
    paper = certify(rows, rows[1])
    assert "Queue!" in certificate_html(paper, "en")
    assert "Очередь!" in certificate_html(paper, "ru")


# --- texts and numbers --------------------------------------------------------------------------------


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("table", ["TEXTS", "VERDICTS", "ACTIONS", "KPI_NAMES", "REASONS"])
def test_every_text_is_there_in_both_languages_with_the_same_values(table: str) -> None:
    for key, text in getattr(texts, table).items():
        assert set(text) == set(LANGUAGES), key
        assert fields(text["en"]) == fields(text["ru"]), key
        assert bool(text["en"]) == bool(text["ru"]), key
        if text["ru"] and table != "ACTIONS":
            assert re.search("[а-яА-Я]", re.sub(r"\{\w+\}", "", text["ru"])) or "{" in text["ru"], key


def test_every_kpi_and_verdict_has_a_name() -> None:
    assert set(texts.KPI_NAMES) == set(KPIS)
    assert set(texts.VERDICTS) == {verdict.value for verdict in Verdict}


@pytest.mark.parametrize(
    ("kpi", "value", "difference", "en", "ru"),
    [
        ("true_resolution", 0.7244, False, "72.4 %", "72,4 %"),
        ("failed_transfer", 0.0044, False, "0.44 %", "0,44 %"),
        ("true_resolution", -0.0123, True, "−1.23 pp", "−1,23 п. п."),
        ("time_to_solution_s", 184.26, False, "184.3 s", "184,3 с"),
        ("time_to_solution_s", 20.0, True, "+20.0 s", "+20,0 с"),
        ("response_gap_ms", 700.0, False, "700.0 ms", "700,0 мс"),
        ("csat", 4.5, False, "4.50", "4,50"),
        ("csat", None, False, "—", "—"),
    ],
)
def test_numbers_as_people_write_them(kpi: str, value: float | None, difference: bool, en: str, ru: str) -> None:
    assert amount(kpi, value, "en", difference=difference).replace("\u00a0", " ") == en
    assert amount(kpi, value, "ru", difference=difference).replace("\u00a0", " ") == ru


def test_shares_and_counts() -> None:
    assert (per_cent(0.1, "en"), per_cent(0.025, "ru")) == ("10\u00a0%", "2,5\u00a0%")
    assert (whole(12345, "en"), whole(12345, "ru")) == ("12,345", "12\u202f345")


def test_the_picture_puts_what_is_not_acceptable_on_its_side() -> None:
    up = draw(Picture(0.01, -0.01, 0.03, -0.05, False, "pass", 'a "label" <x>'))
    down = draw(Picture(5.0, -1.0, 11.0, 20.0, True, "pass", "label"))
    shade = re.compile(r'<rect x="([\d.]+)" y="3" width="([\d.]+)"')
    (left, width), (right, _) = ([float(number) for number in shade.findall(svg)[0]] for svg in (up, down))
    assert left == 8
    assert right > 110 > left + width
    assert "a &quot;label&quot; &lt;x&gt;" in up
    nothing = draw(Picture(None, None, None, 0.02, True, "inconclusive", "label"))
    assert "<circle" not in nothing


# --- export and HTTP ----------------------------------------------------------------------------------


def test_the_export_alone_is_enough_to_recompute_the_chain(rows: list[AuditRow]) -> None:
    previous = GENESIS_HASH
    for line in json_lines(rows):
        document = json.loads(line)
        assert tuple(document) == COLUMNS
        stated = document.pop("hash")
        text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        assert document["previous_hash"] == previous
        assert hashlib.sha256(text.encode()).hexdigest() == stated
        previous = stated


def test_csv_has_every_column_and_no_formula(held: BranchState) -> None:
    row = link(StateChange(None, held, "start"), "=cmd()", "two\nlines", NOW)
    head, values = csv.reader(io.StringIO("".join(csv_lines([row]))))
    cells = dict(zip(head, values, strict=True))
    assert tuple(head) == COLUMNS
    assert (cells["who"], cells["why"], cells["seq"]) == ("'=cmd()", "two\nlines", "1")
    assert json.loads(cells["after"])["stage"] == "tenth"


async def test_certificates_over_http(tmp_path: Path, held: BranchState, advance: StateChange) -> None:
    async with open_site(tmp_path) as site:
        store = site.parts.store
        began = len(await store.history())
        own = (await store.own_states())["balance"]
        changes = [StateChange(own, held, "set"), advance]
        await store.apply_changes(changes, WHO, "because", NOW)
        path = f"/api/v1/rollout/certificates/{began + 2}"
        status, document = await site.get(path)
        assert (status, document["branch"], document["after"]["share"]) == (200, "balance", 0.2)
        async with site.api.get(f"{site.url}{path}?format=html&lang=ru") as response:
            page = await response.text()
            assert (response.status, response.content_type) == (200, "text/html")
            assert style_source() in response.headers["Content-Security-Policy"]
            assert "script-src" not in response.headers["Content-Security-Policy"]
        assert 'lang="ru"' in page
        assert (await site.get(f"/api/v1/rollout/certificates/{began + 1}"))[0] == 404, "a fall is no promotion"
        assert (await site.get("/api/v1/rollout/certificates/999999999999999"))[0] == 404
        assert (await site.get("/api/v1/rollout/certificates/x"))[0] == 404
        assert (await site.get(f"{path}?format=pdf"))[0] == 400
        async with site.page.get(site.url + path) as response:
            assert response.status == 401
