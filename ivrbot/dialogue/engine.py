"""The dialogue engine: `step(state, input) -> (state, acts)`, pure and total.

Every answer ends with exactly one act that says what must happen next (Collect, Authenticate, CallBank, Route,
Transfer or Hangup); Says come before it. Whatever cannot go on ends with an operator, never in a loop. `walking`
goes from step to step, `turns` understands the caller; here is what the others answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import assert_never

from ivrbot.dialogue.commanding import MAX_FAILURES, WAIT_MS
from ivrbot.dialogue.questions import FACT_QUESTIONS
from ivrbot.dialogue.state import DialogueState, Result
from ivrbot.dialogue.turns import Listener
from ivrbot.dialogue.walking import MEANWHILE, UNTOLD
from ivrbot.model.call import EscalationReason
from ivrbot.model.dialogue import (
    AuthReply,
    BankReply,
    DialogueInput,
    Keys,
    NoInput,
    NoMatch,
    Routed,
    Say,
    Transfer,
    TransferFailed,
    UserTurn,
    Value,
)
from ivrbot.model.speech import Language

__all__ = ["MAX_FAILURES", "WAIT_MS", "Dialogue"]

_REFUSALS = {
    "": ("utter_authentication_failed", EscalationReason.AUTHENTICATION_FAILED),
    "fraud": ("utter_authentication_failed", EscalationReason.FRAUD),  # in the same words: he learns nothing
    "sms_failure": ("utter_code_not_sent", EscalationReason.SMS_FAILURE),
    "by_operator": ("utter_transfer", EscalationReason.FLOW),
}

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


class Dialogue(Listener):
    """The engine over one set of flows; holds no state of any call."""

    def start(self, language: Language, front: str, topic: str = "", today: date | None = None) -> Result:
        """Begin a call.

        Args:
            language: of the first words.
            front: "speech", "keys" or "external".
            topic: already chosen in a menu in front of us; then nothing is asked.
            today: the day of the call where the bank is; without it no date is understood.
        """
        state = DialogueState(language, today)
        if topic:
            return self._route(replace(state, topic=topic), [])
        return self._enter(state, f"front_{front}", [])

    def meanwhile(self, state: DialogueState, transfer: Transfer) -> Result:
        """His place in the queue is kept: serve him until he wants no more, then hand him over all the same.

        Args:
            state: at the hand-over.
            transfer: the hand-over.
        """
        held = (transfer, state.topic)
        state = replace(state, held=held, stack=(), answered=(), topic="", collect=None, failures=0)
        return self._enter(state, MEANWHILE, [])

    def called(self, state: DialogueState) -> Result:
        """An operator has become free for a caller whose place is kept."""
        return self._transfer(state, [Say("utter_transfer")], EscalationReason.FLOW)

    def step(self, state: DialogueState, input_: DialogueInput) -> Result:
        """Go on with what has come in."""
        if isinstance(input_, UserTurn | Keys | NoInput | NoMatch):
            over_prompt = isinstance(input_, UserTurn) and input_.over_prompt
            state = replace(state, so_far=(), over_prompt=over_prompt)
        hold = state.hold
        state, acts = self._answer(state, input_)
        if hold is not None and state.hold is hold and state.waiting != "auth":
            state = replace(state, hold=None)  # his time is over unless the step has said otherwise
        says = (act for act in acts if isinstance(act, Say) and act.response not in UNTOLD)
        return replace(state, so_far=(*state.so_far, *says)), acts

    def _answer(self, state: DialogueState, input_: DialogueInput) -> Result:
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

    def _bank_reply(self, state: DialogueState, reply: BankReply) -> Result:
        spec = self._set.domain.actions[reply.action]
        if reply.status != "ok" and not spec.optional:
            response, reason = _BANK_FAILURES[reply.status]
            return self._transfer(state, [Say(response)], reason)
        values = reply.values if reply.status == "ok" else {}
        results = {slot: values.get(name) for slot, name in spec.results.items()}
        return self._run(self._advance(replace(state, slots={**state.slots, **results})), [])

    def _auth_reply(self, state: DialogueState, reply: AuthReply) -> Result:
        aside = state.aside
        state = replace(state, slots={**state.slots, **reply.slots}, aside=None)
        match reply.status:
            case "granted":
                return self._run(self._advance(replace(state, fact="", failures=0, collect=None)), [])
            case "refused":
                response, reason = _REFUSALS[reply.reason]
                return self._transfer(state, [Say(response)], reason)
            case "unclear":
                return self._unclear(state, reply.fact)
            case "beside":
                return self._beside(state, aside, reply.meaning)
            case "ask" | "wrong":
                usual = "utter_fact_wrong" if reply.status == "wrong" else ""
                first = [Say(said)] if (said := reply.say or usual) else []
                return self._ask_fact(replace(state, failures=0), reply.fact, first, reply.values)
            case _:
                assert_never(reply.status)

    def _unclear(self, state: DialogueState, fact: str) -> Result:
        """The answer was none of its kind: the same once more, or another fact."""
        if not fact or fact == state.fact or state.upset or state.failures + 1 >= MAX_FAILURES:
            return self._failure(state, "utter_fact_unclear", EscalationReason.NO_MATCH)
        state = replace(state, failures=state.failures + 1)
        return self._ask_fact(state, fact, [Say("utter_fact_unclear")])

    def _ask_fact(
        self, state: DialogueState, fact: str, first: list[Say], values: Mapping[str, Value] | None = None
    ) -> Result:
        question = Say(f"utter_ask_fact_{fact}", values or {})
        return self._put(replace(state, fact=fact), question, FACT_QUESTIONS[fact], [*first], "fact")

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
        state = replace(state, stack=stack, answered=(), collect=None)
        state, acts = self._enter(state, entry.flow, [])
        return replace(state, fresh=frozenset()), acts
