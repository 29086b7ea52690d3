"""What each operation needs of a caller, read from `flows/assurance.yml`.

Takes the file, gives a frozen `Policy`; everything that is wrong with the file is reported at once, with its line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ivrbot.errors import ConfigError, Problem
from ivrbot.model.bank import BankOperation, Fact
from ivrbot.model.call import AssuranceLevel
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.yamlfile import read_yaml, validate

MAX_FILE_BYTES = 64_000
MAX_MESSAGE_CHARS = 160
CONFIRMED = frozenset({"card", "amount"})
"""What a message may show of the thing that its code confirms."""
_VARIABLE = re.compile(r"\{([^{}]*)\}")

_Found = tuple[tuple[str, ...], str, str]
"""Field, what stands there, what is wrong with it."""


class SecondFactor(StrEnum):
    """What makes level strong of level verified; values are also what `AuthReply.fact` asks for."""

    ONE_TIME_CODE = "one_time_code"
    VOICE = "voice"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Section):
    """Wrong and unusable answers that are put up with; see the comments of `assurance.yml`."""

    failures_per_call: int = Field(ge=1, le=10)
    failures_per_day: int = Field(ge=1, le=50)
    failures_per_number: int = Field(ge=1, le=1000)
    side_guesses_per_day: int = Field(ge=0, le=50)
    side_guesses_per_number: int = Field(10, ge=0, le=1000)
    unreadable_per_call: int = Field(ge=1, le=20)
    tries_per_fact: int = Field(ge=1, le=10)


class ForeignTelephone(_Section):
    """What is asked of a caller whose number is not the customer's, once he has named the customer's number.

    Attributes:
        by_name: who cannot name it may be found by full name and date of birth, and these then suffice.
    """

    facts: int = Field(ge=2, le=len(Fact))
    ask: tuple[Fact, ...]
    by_name: bool = False


class Requirement(_Section):
    """What the operations of one profile need.

    Attributes:
        level: lowest level.
        facts: number of facts to be proven in this call, from the customer's own telephone.
        ask: order in which facts are asked for.
        second: for level strong, second factors that make it, in the order in which they are tried; one is enough.
        emergency: goes on with the bot while an alarm sends everything else to operators.
        foreign_telephone: the same from any other telephone; None means not served there.
    """

    level: AssuranceLevel
    facts: int = Field(0, ge=0, le=len(Fact))
    ask: tuple[Fact, ...] = ()
    second: tuple[SecondFactor, ...] = ()
    emergency: bool = False
    foreign_telephone: ForeignTelephone | None = None


class OneTimeCode(_Section):
    """The code that is sent to the customer's number on file.

    Attributes:
        digits: its length.
        lifetime_s: it is worth nothing after that.
        tries: wrong entries until it is worth nothing.
        sends_per_call: how often one is sent in a call, the first included.
        sends_per_day: the same for a customer in 24 hours, over all calls.
        message: the short message by language; `{code}` and `{what}` stand for the code and what it confirms.
        confirms: what it confirms, by operation and language; may hold `{card}`, the card's last four digits,
            and `{amount}`, the sum.
    """

    digits: int = Field(6, ge=6, le=8)
    lifetime_s: int = Field(300, ge=60, le=600)
    tries: int = Field(3, ge=1, le=5)
    sends_per_call: int = Field(3, ge=1, le=5)
    sends_per_day: int = Field(10, ge=1, le=50)
    message: dict[Language, str] = Field(default_factory=dict)
    confirms: dict[str, dict[Language, str]] = Field(default_factory=dict)


class Spraying(_Section):
    """When wrong answers over all customers together are an attack: one guess at many customers.

    Guesses beside the question count like wrong answers. All three must hold within the window: enough of them, in
    enough calls, and many times as many as are usual in such a window of the day before. A customer himself has no
    more than `failures_per_day` and `side_guesses_per_day`, so that many are always many customers.

    Attributes:
        window_s: what is looked at.
        failures: fewest wrong answers and guesses beside the question.
        calls: fewest calls they were given in.
        times_usual: fewest times the mean of the windows of the last 24 hours before.
        hold_s: so long everything but emergencies goes to operators.
    """

    window_s: int = Field(600, ge=60, le=3600)
    failures: int = Field(30, ge=5, le=100_000)
    calls: int = Field(15, ge=2, le=100_000)
    times_usual: float = Field(5.0, ge=1.5, le=100)
    hold_s: int = Field(1800, ge=60, le=86_400)


class Policy(_Section):
    """The whole file.

    Attributes:
        verified_facts: number of facts that make level verified.
        profiles: requirements by name.
        operations: name of the profile by operation (a `BankOperation` value or a name that flows use).
    """

    limits: Limits
    verified_facts: int = Field(ge=2, le=len(Fact))
    one_time_code: OneTimeCode = OneTimeCode()
    spraying: Spraying = Spraying()
    profiles: dict[str, Requirement]
    operations: dict[str, str]

    def requirement(self, operation: str) -> Requirement:
        """What an operation needs.

        Raises:
            ConfigError: the policy does not know the operation; there is no default.
        """
        found = self.operations.get(operation)
        if found is None:
            problem = Problem(
                "assurance.yml", None, "operations", operation, "unknown operation", ", ".join(self.operations)
            )
            raise ConfigError([problem])
        return self.profiles[found]


def load_policy(path: Path) -> Policy:
    """Read and check an assurance file.

    Args:
        path: YAML file, at most `MAX_FILE_BYTES` long, without aliases.

    Raises:
        ConfigError: every problem, with line numbers.
    """
    file = read_yaml(path, max_bytes=MAX_FILE_BYTES)
    if problems := list(_older_form(file.data)):
        raise ConfigError(file.problem(where, message, value=value) for where, value, message in problems)
    policy = validate(file, Policy)
    if problems := _cross_check(policy):
        raise ConfigError(file.problem(where, message, value=value) for where, value, message in problems)
    return policy


def _older_form(data: Any) -> list[_Found]:
    """Operations that hold their requirement themselves, as files of earlier releases did."""
    operations = data.get("operations") if isinstance(data, Mapping) else None
    if not isinstance(operations, Mapping):
        return []
    message = (
        "requirements stand under `profiles:` now, each under a name of its own, and operations name them: "
        "write this one as `profiles: {account: {level: verified, facts: 2, ...}}` once, and here `account`"
    )
    return [
        (("operations", str(name)), "a requirement", message)
        for name, need in operations.items()
        if isinstance(need, Mapping)
    ]


def _cross_check(policy: Policy) -> list[_Found]:
    """What the schema alone cannot see."""
    found: list[_Found] = [
        (("operations",), operation.value, "an operation of the bank has no requirement")
        for operation in BankOperation
        if operation.value not in policy.operations
    ]
    allowed = ", ".join(policy.profiles)
    found += [
        (("operations", operation), profile, f"no such profile; there are {allowed}")
        for operation, profile in policy.operations.items()
        if profile not in policy.profiles
    ]
    found += [
        (("profiles", name), "", "no operation names this profile")
        for name in policy.profiles
        if name not in policy.operations.values()
    ]
    found += _message_problems(policy)
    for name, need in policy.profiles.items():
        found += _profile_problems(("profiles", name), need, policy.verified_facts)
    return found


def _message_problems(policy: Policy) -> list[_Found]:
    """A short message in every language for every operation that a code may confirm."""
    rules, at = policy.one_time_code, ("one_time_code", "message")
    coded = [
        name
        for name, profile in policy.operations.items()
        if profile in policy.profiles and SecondFactor.ONE_TIME_CODE in policy.profiles[profile].second
    ]
    found: list[_Found] = []
    for language in LANGUAGES if coded else ():
        text = rules.message.get(language, "")
        if sorted(_VARIABLE.findall(text)) != ["code", "what"]:
            found.append(((*at, language), text, "needs {code} and {what} once each, and no other variable"))
        for name in coded:
            what = rules.confirms.get(name, {}).get(language, "")
            where = ("one_time_code", "confirms", name, language)
            if not what or set(_VARIABLE.findall(what)) - CONFIRMED:
                found.append(
                    (
                        where,
                        what,
                        "what the code confirms is missing, or holds another variable than {card}, {amount}",
                    )
                )
            elif len(text) + len(what) + rules.digits > MAX_MESSAGE_CHARS:
                found.append((where, what, f"makes the message longer than {MAX_MESSAGE_CHARS} characters"))
    return found


def _profile_problems(at: tuple[str, ...], need: Requirement, verified_facts: int) -> list[_Found]:
    found: list[_Found] = []
    if need.level is AssuranceLevel.NONE and (need.facts or need.ask or need.foreign_telephone):
        found.append(((*at, "level"), need.level, "facts are asked for although no level is needed"))
    strong = need.level is AssuranceLevel.STRONG
    if strong != bool(need.second):
        found.append(((*at, "second"), ", ".join(need.second), "belongs to level strong, and strong needs it"))
    if len(set(need.second)) < len(need.second):
        found.append(((*at, "second"), ", ".join(need.second), "a second factor stands twice"))
    if need.second == (SecondFactor.VOICE,):
        message = "a voice alone leaves nothing for callers whose voice cannot be compared: add one_time_code"
        found.append(((*at, "second"), "voice", message))
    floor = verified_facts if need.level.rank >= AssuranceLevel.VERIFIED.rank else 0
    found += _demand_problems(at, need.facts, need.ask, floor)
    if (foreign := need.foreign_telephone) is not None:
        found += _demand_problems((*at, "foreign_telephone"), foreign.facts, foreign.ask, verified_facts)
    return found


def _demand_problems(at: tuple[str, ...], facts: int, ask: Sequence[Fact], floor: int) -> list[_Found]:
    found: list[_Found] = []
    if len(set(ask)) < len(ask):
        found.append(((*at, "ask"), ", ".join(ask), "a fact stands twice"))
    if len(set(ask)) < facts:
        found.append(((*at, "ask"), ", ".join(ask), f"fewer facts to ask for than the {facts} needed"))
    if facts < floor:
        found.append(((*at, "facts"), str(facts), f"too few, at least {floor} are needed here"))
    return found
