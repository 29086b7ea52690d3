"""`rollout simulate` and `rollout forecast`: what they print, and what they refuse."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Connection, insert

from ivrbot import app
from ivrbot.cli.main import main
from ivrbot.storage.contact_statements import microseconds
from ivrbot.storage.contact_tables import contacts
from ivrbot.storage.store import Store

ROOT = Path(__file__).parents[2]
QUICK = ("--calls-per-day", "400", "--days", "30", "--runs", "3", "--branch", "balance")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("IVRBOT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "rollout.yaml", tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["rollout", *arguments], catch_exceptions=False)


def told(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_terrible_bot_is_rolled_back_and_never_promoted() -> None:
    found = told("simulate", *QUICK, "--base", "0.72", "--effect", "-0.4")
    assert (found["promoted"], found["rolled_back"], found["median_days"]) == (0.0, 1.0, None)
    assert (found["runs"], found["days"], found["branch"]) == (3, 30, "balance")
    assert [stage["stage"] for stage in found["stages"]] == ["shadow", "tenth", "fifth", "half", "full"]


def test_a_seed_gives_the_same_answer_and_options_change_it() -> None:
    options = (
        "simulate",
        *QUICK,
        "--start",
        "tenth",
        "--margin",
        "0.2",
        "--effect",
        "0.1",
        "--time-effect",
        "-100",
    )
    one, two = told(*options, "--seed", "7"), told(*options, "--seed", "7")
    assert one == two
    assert one["stages"][0]["stage"] == "tenth"
    faulty = told(*options, "--seed", "7", "--rate", "engine_failure=0.2")
    assert faulty["rolled_back"] == 1.0 > one["rolled_back"]


def test_drift_and_faults_are_taken_from_the_options() -> None:
    result = run(
        *("simulate", *QUICK, "--drift-per-day", "-0.001", "--step", "10=-0.05", "--step", "20=0.02"),
        *("--hard-share", "0.2", "--hard-drop", "0.2", "--bad-day-share", "0.1", "--bad-day-drop", "0.1"),
        *("--routing-fault", "-0.02", "--even-week", "--contacts-per-caller", "2"),
        *("--rate", "abandonment_mid_task=0.05:0.06"),
    )
    assert result.exit_code == 0
    assert "promoted       0.0%" in result.stdout and "tenth" in result.stdout


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--base", "0.95", "--effect", "0.1"), "leaves 0..1"),
        (("--branch", "nobody"), "balance"),
        (("--start", "ninth"), "tenth"),
        (("--step", "soon=0.1"), "DAY=CHANGE"),
        (("--step", "3=much"), "DAY=CHANGE"),
        (("--rate", "engine_failure=2"), "between 0 and 1"),
        (("--rate", "engine_failure=0.1:0.1:0.1"), "between 0 and 1"),
        (("--rate", "engine_fialure=0.1"), "no KPI 'engine_fialure'; allowed: abandonment_mid_task"),
        (("--rate", "true_resolution=0.5"), "--base"),
        (("--base", "nan"), "base: is not a number (found nan)"),
        (("--base", "7"), "base: is not a share (found 7); allowed: 0 to 1"),
        (("--time-effect", "inf"), "time_effect_s: is not a number"),
        (("--step", "3=nan"), "step of day 3: is not a number"),
        (("--margin", "nan"), "--margin"),
        (("--hard-share", "2"), "hard_share: is not a share"),
        (("--contacts-per-caller", "0.5"), "contacts_per_caller"),
        (("--calls-per-day", "99999999999"), "calls_per_day: is not possible over 30 days"),
    ],
)
def test_what_cannot_be_simulated_is_refused_by_name(options: tuple[str, ...], complaint: str) -> None:
    result = run("simulate", *QUICK, *options)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert result.stdout == ""


# --- forecast -----------------------------------------------------------------------------------------


def volumes(text: str) -> str:
    Path("volumes.csv").write_text(text, "utf-8")
    return "volumes.csv"


def test_a_calendar_from_a_file_of_volumes() -> None:
    file = volumes("branch,callers_per_day\nbalance,5000\nloans,5000\nfront,20\n")
    rows = {row["branch"]: row for row in told("forecast", "--volumes", file, "--from", "2026-12-01")}
    balance, loans, front = rows["balance"], rows["loans"], rows["front"]
    assert balance["starts_on"] == "2026-12-01" and balance["decidable"]
    assert loans["starts_day"] == balance["done_day"] and loans["starts_on"] == balance["done_on"]
    assert not front["decidable"] and "more than a year" in front["reason"] and front["done_on"] is None
    assert not rows["deposits"]["decidable"] and "volume" in rows["deposits"]["reason"]
    assert [stage["stage"] for stage in balance["stages"]] == ["shadow", "tenth", "fifth", "half", "full"]
    assert set(balance["stages"][1]) == {"stage", "share", "callers_needed", "days", "because"}


def test_assumptions_change_the_calendar() -> None:
    file = volumes("branch,calls_per_day\nbalance,2000\n")

    def days(*options: str) -> int:
        found: int = told("forecast", "--volumes", file, *options)[0]["done_day"]
        return found

    plain = days()
    # Each pulls the other way; what they do one by one is tested where they are computed.
    assert days("--spread", "time_to_solution_s=200", "--base", "0.9") < plain
    assert days("--calls-per-caller", "2", "--power", "0.9", "--approval-days", "2") > plain + 8


def test_people_read_when_and_what_is_not_decidable() -> None:
    result = run("forecast", "--volumes", volumes("branch,callers_per_day\nbalance,300\nfront,900\n"))
    assert result.exit_code == 0
    assert "not decidable" in result.stdout
    assert "26 weeks" in result.stdout


def test_every_bad_line_of_the_volumes_is_told_at_once() -> None:
    result = run(
        "forecast", "--volumes", volumes("branch,calls_per_day\nbalans,4\nloans,x\nfront,-1\nother,nan\n")
    )
    assert result.exit_code == 2
    assert [line.split(":")[1] for line in result.stderr.splitlines()] == ["2", "3", "4", "5"]
    assert "callers_per_day" in run("forecast", "--volumes", volumes("branch;calls\n")).stderr


@pytest.mark.parametrize(
    "option", [("--base", "nan"), ("--calls-per-caller", "inf"), ("--spread", "repeat_7d=-1"), ("--spread", "x=1")]
)
def test_assumptions_that_cannot_be_are_refused_by_name(option: tuple[str, str]) -> None:
    result = run("forecast", *option)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(option[0])


def test_volumes_with_semicolons_and_a_file_that_is_not_there() -> None:
    file = volumes("branch;calls_per_day;note\nbalance;2000;a, b\n\n")
    rows = {row["branch"]: row for row in told("forecast", "--volumes", file)}
    assert rows["balance"]["callers_per_day"] == 2000 / 1.25
    result = run("forecast", "--volumes", "none.csv")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "none.csv: cannot be read: No such file or directory\n"


def test_without_a_file_the_contacts_of_the_last_weeks_count(own_folder: Path) -> None:
    """Three callers in two days, one of whom rang twice."""
    now = app.utc_now()
    calls = [("a", 47), ("b", 30), ("b", 29), ("c", 1)]

    def store(conn: Connection) -> None:
        for number, (unit, hours) in enumerate(calls):
            at = microseconds(now - timedelta(hours=hours))
            row = {"started_us": at, "ended_us": at, "asked_us": at, "entered": True, "closed": True}
            text = {"call_id": f"c{number}", "branch": "balance", "unit": unit, "origin": "", "outcome": ""}
            conn.execute(insert(contacts).values(**row, **text, numbers=b""))

    async def fill() -> None:
        folder = own_folder / "var"
        folder.mkdir()
        async with Store(folder / "ivrbot.sqlite") as database:
            await database.write(store)

    asyncio.run(fill())
    rows = {row["branch"]: row for row in told("forecast")}
    assert rows["balance"]["callers_per_day"] == pytest.approx(3 / (47 / 24), rel=0.01)
    assert rows["front"]["callers_per_day"] is None


def test_without_anything_the_calendar_begins_today_and_knows_no_volume() -> None:
    rows = told("forecast")
    assert rows[0]["starts_on"] in {(datetime.now(UTC) - timedelta(days=day)).date().isoformat() for day in (0, 1)}
    assert all(not row["decidable"] for row in rows)
