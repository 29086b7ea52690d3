"""Walks flows from step to step until something must happen outside: a question, the bank, an operator.

Takes a `DialogueState` and what is to be said first, gives the next state and acts. Pure and total: whatever
cannot go on ends with an operator.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Self

from ivrbot.dialogue.conditions import parse_value
from ivrbot.dialogue.questions import question_for
from ivrbot.dialogue.schema import END, FlowSet, Step
from ivrbot.dialogue.state import DialogueState, Frame, Result, Waiting
from ivrbot.model.call import EscalationReason
from ivrbot.model.dialogue import Authenticate, CallBank, Collect, DialogueAct, Hangup, Route, Say, Transfer, Value

MAX_STEPS = 200
MAX_TIMES_ASKED = 3
"""The same question is put so often in a row, whatever comes between; then a person takes over."""

UNTOLD = frozenset(
    {"utter_operator_hint", "utter_no_match", "utter_no_input", "utter_fact_unclear", "utter_blocking"}
)
"""Not said again when the caller asks to repeat."""

NOT_RESTORED = frozenset({"reference"})
"""Slots that a digression may change for good: the number given last is the one that is asked for again."""

MEANWHILE = "meanwhile"
"""Flow of a caller whose place in the queue is kept."""

_TRANSFERS = {"transfer_flow": EscalationReason.FLOW, "transfer_fraud": EscalationReason.FRAUD}


class Walker:
    """The walking half of the engine, over one set of flows."""

    def __init__(self, flow_set: FlowSet, *, recorded: bool = False) -> None:
        self._set = flow_set
        self._recorded = recorded
        self._asked_in = {
            flow.name: frozenset(
                name
                for step in flow.steps.values()
                if step.verb == "collect"
                for name in (step.name, *step.accepts)
            )
            for flow in flow_set.flows.values()
        }
        self._used_in = {name: self._slots_of(name) for name in flow_set.flows}

    def of_recorded_call(self) -> Self:
        """The same engine, for a call whose greeting says that it is recorded."""
        other = copy(self)
        other._recorded = True
        return other

    def _slots_of(self, flow: str) -> frozenset[str]:
        """Everything that a flow asks for, sets, sends to the bank or gets from it."""
        used = set(self._asked_in[flow])
        for step in self._set.flows[flow].steps.values():
            used.update(step.values)
            if spec := self._set.domain.actions.get(step.name):
                used.update(spec.arguments, spec.results)
        return frozenset(used - NOT_RESTORED)

    # --- flows --------------------------------------------------------------------------------------

    def _step_at(self, state: DialogueState) -> Step:
        frame = state.stack[-1]
        return self._set.flows[frame.flow].steps[frame.step]

    def _enter(self, state: DialogueState, flow: str, acts: list[DialogueAct]) -> Result:
        return self._run(self._begun(state, flow), acts)

    def _begun(self, state: DialogueState, flow: str) -> DialogueState:
        """With the flow on top; it does not know what an earlier one asked for, unless that lasts."""
        specs = self._set.domain.slots
        forgotten = {
            name
            for name in self._asked_in[flow]
            if name == "topic" or not (specs[name].lasting or name in state.fresh)
        }
        slots = {name: value for name, value in state.slots.items() if name not in forgotten}
        frame = Frame(flow, self._set.flows[flow].entry, state.topic)
        return replace(state, stack=(*state.stack, frame), slots=slots)

    def _interrupted(self, state: DialogueState) -> DialogueState:
        """With what the running flow knew put aside, for the time when it is resumed."""
        if not state.stack or not state.stack[-1].topic:
            return state
        frame = state.stack[-1]
        kept = {name: state.slots.get(name) for name in self._used_in[frame.flow]}
        return replace(state, stack=(*state.stack[:-1], replace(frame, kept=kept)))

    def _resumed(self, state: DialogueState, acts: list[DialogueAct]) -> DialogueState:
        """With what the flow on top knew before it was interrupted."""
        if not state.stack or state.stack[-1].kept is None:
            return state
        frame = state.stack[-1]
        acts.append(Say("utter_resume"))
        slots = {**state.slots, **(frame.kept or {})}
        return replace(state, slots=slots, stack=(*state.stack[:-1], replace(frame, kept=None)))

    def _advance(self, state: DialogueState) -> DialogueState:
        """Leave the step at the top by the first jump that holds; END pops the flow."""
        jumps = self._step_at(state).jumps
        holding = (jump for jump in jumps if jump.condition is None or jump.condition.holds(state.slots))
        return self._go(state, next(holding).target)

    def _go(self, state: DialogueState, target: str) -> DialogueState:
        stack = state.stack
        if target == END:
            topic = stack[-2].topic if len(stack) > 1 else state.topic
            return replace(state, stack=stack[:-1], topic=topic, answered=())
        return replace(state, stack=(*stack[:-1], replace(stack[-1], step=target)))

    def _run(self, state: DialogueState, acts: list[DialogueAct]) -> Result:
        for _ in range(MAX_STEPS):
            state = self._resumed(state, acts)
            if not state.stack:
                return self._enter(state, "more" if state.held is None else MEANWHILE, acts)
            step = self._step_at(state)
            if step.verb == "collect":
                given = any(state.slots.get(name) is not None for name in (step.name, *step.accepts))
                if step.ask_before_filling or not given:
                    return self._ask(state, step, acts)
            elif step.verb == "set_slots":
                values = {name: parse_value(value)(state.slots) for name, value in step.values.items()}
                state = replace(state, slots={**state.slots, **values})
            elif step.verb in {"call", "link"}:
                below = self._advance(state).stack if step.verb == "call" else state.stack[:-1]
                state = self._begun(replace(state, stack=below), step.name)
                continue
            elif step.verb == "action":
                result = self._act(state, step.name, acts)
                if result is not None:
                    return result
                state = replace(state, served=state.served or step.name == "served")
            state = self._advance(state)
        return self._transfer(state, [], EscalationReason.INTERNAL_ERROR)

    def _act(self, state: DialogueState, name: str, acts: list[DialogueAct]) -> Result | None:
        """Run an action; None when the flow goes on at once."""
        if name == "offer_language":
            acts.append(Say("utter_language_hint", language="en" if state.language == "ru" else "ru"))
        elif name == "utter_greeting" and self._recorded:
            acts.append(Say("utter_greeting_recorded", interruptible=False))
        elif name.startswith("utter_"):
            acts.append(self._say(state, name))
        elif name == "route_topic":
            return self._route(state, acts)
        elif name == "join_queue":
            state, transfer = self._transfer(state, [], EscalationReason.FLOW)
            return state, (*acts, *transfer)
        elif name == "hang_up":
            return replace(state, waiting="over"), (*acts, Hangup())
        elif name in _TRANSFERS:
            state, transfer = self._transfer(state, [], _TRANSFERS[name])
            return state, (*acts, *transfer)
        elif name in self._set.domain.actions:
            return self._ask_others(state, name, acts)
        return None

    def _ask_others(self, state: DialogueState, name: str, acts: list[DialogueAct]) -> Result:
        """The ladder or the bank."""
        spec = self._set.domain.actions[name]
        wanted: dict[str, Value] = {sent: state.slots.get(slot) for slot, sent in spec.arguments.items()}
        arguments = {**wanted, **spec.fixed}
        if name.startswith("authenticate_"):
            card = state.slots.get("card")
            offered = (str(card),) if card else ()
            state = replace(state, waiting="auth", operation=spec.operation)
            fact = "last_four" if card else ""
            return state, (*acts, Authenticate(spec.operation, fact, offered, begin=True, details=arguments))
        return replace(state, waiting="bank"), (*acts, CallBank(name, arguments))

    # --- questions ----------------------------------------------------------------------------------

    def _ask(self, state: DialogueState, step: Step, acts: list[DialogueAct]) -> Result:
        spec = self._set.domain.slots[step.name]
        collect = question_for(step.name, spec, step.accepts)
        if spec.kind == "topic" and (state.topic or state.held is not None):
            collect = replace(collect, lone_key=True)  # "anything else?": who dials ahead did so at the first menu
        return self._put(state, self._say(state, step.utter), collect, acts, "collect", hint=spec.kind != "topic")

    def _put(
        self,
        state: DialogueState,
        question: Say,
        collect: Collect,
        acts: list[DialogueAct],
        waiting: Waiting,
        *,
        hint: bool = True,
    ) -> Result:
        """Put a question; the same one more than `MAX_TIMES_ASKED` times in a row leads to an operator."""
        repeated = state.collect is not None and state.asked == (question,)
        times = state.times_asked + 1 if repeated else 1
        if times > MAX_TIMES_ASKED:
            return self._transfer(state, [Say("utter_transfer")], EscalationReason.NO_MATCH)
        hints = self._hint(state) if hint else []
        said = tuple(act for act in acts if isinstance(act, Say) and act.response not in UNTOLD)
        state = replace(
            state, waiting=waiting, collect=collect, asked=(question,), told=(*state.so_far, *said, question)
        )
        state = replace(state, hint_given=state.hint_given or bool(hints), times_asked=times, waits=0)
        return state, (*acts, *hints, question, collect)

    def _ask_again(self, state: DialogueState, first: list[Say], repeat_question: bool = True) -> Result:
        """The open question once more, behind what there is to say first."""
        if state.collect is None:
            return self._transfer(state, [], EscalationReason.INTERNAL_ERROR)
        if state.times_asked >= MAX_TIMES_ASKED:
            return self._transfer(
                state, [Say("utter_transfer")], self._shortened(state, EscalationReason.NO_MATCH)
            )
        says = [*first, *(state.asked if repeat_question else ())]
        waiting: Waiting = "fact" if state.collect.slot == "fact" else "collect"
        return replace(state, waiting=waiting, times_asked=state.times_asked + 1), (*says, state.collect)

    def _hint(self, state: DialogueState) -> list[Say]:
        """Said once, before the first question of a topic; never while an emergency waits."""
        return [] if state.hint_given or self._urgent(state) else [Say("utter_operator_hint")]

    def _urgent(self, state: DialogueState) -> bool:
        branch = self._set.branches.branch_of(state.topic)
        return branch is not None and self._set.branches.branches[branch].emergency

    def _say(self, state: DialogueState, response: str) -> Say:
        return Say(response, {name: value for name, value in state.slots.items() if value is not None})

    # --- leaving ------------------------------------------------------------------------------------

    def _route(self, state: DialogueState, acts: list[DialogueAct]) -> Result:
        return replace(state, waiting="route"), (*acts, Route(state.topic))

    def _shortened(self, state: DialogueState, reason: EscalationReason) -> EscalationReason:
        """The operator learns that the caller is beside himself, whatever else went wrong."""
        return EscalationReason.CALLER_UPSET if state.upset else reason

    def _transfer(
        self, state: DialogueState, says: list[Say], reason: EscalationReason, queue: str = ""
    ) -> Result:
        entry = self._set.branches.topic(state.topic)
        if state.held is not None and not self._urgent(state):
            held, topic = state.held
            return replace(state, waiting="over", topic=topic), (*says, held)
        if not queue:
            queue = self._set.branches.branch_of(state.topic) or self._set.branches.general_queue
        transfer = Transfer(reason, queue, entry.priority if entry else 0)
        return replace(state, waiting="over"), (*says, transfer)
