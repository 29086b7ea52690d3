"""The commands: help, the JSON that the manual promises, exit codes, and nothing else on standard output."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from ivrbot import app, engines
from ivrbot.bank.logged import LOG_FILE
from ivrbot.cli.main import COMMANDS, main
from ivrbot.model.queue import LogPosition
from ivrbot.nlu.embedded import EmbeddedNlu
from ivrbot.rollout.governing.control import adopt
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.store import Store
from tests.fakes.calls import product_files
from tests.unit.nlu_engines import classifier

ROOT = Path(__file__).parents[2]
ANNA = "+79161234567"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command works in an empty folder, with no settings of the machine."""
    for name in list(os.environ):
        if name.startswith("IVRBOT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "rollout.yaml", tmp_path)
    return tmp_path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flows and classifier of the whole test run instead of new ones."""

    async def trained(_settings: object) -> EmbeddedNlu:
        return EmbeddedNlu(classifier(None))

    monkeypatch.setattr(engines, "train_nlu", trained)
    monkeypatch.setattr(app, "_load_files", lambda *_: product_files())


def run(*arguments: str, lines: str = "") -> Result:
    return CliRunner().invoke(main, list(arguments), input=lines, catch_exceptions=False)


def document(*arguments: str, code: int = 0) -> Any:
    """The one JSON document on standard output."""
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.stderr
    (line,) = result.stdout.splitlines()
    return json.loads(line)


def commands(group: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [path]
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            found += commands(command, (*path, name))
    return found


@pytest.mark.parametrize("path", commands(main), ids=" ".join)
def test_every_command_has_help(path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
    text = result.stdout.split("\n\n")[1].strip()
    assert text and not text.startswith("Options"), "it says nothing about itself"


def test_the_overview_names_every_command() -> None:
    text = run("--help").stdout
    assert all(f"  {name} " in text for name in COMMANDS)


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["call"], ["call", "--text", "--mic", "x.wav"], ["bank", "rob"]]
)
def test_wrong_usage(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr


# --- bank ---------------------------------------------------------------------------------------------


def test_bank_show() -> None:
    (anna,) = document("bank", "show", "--caller", "8 916 123-45-67")
    assert (anna["caller"], anna["name"]) == (ANNA, "Анна Сергеевна Соколова")
    assert anna["claims"] == []
    assert {
        "last4": "4271",
        "kind": "salary debit",
        "status": "active",
        "balance_minor": 1234567,
        "currency": "RUB",
    } in [
        {key: card[key] for key in ("last4", "kind", "status", "balance_minor", "currency")}
        for card in anna["cards"]
    ]
    assert len(document("bank", "show")) == 3
    assert document("bank", "show", "--caller", "+70000000000") == []


def test_bank_show_nobody() -> None:
    result = run("bank", "show", "--caller", "+70000000000")
    assert (result.exit_code, result.stdout) == (1, "")


def test_bank_reset_and_verify() -> None:
    assert document("bank", "reset") == {"reset": True}
    assert document("bank", "verify") == {"ok": True, "rows": 1, "broken_at": None, "why": None, "log": None}


def test_bank_verify_names_the_log_and_the_row(own_folder: Path) -> None:
    document("bank", "verify")
    with sqlite3.connect(own_folder / "var" / LOG_FILE) as db:
        db.execute("UPDATE log SET entry_json = replace(entry_json, 'ok', 'no')")
    db.close()
    told = run("bank", "verify")
    assert told.exit_code == 1 and "row 1" in told.stderr
    result = run("bank", "verify", "--json")
    found = {"ok": False, "rows": 1, "broken_at": 1, "why": "changed", "log": "operations"}
    assert (result.exit_code, json.loads(result.stdout)) == (1, found)


# --- call ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_a_call_in_text() -> None:
    result = run("call", "--text", "--caller", ANNA, "--json", lines="1\n4271\n1\nнет спасибо\n")
    assert result.exit_code == 0, result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(isinstance(row["type"], str) and isinstance(row["t_ms"], int) for row in rows)
    said = [row["text"] for row in rows if row["type"] == "bot_said"]
    assert any("4271, заблокирована" in text for text in said)
    last = rows[-1]
    assert {key: last[key] for key in ("type", "disposition", "reason", "topic", "escalated_to", "dossier")} == {
        "type": "call_ended",
        "disposition": "resolved",
        "reason": "served",
        "topic": "block_card",
        "escalated_to": "",
        "dossier": None,
    }
    assert [row["type"] for row in rows].count("call_ended") == 1
    (anna,) = document("bank", "show", "--caller", ANNA)
    assert {card["last4"]: card["status"] for card in anna["cards"]} == {"4271": "blocked", "9030": "active"}


@pytest.mark.usefixtures("quick")
def test_a_call_in_text_that_goes_to_an_operator() -> None:
    rows = [
        json.loads(line)
        for line in run("call", "--text", "--caller", ANNA, "--json", lines="0\n").stdout.splitlines()
    ]
    last = rows[-1]
    assert (last["disposition"], last["reason"], last["escalated_to"]) == ("escalated", "caller_asked", "other")
    assert last["dossier"]["queue"] == "other"
    assert last["dossier"]["caller"] == "***67"


@pytest.mark.usefixtures("quick")
def test_a_call_in_text_for_people() -> None:
    result = run("call", "--text", "--caller", ANNA, lines="")
    assert result.exit_code == 0
    assert result.stdout.startswith("bot: Здравствуйте!")
    assert "-- abandoned (hung_up)" in result.stdout


def test_a_call_in_text_as_a_process_of_its_own(own_folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IVRBOT_")}
    done = subprocess.run(
        [sys.executable, "-m", "ivrbot", "call", "--text", "--caller", ANNA, "--lang", "en", "--json"],
        input="my card was stolen\nfour two seven one\nyes\nno thank you\n",
        capture_output=True,
        text=True,
        cwd=own_folder,
        env={**environment, "IVRBOT_DATA_DIR": str(own_folder / "data"), "PYTHONPATH": str(ROOT)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert (rows[-1]["disposition"], rows[-1]["topic"]) == ("resolved", "block_card")
    assert ANNA not in done.stderr


def test_a_call_with_a_broken_plan(own_folder: Path) -> None:
    (own_folder / "plan.yaml").write_text("branches: 5\n")
    result = run("call", "--text", "--plan", "plan.yaml")
    assert result.exit_code == 2
    assert "plan.yaml" in result.stderr
    assert result.stdout == ""


# --- rollout ------------------------------------------------------------------------------------------


def test_rollout_check() -> None:
    assert document("rollout", "check") == []
    result = run("rollout", "check")
    assert (result.exit_code, result.stdout) == (0, "no problems\n")


def test_rollout_check_lists_all_problems(own_folder: Path) -> None:
    text = (ROOT / "rollout.yaml").read_text("utf-8")
    lines = text.splitlines()
    broken = [line.replace("block_card:", "blok_card:") for line in lines] + ["nonsense: 5"]
    path = own_folder / "broken.yaml"
    path.write_text("\n".join(broken) + "\n", "utf-8")
    problems = document("rollout", "check", "broken.yaml", code=2)
    assert len(problems) >= 2
    assert {"file", "line", "path", "value", "message", "allowed"} <= set(problems[0])
    assert any(problem["line"] == len(broken) for problem in problems)
    result = run("rollout", "check", "broken.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) >= len(problems)


@pytest.mark.parametrize("text", ["", "branches: [", "a: &a [*a]\n"])
def test_rollout_check_of_a_damaged_file(own_folder: Path, text: str) -> None:
    (own_folder / "broken.yaml").write_text(text, "utf-8")
    assert len(document("rollout", "check", "broken.yaml", code=2)) == 1


def test_rollout_decide() -> None:
    row = document("rollout", "decide", "block_card", "--caller", ANNA)
    assert set(row) >= {"route", "arm", "branch", "stage", "share", "propensity", "unit", "reason"}
    assert row["route"] in {"bot", "operator"}
    assert row["branch"] == "block_card"
    assert document("rollout", "decide", "block_card", "--caller", "8 (916) 123-45-67") == row
    assert ANNA not in json.dumps(row)


def test_rollout_decide_an_unknown_branch() -> None:
    result = run("rollout", "decide", "nowhere", "--caller", ANNA)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "block_card" in result.stderr


async def in_force() -> None:
    """What `serve` does at its start."""
    plan = product_files()[2]
    async with Store(Path("var") / app.MAIN_DATABASE) as store:
        await adopt(plan, store, "test", app.utc_now())


def test_rollout_kill_is_kept_and_verified() -> None:
    assert run("rollout", "kill", "no_such_branch", "--why", "a slip").exit_code == 2
    assert document("rollout", "kill", "loans", "--why", "before anything is in force")[0]["to"]["killed"] is True
    asyncio.run(in_force())
    assert document("rollout", "decide", "loans", "--caller", ANNA)["reason"] == "killed"
    document("rollout", "kill", "block_card", "--why", "a test")
    assert document("rollout", "decide", "block_card", "--caller", ANNA)["route"] == "operator"
    assert [row["action"] for row in document("rollout", "history") if row["branch"] == "block_card"][-1] == "kill"
    assert document("rollout", "verify")["ok"] is True


def test_rollout_kill_and_resume_of_everything_and_what_has_no_effect() -> None:
    asyncio.run(in_force())
    assert document("rollout", "kill", "*", "--why", "a test")[0]["to"]["branch"] == "*"
    assert "everything is killed already" in run("rollout", "kill", "--why", "a test").stderr
    assert document("rollout", "kill", "*", "--why", "a test") == []
    document("rollout", "kill", "balance", "--why", "a test")
    assert "every branch is still killed" in run("rollout", "resume", "balance", "--why", "a test").stderr
    assert "balance was not killed" in run("rollout", "resume", "balance", "--why", "a test").stderr
    document("rollout", "kill", "balance", "--why", "a test")
    assert "balance is killed already" in run("rollout", "kill", "balance", "--why", "a test").stderr
    assert run("rollout", "resume", "*", "--why", "a test").stderr.splitlines()[-1].endswith("still: balance")


def test_rollout_exclude_and_include() -> None:
    who = ("--caller", ANNA, "--why", "asked for it")
    result = run("rollout", "exclude", *who, "--kind", "vip", "--branch", "nosuch")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'nosuch'; allowed: balance, block_card" in result.stderr
    for command in (("exclude", "--kind", "vip"), ("include",)):
        assert run("rollout", *command, "--caller", ANNA, "--why", " ").exit_code == 2
    unit = document("rollout", "exclude", *who, "--kind", "vip", "--branch", "balance")["unit"]
    for branch, reason in (("balance", "vip"), ("loans", "not_started")):
        row = document("rollout", "decide", branch, "--caller", ANNA)
        assert (row["route"], row["arm"], row["reason"]) == ("operator", None, reason)
    result = run("rollout", "exclude", *who, "--kind", "opt_out")
    assert result.stdout == f"{unit[:12]} stays with operators everywhere (opt_out)\n"
    assert document("rollout", "decide", "loans", "--caller", ANNA)["reason"] == "opt_out"
    assert document("rollout", "include", *who)["unit"] == unit
    assert (
        run("rollout", "include", *who, "--branch", "balance").stdout == f"{unit[:12]} is drawn again in balance\n"
    )
    assert document("rollout", "exclusions") == []


def test_rollout_history_of_an_unknown_branch() -> None:
    result = run("rollout", "history", "nosuch")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "balance" in result.stderr
    assert document("rollout", "history", "balance") == [], "nothing has happened to it yet"


def test_rollout_set_out_of_shadow_early_is_warned_of_and_kept() -> None:
    result = run("rollout", "set", "balance", "0.1", "--why", "a test", "--json")
    assert result.exit_code == 0 and len(json.loads(result.stdout)) == 1
    days, accuracy = result.stderr.splitlines()
    assert days == "warning: balance leaves shadow early: The stage has lasted 0.0 of at least 3 days."
    assert accuracy.endswith("0 real calls were predicted and labelled; 50 are needed.")
    result = run("rollout", "set", "balance", "0.2", "--why", "a test")
    assert result.exit_code == 0 and "warning" not in result.stderr
    rows = [json.loads(line) for line in run("rollout", "audit", "export").stdout.splitlines()]
    assert [row["detail"].get("early") for row in rows if row["action"] == "set"] == [True, None]
    assert document("rollout", "verify")["ok"] is True


def test_rollout_status_says_who_is_held_back() -> None:
    document("rollout", "set", "balance", "1", "--override", "--why", "a test")
    lines = {line.split()[0]: line for line in run("rollout", "status").stdout.splitlines()}
    assert "95 % with the bot (5 % held back)" in lines["balance"]
    assert " 0 % with the bot" in lines["loans"] and "held" not in lines["loans"]


def test_a_change_needs_a_reason() -> None:
    assert run("rollout", "kill", "block_card").exit_code == 2


# --- the others ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_nlu_parse() -> None:
    found = document("nlu", "parse", "потеряла карту")
    assert set(found) >= {"text", "intent", "entities", "intent_ranking"}
    assert found["intent"]["name"] == "block_card"
    assert 0 < found["intent"]["confidence"] <= 1
    assert found["intent_ranking"][0]["name"] == "block_card"


def test_flows_check(own_folder: Path) -> None:
    assert document("flows", "check") == []


def test_flows_that_are_wrong(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "flows", own_folder / "flows")
    (own_folder / "flows" / "tried.yml").write_text("flows:\n  a:\n    description: x\n    steps: [{call: b}]\n")
    (own_folder / "flows" / "torn.yml").write_text("flows: [")
    monkeypatch.setenv("IVRBOT_FLOWS_DIR", str(own_folder / "flows"))
    problems = document("flows", "check", code=2)
    assert {Path(problem["file"]).name for problem in problems} == {"tried.yml", "torn.yml"}
    assert all(problem["line"] for problem in problems)
    for command in ("check", "graph"):
        result = run("flows", command)
        assert (result.exit_code, result.stdout) == (2, "")
        assert len(result.stderr.splitlines()) == 2


def test_flows_graph() -> None:
    text = run("flows", "graph", "block_card").stdout
    assert text.startswith("digraph") and "bank_block_card" in text and "check_balance" not in text
    assert run("flows", "graph", "nowhere").exit_code == 2


def test_models_list() -> None:
    rows = document("models", "list")
    assert rows
    for row in rows:
        assert {"name", "size_bytes", "licence", "sha256", "source", "present"} <= set(row)
        assert row["present"] is False


def test_what_is_missing_says_how_to_get_it(own_folder: Path) -> None:
    (own_folder / "x.wav").write_bytes((ROOT / "tests" / "data" / "speech_en.wav").read_bytes())
    result = run("asr", "x.wav", "--lang", "en")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "ivrbot models pull" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["rollout", "status"],
        ["rollout", "history"],
        ["rollout", "verify"],
        ["rollout", "kill", "--why", "x"],
        ["rollout", "decide", "balance"],
        ["rollout", "exclude", "--caller", ANNA, "--kind", "vip", "--why", "x"],
        ["import", "queue-log", "queue_log"],
        ["shadow", "--json"],
        ["bank", "show"],
        ["call", "--text"],
        ["events", "export", "0f8fad5b-d9cb-469f-a165-70867728950e"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("folder", ["/proc/nope", "queue_log/below"])
def test_a_data_folder_that_cannot_be_made(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, folder: str, command: list[str]
) -> None:
    (own_folder / "queue_log").touch()
    monkeypatch.setenv("IVRBOT_DATA_DIR", folder)
    result = run(*command)
    assert (result.exit_code, result.stdout) == (3, "")
    (line,) = result.stderr.splitlines()
    assert folder in line and "IVRBOT_DATA_DIR" in line


@pytest.mark.parametrize("call_id", ["x", "../x"])
def test_events_of_no_call_id(call_id: str) -> None:
    assert run("events", "export", call_id).exit_code == 2


@pytest.mark.parametrize(
    "command", [["bank", "show"], ["flows", "check"], ["flows", "graph"], ["rollout", "check"]]
)
def test_wrong_settings_are_told_all_at_once(own_folder: Path, command: list[str]) -> None:
    (own_folder / "ivrbot.toml").write_text("[web]\nport = 70000\nprot = 1\n")
    result = run(*command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert (
        "web.port" in result.stderr
        and "web.prot" in result.stderr
        and "host, login, port, proxies" in result.stderr
    )


# --- import -------------------------------------------------------------------------------------------

QUEUE_LOG = """1764000000|NONE|NONE|NONE|QUEUESTART|
1764000010|17.1|bal|NONE|ENTERQUEUE||+79990000001|1
1764000020|17.1|bal|PJSIP/1|CONNECT|10|17.2|3
1764000080|17.1|bal|PJSIP/1|COMPLETECALLER|10|60|1
nothing
1764000080|17.1|bal|PJSIP/1|COMPLETECALLER|10|60|1
1764000090|17.3|bal|NONE|ENTERQ"""


def test_import_queue_log(own_folder: Path) -> None:
    log = own_folder / "queue_log"
    log.write_text(QUEUE_LOG)
    arguments = ("import", "queue-log", str(log), "--map", "bal=balance")
    rejected = [{"line": 5, "why": "fewer than five fields"}, {"line": 7, "why": "the last line has no end"}]
    assert document(*arguments) == {"read": 7, "new": 4, "duplicate": 1, "rejected": rejected}
    assert document(*arguments) == {"read": 7, "new": 0, "duplicate": 5, "rejected": rejected}

    async def contacts() -> list[tuple[str, str]]:
        async with Store(own_folder / "var" / "ivrbot.sqlite") as store:
            return [(one.branch, one.outcome.value) for one in await ContactBook(store).of_call("queue:17.1")]

    assert asyncio.run(contacts()) == [("balance", "resolved")]


def test_import_queue_log_names_queues_that_are_no_branch(own_folder: Path) -> None:
    (own_folder / "queue_log").write_text(QUEUE_LOG)
    result = run("import", "queue-log", "queue_log")
    assert result.exit_code == 0
    assert "queues that are no branch, their calls count for none: bal;" in result.stderr
    assert "no branch" not in run("import", "queue-log", "queue_log", "--map", "bal=balance").stderr


def test_import_queue_log_again_with_a_map_moves_the_calls(own_folder: Path) -> None:
    (own_folder / "queue_log").write_text(QUEUE_LOG)
    arguments = ("import", "queue-log", "queue_log")

    async def branches() -> list[str]:
        async with Store(own_folder / "var" / "ivrbot.sqlite") as store:
            book = ContactBook(store)
            assert await book.due(1) == ()
            return [one.branch for one in await book.of_call("queue:17.1")]

    document(*arguments)
    assert asyncio.run(branches()) == ["bal"]
    found = document(*arguments, "--map", "bal=balance")
    assert (found["new"], found["duplicate"]) == (3, 2)  # QUEUESTART and the line that stands twice
    assert asyncio.run(branches()) == ["balance"]
    assert document(*arguments)["new"] == 0, "who names no branch takes none back"
    assert asyncio.run(branches()) == ["balance"]
    assert document(*arguments, "--map", "bal=loans")["new"] == 3
    assert asyncio.run(branches()) == ["loans"]


def test_a_row_of_the_future_does_not_make_the_data_look_fresh(own_folder: Path) -> None:
    (own_folder / "queue_log").write_text("4102444800|17.1|balance|NONE|ENTERQUEUE||+79990000001|1\n")
    assert run("import", "queue-log", "queue_log").exit_code == 0

    async def position() -> LogPosition | None:
        async with Store(own_folder / "var" / "ivrbot.sqlite") as store:
            return await ContactBook(store).log_position("import")

    held = asyncio.run(position())
    assert held is not None and held.read_at is not None
    assert held.read_at <= datetime.now(UTC)


def test_import_calls_refuses_unknown_branches_and_the_future(own_folder: Path) -> None:
    (own_folder / "calls.csv").write_text(
        "call_id,started_at,branch\na,2026-09-01T10:00:00Z,balanse\nb,2199-09-01T10:00:00Z,balance\n"
    )
    found = document("import", "calls", "calls.csv")
    assert (found["read"], found["new"]) == (2, 0)
    why = [line["why"] for line in found["rejected"]]
    assert why[0].startswith("branch: there is no branch balanse; allowed: balance,")
    assert why[1] == "started_at: lies in the future"


def test_import_queue_log_with_a_wrong_map(own_folder: Path) -> None:
    (own_folder / "queue_log").write_text(QUEUE_LOG)
    for wrong in ("bal", "bal=nowhere", "=balance"):
        assert run("import", "queue-log", "queue_log", "--map", wrong).exit_code == 2


def test_import_calls(own_folder: Path) -> None:
    file = own_folder / "calls.csv"
    file.write_text(
        "call_id;started_at;branch;caller;talk_s;score\n"
        "a;2026-09-01T10:00:00+03:00;balance;+79990000001;60;5\n"
        "a;2026-09-01T10:00:00+03:00;balance;+79990000001;60;5\n"
        "a;2026-09-01T10:00:00+03:00;balance;+79990000001;61;5\n"
        "b;yesterday;balance;;x;9\n"
        "c;2026-09-01T10:00:00Z;balance\n",
        "utf-8",
    )
    found = document("import", "calls", str(file))
    assert (found["read"], found["new"], found["duplicate"]) == (5, 1, 1)
    assert [line["line"] for line in found["rejected"]] == [4, 5, 6]
    assert found["rejected"][0]["why"] == "another line says otherwise of this call"
    for column in ("started_at", "talk_s", "score"):
        assert column in found["rejected"][1]["why"]
    again = document("import", "calls", str(file))
    assert (again["new"], again["duplicate"]) == (0, 2)


def test_import_calls_with_another_header(own_folder: Path) -> None:
    (own_folder / "calls.csv").write_text("call_id,colour\n")
    result = run("import", "calls", "calls.csv")
    assert result.exit_code == 2
    assert "missing columns: started_at, branch; unknown columns: colour" in result.stderr
