"""The loader of training data: what it reads, and every problem at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrbot.errors import ConfigError
from ivrbot.nlu.data import load_training_data, strip_entities
from ivrbot.nlu.evaluate import read_rows
from ivrbot.nlu.text import normalise
from tests.unit.nlu_engines import NLU_DATA, TEST_DATA

TOPICS = frozenset(
    (
        *("block_card", "card_reissue", "report_fraud", "check_balance", "recent_transactions", "salary_status"),
        *("card_limits", "dispute_transaction", "loan_info", "deposit_info", "find_office", "complaint", "thanks"),
        *("online_bank_access", "pin_change", "atm_problem", "operator"),
    )
)
ACTS = frozenset(["affirm", "deny", "repeat", "help", "wait", "cancel", "goodbye", "thanks", "greet"])


def write(folder: Path, language: str, body: str, name: str = "a.yml") -> Path:
    path = folder / language / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(body, encoding="utf-8")
    return path


def data(*intents: tuple[str, list[str]]) -> str:
    blocks = [
        f"- intent: {name}\n  examples: |\n" + "".join(f"    {line}\n" for line in lines)
        for name, lines in intents
    ]
    return 'version: "3.1"\nnlu:\n' + "".join(blocks)


def problems(folder: Path, **kwargs) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_training_data(folder, min_examples=1, **kwargs)
    return [str(problem).removeprefix(str(folder) + "/") for problem in caught.value.problems]


def test_own_data_is_valid_and_rich() -> None:
    loaded = load_training_data(NLU_DATA, intents=TOPICS | ACTS | {"out_of_scope"}, min_examples=25)
    for language in ("ru", "en"):
        counts = dict.fromkeys(loaded[language].intents, 0)
        for example in loaded[language].examples:
            counts[example.intent] += 1
        assert counts["out_of_scope"] >= 80
        assert min(counts["block_card"], counts["report_fraud"]) >= 60


@pytest.mark.parametrize("language", ["ru", "en"])
def test_held_out_sentences_are_not_trained_on(language) -> None:
    trained = {normalise(example.text) for example in load_training_data(NLU_DATA)[language].examples}
    held_out = {normalise(text) for _, text in read_rows(TEST_DATA / f"nlu_heldout_{language}.tsv")}
    assert len(held_out) >= {"ru": 150, "en": 120}[language]
    assert held_out.isdisjoint(trained)


def test_entities_are_stripped() -> None:
    assert strip_entities("на [зарплатную](card_kind) карту") == "на зарплатную карту"
    assert strip_entities('в [Питере]{"entity": "city", "value": "Санкт-Петербург"} офис') == "в Питере офис"
    assert strip_entities("скобки [без] сущности (просто)") == "скобки [без] сущности (просто)"


def test_examples_know_their_lines(tmp_path) -> None:
    for language in ("ru", "en"):
        write(tmp_path, language, data(("a", ["- один", "- два"]), ("b", ["- три"])))
    examples = load_training_data(tmp_path, min_examples=1)["ru"].examples
    assert [(example.intent, example.text, example.line) for example in examples] == [
        ("a", "один", 5),
        ("a", "два", 6),
        ("b", "три", 9),
    ]


def test_other_kinds_of_rasa_data_are_skipped(tmp_path) -> None:
    extra = "- synonym: credit\n  examples: |\n    - card\n- lookup: city\n  examples: |\n    - Казань\n"
    for language in ("ru", "en"):
        write(tmp_path, language, data(("a", ["- один"])) + extra)
    assert load_training_data(tmp_path, min_examples=1)["ru"].intents == {"a"}


def test_every_problem_at_once_with_its_line(tmp_path) -> None:
    body = data(
        ("block_card", ["- украли", "", "потеряла", "- ...", "- Украли!"]), ("blok_card", ["- украли карту"])
    )
    write(tmp_path, "ru", body)
    write(tmp_path, "en", data(("block_card", ["- stolen"]), ("thanks", ["- thanks", "- stolen"])))
    found = problems(tmp_path, intents={"block_card", "thanks"})
    expected = [
        "ru/a.yml:6: block_card: empty line",
        "ru/a.yml:7: block_card: not a list item",
        "ru/a.yml:8: block_card: empty example",
        "ru/a.yml:9: block_card: twice, see a.yml:5",
        "ru/a.yml:12: blok_card: unknown intent",
        "ru: thanks: intent has no examples",
        "en/a.yml:9: thanks: also an example of block_card, see a.yml:5",
        "ru: thanks: intent exists only in en",
        "en: blok_card: intent exists only in ru",
    ]
    assert len(found) == len(expected)
    assert all(real.startswith(start) for real, start in zip(found, expected, strict=True)), found


def test_too_few_examples_and_parity(tmp_path) -> None:
    write(tmp_path, "ru", data(("a", ["- один"]), ("b", ["- два", "- три"])))
    write(tmp_path, "en", data(("a", ["- one", "- two"])))
    with pytest.raises(ConfigError) as caught:
        load_training_data(tmp_path, min_examples=2)
    assert [problem.message for problem in caught.value.problems] == [
        "too few examples",
        "intent exists only in ru",
    ]


@pytest.mark.parametrize(
    ("body", "start"),
    [
        ("nlu: [", "ru/a.yml:1: not valid YAML"),
        ("- a\n- b\n", "ru/a.yml:1: not a mapping"),
        ('version: "2.0"\nnlu: []\n', "ru/a.yml:1: version: unknown format (found '2.0')"),
        ('version: "3.1"\nnlu: text\n', "ru/a.yml:2: nlu: not a list"),
        ('version: "3.1"\nstories: []\nnlu: []\n', "ru/a.yml:2: stories: unknown key"),
        ('version: "3.1"\nnlu:\n- text\n', "ru/a.yml:3: nlu[0]: not a mapping"),
        ('version: "3.1"\nnlu:\n- examples: |\n    - a\n', "ru/a.yml:3: nlu[0]: intent has no name"),
        ('version: "3.1"\nnlu:\n- intent: a\n  examples: [b]\n', "ru/a.yml:3: nlu[0].examples: not a text block"),
        (
            'version: "3.1"\nnlu:\n- intent: a\n  exemples: x\n  examples: |\n    - b\n',
            "ru/a.yml:4: nlu[0].exemples: unknown key",
        ),
    ],
)
def test_malformed_files(tmp_path, body, start) -> None:
    write(tmp_path, "ru", body)
    write(tmp_path, "en", data(("a", ["- one"])))
    assert problems(tmp_path)[0].startswith(start)


def test_missing_folder_and_undecodable_file(tmp_path) -> None:
    (tmp_path / "ru").mkdir()
    (tmp_path / "ru" / "a.yml").write_bytes(b"\xff\xfe\x00")
    found = problems(tmp_path)
    assert "not UTF-8" in found[0]
    assert found[1].startswith("en: no training data")
