"""Every mistake in `flows/` is told once, with its file and line; all mistakes of all files are told together."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ivrbot.dialogue.loader import load_flows
from ivrbot.errors import ConfigError, Problem

FLOWS = Path(__file__).parents[2] / "flows"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "flows"
    shutil.copytree(FLOWS, target)
    return target


def problems_of(folder: Path) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load_flows(folder)
    return caught.value.problems


def line_of(path: Path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text("utf-8").splitlines(), 1) if text in line)


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1), "utf-8")


def flow(steps: str) -> str:
    indented = "\n".join(f"      {line}" for line in steps.strip("\n").splitlines())
    return f"flows:\n  tried:\n    description: a flow of a test\n    steps:\n{indented}\n"


def test_the_flows_of_the_product_are_in_order() -> None:
    flow_set = load_flows(FLOWS)
    assert flow_set.flows["block_card"].entry == "0"


BROKEN_STEPS = [
    ("- collect: card\n  accepts: [nothing]", "collects a slot that domain.yml does not have", "nothing", 5),
    ("- collect: card\n  accepts: [cards]", "kind cannot be asked for", "list", 5),
    ("- collect: card\n  unsure: nowhere", "goes to a step that does not exist", "nowhere", 5),
    ("- action: utter_help\n  next: nowhere", "goes to a step that does not exist", "nowhere", 5),
    ("- action: utter_help\n  next: END\n- id: lost\n  action: utter_help", "cannot be reached", "lost", 7),
    ("- collect: nothing\n  utter: utter_help", "collects a slot that domain.yml does not have", "nothing", 5),
    ("- collect: cards\n  utter: utter_help", "kind cannot be asked for", "list", 5),
    ("- collect: card\n  utter: utter_what", "asks with a response that does not exist", "utter_what", 5),
    ("- action: utter_what", "says a response that does not exist", "utter_what", 5),
    ("- action: bank_print_money", "runs an action that domain.yml does not have", "bank_print_money", 5),
    ("- link: elsewhere", "goes to a flow that does not exist", "elsewhere", 5),
    ("- call: elsewhere", "goes to a flow that does not exist", "elsewhere", 5),
    ("- set_slots:\n    - nothing: 5", "sets a slot that domain.yml does not have", "nothing", 5),
    ("- set_slots:\n    - card: slots.nothing", "copies a slot that domain.yml does not have", "slots.nothing", 5),
    ("- set_slots:\n    - card: 1.5", "is neither text, a whole number", "card", 6),
    (
        "- noop: true\n  next:\n    - if: slots.x\n      then: END\n    - else: END",
        "has a condition on a slot",
        "x",
        5,
    ),
    ("- noop: true\n  next:\n    - if: slots.card\n      then: END", "the last arm must be an else", "", 6),
    (
        "- noop: true\n  next:\n    - else: END\n    - if: slots.card\n      then: END\n    - else: END",
        "an else must be the last arm",
        "",
        6,
    ),
    ("- noop: true\n  next:\n    - if: card\n      then: END\n    - else: END", "not a condition", "card", 7),
    ("- noop: true\n  next:\n    - if: slots.card\n    - else: END", "an arm is either", "", 7),
    ("- noop: true\n  id: a\n- noop: true\n  id: a", "the same id", "a", 7),
    ("- id: a\n  action: utter_help\n  next: a", "round for ever without listening", "a", 5),
    ("- id: a\n  action: bank_list_cards\n- noop: true\n  next: a", "round for ever without listening", "a", 5),
    ("- id: only\n  description: says nothing", "needs exactly one of action, collect", "", 5),
    ("- action: utter_help\n  collect: card", "needs exactly one of action, collect", "action, collect", 5),
    ("- action: utter_help\n  speak: loudly", "unknown key", "loudly", 6),
    ("- action: utter_help\n  next: 5", "valid string", "5", 6),
]


@pytest.mark.parametrize(("steps", "message", "value", "line"), BROKEN_STEPS, ids=[row[0] for row in BROKEN_STEPS])
def test_a_broken_step(folder: Path, steps: str, message: str, value: str, line: int) -> None:
    path = folder / "tried.yml"
    path.write_text(flow(steps), "utf-8")
    problems = problems_of(folder)
    fitting = [problem for problem in problems if message in problem.message]
    assert [(problem.file, problem.line, problem.value) for problem in fitting] == [(str(path), line, value)]
    # pydantic names both shapes that `next` may have; an unreadable condition makes its arm look like an else.
    assert len(problems) == 1 or message in {"valid string", "not a condition"}


def test_a_flow_of_wrong_steps_only_is_told_and_not_a_crash(folder: Path) -> None:
    (folder / "tried.yml").write_text(flow("- description: nothing\n- description: again"), "utf-8")
    assert [problem.line for problem in problems_of(folder)] == [5, 6]


def test_a_response_missing_in_one_language(folder: Path) -> None:
    path = folder / "en.yml"
    lines = path.read_text("utf-8").splitlines()
    at = lines.index("  utter_balance:")
    del lines[at : at + 2]
    path.write_text("\n".join(lines), "utf-8")
    (problem,) = problems_of(folder)
    assert (problem.file, problem.path) == (str(path), "responses.utter_balance")
    assert "missing in this language" in problem.message
    assert problem.line == line_of(path, "responses:")


def test_a_variable_without_fragments(folder: Path) -> None:
    change(folder / "ru.yml", "{balance_minor}", "{card_fit}")
    (problem,) = problems_of(folder)
    assert "no recorded fragments cover this variable" in problem.message
    assert (problem.value, problem.line) == ("card_fit", line_of(folder / "ru.yml", "utter_balance"))
    assert "money" in problem.allowed


def test_a_variable_that_is_no_slot(folder: Path) -> None:
    change(folder / "en.yml", "{balance_minor}", "{sum}")
    (problem,) = problems_of(folder)
    assert (problem.message, problem.value) == ("no such slot", "sum")


MENU = [
    ("flow: block_card}", "flow: nowhere}", "no such flow", "nowhere"),
    ('key: "2"', 'key: "1"', "is also the key of block_card", "1"),
    ('language_key: "9"', 'language_key: "1"', "is also the key of language_key", "1"),
    ("key_topic: loan_info", "key_topic: loans", "is no topic of this branch", "loans"),
    ("general_queue: other", "general_queue: nobody", "is no branch", "nobody"),
    ("loan_info: {flow: loan_info}", "loan_info: {}\n      card_reissue: {}", "is also in branch block_card", ""),
]


@pytest.mark.parametrize(("old", "new", "message", "value"), MENU, ids=[row[2] for row in MENU])
def test_the_menu(folder: Path, old: str, new: str, message: str, value: str) -> None:
    path = folder / "branches.yml"
    change(path, old, new)
    problem = problems_of(folder)[0]
    assert (problem.message, problem.value, problem.file) == (message, value, str(path))
    assert problem.line is not None and problem.line > 1


ACTIONS = [
    ("bank_get_balance: {arguments: [card]", "bank_get_balance: {arguments: [nothing]", "is no slot"),
    ("bank_get_balance:", "bank_get_gold:", "is neither an operation of the bank"),
    (", write: true", "", "must be true"),
    ("results: [balance_minor, owed_minor]", "results: [balance_minor], write: true", "must be false"),
    ("authenticate_block_card: {operation: block_card}", "authenticate_block_card: {}", "needs the operation"),
    (
        "{operation: change_limits, arguments: {limit_kind: limit_kind, new_limit_minor: amount_minor}}",
        "{operation: change_limits, arguments: {limit_kind: limit_kind}}",
        "a one-time code confirms them",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), ACTIONS, ids=[row[2] for row in ACTIONS])
def test_actions_of_the_domain(folder: Path, old: str, new: str, message: str) -> None:
    path = folder / "domain.yml"
    change(path, old, new)
    found = [problem for problem in problems_of(folder) if message in problem.message]
    assert len(found) == 1
    assert found[0].file == str(path)
    assert found[0].line == line_of(path, new.strip(", ") or "bank_block_card")


SLOTS = [
    ("clears: [card_kind]", "clears: [card_kin]", "is no slot", "card_kin"),
    ("stands_for: card\n", "stands_for: crd\n", "is no slot", "crd"),
    ("several: all", "several: many", "is no option", "many"),
    ("unless: [salary]", "unless: [wages]", "is no option", "wages"),
    (
        "virtual: {ru: [виртуал], en: [virtual]",
        "virtual: {ru: [виртуал]",
        "can be said in one language only",
        "en",
    ),
    ("offer_due: {kind: flag}", "offer_due: {kind: choice}", "a choice needs them", ""),
]


@pytest.mark.parametrize(("old", "new", "message", "value"), SLOTS, ids=[row[1] for row in SLOTS])
def test_slots_of_the_domain(folder: Path, old: str, new: str, message: str, value: str) -> None:
    change(folder / "domain.yml", old, new)
    found = [problem for problem in problems_of(folder) if message in problem.message]
    assert [problem.value for problem in found] == [value] * len(found) != []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{balance_minor}", "{limit_change}", "no recorded fragment names the option"),
        ("{active_count:card}", "{active_count:cart}", "has no such form"),
        ("{came_on:of_day}", "{came_on:someday}", "has no such form"),
    ],
)
def test_variables_that_cannot_be_spoken(folder: Path, old: str, new: str, message: str) -> None:
    change(folder / "ru.yml", old, new)
    assert any(message in problem.message for problem in problems_of(folder))


def test_a_flow_that_the_engine_needs(folder: Path) -> None:
    change(folder / "front.yml", "  more:", "  fewer:")
    assert [(problem.path, problem.message) for problem in problems_of(folder)] == [
        ("flows.more", "is required and missing")
    ]


def test_a_flow_defined_in_two_files(folder: Path) -> None:
    shutil.copy(folder / "check_balance.yml", folder / "copy.yml")
    (problem,) = problems_of(folder)
    assert (problem.file, problem.message) == (str(folder / "copy.yml"), "is defined twice")


DAMAGED = [
    ("flows:\n  tried:\n    description: x\n  tried:\n    description: y\n", "duplicate key", 4),
    ("flows:\n  tried: &bomb [1, 2]\n  other: [*bomb, *bomb]\n", "aliases are not allowed", 3),
    ("flows:\n  tried:\n    steps:\n      - action: 'utter_he", "not valid YAML", None),
    ("flows:\n  tried:\n    description: x\n", "is required", None),
    ("", "file is empty", 1),
    ("flows: []\n", "valid dictionary", 1),
    ("flows:\n  tried:\n\t- tab\n", "not valid YAML", 3),
    ("[" * 200, "nested more than", 1),
]


@pytest.mark.parametrize(("text", "message", "line"), DAMAGED, ids=[row[1] for row in DAMAGED])
def test_damaged_files(folder: Path, text: str, message: str, line: int | None) -> None:
    path = folder / "tried.yml"
    path.write_text(text, "utf-8")
    (problem,) = problems_of(folder)
    assert problem.file == str(path)
    assert message in problem.message
    assert line is None or problem.line == line


def test_a_file_that_is_not_text(folder: Path) -> None:
    (folder / "tried.yml").write_bytes(b"flows: \xff\xfe")
    assert [problem.message for problem in problems_of(folder)] == ["is not UTF-8 text"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    files = {Path(problem.file).name for problem in problems_of(tmp_path / "nowhere")}
    assert files == {"domain.yml", "branches.yml", "ru.yml", "en.yml"}


def test_all_problems_of_all_files_at_once(folder: Path) -> None:
    (folder / "tried.yml").write_text(flow("- action: utter_help\n  next: nowhere\n- collect: nothing"), "utf-8")
    (folder / "damaged.yml").write_text("flows: [", "utf-8")
    change(folder / "branches.yml", "flow: block_card}", "flow: nowhere}")
    change(folder / "ru.yml", "{balance_minor}", "{sum}")
    change(folder / "domain.yml", ", write: true", "")
    files = {Path(problem.file).name for problem in problems_of(folder)}
    assert files == {"tried.yml", "damaged.yml", "branches.yml", "ru.yml", "domain.yml"}
