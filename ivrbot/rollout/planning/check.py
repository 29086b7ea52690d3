"""Reads and checks rollout.yaml: every problem at once, each with file, line, path, value and what is allowed.

Takes a path and the branches of flows/branches.yml, gives a `Plan` or the list of problems. What one field may be
is in `planning.schema`; here is what fields mean together, checked also where other fields are wrong.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import phonenumbers
from pydantic import ValidationError

from ivrbot.analytics.kpi_names import COMPARABLE, KPIS, LEVELLED
from ivrbot.errors import ConfigError, Problem
from ivrbot.model.rollout import treatment_bound
from ivrbot.rollout.planning.plan import Plan, build_plan
from ivrbot.rollout.planning.schema import DefaultsFile, PlanFile
from ivrbot.yamlfile import YamlFile, read_yaml

FRONT = "front"
"""The branch that hands over the open spoken question itself."""

EMERGENCIES = frozenset({"block_card"})

Field = tuple[str | int, ...]


def load_plan(path: Path, branches: Collection[str] | None) -> Plan:
    """Read a plan.

    Args:
        path: rollout.yaml.
        branches: names of flows/branches.yml ("front" is always known); None: any name will do.

    Raises:
        ConfigError: all problems at once.
    """
    file = read_yaml(path)
    plain = _plain(file.data)
    problems = _problems(file, plain, branches)
    if problems:
        raise ConfigError(problems)
    return build_plan(PlanFile.model_validate(plain))


def check_plan(
    path: Path, branches: Collection[str], emergencies: Collection[str] = EMERGENCIES
) -> tuple[list[Problem], list[Problem]]:
    """Problems and warnings of a plan; a file with warnings only is valid.

    Args:
        path: rollout.yaml.
        branches: names of flows/branches.yml.
        emergencies: those that should not skip shadow.
    """
    try:
        file = read_yaml(path)
    except ConfigError as error:
        return list(error.problems), []
    plain = _plain(file.data)
    problems = _problems(file, plain, branches)
    return problems, [] if problems else list(_warnings(file, plain, emergencies))


def _problems(file: YamlFile, plain: Any, branches: Collection[str] | None) -> list[Problem]:
    if not isinstance(plain, dict):
        return [file.problem((), "must be a map of settings", allowed="version, goal, salt, ...")]
    found: list[Problem] = []
    try:
        PlanFile.model_validate(plain)
    except ValidationError as error:
        found += [_schema_problem(file, item) for item in error.errors()]
    for rule in (_zones, _overrides, _ladders, _kpis, _starts):
        found += rule(file, plain)
    if branches is not None:
        found += _names(file, plain, frozenset(branches) | {FRONT})
    return sorted(dict.fromkeys(found), key=lambda problem: (problem.line or 0, problem.path))


def _schema_problem(file: YamlFile, item: Any) -> Problem:
    where: Field = tuple(part for part in item["loc"] if part != "[key]")
    context = item.get("ctx", {})
    if item["type"] == "missing":
        return file.problem(where, "is required")
    if item["type"] == "extra_forbidden":
        return file.problem(where, "unknown key", value=where[-1], allowed=_beside(where))
    message = str(item["msg"])
    allowed = str(context.get("expected", ""))
    limits = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    allowed = allowed or ", ".join(f"{sign} {context[name]}" for name, sign in limits.items() if name in context)
    return file.problem(where, message[:1].lower() + message[1:], value=_shown(item["input"]), allowed=allowed)


def _beside(where: Field) -> str:
    """Keys that are known where an unknown one stands."""
    model: Any = PlanFile
    for part in where[:-1]:
        if isinstance(part, int):
            continue
        field = getattr(model, "model_fields", {}).get(part)
        model = _inner_model(field.annotation) if field else model
    return ", ".join(getattr(model, "model_fields", {}))


def _inner_model(annotation: Any) -> Any:
    """The schema inside `list[X]`, `dict[str, X]` or `X | None`."""
    inner = [_inner_model(part) for part in getattr(annotation, "__args__", ())]
    return next((part for part in inner if hasattr(part, "model_fields")), annotation)


def _shown(value: object) -> str:
    return type(value).__name__ if isinstance(value, dict | list) else str(value)


def _plain(node: Any) -> Any:
    """Plain data; keys become text, numbers keep their type."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


# --- rules over the whole file; each bears anything in the places that it does not judge -----------------


def _map(node: Any, key: str) -> dict[str, Any]:
    value = node.get(key) if isinstance(node, dict) else None
    return value if isinstance(value, dict) else {}


def _list(node: Any, key: str) -> list[Any]:
    value = node.get(key) if isinstance(node, dict) else None
    return value if isinstance(value, list) else []


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _scopes(plain: dict[str, Any]) -> Iterator[tuple[Field, dict[str, Any]]]:
    """`defaults` and every branch: the places where ladders and KPIs may stand."""
    yield ("defaults",), _map(plain, "defaults")
    branches = _map(plain, "branches")
    for name in branches:
        yield ("branches", name), _map(branches, name)


def _zones(file: YamlFile, plain: dict[str, Any]) -> Iterator[Problem]:
    zone = plain.get("timezone", "UTC")
    known = zoneinfo.available_timezones()  # empty on systems without zone data: then nothing can be said
    if isinstance(zone, str) and known and zone not in known:
        yield file.problem(
            ("timezone",), "unknown time zone", value=zone, allowed="an IANA name, like Europe/Moscow"
        )


def _overrides(file: YamlFile, plain: dict[str, Any]) -> Iterator[Problem]:
    for number in _map(plain, "overrides"):
        try:
            parsed = phonenumbers.parse(number, None)
            valid = phonenumbers.is_possible_number(parsed) and number == phonenumbers.format_number(
                parsed, phonenumbers.PhoneNumberFormat.E164
            )
        except phonenumbers.NumberParseException:
            valid = False
        if not valid:
            yield file.problem(
                ("overrides", number),
                "not a telephone number in E.164",
                value=number,
                allowed='a quoted number with + and country code, like "+79990000001"',
            )


def _ladders(file: YamlFile, plain: dict[str, Any]) -> Iterator[Problem]:
    for where, scope in _scopes(plain):
        names: set[str] = set()
        previous: Any = None
        for at, stage in enumerate(_list(scope, "stages")):
            if not isinstance(stage, dict):
                continue
            here: Field = (*where, "stages", at)
            name = stage.get("name")
            if isinstance(name, str) and name in names:
                yield file.problem((*here, "name"), "a stage of this name stands above", value=name)
            names.add(str(name))
            if _is_number(stage.get("share")):
                yield from _rises(file, here, stage, previous)
                previous = stage


def _rises(file: YamlFile, here: Field, stage: dict[str, Any], previous: Any) -> Iterator[Problem]:
    if previous is None:
        return
    share, before = stage["share"], previous["share"]
    if share <= before:
        yield file.problem((*here, "share"), "shares must rise", value=share, allowed=f"> {before}")
        return
    bounds = [
        treatment_bound(float(item["share"]), float(held) if _is_number(held := item.get("holdback", 0)) else 0.0)
        for item in (previous, stage)
    ]
    if bounds[1] < bounds[0]:
        yield file.problem(
            (*here, "holdback"),
            "would take callers away from the bot that the stage before gave it",
            value=stage.get("holdback"),
            allowed=f"<= {1 - bounds[0]:g}",
        )


def _kpis(file: YamlFile, plain: dict[str, Any]) -> Iterator[Problem]:
    for where, scope in _scopes(plain):
        for role, judge in (("primary", _judge_primary), ("guardrails", _judge_guardrail)):
            seen: set[str] = set()
            for at, item in enumerate(_list(scope, role)):
                kpi = item.get("kpi") if isinstance(item, dict) else None
                if not isinstance(kpi, str):
                    continue
                here: Field = (*where, role, at)
                if kpi in seen:
                    yield file.problem((*here, "kpi"), "stands above already", value=kpi)
                seen.add(kpi)
                if kpi not in KPIS:
                    allowed = COMPARABLE if role == "primary" else LEVELLED
                    yield file.problem((*here, "kpi"), "unknown KPI", value=kpi, allowed=", ".join(allowed))
                else:
                    yield from judge(file, here, item, kpi)


_NOT_ALIKE = "is not measured alike in both arms over all exposed callers"


def _judge_primary(file: YamlFile, here: Field, _item: dict[str, Any], kpi: str) -> Iterator[Problem]:
    if not KPIS[kpi].comparable:
        yield file.problem(
            (*here, "kpi"), f"{_NOT_ALIKE}: it cannot be primary", value=kpi, allowed=", ".join(COMPARABLE)
        )


def _judge_guardrail(file: YamlFile, here: Field, item: dict[str, Any], kpi: str) -> Iterator[Problem]:
    by_limit, by_level = item.get("limit") is not None, item.get("level") is not None
    if by_limit == by_level:
        yield file.problem(
            here, "needs exactly one bound", value=kpi, allowed="limit (bot - human) or level (bot alone)"
        )
    if kpi not in LEVELLED:
        yield file.problem(
            (*here, "kpi"), f"{_NOT_ALIKE}: it cannot be a guardrail", value=kpi, allowed=", ".join(LEVELLED)
        )
    elif by_limit and not KPIS[kpi].comparable:
        yield file.problem(
            (*here, "limit"), f"{kpi} {_NOT_ALIKE}", value=item["limit"], allowed="level, of the bot arm alone"
        )


def _names(file: YamlFile, plain: dict[str, Any], known: frozenset[str]) -> Iterator[Problem]:
    for name in _map(plain, "branches"):
        if name not in known:
            yield file.problem(("branches", name), "unknown branch", value=name, allowed=", ".join(sorted(known)))


def _stage_names(plain: dict[str, Any], branch: dict[str, Any]) -> list[str]:
    """Rungs of a branch: its own, those of `defaults`, or the documented ladder."""
    for scope in (branch, _map(plain, "defaults")):
        if "stages" in scope:
            return [str(stage.get("name")) for stage in _list(scope, "stages") if isinstance(stage, dict)]
    return [stage.name for stage in DefaultsFile().stages]


def _starts(file: YamlFile, plain: dict[str, Any]) -> Iterator[Problem]:
    branches = _map(plain, "branches")
    for name in branches:
        branch = _map(branches, name)
        where: Field = ("branches", name)
        start, after = branch.get("start"), branch.get("after")
        if start is None and after is None:
            yield file.problem(where, "says neither when it starts nor after which branch", allowed="start, after")
        stages = _stage_names(plain, branch)
        if isinstance(start, str) and start not in stages:
            yield file.problem((*where, "start"), "unknown stage", value=start, allowed=", ".join(stages))
        if isinstance(after, str):
            yield from _order(file, (*where, "after"), branches, name, after)


def _order(file: YamlFile, where: Field, branches: Mapping[str, Any], name: str, after: str) -> Iterator[Problem]:
    if after not in branches:
        others = ", ".join(other for other in branches if other != name)
        yield file.problem(where, "a branch that is not in this plan", value=after, allowed=others)
        return
    chain = [name]
    while isinstance(after, str) and after in branches and after not in chain:
        chain.append(after)
        after = _map(branches, after).get("after", "")
    if after == name:
        yield file.problem(where, "branches wait for each other in a circle", value=" -> ".join([*chain, name]))


def _warnings(file: YamlFile, plain: dict[str, Any], emergencies: Collection[str]) -> Iterator[Problem]:
    plan = build_plan(PlanFile.model_validate(plain))
    for name in (name for name in plan.branches if name in emergencies):
        branch = plan.branches[name]
        first = branch.stage(branch.start)
        if first is not None and first.share > 0:
            yield file.problem(
                ("branches", name),
                "an emergency branch skips the shadow stage",
                value=first.name,
                allowed="a first stage with share 0",
            )
        earlier = {FRONT, *emergencies, *_chain(plan, branch.after)}
        later = [other for other in plan.branches if other not in earlier]
        if later:
            yield file.problem(
                ("branches", name, "after") if branch.after else ("branches", name),
                f"an emergency branch does not wait for {', '.join(later)}",
                value=branch.after,
                allowed="the end of the order, when the harmless branches are complete",
            )


def _chain(plan: Plan, name: str) -> Iterator[str]:
    """A branch and everything that it waits for; the check has found no circles."""
    while name in plan.branches:
        yield name
        name = plan.branches[name].after
