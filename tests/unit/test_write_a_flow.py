"""The how-to for designers is true: what it says to write into `flows/` is enough for a new topic."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from ivrbot.config import PROJECT_ROOT
from ivrbot.dialogue.engine import Dialogue
from ivrbot.dialogue.loader import load_flows
from ivrbot.dialogue.schema import FlowSet
from ivrbot.model.dialogue import Collect, Route, Routed, Say, Transfer, UserTurn
from ivrbot.model.speech import Hypothesis, Language, NluResult
from ivrbot.nlu.embedded import EmbeddedNlu

PAGE = PROJECT_ROOT / "docs" / "how-to" / "write-a-flow.md"
_BLOCK = re.compile(r"```yaml\n# (flows/\w+\.yml)\n(.*?)```", re.DOTALL)


def merged(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}
    return new


@pytest.fixture(scope="module")
def flow_set(tmp_path_factory: pytest.TempPathFactory) -> FlowSet:
    folder: Path = tmp_path_factory.mktemp("designer") / "flows"
    shutil.copytree(PROJECT_ROOT / "flows", folder)
    blocks = _BLOCK.findall(PAGE.read_text("utf-8"))
    assert {name for name, _ in blocks} == {
        "flows/atm_problem.yml",
        "flows/domain.yml",
        "flows/ru.yml",
        "flows/en.yml",
        "flows/branches.yml",
    }
    for name, text in blocks:
        path = folder.parent / name
        old = yaml.safe_load(path.read_text("utf-8")) if path.exists() else {}
        path.write_text(yaml.safe_dump(merged(old, yaml.safe_load(text)), allow_unicode=True), "utf-8")
    return load_flows(folder)


@pytest.mark.parametrize(
    ("language", "text"), [("ru", "банкомат не отдал мне деньги"), ("en", "the machine kept my cash")]
)
def test_the_new_topic_is_served_without_a_question(flow_set: FlowSet, language: Language, text: str) -> None:
    engine = Dialogue(flow_set)
    state, _ = engine.start(language, "speech")
    state, _ = engine.step(state, UserTurn((Hypothesis(text),), NluResult(text, "atm_problem", 0.95)))
    state, acts = engine.step(state, Routed(True, "drawn"))
    assert [act.response for act in acts if isinstance(act, Say)] == ["utter_atm_money", "utter_ask_more"]
    assert state.served


def test_the_new_question_is_asked_and_its_other_answer_reaches_a_person(flow_set: FlowSet) -> None:
    engine = Dialogue(flow_set)
    state, _ = engine.start("ru", "external", "atm_problem")
    state, acts = engine.step(state, Routed(True, "drawn"))
    assert isinstance(acts[-1], Collect) and acts[-1].slot == "atm_trouble"
    _, acts = engine.step(state, UserTurn((Hypothesis("карта моя"),), NluResult("", "out_of_scope", 0.9)))
    assert isinstance(acts[-1], Transfer)


TRAVEL = {
    "flows/travel_notice.yml": """
flows:
  travel_notice:
    name: abroad
    description: Tells that cards work abroad without a notice.
    steps:
      - action: utter_travel
      - action: served
""",
    "flows/ru.yml": "responses: {utter_travel: [{text: За границей карта работает как обычно.}]}",
    "flows/en.yml": "responses: {utter_travel: [{text: Abroad the card works as usual.}]}",
    "flows/branches.yml": "branches: {other: {topics: {travel_notice: {flow: travel_notice}}}}",
}
PLACES = {
    "ru": ("в турцию", "в китай", "в италию", "на море", "за границу", "в египет", "в армению"),
    "en": ("to turkey", "to china", "to italy", "to the sea", "abroad", "to egypt", "to armenia"),
}
SAID = {
    "ru": ("еду {} будет ли работать карта", "скоро лечу {} предупредите банк", "собираюсь {} с вашей картой"),
    "en": ("i am going {} will my card work", "flying {} soon tell the bank", "i travel {} with your card"),
}


def test_a_topic_that_is_new_altogether_needs_no_code(tmp_path: Path) -> None:
    """Flows, texts and sentences are enough from the caller's words to the answer."""
    shutil.copytree(PROJECT_ROOT / "flows", tmp_path / "flows")
    for name, text in TRAVEL.items():
        path = tmp_path / name
        old = yaml.safe_load(path.read_text("utf-8")) if path.exists() else {}
        path.write_text(yaml.safe_dump(merged(old, yaml.safe_load(text)), allow_unicode=True), "utf-8")
    for language, patterns in SAID.items():
        folder = tmp_path / "nlu_data" / language
        folder.mkdir(parents=True)
        shutil.copy(PROJECT_ROOT / "nlu_data" / language / "acts.yml", folder)
        lines = "".join(f"    - {said.format(place)}\n" for said in patterns for place in PLACES[language])
        text = f'version: "3.1"\nnlu:\n- intent: travel_notice\n  examples: |\n{lines}'
        (folder / "travel.yml").write_text(text, "utf-8")
    engine, nlu = Dialogue(load_flows(tmp_path / "flows")), EmbeddedNlu.train(tmp_path / "nlu_data")
    heard: tuple[tuple[Language, str], ...] = (
        ("ru", "завтра лечу в грузию карта там будет работать"),
        ("en", "i fly to spain tomorrow will the card work there"),
    )
    for language, text in heard:
        state, _ = engine.start(language, "speech")
        state, acts = engine.step(state, UserTurn((Hypothesis(text),), nlu.parse_now(text, language)))
        assert acts == (Route("travel_notice"),)
        _, acts = engine.step(state, Routed(True, "drawn"))
        assert [act.response for act in acts if isinstance(act, Say)] == ["utter_travel", "utter_ask_more"]
