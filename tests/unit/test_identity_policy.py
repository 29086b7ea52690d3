"""The assurance file: what ships is valid, and everything wrong with another is named at once, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrbot.config import PROJECT_ROOT
from ivrbot.errors import ConfigError
from ivrbot.identity.policy import Policy, load_policy
from ivrbot.model.bank import BankOperation, Fact
from ivrbot.model.call import AssuranceLevel

SHIPPED = PROJECT_ROOT / "flows" / "assurance.yml"


def changed(tmp_path: Path, *swaps: tuple[str, str]) -> Path:
    text = SHIPPED.read_text("utf-8")
    for old, new in swaps:
        assert old in text
        text = text.replace(old, new, 1)
    file = tmp_path / "assurance.yml"
    file.write_text(text, "utf-8")
    return file


def line_of(file: Path, text: str) -> int:
    return next(n for n, line in enumerate(file.read_text("utf-8").splitlines(), 1) if text in line)


@pytest.fixture
def policy() -> Policy:
    return load_policy(SHIPPED)


def test_blocking_needs_the_customers_telephone_and_one_fact(policy: Policy) -> None:
    need = policy.requirement("block_card")
    assert (need.level, need.facts) == (AssuranceLevel.IDENTIFIED, 1)
    assert need.ask == (Fact.LAST_FOUR, Fact.CODE_WORD, Fact.DATE_OF_BIRTH, Fact.FULL_NAME)


def test_blocking_from_a_foreign_telephone_needs_two_facts_name_and_birth_first(policy: Policy) -> None:
    foreign = policy.requirement("block_card").foreign_telephone
    assert foreign is not None
    assert foreign.facts == 2
    assert foreign.ask[:2] == (Fact.FULL_NAME, Fact.DATE_OF_BIRTH)


EMERGENCY = frozenset({"block_card", "list_cards", "request_reissue"})
NOBODYS = frozenset({"find_office", "list_rates", "record_note"})
STRONG = frozenset({"change_limits"})


@pytest.mark.parametrize(
    "operation", [item for item in BankOperation if item.value not in EMERGENCY | NOBODYS | STRONG]
)
def test_whatever_is_told_or_done_about_a_customer_needs_level_verified(
    policy: Policy, operation: BankOperation
) -> None:
    need = policy.requirement(operation.value)
    assert need.level is AssuranceLevel.VERIFIED
    assert need.facts == 2


@pytest.mark.parametrize("operation", sorted(NOBODYS))
def test_what_concerns_no_customer_is_for_everybody(policy: Policy, operation: str) -> None:
    assert policy.requirement(operation).level is AssuranceLevel.NONE


def test_changes_of_limits_and_contacts_need_level_strong(policy: Policy) -> None:
    assert {policy.requirement(name).level for name in ("change_limits", "change_contacts")} == {
        AssuranceLevel.STRONG
    }


def test_an_operation_without_requirement_is_an_error_not_a_default(policy: Policy) -> None:
    with pytest.raises(ConfigError, match="unknown operation"):
        policy.requirement("grant_everything")


def test_all_problems_are_reported_at_once_with_their_lines(tmp_path: Path) -> None:
    file = changed(
        tmp_path,
        ("failures_per_call: 3", "failures_per_call: 0"),
        ("side_guesses_per_number: 10", "side_guesses_per_number: many"),
        ("    foreign_telephone:", "    foreign_telefone:"),
        ("  account:\n    level: verified", "  account:\n    level: sure"),
    )
    with pytest.raises(ConfigError) as caught:
        load_policy(file)
    found = {problem.path: problem for problem in caught.value.problems}
    assert found["limits.failures_per_call"].line == line_of(file, "failures_per_call: 0")
    assert found["limits.side_guesses_per_number"].line == line_of(file, "side_guesses_per_number: many")
    assert found["profiles.emergency.foreign_telefone"].line == line_of(file, "telefone")
    assert found["profiles.account.level"].line == line_of(file, "level: sure")
    assert "verified" in found["profiles.account.level"].allowed


@pytest.mark.parametrize(
    ("swap", "message"),
    [
        (("ask: [last_four, code_word, date_of_birth, full_name]", "ask: [last_four, last_four]"), "stands twice"),
        (("facts: 1", "facts: 4\n    ask_more: 1"), "unknown key"),
        (
            ("account:\n    level: verified\n    facts: 2", "account:\n    level: verified\n    facts: 1"),
            "at least 2",
        ),
        (("  get_loan:", "  get_loans:"), "no requirement"),
        (("level: none", "level: none\n    ask: [full_name]"), "no level is needed"),
        (("get_loan: account", "get_loan: acount"), "no such profile; there are anybody, emergency, account"),
        (("unblock_card: operators", "unblock_card: account"), "no operation names this profile"),
        (("    second: [one_time_code] #", "    #"), "strong needs it"),
        (("second: [one_time_code]", "second: [one_time_code, one_time_code]"), "stands twice"),
        (("second: [one_time_code]", "second: [voice]"), "add one_time_code"),
        (("second: [one_time_code]", "second: [retina]"), "one_time_code"),
        (
            ("facts: 2\n    ask: [last_four", "facts: 2\n    second: [voice]\n    ask: [last_four"),
            "belongs to level strong",
        ),
        (("  digits: 6", "  digits: 4"), "greater than or equal to 6"),
        (
            (
                "      facts: 2\n      ask: [full_name, date_of_birth, code_word, last_four]",
                "      facts: 3\n      ask: [full_name]",
            ),
            "fewer facts",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, swap: tuple[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_policy(changed(tmp_path, swap))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("limits: [", "expected"),
        ("a: &x [1, 2]\nb: [*x, *x]\n", "aliases"),
        ("#" * 70_000, "larger than"),
        ("a: 1\na: 2\n", "duplicate"),
    ],
)
def test_hostile_and_broken_files_give_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "assurance.yml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=message):
        load_policy(file)


def test_a_missing_file_and_wrong_bytes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="assurance"):
        load_policy(tmp_path / "assurance.yml")
    file = tmp_path / "bytes.yml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_policy(file)


def test_a_file_of_the_older_form_is_told_how_to_write_it_now(tmp_path: Path) -> None:
    file = changed(
        tmp_path,
        (
            "  get_balance: account",
            "  get_balance:\n    level: verified\n    facts: 2\n    ask: [last_four, code_word]",
        ),
    )
    with pytest.raises(ConfigError, match="profiles") as caught:
        load_policy(file)
    (problem,) = caught.value.problems
    assert problem.path == "operations.get_balance"
    assert problem.line == line_of(file, "get_balance:")
