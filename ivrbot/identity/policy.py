"""What each operation needs of a caller, read from `flows/assurance.yml`.

Takes the file, gives a frozen `Policy`; everything that is wrong with the file is reported at once, with its line.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent

from ivrbot.errors import ConfigError, Problem
from ivrbot.model.bank import BankOperation, Fact
from ivrbot.model.call import AssuranceLevel

MAX_FILE_BYTES = 64_000

_Location = tuple[int | str, ...]


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
    """What is asked of a caller whose number is not the customer's, once he has named the customer's number."""

    facts: int = Field(ge=2, le=len(Fact))
    ask: tuple[Fact, ...]


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
    document = _read(path)
    try:
        policy = Policy.model_validate(_plain(document))
    except ValidationError as error:
        raise ConfigError(_schema_problems(error, path, document)) from error
    if problems := _cross_check(policy, path, document):
        raise ConfigError(problems)
    return policy


def _read(path: Path) -> Any:
    """Parse with line numbers; aliases are refused because a few of them can stand for gigabytes."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise ConfigError([Problem(str(path), None, "", "", reason)]) from error
    if len(raw) > MAX_FILE_BYTES:
        problem = Problem(str(path), None, "", f"{len(raw)} bytes", "file too long", f"{MAX_FILE_BYTES} bytes")
        raise ConfigError([problem])
    try:
        text = raw.decode("utf-8")
        aliases = [event for event in YAML(typ="rt").parse(text) if isinstance(event, AliasEvent)]
        if aliases:
            raise ConfigError(
                Problem(str(path), event.start_mark.line + 1, "", f"*{event.anchor}", "aliases are not allowed")
                for event in aliases
            )
        return YAML(typ="rt").load(text)
    except (YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        message = getattr(error, "problem", None) or "not readable as UTF-8 YAML"
        line = mark.line + 1 if mark is not None else None
        raise ConfigError([Problem(str(path), line, "", "", str(message))]) from error


def _plain(node: Any) -> Any:
    """Ruamel's annotated containers as plain ones."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    return node


def _line(document: Any, location: _Location) -> int | None:
    """1-based line of a field, or of the closest thing around it that has one."""
    node, line = document, None
    for part in location:
        marks = getattr(node, "lc", None)
        try:
            if marks is None:
                break
            line = (marks.key(part)[0] if isinstance(node, dict) else marks.item(part)[0]) + 1
            node = node[part]
        except (KeyError, IndexError, TypeError):
            break
    return line


def _schema_problems(error: ValidationError, path: Path, document: Any) -> list[Problem]:
    problems = []
    for item in error.errors():
        location = tuple(item["loc"])
        unknown = item["type"] == "extra_forbidden"
        missing = item["type"] == "missing"
        allowed = ", ".join(_field_names(location)) if unknown else str(item.get("ctx", {}).get("expected", ""))
        value = "" if missing else str(item["input"])[:60]
        message = "unknown field" if unknown else item["msg"]
        name = ".".join(str(part) for part in location)
        problems.append(Problem(str(path), _line(document, location), name, value, message, allowed))
    return problems


def _field_names(location: _Location) -> list[str]:
    """Names allowed beside the last part of a location."""
    if location[0] == "limits" and len(location) > 1:
        return sorted(Limits.model_fields)
    if location[0] == "operations" and len(location) == 3:
        return sorted(Requirement.model_fields)
    if location[0] == "operations" and len(location) == 4:
        return sorted(ForeignTelephone.model_fields)
    return sorted(Policy.model_fields)


def _cross_check(policy: Policy, path: Path, document: Any) -> list[Problem]:
    """What the schema alone cannot see."""
    found: list[tuple[_Location, str, str]] = [
        (("operations",), operation.value, "an operation of the bank has no requirement")
        for operation in BankOperation
        if operation.value not in policy.operations
    ]
    for name, need in policy.operations.items():
        at: _Location = ("operations", name)
        if need.level is AssuranceLevel.NONE and (need.facts or need.ask or need.foreign_telephone):
            found.append(((*at, "level"), need.level, "facts are asked for although no level is needed"))
        floor = policy.verified_facts if need.level.rank >= AssuranceLevel.VERIFIED.rank else 0
        found += _demand_problems(at, need.facts, need.ask, floor)
        if (foreign := need.foreign_telephone) is not None:
            found += _demand_problems(
                (*at, "foreign_telephone"), foreign.facts, foreign.ask, policy.verified_facts
            )
    return [
        Problem(str(path), _line(document, where), ".".join(str(part) for part in where), value, message)
        for where, value, message in found
    ]


def _demand_problems(
    at: _Location, facts: int, ask: Sequence[Fact], floor: int
) -> list[tuple[_Location, str, str]]:
    found: list[tuple[_Location, str, str]] = []
    if len(set(ask)) < len(ask):
        found.append(((*at, "ask"), ", ".join(ask), "a fact stands twice"))
    if len(set(ask)) < facts:
        found.append(((*at, "ask"), ", ".join(ask), f"fewer facts to ask for than the {facts} needed"))
    if facts < floor:
        found.append(((*at, "facts"), str(facts), f"too few, at least {floor} are needed here"))
    return found
