"""What must hold in and between flows: names, reachability, endings. Pure.

Finds unknown steps, flows, slots, actions and responses; unreachable steps; loops that never listen. What domain,
menu and texts must hold is in `declarations`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ivrbot.dialogue.declarations import check_actions, check_menu, check_slots, check_texts
from ivrbot.dialogue.schema import END, Flow, FlowSet, Step
from ivrbot.dialogue.two_topics import FIRST, QUESTION
from ivrbot.errors import Problem
from ivrbot.yamlfile import YamlFile

BUILT_IN_ACTIONS = frozenset(
    {"route_topic", "transfer_flow", "transfer_fraud", "join_queue", "hang_up", "offer_language", "served"}
)

LAST_ACTIONS = frozenset({"route_topic", "transfer_flow", "transfer_fraud", "join_queue", "hang_up"})
"""After these the flow does not go on by itself."""

ASKABLE = frozenset({"topic", "digits", "yes_no", "money", "date", "choice", "words"})

ENGINE_FLOWS = ("front_speech", "front_keys", "front_external", "more", "meanwhile")

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
    "utter_ask_fact_name_and_birth",
    "utter_ask_fact_phone",
    "utter_ask_fact_one_time_code",
    "utter_code_sent",
    "utter_code_sent_again",
    "utter_code_over",
    "utter_code_by_keys",
    "utter_code_not_sent",
    "utter_fact_wrong",
    "utter_fact_unclear",
    "utter_checking",
    "utter_no_match",
    "utter_no_input",
    "utter_wait",
    "utter_still_there",
    "utter_go_on",
    "utter_help",
    "utter_cancelled",
    "utter_transfer",
    "utter_bank_unavailable",
    "utter_bank_rejected",
    "utter_authentication_failed",
    "utter_apology",
    "utter_resume",
    "utter_about_bot",
    "utter_about_facts",
    "utter_about_time",
    "utter_reference_again",
    "utter_use_keys",
    "utter_goodbye",
)


def check_flow_set(
    flow_set: FlowSet, sources: Mapping[str, YamlFile], files: Mapping[str, YamlFile]
) -> Iterator[Problem]:
    """Yield every violation.

    Args:
        flow_set: compiled.
        sources: the file that each flow came from.
        files: domain.yml, branches.yml and the languages' files, by name.
    """
    for flow in flow_set.flows.values():
        yield from _check_flow(flow_set, flow, sources[flow.name])
    for name in ENGINE_FLOWS:
        if name not in flow_set.flows:
            folder = str(files["domain.yml"].path.parent)
            yield Problem(folder, None, f"flows.{name}", "", "is required and missing")
    yield from check_menu(flow_set, files["branches.yml"])
    yield from check_slots(flow_set, files["domain.yml"])
    yield from check_actions(flow_set, files["domain.yml"])
    needed = (*ENGINE_RESPONSES, QUESTION) if FIRST in flow_set.domain.slots else ENGINE_RESPONSES
    yield from check_texts(flow_set, files, needed)


def _check_flow(flow_set: FlowSet, flow: Flow, file: YamlFile) -> Iterator[Problem]:
    def problem(step: Step, message: str, value: str) -> Problem:
        return Problem(str(file.path), step.line, f"flows.{flow.name}.steps", value, message)

    for step in flow.steps.values():
        for message, value in _step_errors(flow_set, flow, step):
            yield problem(step, f"step {step.id!r} {message}", value)
    reachable = _reachable(flow)
    for step in flow.steps.values():
        if step.id not in reachable:
            yield problem(step, "step cannot be reached", step.id)
    if loop := _silent_loop(flow):
        step = flow.steps[loop]
        yield problem(step, "from this step the flow can go round for ever without listening", loop)


def _step_errors(flow_set: FlowSet, flow: Flow, step: Step) -> Iterator[tuple[str, str]]:
    known = flow_set.domain.slots
    for jump in step.jumps:
        if jump.target != END and jump.target not in flow.steps:
            yield "goes to a step that does not exist", jump.target
        for slot in sorted(jump.condition.slots) if jump.condition else ():
            if slot not in known:
                yield "has a condition on a slot that domain.yml does not have", slot
    yield from _value_errors(flow_set, step)
    if step.verb in {"link", "call"} and step.name not in flow_set.flows:
        yield "goes to a flow that does not exist", step.name
    if step.verb == "collect":
        yield from _collect_errors(flow_set, flow, step)
    if step.verb == "action":
        yield from _action_errors(flow_set, step.name)


def _value_errors(flow_set: FlowSet, step: Step) -> Iterator[tuple[str, str]]:
    known = flow_set.domain.slots
    for slot, value in step.values.items():
        if slot not in known:
            yield "sets a slot that domain.yml does not have", slot
        if isinstance(value, str) and value.startswith("slots.") and value.removeprefix("slots.") not in known:
            yield "copies a slot that domain.yml does not have", value


def _collect_errors(flow_set: FlowSet, flow: Flow, step: Step) -> Iterator[tuple[str, str]]:
    for name in (step.name, *step.accepts):
        spec = flow_set.domain.slots.get(name)
        if spec is None:
            yield "collects a slot that domain.yml does not have", name
        elif spec.kind not in ASKABLE:
            allowed = ", ".join(sorted(ASKABLE))
            yield f"collects a slot whose kind cannot be asked for (allowed: {allowed})", spec.kind
    if step.unsure and step.unsure not in flow.steps:
        yield "goes to a step that does not exist", step.unsure
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
        waiting.append(flow.steps[step_id].unsure)
    return found


def _silent_loop(flow: Flow) -> str:
    """Id of a step that lies on a cycle without a `collect`, "" if there is none."""
    quiet = {
        step.id: [jump.target for jump in step.jumps]
        for step in flow.steps.values()
        if step.verb in {"set_slots", "noop", "action"} and step.name not in LAST_ACTIONS
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
