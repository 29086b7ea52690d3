"""The public benchmarks' path: files in the published formats, trained and measured as `nlu eval --train` does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.nlu import measure_public
from ivrbot.cli.nlu import nlu

SPOKEN = {
    "card_arrival": [
        "when will my card arrive",
        "has my card been posted",
        "my card is not here",
        "card arrival date",
    ],
    "exchange_rate": ["what is the exchange rate", "rate for dollars", "how good are rates", "the rate for euros"],
}
OUTSIDE = ["who painted that picture", "how tall is the tower", "sing me a song", "what do cats eat"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """BANKING77's and CLINC150's layout, with sentences of our own."""
    rows = [(text, name) for name, texts in SPOKEN.items() for text in texts]
    banking = tmp_path / "banking77"
    banking.mkdir()
    for name in ("train.csv", "test.csv"):
        lines = "".join(f'"{text}, please",{intent}\n' for text, intent in rows)
        (banking / name).write_text("text,category\n" + lines, "utf-8")
    inside = [[text, intent] for text, intent in rows]
    outside = [[text, "oos"] for text in OUTSIDE]
    parts = dict.fromkeys(("train", "val", "test"), inside) | {
        f"oos_{part}": outside for part in ("train", "val", "test")
    }
    (tmp_path / "clinc150").mkdir()
    (tmp_path / "clinc150" / "data_full.json").write_text(json.dumps(parts), "utf-8")
    return tmp_path


def test_both_sets(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measure_public(folder, folder / "no-encoder.onnx")
    banking, clinc = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (banking["set"], banking["n"]) == ("banking77", 8)
    assert banking["accuracy"] == 1.0, "it has seen these very sentences"
    assert clinc["set"] == "clinc150"
    assert clinc["in_scope"] >= 0.8
    assert clinc["oos_recall"] >= 0.5


def test_what_is_missing_is_named_with_its_publisher(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measure_public(tmp_path, tmp_path / "no-encoder.onnx")
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
