"""The public benchmarks' path: files exactly as published, sentences of our own in them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import nlu_public
from benchmarks.nlu_public import (
    Guess,
    NotPublishedSo,
    as_rasa,
    at_threshold,
    chosen_threshold,
    first_of_each,
    in_scope,
    read_sets,
)
from ivrbot.cli.nlu import nlu
from ivrbot.yamlfile import read_yaml_text

SPOKEN = {
    "parcel_late": ["when will my parcel get here", "has the parcel been posted", "no parcel yet", "parcel date"],
    "coin_price": [
        "what is the coin price",
        "price for coins",
        "how good are coin prices",
        "the price for old coins",
    ],
}
OUTSIDE = ["who painted that picture", "how tall is the tower", "sing me a song", "what do cats eat"]
BANKING_ROW = '"{text}, please ""soon"".\nThank you",{intent}\n'
"""The published files quote a text that holds commas, quotes (doubled) or line breaks."""


@pytest.fixture
def rows() -> list[tuple[str, str]]:
    return [(text, name) for name, texts in SPOKEN.items() for text in texts]


@pytest.fixture
def folder(tmp_path: Path, rows: list[tuple[str, str]]) -> Path:
    """Both data sets in their authors' layout."""
    banking = tmp_path / "banking_data"
    banking.mkdir()
    body = "".join(BANKING_ROW.format(text=text, intent=intent) for text, intent in rows[1:])
    for name in ("train.csv", "test.csv"):
        (banking / name).write_text(f"text,category\n{rows[0][0]},{rows[0][1]}\n{body}", "utf-8")
    inside = [list(row) for row in rows]
    outside = [[text, "oos"] for text in OUTSIDE]
    parts = {name: outside if name.startswith("oos") else inside for name in nlu_public.CLINC_PARTS}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "data_full.json").write_text(json.dumps(parts), "utf-8")
    return tmp_path


def test_both_sets_with_floors_beside_the_figures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nlu_public.run(folder, folder / "no-encoder.onnx") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    banking, clinc = lines
    assert (banking["set"], banking["n"], banking["engine"]) == ("banking77", 8, "embedded, words alone")
    assert banking["accuracy"] == {"is": 1.0, "floor": 0.925, "goal": 0.94}, "it has seen these very sentences"
    assert clinc["set"] == "clinc150"
    assert (clinc["in_scope"]["is"], clinc["in_scope"]["goal"]) == (1.0, 0.97)
    assert clinc["in_scope_at_threshold"]["floor"] == 0.91
    assert clinc["out_of_scope_recall"]["is"] >= 0.5
    assert {"training_cpu_s", "cpu_ms_per_parse", "peak_memory_mb", "threshold"} <= set(clinc)


def test_a_few_of_each_are_the_first_ones_and_have_no_goals(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    banking, _ = read_sets(folder)
    few = first_of_each(banking, 2)
    assert Counter(intent for intent, _ in few.train) == dict.fromkeys(SPOKEN, 2)
    assert few.train[:2] == banking.train[:2] and few.test == banking.test
    assert nlu_public.run(folder, folder / "no-encoder.onnx", each=2) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[0])
    assert told["set"] == "banking77, 2 of each" and isinstance(told["accuracy"], float)


def test_published_files_are_read_to_the_letter(folder: Path, rows: list[tuple[str, str]]) -> None:
    banking, clinc = read_sets(folder)
    assert banking.train[0] == ("parcel_late", "when will my parcel get here")
    assert banking.test[1] == ("parcel_late", 'has the parcel been posted, please "soon". Thank you')
    assert len(banking.train) == len(rows)
    assert banking.validation == ()
    assert [intent for intent, _ in clinc.validation].count("oos") == len(OUTSIDE)
    assert len(clinc.train) == len(clinc.test) == len(rows) + len(OUTSIDE)


def test_other_forms_are_refused_by_name(tmp_path: Path) -> None:
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text("sentence,label\na,b\n", "utf-8")
    with pytest.raises(NotPublishedSo, match=r"train\.csv: the first line"):
        list(read_sets(tmp_path))
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text("text,category\na,b\nlonely\n", "utf-8")
    with pytest.raises(NotPublishedSo, match=r"train\.csv:3: neither"):
        list(read_sets(tmp_path))
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).unlink()
    (tmp_path / "data_full.json").write_text('{"train": []}', "utf-8")
    with pytest.raises(NotPublishedSo, match="no val, test, oos_train"):
        list(read_sets(tmp_path))


def test_the_threshold_rejects_and_is_the_highest_that_reaches_the_goal() -> None:
    found = [
        Guess("a", "a", 0.9, ""),
        Guess("a", "a", 0.6, ""),
        Guess("b", "a", 0.2, ""),
        Guess("oos", "a", 0.5, ""),
    ]
    assert in_scope(found) == pytest.approx(2 / 3)
    assert at_threshold(found, 0.55) == (pytest.approx(2 / 3), 1.0)
    assert at_threshold(found, 0.7) == (pytest.approx(1 / 3), 1.0)
    assert at_threshold(found, 0.5) == (pytest.approx(2 / 3), 0.0)
    right = [guess for guess in found if guess.expected != "b"]
    assert chosen_threshold(right) == 0.6
    assert chosen_threshold(found) == 0.01, "the goal is out of reach: nothing is given away"


def test_rasa_gets_the_same_rows(rows: list[tuple[str, str]]) -> None:
    written = read_yaml_text(
        Path("nlu.yml"), as_rasa([(intent, text) for text, intent in rows] + [("a", "b [c](d)")])
    )
    assert [block["intent"] for block in written["nlu"]] == ["parcel_late", "coin_price", "a"]
    assert written["nlu"][0]["examples"].splitlines()[0] == "- when will my parcel get here"
    assert "[" not in written["nlu"][2]["examples"]


def test_what_is_missing_is_named_with_its_publisher(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nlu_public.run(tmp_path, tmp_path / "no-encoder.onnx") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "banking77" in captured.err
    assert "CC BY" in captured.err


def test_eval_trains_on_the_file_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVRBOT_DATA_DIR", str(tmp_path))  # no encoder: words alone
    rows = "".join(f"{intent}\t{text}\n" for intent, texts in SPOKEN.items() for text in texts)
    (tmp_path / "rows.tsv").write_text(rows, "utf-8")
    file = str(tmp_path / "rows.tsv")
    result = CliRunner().invoke(nlu, ["eval", file, "--train", file, "--lang", "en", "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["n"], report["accuracy"]) == (8, 1.0)
    assert set(report["per_intent"]) == set(SPOKEN)
