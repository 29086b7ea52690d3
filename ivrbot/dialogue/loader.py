"""Reads `flows/` and compiles it; every mistake in every file is reported at once.

Takes the folder, gives a `FlowSet`. What each file may hold is in `schema`; what must hold between the files is in
`checks`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from ivrbot.dialogue.conditions import ConditionError, parse_condition, parse_value
from ivrbot.dialogue.schema import (
    END,
    Branches,
    Domain,
    Flow,
    FlowSet,
    Jump,
    Responses,
    Step,
    WrittenFlows,
    WrittenJump,
    WrittenStep,
)
from ivrbot.errors import ConfigError, Problem
from ivrbot.model.dialogue import Value
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.yamlfile import YamlFile, read_yaml, validate

VERBS = ("action", "collect", "set_slots", "link", "call", "noop")

NOT_FLOWS = {"domain.yml", "branches.yml", "assurance.yml", *(f"{language}.yml" for language in LANGUAGES)}

ModelT = TypeVar("ModelT", bound=BaseModel)


def load_flows(folder: Path) -> FlowSet:
    """Load, compile and cross-check a folder of flows.

    Raises:
        ConfigError: every problem of every file.
    """
    from ivrbot.dialogue.checks import check_flow_set

    problems: list[Problem] = []
    domain = _read(folder / "domain.yml", Domain, problems)
    branches = _read(folder / "branches.yml", Branches, problems)
    texts: dict[Language, dict[str, str]] = {}
    files = {read[0].path.name: read[0] for read in (domain, branches) if read is not None}
    for language in LANGUAGES:
        responses = _read(folder / f"{language}.yml", Responses, problems)
        if responses is not None:
            files[responses[0].path.name] = responses[0]
            texts[language] = {
                key: wordings[0].text for key, wordings in responses[1].responses.items() if wordings
            }
    flows: dict[str, Flow] = {}
    sources: dict[str, YamlFile] = {}
    for path in sorted(folder.glob("*.yml")):
        if path.name in NOT_FLOWS:
            continue
        written = _read(path, WrittenFlows, problems)
        if written is None:
            continue
        for name, flow in written[1].flows.items():
            if name in flows:
                problems.append(written[0].problem(("flows", name), "is defined twice"))
            steps = _Compiler(written[0], name).compile(flow.steps, problems)
            flows[name] = Flow(name, flow.description, steps)
            sources[name] = written[0]
    if domain is None or branches is None or len(texts) < len(LANGUAGES):
        raise ConfigError(problems)
    flow_set = FlowSet(flows, domain[1], branches[1], texts)
    problems.extend(check_flow_set(flow_set, sources, files))
    if problems:
        raise ConfigError(problems)
    return flow_set


def _read(path: Path, schema: type[ModelT], problems: list[Problem]) -> tuple[YamlFile, ModelT] | None:
    try:
        file = read_yaml(path)
        return file, validate(file, schema)
    except ConfigError as error:
        problems.extend(error.problems)
        return None


class _Compiler:
    """Flattens nested steps of one flow into a map of steps with ids; collects problems as it goes."""

    def __init__(self, file: YamlFile, flow: str) -> None:
        self._file = file
        self._flow = flow
        self._steps: dict[str, Step] = {}

    def compile(self, written: Iterable[WrittenStep], problems: list[Problem]) -> dict[str, Step]:
        self._problems = problems
        self._block(list(written), ("flows", self._flow, "steps"), "")
        return self._steps

    def _block(self, written: list[WrittenStep], field: tuple[str | int, ...], prefix: str) -> str:
        """Compile a list of steps; gives the id of the first."""
        ids = [step.id or f"{prefix}{number}" for number, step in enumerate(written)]
        for number, step in enumerate(written):
            following = ids[number + 1] if number + 1 < len(ids) else END
            self._step(step, ids[number], following, (*field, number))
        return ids[0]

    def _step(self, step: WrittenStep, step_id: str, following: str, field: tuple[str | int, ...]) -> None:
        verbs = [verb for verb in VERBS if getattr(step, verb) is not None]
        if len(verbs) != 1:
            self._complain(field, f"needs exactly one of {', '.join(VERBS)}", ", ".join(verbs))
            # Something must stand here, or whatever leads here would be called wrong as well.
            self._steps[step_id] = Step(step_id, "noop", "", (Jump(None, following),), line=self._file.line(field))
            return
        if step_id in self._steps:
            self._complain(field, "two steps of this flow have the same id", step_id)
        verb = verbs[0]
        name = getattr(step, verb) if verb in {"action", "collect", "link", "call"} else ""
        self._steps[step_id] = placeholder = Step(step_id, "noop", "", ())
        jumps = self._jumps(step, step_id, following, field)
        values = self._values(step, field)
        self._steps[step_id] = Step(
            placeholder.id,
            verb,  # type: ignore[arg-type]
            name,
            jumps,
            utter=step.utter or (f"utter_ask_{name}" if verb == "collect" else ""),
            accepts=tuple(step.accepts),
            unsure=step.unsure or "",
            ask_before_filling=step.ask_before_filling,
            values=values,
            line=self._file.line(field),
        )

    def _values(self, step: WrittenStep, field: tuple[str | int, ...]) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for number, assignment in enumerate(step.set_slots or []):
            for slot, value in assignment.items():
                try:
                    parse_value(value)
                    values[slot] = value
                except ConditionError as error:
                    self._complain((*field, "set_slots", number, slot), str(error), slot)
        return values

    def _jumps(
        self, step: WrittenStep, step_id: str, following: str, field: tuple[str | int, ...]
    ) -> tuple[Jump, ...]:
        if step.next is None:
            return (Jump(None, following),)
        if isinstance(step.next, str):
            return (Jump(None, step.next),)
        jumps = []
        for number, written in enumerate(step.next):
            jumps.append(self._jump(written, f"{step_id}.{number}.", (*field, "next", number)))
        if not jumps or "else_" not in step.next[-1].model_fields_set:
            self._complain((*field, "next"), "the last arm must be an else")
        elif any("else_" in arm.model_fields_set for arm in step.next[:-1]):
            self._complain((*field, "next"), "an else must be the last arm: nothing after it is ever tried")
        return tuple(jumps)

    def _jump(self, written: WrittenJump, prefix: str, field: tuple[str | int, ...]) -> Jump:
        condition = None
        if written.if_ is not None:
            try:
                condition = parse_condition(written.if_)
            except ConditionError as error:
                self._complain((*field, "if"), f"not a condition: {error}", written.if_)
        target = written.then if written.if_ is not None else written.else_
        wrong = written.else_ if written.if_ is not None else written.then
        if target is None or wrong is not None:
            self._complain(field, "an arm is either `if` with `then`, or `else` alone")
            return Jump(condition, END)
        if isinstance(target, str):
            return Jump(condition, target)
        if not target:
            return Jump(condition, END)
        return Jump(condition, self._block(target, (*field, "then" if written.if_ else "else"), prefix))

    def _complain(self, field: tuple[str | int, ...], message: str, value: str = "") -> None:
        self._problems.append(self._file.problem(field, message, value=value))
