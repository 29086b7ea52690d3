"""Walks the flows: `step(state, input) -> (state, acts)`, pure and total.

Every answer ends with exactly one act that says what must happen next (Collect, Authenticate, CallBank, Route,
Transfer or Hangup); Says come before it. Whatever cannot go on ends with an operator, never in a loop.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from ivrbot.dialogue.conditions import parse_value
from ivrbot.dialogue.questions import FACT_QUESTIONS, question_for
from ivrbot.dialogue.reading import (
    TOPIC_CHANGE_CONFIDENCE,
    command_in,
    command_meant,
    read_keys,
    read_slot,
    read_topic,
    resembles_operator,
)
from ivrbot.dialogue.responses import split_template
from ivrbot.dialogue.schema import END, FlowSet, SlotSpec, Step
from ivrbot.dialogue.state import DialogueState, Frame, Waiting
from ivrbot.language.codes import parse_digits
from ivrbot.language.commands import Universal
from ivrbot.model.call import EscalationReason
from ivrbot.model.dialogue import (
    Authenticate,
    AuthReply,
    BankReply,
    CallBank,
    Collect,
    DialogueAct,
    DialogueInput,
    Hangup,
    Keys,
    NoInput,
    NoMatch,
    Route,
    Routed,
    Say,
    Transfer,
    TransferFailed,
    UserTurn,
    Value,
)
from ivrbot.model.speech import Language

MAX_STEPS = 200
MAX_FAILURES = 2
WAIT_MS = 60_000
NO_TOPIC = "goodbye"

Acts = tuple[DialogueAct, ...]
Result = tuple[DialogueState, Acts]

_BANK_FAILURES = {
    "rejected": ("utter_bank_rejected", EscalationReason.BANK_REJECTED),
    "unavailable": ("utter_bank_unavailable", EscalationReason.BANK_UNAVAILABLE),
    "unknown": ("utter_bank_unavailable", EscalationReason.BANK_OUTCOME_UNKNOWN),
}

_ROUTE_REASONS = {
    "not_served": EscalationReason.TOPIC_NOT_SERVED,
    "control": EscalationReason.CONTROL_ARM,
    "storage_unavailable": EscalationReason.STORAGE_FAILURE,
}


class Dialogue:
    """The engine over one set of flows; holds no state of any call."""

    def __init__(self, flow_set: FlowSet, *, recorded: bool = False) -> None:
        self._set = flow_set
        self._recorded = recorded

    def start(self, language: Language, front: str, topic: str = "") -> Result:
        """Begin a call.

        Args:
            language: of the first words.
            front: "speech", "keys" or "external".
            topic: already chosen in a menu in front of us; then nothing is asked.
        """
        state = DialogueState(language)
        if topic:
            return self._route(replace(state, topic=topic), [])
        return self._enter(state, f"front_{front}", [])

    def step(self, state: DialogueState, input_: DialogueInput) -> Result:
        """Go on with what has come in."""
        match input_:
            case UserTurn():
                return self._user_turn(state, input_)
            case Keys():
                return self._keys(state, input_)
            case NoInput():
                return self._failure(state, "utter_no_input", EscalationReason.NO_INPUT)
            case NoMatch():
                return self._failure(state, "utter_no_match", EscalationReason.NO_MATCH)
            case BankReply():
                return self._bank_reply(state, input_)
            case AuthReply():
                return self._auth_reply(state, input_)
            case Routed():
                return self._routed(state, input_)
            case TransferFailed():
                return self._transfer(state, [], EscalationReason.FLOW, queue=self._set.branches.general_queue)
            case _:
                assert_never(input_)

    # --- what the caller does -----------------------------------------------------------------------

    def _user_turn(self, state: DialogueState, turn: UserTurn) -> Result:
        if (command := command_in(turn, state.language)) is not None:
            return self._command(state, command)
        if state.waiting == "fact":
            answers = tuple(hypothesis.text for hypothesis in turn.hypotheses)
            return replace(state, waiting="auth"), (Authenticate(state.operation, state.fact, answers),)
        spec, slot = self._open_question(state)
        if spec.kind == "topic":
            return self._topic_turn(state, turn)
        value = read_slot(spec, turn, state.language)
        if spec.kind == "yes_no":
            value, state = self._correction(state, turn, value)
        if value is not None:
            return self._fill(state, slot, value)
        if (command := command_meant(turn)) is not None:
            return self._command(state, command)
        topic = read_topic(turn, self._set.branches)
        if topic and topic != state.topic and turn.nlu.confidence >= TOPIC_CHANGE_CONFIDENCE:
            return self._route(replace(state, topic=topic, failures=0), [])
        return self._not_understood(state, turn)

    def _not_understood(self, state: DialogueState, turn: UserTurn) -> Result:
        """Reprompt, unless it sounds like the one word that must never be missed."""
        if resembles_operator(turn, state.language):
            return self._command(state, Universal.OPERATOR)
        return self._failure(state, "utter_no_match", EscalationReason.NO_MATCH)

    def _topic_turn(self, state: DialogueState, turn: UserTurn) -> Result:
        intent, after_service = turn.nlu.intent, bool(state.topic)
        if intent == "operator":
            return self._command(state, Universal.OPERATOR)
        if after_service and intent in {"deny", "goodbye", "thanks", "cancel"}:
            return self._fill(state, "topic", NO_TOPIC)
        if (topic := read_topic(turn, self._set.branches)) is not None:
            # Half understood and sounding like "operator": he is asked for, whatever the rest was taken for.
            if turn.nlu.confidence < TOPIC_CHANGE_CONFIDENCE and resembles_operator(turn, state.language):
                return self._command(state, Universal.OPERATOR)
            return self._fill(self._volunteered(state, turn), "topic", topic)
        if intent in {"greet", "affirm"} and state.failures == 0:
            return self._ask_again(replace(state, failures=1), [Say("utter_ask_topic")], repeat_question=False)
        if (command := command_meant(turn)) is not None:
            return self._command(state, command)
        return self._not_understood(state, turn)

    def _keys(self, state: DialogueState, keys: Keys) -> Result:
        digits = keys.digits.removesuffix("#")
        if digits == "0":
            return self._command(state, Universal.OPERATOR)
        if digits == "*":
            return self._command(state, Universal.REPEAT)
        if state.waiting == "fact":
            answer = Authenticate(state.operation, state.fact, (digits,), keyed=True)
            return replace(state, waiting="auth"), (answer,)
        spec, slot = self._open_question(state)
        if spec.kind == "topic" and digits == self._set.branches.language_key and not state.topic:
            other: Language = "en" if state.language == "ru" else "ru"
            return self._ask_again(replace(state, language=other, failures=0), [])
        value = read_keys(spec, digits, self._set.branches)
        if value is None:
            return self._failure(state, "utter_no_match", EscalationReason.NO_MATCH)
        return self._fill(state, slot, value)

    def _command(self, state: DialogueState, command: Universal) -> Result:
        match command:
            case Universal.OPERATOR:
                return self._transfer(state, [], EscalationReason.CALLER_ASKED)
            case Universal.REPEAT:
                return self._ask_again(state, [])
            case Universal.WAIT:
                state, acts = self._ask_again(state, [Say("utter_wait")], repeat_question=False)
                return state, tuple(
                    replace(act, timeout_ms=WAIT_MS) if isinstance(act, Collect) else act for act in acts
                )
            case Universal.HELP:
                return self._ask_again(state, [Say("utter_help")])
            case Universal.BACK:
                return self._back(state)
            case Universal.CANCEL:
                if not state.topic:
                    return self._ask_again(state, [])
                if state.collect is not None and state.collect.slot == "topic":
                    return self._fill(state, "topic", NO_TOPIC)  # nothing is under way: he wants no more
                return self._enter(replace(state, stack=(), answered=()), "more", [Say("utter_cancelled")])
            case _:
                assert_never(command)

    def _back(self, state: DialogueState) -> Result:
        """Ask the last answered question of this flow again; without one, the open one."""
        if not state.answered or state.answered[-1].flow != state.stack[-1].flow:
            return self._ask_again(state, [])
        frame = state.answered[-1]
        slots = {**state.slots, self._set.flows[frame.flow].steps[frame.step].name: None}
        state = replace(state, stack=(*state.stack[:-1], frame), slots=slots, answered=state.answered[:-1])
        return self._run(state, [])

    def _failure(self, state: DialogueState, response: str, reason: EscalationReason) -> Result:
        if state.failures + 1 >= MAX_FAILURES:
            return self._transfer(state, [Say("utter_transfer")], reason)
        return self._ask_again(replace(state, failures=state.failures + 1), [Say(response)])

    def _ask_again(self, state: DialogueState, first: list[Say], repeat_question: bool = True) -> Result:
        if state.collect is None:
            return self._transfer(state, [], EscalationReason.INTERNAL_ERROR)
        says = [*first, *(state.asked if repeat_question else ())]
        waiting: Waiting = "fact" if state.collect.slot == "fact" else "collect"
        return replace(state, waiting=waiting), (*says, state.collect)

    # --- slots --------------------------------------------------------------------------------------

    def _open_question(self, state: DialogueState) -> tuple[SlotSpec, str]:
        step = self._step_at(state)
        return self._set.domain.slots[step.name], step.name

    def _fill(self, state: DialogueState, slot: str, value: Value) -> Result:
        slots = {**state.slots, slot: value}
        answered = (*state.answered, state.stack[-1])
        if slot == "topic" and value != NO_TOPIC:
            state = replace(state, topic=str(value))
        state = replace(state, slots=slots, failures=0, answered=answered, collect=None)
        return self._run(self._advance(state), [])

    def _volunteered(self, state: DialogueState, turn: UserTurn) -> DialogueState:
        """Keep codes that the caller gave together with his topic."""
        slots = dict(state.slots)
        for name, spec in self._set.domain.slots.items():
            if spec.fill_from_topic and spec.kind == "digits" and spec.length:
                value = parse_digits(turn.text, state.language, spec.length)
                if value is not None:
                    slots[name] = value
        return replace(state, slots=slots)

    def _correction(self, state: DialogueState, turn: UserTurn, value: Value) -> tuple[Value, DialogueState]:
        """Take the right code from an answer to a question that named another ("no, 90 30", "yes, the 90 30").

        Whatever word came with it, a yes to something else is no yes.
        """
        named = self._named_in(state)
        heard = self._volunteered(state, turn)
        if any(heard.slots.get(name) != state.slots.get(name) for name in named):
            return False, replace(heard, slots={**heard.slots, "corrected": True})
        if value is False:
            state = replace(state, slots={**heard.slots, "corrected": False})
        return value, state

    def _named_in(self, state: DialogueState) -> frozenset[str]:
        """Slots whose values the open question has just read out."""
        texts = self._set.responses[state.language]
        parts = (part for say in state.asked for part in split_template(texts[say.response]))
        return frozenset(part[0] for part in parts if not isinstance(part, str))

    # --- what the others answer ---------------------------------------------------------------------

    def _bank_reply(self, state: DialogueState, reply: BankReply) -> Result:
        if reply.status != "ok":
            response, reason = _BANK_FAILURES[reply.status]
            return self._transfer(state, [Say(response)], reason)
        spec = self._set.domain.actions[reply.action]
        results = {name: reply.values.get(name) for name in spec.results}
        return self._run(self._advance(replace(state, slots={**state.slots, **results})), [])

    def _auth_reply(self, state: DialogueState, reply: AuthReply) -> Result:
        state = replace(state, slots={**state.slots, **reply.slots})
        match reply.status:
            case "granted":
                return self._run(self._advance(replace(state, fact="", failures=0, collect=None)), [])
            case "refused":
                return self._transfer(
                    state, [Say("utter_authentication_failed")], EscalationReason.AUTHENTICATION_FAILED
                )
            case "unclear":
                if not reply.fact or reply.fact == state.fact or state.failures + 1 >= MAX_FAILURES:
                    return self._failure(state, "utter_fact_unclear", EscalationReason.NO_MATCH)
                state = replace(state, failures=state.failures + 1)
                return self._ask_fact(state, reply.fact, [Say("utter_fact_unclear")])
            case "ask" | "wrong":
                first = [Say("utter_fact_wrong")] if reply.status == "wrong" else []
                return self._ask_fact(replace(state, failures=0), reply.fact, first)
            case _:
                assert_never(reply.status)

    def _ask_fact(self, state: DialogueState, fact: str, first: list[Say]) -> Result:
        collect, hint = FACT_QUESTIONS[fact], self._hint(state)
        question = Say(f"utter_ask_fact_{fact}")
        state = replace(state, waiting="fact", fact=fact, collect=collect, asked=(question,))
        state = replace(state, hint_given=state.hint_given or bool(hint))
        return state, (*first, *hint, question, collect)

    def _routed(self, state: DialogueState, reply: Routed) -> Result:
        if not reply.to_bot:
            reason = _ROUTE_REASONS.get(reply.reason, EscalationReason.NOT_ELIGIBLE)
            return self._transfer(state, [], reason)
        entry = self._set.branches.topic(state.topic)
        if entry is None or entry.flow is None:
            return self._transfer(state, [], EscalationReason.TOPIC_NOT_SERVED)
        stack = state.stack
        if stack and self._step_at(state).name in {"route_topic", "topic"}:
            stack = stack[:-1]
        # A flow that was interrupted and is wanted again starts anew: its answers must not count for two.
        stack = tuple(frame for frame in stack if frame.flow != entry.flow)
        return self._enter(replace(state, stack=stack, answered=()), entry.flow, [])

    def _route(self, state: DialogueState, acts: list[DialogueAct]) -> Result:
        return replace(state, waiting="route"), (*acts, Route(state.topic))

    def _transfer(
        self, state: DialogueState, says: list[Say], reason: EscalationReason, queue: str = ""
    ) -> Result:
        entry = self._set.branches.topic(state.topic)
        if not queue:
            queue = self._set.branches.branch_of(state.topic) or self._set.branches.general_queue
        transfer = Transfer(reason, queue, entry.priority if entry else 0)
        return replace(state, waiting="over"), (*says, transfer)

    # --- walking ------------------------------------------------------------------------------------

    def _step_at(self, state: DialogueState) -> Step:
        frame = state.stack[-1]
        return self._set.flows[frame.flow].steps[frame.step]

    def _enter(self, state: DialogueState, flow: str, acts: list[DialogueAct]) -> Result:
        slots = {**state.slots, "topic": None}
        frame = Frame(flow, self._set.flows[flow].entry, state.topic)
        return self._run(replace(state, stack=(*state.stack, frame), slots=slots), acts)

    def _advance(self, state: DialogueState) -> DialogueState:
        """Leave the step at the top by the first jump that holds; END pops the flow."""
        step, stack = self._step_at(state), state.stack
        jumps = (jump for jump in step.jumps if jump.condition is None or jump.condition.holds(state.slots))
        target = next(jumps).target
        if target == END:
            topic = stack[-2].topic if len(stack) > 1 else state.topic
            return replace(state, stack=stack[:-1], topic=topic, answered=())
        return replace(state, stack=(*stack[:-1], replace(stack[-1], step=target)))

    def _run(self, state: DialogueState, acts: list[DialogueAct]) -> Result:
        for _ in range(MAX_STEPS):
            if not state.stack:
                return self._enter(state, "more", acts)
            step = self._step_at(state)
            if step.verb == "collect":
                if state.slots.get(step.name) is None or step.ask_before_filling:
                    return self._ask(state, step, acts)
            elif step.verb == "set_slots":
                values = {name: parse_value(value)(state.slots) for name, value in step.values.items()}
                state = replace(state, slots={**state.slots, **values})
            elif step.verb in {"call", "link"}:
                below = self._advance(state).stack if step.verb == "call" else state.stack[:-1]
                state = replace(
                    state, stack=(*below, Frame(step.name, self._set.flows[step.name].entry, state.topic))
                )
                continue
            elif step.verb == "action":
                result = self._act(state, step.name, acts)
                if result is not None:
                    return result
            state = self._advance(state)
        return self._transfer(state, [], EscalationReason.INTERNAL_ERROR)

    def _ask(self, state: DialogueState, step: Step, acts: list[DialogueAct]) -> Result:
        spec = self._set.domain.slots[step.name]
        collect = question_for(step.name, spec)
        hint = self._hint(state) if spec.kind != "topic" else []
        question = self._say(state, step.utter)
        state = replace(state, waiting="collect", collect=collect, asked=(question,))
        state = replace(state, hint_given=state.hint_given or bool(hint))
        return state, (*acts, *hint, question, collect)

    def _hint(self, state: DialogueState) -> list[Say]:
        """Said once, before the first question of a topic; never while an emergency waits."""
        branch = self._set.branches.branch_of(state.topic)
        urgent = branch is not None and self._set.branches.branches[branch].emergency
        return [] if state.hint_given or urgent else [Say("utter_operator_hint")]

    def _act(self, state: DialogueState, name: str, acts: list[DialogueAct]) -> Result | None:
        """Run an action; None when the flow goes on at once."""
        spec = self._set.domain.actions.get(name)
        if name == "offer_language":
            acts.append(Say("utter_language_hint", language="en" if state.language == "ru" else "ru"))
        elif name == "utter_greeting" and self._recorded:
            acts.append(Say("utter_greeting_recorded", interruptible=False))
        elif name.startswith("utter_"):
            acts.append(self._say(state, name))
        elif name == "route_topic":
            return self._route(state, acts)
        elif name == "hang_up":
            return replace(state, waiting="over"), (*acts, Hangup())
        elif name == "transfer_flow":
            state, transfer = self._transfer(state, [], EscalationReason.FLOW)
            return state, (*acts, *transfer)
        elif spec is not None and spec.operation:
            card = state.slots.get("card")
            offered = (str(card),) if card else ()
            state = replace(state, waiting="auth", operation=spec.operation)
            return state, (*acts, Authenticate(spec.operation, "last_four" if card else "", offered, begin=True))
        elif spec is not None:
            arguments = {slot: state.slots.get(slot) for slot in spec.arguments}
            return replace(state, waiting="bank"), (*acts, CallBank(name, arguments))
        return None

    def _say(self, state: DialogueState, response: str) -> Say:
        return Say(response, {name: value for name, value in state.slots.items() if value is not None})
