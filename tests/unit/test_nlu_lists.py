"""What the bot understands, as a page and in both languages alike; held-out sentences stay held out."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from ivrbot.cli.nlu import nlu
from ivrbot.cli.nlu_topics import as_markdown, understood
from ivrbot.dialogue.loader import load_flows
from ivrbot.nlu.data import Example, TrainingData, load_training_data
from ivrbot.nlu.evaluate import confusion_table, read_rows, report
from ivrbot.nlu.parity import intent_counts
from ivrbot.nlu.text import normalise
from tests.unit.nlu_engines import NLU_DATA, ROOT, TEST_DATA


def data(language, **counts: int) -> TrainingData:
    return TrainingData(
        language, tuple(Example(name, f"{name} {n}") for name, count in counts.items() for n in range(count))
    )


def test_the_page_is_what_the_command_writes() -> None:
    entries = understood(load_training_data(NLU_DATA), load_flows(ROOT / "flows").branches)
    page = (ROOT / "docs" / "reference" / "understanding.md").read_text(encoding="utf-8")
    assert page == as_markdown(entries), "ivrbot nlu list --markdown > docs/reference/understanding.md"


def test_every_topic_of_the_menu_is_listed_with_what_happens() -> None:
    branches = load_flows(ROOT / "flows").branches
    entries = {entry.intent: entry for entry in understood(load_training_data(NLU_DATA), branches)}
    assert entries["block_card"].outcome == "served"
    assert entries["block_card"].emergency
    assert entries["operator"].outcome == "operator"
    assert (entries["affirm"].outcome, entries["affirm"].branch) == ("answer", "")
    for branch in branches.branches.values():
        for topic in branch.topics:
            assert all(len(examples) == 5 for examples in entries[topic].examples.values())


def test_own_languages_are_balanced() -> None:
    uneven = [row for row in intent_counts(load_training_data(NLU_DATA)) if not row.balanced]
    assert uneven == []


def test_imbalance_is_seen() -> None:
    rows = intent_counts({"ru": data("ru", a=3, b=4, c=1), "en": data("en", a=2, b=2)})
    assert [(row.intent, row.ratio, row.balanced) for row in rows] == [
        ("a", 1.5, True),
        ("b", 2.0, False),
        ("c", None, False),
    ]


def test_commands(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(ROOT)
    shown = CliRunner().invoke(nlu, ["parity", "--json"])
    assert shown.exit_code == 0
    assert json.loads(shown.stdout)["ok"] is True
    listed = CliRunner().invoke(nlu, ["list", "--json"])
    assert json.loads(listed.stdout)[0]["intent"] == "block_card"
    for language, count in (("ru", 10), ("en", 30)):
        (tmp_path / language).mkdir()
        lines = "".join(f"    - {language} {n}\n" for n in range(count))
        body = f'version: "3.1"\nnlu:\n- intent: a\n  examples: |\n{lines}'
        (tmp_path / language / "a.yml").write_text(body, encoding="utf-8")
    monkeypatch.setenv("IVRBOT_NLU_DATA_DIR", str(tmp_path))
    uneven = CliRunner().invoke(nlu, ["parity"])
    assert uneven.exit_code == 2
    assert "out of balance" in uneven.stdout


def test_confusion() -> None:
    rows = [("a", "1"), ("a", "2"), ("a", "3"), ("b", "4")]
    found = report(rows, ["a", "b", "b", "b"])
    assert found.confusion == {"a": {"b": 2, "a": 1}, "b": {"b": 1}}
    assert found.as_json()["confusion"] == found.confusion
    assert confusion_table(found)[1:] == ["a           3    33%  b 2", "b           1   100%"]


@pytest.mark.parametrize("language", ["ru", "en"])
def test_held_out_sentences_have_no_twins_in_the_training_data(language) -> None:
    texts = {normalise(one.text) for one in load_training_data(NLU_DATA)[language].examples}
    trained = [set(text.split()) for text in texts]
    twins = []
    for name in ("callers", "heldout", "negated"):
        for _, text in read_rows(TEST_DATA / f"nlu_{name}_{language}.tsv"):
            words = set(normalise(text).split())
            same = normalise(text) in texts
            if same or (len(words) >= 4 and any(len(words & own) > 0.8 * len(words | own) for own in trained)):
                twins.append(text)
    assert twins == []
