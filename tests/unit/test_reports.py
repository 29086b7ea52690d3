"""Reports: documents, comparisons, charts, the page and its files."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects
import pytest
from click.testing import CliRunner

from ivrbot.analytics.export_columns import Habits
from ivrbot.analytics.export_evidence import ExportEvidence
from ivrbot.analytics.figures import Figure, Rates
from ivrbot.analytics.kpis import KPIS
from ivrbot.analytics.report_queries import Filters, ReportReader
from ivrbot.cli.main import main
from ivrbot.config import PROJECT_ROOT
from ivrbot.model.evidence import Freshness, ShadowEvidence, UnitRows, Verdict
from ivrbot.model.experiment import BranchState
from ivrbot.model.people import Person, Right
from ivrbot.model.speech import LANGUAGES
from ivrbot.reports.charts import BOTTOM, HEIGHT, Chart, Point, plotly_figure, round_values, svg
from ivrbot.reports.comparison import Comparison, compare, mixing
from ivrbot.reports.report_documents import report_csv, report_json, report_plain
from ivrbot.reports.report_texts import LACKS, WHY, mixing_sentence, shown
from ivrbot.reports.service import ReportParts, Reports
from ivrbot.reports.view import build_view, calls_href
from ivrbot.rollout.governing.gather import gather
from ivrbot.rollout.governing.standing import Standing
from ivrbot.rollout.judging.assess import assess
from ivrbot.rollout.planning.check import load_plan
from ivrbot.rollout.planning.plan import Plan
from ivrbot.web.report_page import report_file
from ivrbot.web.reports import read_asked
from ivrbot.web.saying import Say
from ivrbot.web.texts import LABELS
from tests.unit.report_data import FactsInMemory, at, export_of, random_facts
from tests.unit.web_fixture import FLOWS, Site, open_site

PLAN: Plan = load_plan(PROJECT_ROOT / "rollout.yaml", {*FLOWS.branches.branches, "front"})
NOW = at(14)
STATES = {"balance": BranchState("balance", "half", 0.5, 0.0), "loans": BranchState("loans", "tenth", 0.1, 0.0)}
HABITS = Habits(PLAN.timezone, {}, {name: branch.time_cap_s for name, branch in PLAN.branches.items()})


class Live:
    """Freshness without a store."""

    async def unit_rows(self, *_: Any, **__: Any) -> UnitRows:
        raise AssertionError("rows come from the files")

    async def freshness(self, branch: str) -> Freshness:
        return Freshness(NOW, NOW, None)

    async def shadow(self, branch: str, since: datetime) -> ShadowEvidence:
        return ShadowEvidence()


class States:
    async def own_states(self) -> dict[str, BranchState]:
        return STATES

    async def history(self, branch: str | None = None) -> tuple[Any, ...]:
        return ()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import asyncio

    made = tmp_path_factory.mktemp("reports")
    rows = random_facts(seed=3, days=14, per_day=120, callers=900)
    asyncio.run(export_of(made / "export", FactsInMemory(rows), NOW, HABITS).refresh())
    return made


def reports_in(folder: Path) -> Reports:
    rates = Rates(100.0, 2_000.0)
    evidence = ExportEvidence(folder / "export", Live())
    return Reports(ReportParts(ReportReader(folder / "export", rates), evidence, lambda: PLAN, States(), rates))


# --- documents --------------------------------------------------------------------------------------------


async def test_json_has_the_agreed_shape(folder: Path) -> None:
    document = report_json(await reports_in(folder).report(Filters()))
    rows, comparisons = document["rows"], document["comparisons"]
    assert isinstance(rows, list) and isinstance(comparisons, list)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    for row in rows:
        assert set(row) == {"branch", "stage", "arm", "kpi", "value", "lower", "upper", "n", "maturing"}
        assert row["arm"] in {"control", "treatment"}
    assert {row["stage"] for row in rows} == {"tenth", "half", "all"}
    assert {row["kpi"] for row in rows} == set(KPIS)
    for item in comparisons:
        assert {"branch", "kpi", "difference", "lower", "upper", "verdict"} <= set(item)
        assert item["verdict"] in {verdict.value for verdict in Verdict}
    judged = {(item["branch"], item["kpi"]) for item in comparisons}
    assert ("balance", "true_resolution") in judged and ("loans", "engine_failure") in judged


async def test_all_stages_are_the_sum_of_the_stages(folder: Path) -> None:
    report = await reports_in(folder).report(Filters(branch="balance"))
    counts: dict[str, int] = {}
    for row in report.rows:
        if row.figure.kpi == "handle_time_s" and row.arm == "control":
            counts[row.stage] = row.figure.n
    assert counts["all"] == counts["tenth"] + counts["half"]
    assert {row.branch for row in report.rows} == {"balance"}


async def test_csv_and_text_tell_the_same(folder: Path) -> None:
    report = await reports_in(folder).report(Filters(), by_day=True)
    table = list(csv.DictReader(io.StringIO(report_csv(report))))
    assert sum(row["kind"] == "figure" for row in table) == len(report.rows)
    assert {row["kpi"] for row in table if row["verdict"]} == {item.kpi for item in report.comparisons}
    for language in LANGUAGES:
        text = report_plain(report, language)
        assert "balance / tenth" in text and "None" not in text


async def test_an_amount_of_money_names_its_currency(folder: Path) -> None:
    assert shown("cost_per_resolution", 6_566.0, "ru", currency="RUB") == "65,66\u00a0₽"
    assert shown("cost_per_resolution", 6_566.0, "en", currency="KZT") == "65.66\u00a0KZT"
    assert shown("true_resolution", 0.5, "en", currency="KZT") == "50.0\u00a0%"
    reports = Reports(replace(reports_in(folder).parts, currency="KZT"))
    report = await reports.report(Filters())
    assert re.search(r"cost_per_resolution +\d+\.\d\d\u00a0KZT", report_plain(report, "en"))
    for language in LANGUAGES:
        page = report_file(await build_view(reports, Filters()), Say(language))
        assert ", KZT</th>" in page, language
    half = await build_view(reports, Filters(branch="balance"))
    assert re.search(r"\d,\d\d\u00a0KZT", report_file(half, Say("ru")))


async def test_what_is_not_known_is_named_and_never_zero(folder: Path) -> None:
    silent = replace(reports_in(folder).parts, rates=Rates(), reader=ReportReader(folder / "export"))
    report = await Reports(silent).report(Filters())
    assert report.unmeasured["cost_per_resolution"] == "no_prices"
    costs = [row.figure for row in report.rows if row.figure.kpi == "cost_per_resolution"]
    assert costs and all(figure.value is None for figure in costs)
    assert set(report.unmeasured.values()) <= set(LACKS)


# --- comparisons ------------------------------------------------------------------------------------------


async def test_comparisons_are_the_controllers_own_judgement(folder: Path) -> None:
    source, told = ExportEvidence(folder / "export", Live()), {"balance": Standing(at(0), False, at(0))}
    judged, others = await compare(source, PLAN, STATES, told, NOW)
    metrics = assess(
        PLAN.branches["balance"],
        await gather(source, PLAN.branches["balance"], STATES["balance"], told["balance"], NOW),
    )
    mine = [item for item in judged if item.branch == "balance"]
    assert [(item.kpi, item.difference, item.lower, item.verdict) for item in mine] == [
        (metric.kpi, metric.difference, metric.lower, metric.verdict) for metric in metrics
    ]
    assert all(item.verdict is None and item.why in WHY for item in others)
    assert {item.why for item in judged} <= set(WHY)


async def test_the_files_give_the_rows_of_first_exposures_only(folder: Path) -> None:
    source = ExportEvidence(folder / "export", Live())
    rows = await source.unit_rows("balance", 1, kpis=("true_resolution",), window_days=7, now=NOW)
    facts = random_facts(seed=3, days=14, per_day=120, callers=900)
    first = [row for row in facts if row.branch == "balance" and row.first]
    assert rows.at_us.tolist() == sorted(row.exposed_us for row in first)
    assert int(rows.treated.sum()) == sum(row.arm == "treatment" for row in first)
    mature = rows.at_us <= int((at(7).timestamp()) * 1_000_000)
    assert np.isnan(rows.values["true_resolution"][~mature]).all()


async def test_no_live_source_is_asked_for_rows(tmp_path: Path) -> None:
    rows = await ExportEvidence(tmp_path, Live()).unit_rows("x", 1, kpis=("csat",), window_days=7, now=NOW)
    assert len(rows) == 0


def mixed() -> Comparison:
    """Share 10 then 50 %, level .8 then .6, no difference between the arms."""
    values = np.array(
        [1.0] * 72 + [0.0] * 18 + [1.0] * 8 + [0.0] * 2 + [1.0] * 30 + [0.0] * 20 + [1.0] * 30 + [0.0] * 20
    )
    treated = np.array([False] * 90 + [True] * 10 + [False] * 50 + [True] * 50)
    stage = np.array([0] * 100 + [1] * 100)
    found = mixing(values, treated, stage, ("tenth", "half"))
    raw = float(values[treated].mean() - values[~treated].mean())
    assert found.part == pytest.approx(raw)
    return Comparison(
        "balance", "true_resolution", "primary", 0.001, -0.1, 0.1, Verdict.INCONCLUSIVE, 0.03, raw, 60, 140, found
    )


def test_a_sentence_says_why_plain_means_mislead() -> None:
    item = mixed()
    english, russian = (mixing_sentence(item, language) for language in ("en", "ru"))
    assert "half" in english and "83\u00a0%" in english and "36\u00a0%" in english and "−9.5" in english
    assert "простые средние" in russian
    assert mixing_sentence(replace(item, mixing=None), "en") == ""


# --- charts -----------------------------------------------------------------------------------------------


def chart(kpi: str = "true_resolution") -> Chart:
    def points(value: float) -> list[Point]:
        return [
            Point(
                date(2026, 3, day),
                Figure(kpi, value + day / 100, value - 0.1, value + 0.1, 50, 60 * (day == 3)),
                day == 3,
            )
            for day in (1, 2, 3)
        ]

    return Chart(kpi, {"control": points(0.7), "treatment": points(0.6)}, date(2026, 3, 2))


@pytest.mark.parametrize("kpi", ["true_resolution", "handle_time_s", "csat", "cost_per_resolution"])
def test_figures_are_valid_for_plotly(kpi: str) -> None:
    for language in LANGUAGES:
        figure = plotly.graph_objects.Figure(plotly_figure(chart(kpi), language))
        assert len(figure.data) == 4
        assert figure.data[1].marker.symbol[2].endswith("-open")


def test_the_drawn_chart_has_marks_and_words() -> None:
    drawn = svg(chart(), "en")
    assert drawn.count("<circle") == 6 and drawn.count("stroke-dasharray") == 2
    assert "aria-label" in drawn and "<script" not in drawn and "style=" not in drawn
    assert svg(Chart("csat", {"control": []}), "ru") == ""


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.93, 1.0, [0.94, 0.96, 0.98, 1.0]), (3.1, 4.9, [3.5, 4.0, 4.5]), (0.0, 734.0, [0.0, 200.0, 400.0, 600.0])],
)
def test_axes_are_marked_at_round_values(low: float, high: float, expected: list[float]) -> None:
    assert round_values(low, high) == pytest.approx(expected)


def test_no_axis_goes_beyond_the_possible() -> None:
    whole = Figure("true_resolution", 1.0, 0.96, 1.0, 50, 0)
    everybody = Chart("true_resolution", {"control": [Point(date(2026, 3, 1), whole, False)]})
    assert "100.0\u00a0%" in svg(everybody, "en") and "102" not in svg(everybody, "en")
    layout = plotly_figure(everybody, "en")["layout"]
    assert layout["yaxis"]["autorangeoptions"] == {"clipmin": 0.0, "clipmax": 100.0}
    seconds = plotly_figure(chart("handle_time_s"), "en")["layout"]["yaxis"]
    assert (seconds["rangemode"], seconds["autorangeoptions"]) == ("tozero", {"clipmin": 0.0})


def test_a_band_below_nothing_stays_within_the_drawing() -> None:
    days = [Point(date(2026, 3, day), Figure("wait_s", 5.0, -40.0, 50.0, 50, 0), False) for day in (1, 2)]
    drawn = svg(Chart("wait_s", {"control": days}), "en")
    ends = re.search(r'<polygon points="([^"]+)"', drawn)
    assert ends is not None
    assert max(float(end.split(",")[1]) for end in ends[1].split()) == HEIGHT - BOTTOM


# --- the page ---------------------------------------------------------------------------------------------


@pytest.fixture
async def site(folder: Path) -> AsyncIterator[Site]:
    async with open_site(folder, plan=PLAN) as site:
        for state in STATES.values():
            await site.parts.store.change_state(state, "test", "a rung", at(0))
        yield site


async def test_the_page_answers_the_usual_questions(site: Site) -> None:
    for query, words in (("lang=en", "Which branch is ready?"), ("lang=ru&branch=balance", "Какая ветка готова?")):
        status, text = await site.get(f"/reports?{query}")
        assert status == 200
        assert words in text
        for anchor in ("ready", "days", "dip", "transfers", "funnel", "topics"):
            assert f'id="{anchor}"' in text
        assert "data-figure" in text and 'href="/calls?' in text
        assert "<style" not in text and " style=" not in text


async def test_the_api_gives_the_report_and_names_every_problem(site: Site) -> None:
    status, document = await site.get("/api/v1/reports/comparison?branch=balance&from=2026-02-01&by=day")
    assert status == 200
    assert {row["branch"] for row in document["rows"]} == {"balance"}
    assert all("day" in row for row in document["rows"])
    status, refused = await site.get("/api/v1/reports/comparison?from=x&hour=99&branch=nope&by=week")
    assert status == 400
    assert {item["field"] for item in refused["problems"]} == {"from", "hour", "branch", "by"}


@pytest.mark.parametrize("form", ["csv", "json", "html"])
async def test_downloads(site: Site, form: str) -> None:
    async with site.api.get(f"{site.url}/reports?format={form}&lang=en") as response:
        assert response.status == 200
        assert f"report.{form}" in response.headers["Content-Disposition"]
        text = await response.text()
    assert "balance" in text.lower()
    if form == "html":
        assert "<script" not in text and "http://" not in text.replace("http://www.w3.org/2000/svg", "")


async def test_definitions_and_the_library_are_served(site: Site) -> None:
    status, text = await site.get("/reports/definitions?lang=ru")
    assert status == 200
    assert all(f'id="{name}"' in text for name in KPIS)
    async with site.page.get(f"{site.url}/static/plotly.min.js") as response:
        assert response.status == 200
        assert response.content_length is not None and response.content_length > 1_000_000


async def test_before_the_first_export_the_page_says_so(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        status, text = await site.get("/reports?lang=en")
        assert status == 200 and "No call has been counted yet" in text
        status, document = await site.get("/api/v1/reports/comparison")
        assert (status, document["rows"], document["comparisons"]) == (200, [], [])


def test_an_address_is_read_and_the_rest_is_named() -> None:
    known = frozenset({"balance", "loans"})
    asked = read_asked({"from": "2026-03-05", "to": "2026-03-01", "hour": "7", "branch": "balance"}, known, None)
    assert asked.filters.first == date(2026, 3, 5) and asked.filters.last is None
    assert [problem["field"] for problem in asked.problems] == ["to"]
    assert (asked.filters.hour, asked.filters.branch) == (7, "balance")


async def test_somebody_sees_his_branches_only(folder: Path) -> None:
    person = Person("an", frozenset({Right.REPORTS_SEE}), frozenset({"loans"}))
    asked = read_asked({}, frozenset({"balance", "loans"}), person.branches)
    report = await reports_in(folder).report(asked.filters)
    assert {row.branch for row in report.rows} == {"loans"}
    assert {item.branch for item in (*report.comparisons, *report.others)} == {"loans"}
    view = await build_view(reports_in(folder), asked.filters, day=date(2026, 2, 20))
    text = report_file(view, Say("en"))
    assert LABELS["branches"]["balance"]["en"] not in text and "check_balance" not in text


def test_numbers_link_to_their_calls() -> None:
    filters = Filters(date(2026, 3, 1), date(2026, 3, 7), branch="loans", hour=14)
    address = calls_href(filters, arm="treatment", stage="tenth")
    assert address == "/calls?from=2026-03-01&to=2026-03-07&branch=loans&hour=14&arm=treatment&stage=tenth"


# --- the command ------------------------------------------------------------------------------------------


def test_the_command_tells_every_wrong_option_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVRBOT_DATA_DIR", str(tmp_path))
    wrong = CliRunner().invoke(main, ["report", "--from", "1.3.", "--to", "x", "--branch", "nope"])
    assert wrong.exit_code == 2
    assert all(name in wrong.output for name in ("--from", "--to", "--branch", "balance"))


def test_the_command_works_on_an_empty_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVRBOT_DATA_DIR", str(tmp_path))
    found = CliRunner().invoke(main, ["report", "--format", "json"])
    assert found.exit_code == 0
    document = json.loads(found.stdout)
    assert (document["rows"], document["comparisons"]) == ([], [])
