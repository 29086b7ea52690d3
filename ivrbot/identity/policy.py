"""What each operation needs of a caller, read from `flows/assurance.yml`.

Takes the file, gives a frozen `Policy`; everything that is wrong with the file is reported at once, with its line.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ivrbot.errors import ConfigError, Problem
from ivrbot.model.bank import BankOperation, Fact
from ivrbot.model.call import AssuranceLevel
from ivrbot.yamlfile import read_yaml, validate

MAX_FILE_BYTES = 64_000

_Found = tuple[tuple[str, ...], str, str]
"""Field, what stands there, what is wrong with it."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Section):
    """Wrong and unusable answers that are put up with; see the comments of `assurance.yml`."""

    failures_per_call: int = Field(ge=1, le=10)
    failures_per_day: int = Field(ge=1, le=50)
    failures_per_number: int = Field(ge=1, le=1000)
    side_guesses_per_day: int = Field(ge=0, le=50)
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
    """What one operation needs.

    Attributes:
        level: lowest level.
        facts: number of facts to be proven in this call, from the customer's own telephone.
        ask: order in which facts are asked for.
        foreign_telephone: the same from any other telephone; None means not served there.
    """

    level: AssuranceLevel
    facts: int = Field(ge=0, le=len(Fact))
    ask: tuple[Fact, ...]
    foreign_telephone: ForeignTelephone | None = None


class Policy(_Section):
    """The whole file.

    Attributes:
        verified_facts: number of facts that make level verified.
        operations: requirements by operation name (a `BankOperation` value or a name that flows use).
    """

    limits: Limits
    verified_facts: int = Field(ge=2, le=len(Fact))
    operations: dict[str, Requirement]

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
        return found


def load_policy(path: Path) -> Policy:
    """Read and check an assurance file.

    Args:
        path: YAML file, at most `MAX_FILE_BYTES` long, without aliases.

    Raises:
        ConfigError: every problem, with line numbers.
    """
    file = read_yaml(path, max_bytes=MAX_FILE_BYTES)
    policy = validate(file, Policy)
    if problems := _cross_check(policy):
        raise ConfigError(file.problem(where, message, value=value) for where, value, message in problems)
    return policy


def _cross_check(policy: Policy) -> list[_Found]:
    """What the schema alone cannot see."""
    found: list[_Found] = [
        (("operations",), operation.value, "an operation of the bank has no requirement")
        for operation in BankOperation
        if operation.value not in policy.operations
    ]
    for name, need in policy.operations.items():
        at = ("operations", name)
        if need.level is AssuranceLevel.NONE and (need.facts or need.ask or need.foreign_telephone):
            found.append(((*at, "level"), need.level, "facts are asked for although no level is needed"))
        floor = policy.verified_facts if need.level.rank >= AssuranceLevel.VERIFIED.rank else 0
        found += _demand_problems(at, need.facts, need.ask, floor)
        if (foreign := need.foreign_telephone) is not None:
            found += _demand_problems(
                (*at, "foreign_telephone"), foreign.facts, foreign.ask, policy.verified_facts
            )
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
