"""`ivrbot shadow`: joining recordings with rows, the report, what is stored."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ivrbot import engines
from ivrbot.cli import shadow as shadow_cli
from ivrbot.cli.main import main
from ivrbot.media.wav import encode_wav, read_wav
from ivrbot.model.audio import silence
from ivrbot.nlu.embedded import EmbeddedNlu
from ivrbot.rollout.shadow import wilson
from tests.fakes.asr import FakeAsr
from tests.unit.nlu_engines import classifier

SPEECH = read_wav(Path(__file__).parent.parent / "data" / "speech_en.wav")
BALANCE, BLOCK, OPERATOR = "какой у меня баланс на карте", "заблокируйте карту, я её потеряла", "оператор"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("IVRBOT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeAsr:
    """A recogniser that is told what to hear, and the classifier of the whole test run."""
    engine = FakeAsr()

    async def trained(_settings: object) -> EmbeddedNlu:
        return EmbeddedNlu(classifier(None))

    monkeypatch.setattr(engines, "train_nlu", trained)
    monkeypatch.setattr(shadow_cli, "choose_engine", lambda *_: engine)
    return engine


def recordings(folder: Path, *names: str) -> list[str]:
    """Stereo: the caller left, each a little different, an operator who says nothing right."""
    for number, name in enumerate(names):
        (folder / f"{name}.wav").write_bytes(encode_wav(silence(20 * number) + SPEECH, silence(3000)))
    return [f"{name}.wav" for name in names]


def noted(folder: Path, *lines: str, header: str = "file,topic,outcome,kind") -> str:
    (folder / "noted.csv").write_text("\n".join((header, *lines)) + "\n", "utf-8")
    return "noted.csv"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["shadow", *arguments], catch_exceptions=False)


def document(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    (line,) = result.stdout.splitlines()
    return json.loads(line)


def test_a_report_beside_the_operators_word(tmp_path: Path, engine: FakeAsr) -> None:
    engine._texts = [BALANCE, BALANCE, BLOCK, OPERATOR, "", BALANCE]
    files = recordings(tmp_path, "right", "wrong", "served", "person", "silent", "made")
    csv = noted(
        tmp_path,
        "right.wav,check_balance,resolved",
        "wrong.wav,loan_info,unresolved",
        "served.wav,block_card,resolved",
        "person.wav,check_balance,unknown",
        "silent.wav,check_balance,unknown",
        "made.wav,check_balance,resolved,synthetic",
    )
    answer = document(*files, "--dispositions", csv)
    assert [(call["topic"], call["expected"]) for call in answer["calls"]] == [
        ("check_balance", "served"),
        ("check_balance", "served"),
        ("block_card", "served"),
        ("operator", "caller_asked"),
        ("", "no_speech"),
        ("check_balance", "served"),
    ]
    rows = {row["branch"]: row for row in answer["branches"]}
    balance = rows["balance"]
    assert {name: balance[name] for name in ("n", "correct", "would_resolve", "would_escalate", "misrouted")} == {
        "n": 2,
        "correct": 1,
        "would_resolve": 1,
        "would_escalate": 0,
        "misrouted": 1,
    }
    assert (balance["asked_for_person"], balance["no_speech"], balance["synthetic"]) == (1, 1, 1)
    assert balance["confusions"] == [{"operator": "loan_info", "bot": "check_balance", "calls": 1}]
    assert balance["lower"] == round(wilson(1, 2).lower, 4)
    assert (rows["front"]["n"], rows["front"]["correct"]) == (3, 2)
    assert answer["notes"] == []
    assert not any(call["stored"] for call in answer["calls"])


def test_a_recording_without_a_row_and_a_row_without_a_recording_are_named(
    tmp_path: Path, engine: FakeAsr
) -> None:
    engine._texts = [BALANCE, BALANCE]
    files = recordings(tmp_path, "a", "b")
    csv = noted(tmp_path, "a,check_balance,resolved", "c,loan_info,resolved", header="call_id,topic,outcome")
    answer = document(*files, "--dispositions", csv)
    assert answer["notes"] == ["b.wav: no row in noted.csv", "noted.csv:3: no recording of c"]
    (balance, front) = answer["branches"]
    assert (balance["n"], balance["waiting"], front["n"]) == (1, 1, 1)


def test_every_problem_of_the_file_at_once(tmp_path: Path, engine: FakeAsr) -> None:
    files = recordings(tmp_path, "a")
    csv = noted(tmp_path, "a.wav,cooking,solved", ",loan_info,resolved")
    result = run(*files, "--dispositions", csv)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert [line.split(": ")[:2] for line in result.stderr.splitlines()] == [
        ["noted.csv:2", "topic"],
        ["noted.csv:2", "outcome"],
        ["noted.csv:3", "file"],
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.wav"],
        ["--store"],
        ["a.wav", "--dispositions", "nowhere.csv"],
        ["a.wav", "sub/A.WAV", "--dispositions", "x"],
    ],
)
def test_wrong_usage(tmp_path: Path, engine: FakeAsr, arguments: list[str]) -> None:
    recordings(tmp_path, "a")
    (tmp_path / "x").write_text("file,topic,outcome\na,loan_info,resolved\n")
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr


def test_what_is_stored_is_stored_once(tmp_path: Path, engine: FakeAsr) -> None:
    files = recordings(tmp_path, "a", "b")
    csv = noted(tmp_path, "a.wav,check_balance,resolved", "b.wav,block_card,resolved")
    for texts in ([BALANCE, BALANCE], [BALANCE, BLOCK]):
        engine._texts = list(texts)
        answer = document(*files, "--dispositions", csv, "--store")
        assert all(call["stored"] for call in answer["calls"])
    rows = {row["branch"]: row for row in document()["branches"]}
    assert (rows["balance"]["n"], rows["balance"]["correct"]) == (1, 1)
    assert (rows["block_card"]["n"], rows["block_card"]["correct"]) == (1, 1)
    text = run().stdout
    assert "block_card: topic right in 1 of 1 real calls" in text


def test_the_same_recording_under_another_name_is_left_out(tmp_path: Path, engine: FakeAsr) -> None:
    engine._texts = [BALANCE] * 3
    files = recordings(tmp_path, "a")
    (tmp_path / "copy.wav").write_bytes((tmp_path / "a.wav").read_bytes())
    csv = noted(tmp_path, "a,check_balance,resolved", "copy,check_balance,resolved")
    answer = document(*files, "copy.wav", "--dispositions", csv, "--store")
    assert [call["file"] for call in answer["calls"]] == ["a.wav"]
    assert answer["notes"] == ["copy.wav: left out: the same recording as a.wav"]
    answer = document("copy.wav", "--dispositions", csv, "--store")
    assert [call["stored"] for call in answer["calls"]] == [False]
    assert any("another call has the same recording" in note for note in answer["notes"])


def test_synthetic_calls_are_labelled_and_count_for_nothing(tmp_path: Path, engine: FakeAsr) -> None:
    engine._texts = [BALANCE]
    files = recordings(tmp_path, "a")
    csv = noted(tmp_path, "a,check_balance,resolved,real")
    result = run(*files, "--dispositions", csv, "--synthetic", "--store")
    assert result.exit_code == 0
    assert "[synthetic]" in result.stdout
    (balance, front) = document()["branches"]
    assert (balance["n"], balance["synthetic"]) == (front["n"], front["synthetic"]) == (0, 1)


def test_the_callers_channel_can_be_chosen(tmp_path: Path, engine: FakeAsr) -> None:
    engine._texts = [BALANCE]
    files = recordings(tmp_path, "a")
    csv = noted(tmp_path, "a,check_balance,resolved")
    (call,) = document(*files, "--dispositions", csv, "--channel", "right")["calls"]
    assert call["expected"] == "no_speech"


def test_a_recording_that_cannot_be_read_is_named_and_the_others_go_on(tmp_path: Path, engine: FakeAsr) -> None:
    engine._texts = [BALANCE]
    files = recordings(tmp_path, "a")
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    csv = noted(tmp_path, "a,check_balance,resolved", "broken,loan_info,resolved")
    answer = document("broken.wav", *files, "--dispositions", csv)
    assert [call["file"] for call in answer["calls"]] == ["a.wav"]
    assert answer["notes"] == ["broken.wav: not a WAV file; allowed: RIFF WAVE"]


def test_nothing_stored_yet(own_folder: Path) -> None:
    del own_folder
    assert run().stdout == "No shadow calls yet.\n"
