"""What must hold of the declarations beside the flows: slots, actions, menu, texts. Pure.

Finds names that nothing has, keys and topics used twice, choices without options, variables that no slot holds or
no recorded fragment can speak, texts missing in a language.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ivrbot.dialogue.responses import DATE_FORMS, SPEAKABLE, split_template
from ivrbot.dialogue.schema import ActionSpec, FlowSet, SlotSpec
from ivrbot.errors import Problem
from ivrbot.language.verbalise import NOUNS
from ivrbot.model.bank import BankOperation
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.yamlfile import YamlFile


def check_slots(flow_set: FlowSet, file: YamlFile) -> Iterator[Problem]:
    """Slots that point to others, and the options of choices."""
    slots = flow_set.domain.slots
    for name, spec in slots.items():
        for field in ("stands_for", "among", "like"):
            if (other := getattr(spec, field)) and other not in slots:
                yield file.problem(("slots", name, field), "is no slot", value=other)
        for other in spec.clears:
            if other not in slots:
                yield file.problem(("slots", name, "clears"), "is no slot", value=other)
        if (spec.kind == "choice") != bool(spec.options):
            yield file.problem(("slots", name, "options"), "belong to a choice, and a choice needs them")
        if spec.several and spec.several not in spec.options:
            allowed = ", ".join(spec.options)
            yield file.problem(("slots", name, "several"), "is no option", value=spec.several, allowed=allowed)
        yield from _option_problems(name, spec, file)


def _option_problems(name: str, spec: SlotSpec, file: YamlFile) -> Iterator[Problem]:
    for option, written in spec.options.items():
        where = ("slots", name, "options", option)
        for other in written.unless:
            if other not in spec.options:
                allowed = ", ".join(spec.options)
                yield file.problem((*where, "unless"), "is no option", value=other, allowed=allowed)
        heard = {language for language in LANGUAGES if written.stems(language)}
        if heard and heard != set(LANGUAGES):
            missing = ", ".join(sorted(set(LANGUAGES) - heard))
            yield file.problem(where, "can be said in one language only", value=missing)


def check_actions(flow_set: FlowSet, file: YamlFile) -> Iterator[Problem]:
    """Actions of the bank and the ladder: their slots, operations and whether they write."""
    for action, spec in flow_set.domain.actions.items():
        field = ("actions", action)
        for slot in [*spec.arguments, *spec.results]:
            if slot not in flow_set.domain.slots:
                yield file.problem(field, "is no slot", value=slot)
        yield from _operation_problems(action, spec, file)
        if action.startswith("authenticate_") and (spec.arguments or spec.fixed):
            yield from _confirmation_problems(action, spec, flow_set.domain.actions, file)


def _confirmation_problems(
    action: str, spec: ActionSpec, actions: Mapping[str, ActionSpec], file: YamlFile
) -> Iterator[Problem]:
    """A code confirms what the bank is then asked for, or the bank is never asked."""
    same = [
        other
        for name, other in actions.items()
        if name.startswith("bank_") and (other.operation or name.removeprefix("bank_")) == spec.operation
    ]
    if not any((other.arguments, other.fixed) == (spec.arguments, spec.fixed) for other in same):
        message = "must be those of the operation that it is for: a one-time code confirms them and nothing else"
        yield file.problem(("actions", action, "arguments"), message, value=", ".join(spec.arguments))


def _operation_problems(action: str, spec: ActionSpec, file: YamlFile) -> Iterator[Problem]:
    field = ("actions", action)
    if action.startswith("authenticate_"):
        if not spec.operation:
            yield file.problem(field, "needs the operation of assurance.yml that it is for")
        return
    operations = {operation.value: operation for operation in BankOperation}
    operation = operations.get(spec.operation or action.removeprefix("bank_"))
    if not action.startswith("bank_") or operation is None:
        allowed = ", ".join(f"bank_{name}" for name in sorted(operations))
        message = "is neither an operation of the bank nor authenticate_* with an operation"
        yield file.problem(field, message, allowed=allowed)
    elif spec.write != operation.writes:
        yield file.problem((*field, "write"), f"must be {str(operation.writes).lower()}")


def check_menu(flow_set: FlowSet, file: YamlFile) -> Iterator[Problem]:
    """Keys and topics used once, flows that exist."""
    menu = flow_set.branches
    keys: dict[str, str] = {menu.language_key: "language_key"}
    topics: dict[str, str] = {}
    for name, branch in menu.branches.items():
        where = ("branches", name)
        if branch.key in keys:
            yield file.problem((*where, "key"), f"is also the key of {keys[branch.key]}", value=branch.key)
        keys[branch.key] = name
        if branch.key_topic not in branch.topics:
            allowed = ", ".join(branch.topics)
            message = "is no topic of this branch"
            yield file.problem((*where, "key_topic"), message, value=branch.key_topic, allowed=allowed)
        for topic, entry in branch.topics.items():
            field = (*where, "topics", topic)
            if topic in topics:
                yield file.problem(field, f"is also in branch {topics[topic]}")
            topics[topic] = name
            if entry.flow is not None and entry.flow not in flow_set.flows:
                yield file.problem((*field, "flow"), "no such flow", value=entry.flow)
    if menu.general_queue not in menu.branches:
        allowed = ", ".join(menu.branches)
        yield file.problem(("general_queue",), "is no branch", value=menu.general_queue, allowed=allowed)


def check_texts(flow_set: FlowSet, files: Mapping[str, YamlFile], needed: Iterable[str]) -> Iterator[Problem]:
    """Every text in every language, with variables that can be spoken.

    Args:
        flow_set: compiled.
        files: the languages' files, by name.
        needed: responses that the engine itself uses.
    """
    everywhere = set().union(*(flow_set.responses[language] for language in LANGUAGES)) | set(needed)
    for language in LANGUAGES:
        file, texts = files[f"{language}.yml"], flow_set.responses[language]
        for key in sorted(everywhere - set(texts)):
            yield file.problem(("responses", key), "is missing in this language")
        for key, text in texts.items():
            for part in split_template(text):
                if not isinstance(part, str):
                    yield from _check_variable(flow_set, file, (key, language), part)


def _check_variable(
    flow_set: FlowSet, file: YamlFile, where: tuple[str, Language], variable: tuple[str, str]
) -> Iterator[Problem]:
    (key, language), (name, form) = where, variable
    field = ("responses", key)
    spec = flow_set.domain.slots.get(name)
    if spec is None:
        yield file.problem(field, "no such slot", value=name)
    elif spec.kind not in SPEAKABLE:
        allowed = ", ".join(sorted(SPEAKABLE))
        yield file.problem(field, "no recorded fragments cover this variable", value=name, allowed=allowed)
    elif spec.kind == "choice":
        for option, written in spec.options.items():
            if language not in written.say:
                message = f"no recorded fragment names the option {option!r} in this language"
                yield file.problem(field, message, value=name)
    elif spec.kind in {"count", "date"}:
        forms = NOUNS[language] if spec.kind == "count" else DATE_FORMS
        if form not in forms:
            yield file.problem(field, "has no such form", value=f"{name}:{form}", allowed=", ".join(forms))
