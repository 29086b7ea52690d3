"""What must hold between the files of `flows/`: names, texts, reachability, endings. Pure.

Finds unknown steps, flows, slots, actions and responses; unreachable steps; loops that never listen; variables
that no slot holds or no recorded fragment can speak; texts missing in a language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ivrbot.dialogue.responses import SPEAKABLE, split_template
from ivrbot.dialogue.schema import END, Flow, FlowSet, Step
from ivrbot.errors import Problem
from ivrbot.model.speech import LANGUAGES
from ivrbot.yamlfile import YamlFile

BUILT_IN_ACTIONS = frozenset({"route_topic", "transfer_flow", "hang_up", "offer_language"})

ASKABLE = frozenset({"topic", "digits", "yes_no"})

ENGINE_FLOWS = ("front_speech", "front_keys", "front_external", "more")

ENGINE_RESPONSES = (
    "utter_greeting",
    "utter_greeting_recorded",
    "utter_language_hint",
    "utter_ask_topic",
    "utter_operator_hint",
    "utter_ask_fact_last_four",
    "utter_ask_fact_code_word",
    "utter_ask_fact_date_of_birth",
    "utter_ask_fact_full_name",
    "utter_ask_fact_phone",
    "utter_fact_wrong",
    "utter_fact_unclear",
    "utter_checking",
    "utter_no_match",
    "utter_no_input",
    "utter_wait",
    "utter_help",
    "utter_cancelled",
    "utter_transfer",
    "utter_bank_unavailable",
    "utter_bank_rejected",
    "utter_authentication_failed",
    "utter_apology",
    "utter_use_keys",
    "utter_goodbye",
)


def check_flow_set(flow_set: FlowSet, sources: Mapping[str, YamlFile], folder: Path) -> Iterator[Problem]:
    """Yield every violation; `sources` tells which file each flow came from."""
    for flow in flow_set.flows.values():
        yield from _check_flow(flow_set, flow, sources[flow.name])
    yield from _check_names(flow_set, folder)
    yield from _check_texts(flow_set, folder)


def _check_flow(flow_set: FlowSet, flow: Flow, file: YamlFile) -> Iterator[Problem]:
    where = ("flows", flow.name)
    for step in flow.steps.values():
        for message, value in _step_errors(flow_set, flow, step):
            yield file.problem((*where, "steps"), f"step {step.id!r}: {message}", value=value)
    reachable = _reachable(flow)
    for step_id in flow.steps:
        if step_id not in reachable:
            yield file.problem((*where, "steps"), "step cannot be reached", value=step_id)
    if loop := _silent_loop(flow):
        yield file.problem((*where, "steps"), "these steps can go round for ever without listening", value=loop)


def _step_errors(flow_set: FlowSet, flow: Flow, step: Step) -> Iterator[tuple[str, str]]:
    for jump in step.jumps:
        if jump.target != END and jump.target not in flow.steps:
            yield "goes to a step that does not exist", jump.target
        for slot in jump.condition.slots if jump.condition else ():
            if slot not in flow_set.domain.slots:
                yield "its condition reads a slot that domain.yml does not have", slot
    for slot in step.values:
        if slot not in flow_set.domain.slots:
            yield "sets a slot that domain.yml does not have", slot
    if step.verb in {"link", "call"} and step.name not in flow_set.flows:
        yield "goes to a flow that does not exist", step.name
    if step.verb == "collect":
        yield from _collect_errors(flow_set, step)
    if step.verb == "action":
        yield from _action_errors(flow_set, step.name)


def _collect_errors(flow_set: FlowSet, step: Step) -> Iterator[tuple[str, str]]:
    spec = flow_set.domain.slots.get(step.name)
    if spec is None:
        yield "collects a slot that domain.yml does not have", step.name
    elif spec.kind not in ASKABLE:
        yield f"collects a slot whose kind cannot be asked for (allowed: {', '.join(sorted(ASKABLE))})", spec.kind
    if step.utter not in flow_set.responses["ru"]:
        yield "asks with a response that does not exist", step.utter


def _action_errors(flow_set: FlowSet, name: str) -> Iterator[tuple[str, str]]:
    if name.startswith("utter_"):
        if name not in flow_set.responses["ru"]:
            yield "says a response that does not exist", name
    elif name not in BUILT_IN_ACTIONS and name not in flow_set.domain.actions:
        yield "runs an action that domain.yml does not have", name


def _reachable(flow: Flow) -> set[str]:
    found: set[str] = set()
    waiting = [flow.entry]
    while waiting:
        step_id = waiting.pop()
        if step_id in found or step_id not in flow.steps:
            continue
        found.add(step_id)
        waiting.extend(jump.target for jump in flow.steps[step_id].jumps)
    return found


def _silent_loop(flow: Flow) -> str:
    """Ids of steps that form a cycle without a `collect` or an outside action, "" if there is none."""
    quiet = {
        step.id: [jump.target for jump in step.jumps]
        for step in flow.steps.values()
        if step.verb in {"set_slots", "noop"} or (step.verb == "action" and step.name.startswith("utter_"))
    }
    for start in quiet:
        seen, waiting = set(), [start]
        while waiting:
            for target in quiet.get(waiting.pop(), ()):
                if target == start:
                    return start
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
    return ""


def _check_names(flow_set: FlowSet, folder: Path) -> Iterator[Problem]:
    yield from _check_menu(flow_set, str(folder / "branches.yml"))
    for flow in ENGINE_FLOWS:
        if flow not in flow_set.flows:
            yield Problem(str(folder), None, f"flows.{flow}", "", "is required and missing")
    domain = str(folder / "domain.yml")
    for action, spec in flow_set.domain.actions.items():
        for slot in [*spec.arguments, *spec.results]:
            if slot not in flow_set.domain.slots:
                yield Problem(domain, None, f"actions.{action}", slot, "is no slot")
        kind = "authenticate_" if spec.operation else "bank_"
        if not action.startswith(kind):
            message = "is neither bank_* nor authenticate_* with an operation"
            yield Problem(domain, None, f"actions.{action}", "", message)


def _check_menu(flow_set: FlowSet, file: str) -> Iterator[Problem]:
    menu = flow_set.branches
    keys: dict[str, str] = {menu.language_key: "language_key"}
    topics: dict[str, str] = {}
    for name, branch in menu.branches.items():
        if branch.key in keys:
            yield Problem(file, None, f"branches.{name}.key", branch.key, f"is also the key of {keys[branch.key]}")
        keys[branch.key] = name
        if branch.key_topic not in branch.topics:
            allowed = ", ".join(branch.topics)
            field = f"branches.{name}.key_topic"
            yield Problem(file, None, field, branch.key_topic, "is no topic of this branch", allowed)
        for topic, entry in branch.topics.items():
            field = f"branches.{name}.topics.{topic}"
            if topic in topics:
                yield Problem(file, None, field, "", f"is also in branch {topics[topic]}")
            topics[topic] = name
            if entry.flow is not None and entry.flow not in flow_set.flows:
                yield Problem(file, None, f"{field}.flow", entry.flow, "no such flow")
    if menu.general_queue not in menu.branches:
        yield Problem(file, None, "general_queue", menu.general_queue, "is no branch", ", ".join(menu.branches))


def _check_texts(flow_set: FlowSet, folder: Path) -> Iterator[Problem]:
    everywhere = set().union(*(flow_set.responses[language] for language in LANGUAGES)) | set(ENGINE_RESPONSES)
    for language in LANGUAGES:
        file, texts = str(folder / f"{language}.yml"), flow_set.responses[language]
        for key in sorted(everywhere - set(texts)):
            yield Problem(file, None, f"responses.{key}", "", "is missing in this language")
        for key, text in texts.items():
            for part in split_template(text):
                if isinstance(part, str):
                    continue
                spec = flow_set.domain.slots.get(part[0])
                if spec is None:
                    yield Problem(file, None, f"responses.{key}", part[0], "no such slot")
                elif spec.kind not in SPEAKABLE:
                    allowed = ", ".join(sorted(SPEAKABLE))
                    yield Problem(
                        file,
                        None,
                        f"responses.{key}",
                        part[0],
                        "no recorded fragments cover this variable",
                        allowed,
                    )
