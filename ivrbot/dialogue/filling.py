"""Fills slots with what the caller said: the one asked for, what he gave besides, what he corrects. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from ivrbot.dialogue.cards import meant
from ivrbot.dialogue.reading import is_other_wish, read_slot, volunteered
from ivrbot.dialogue.responses import split_template
from ivrbot.dialogue.schema import Step
from ivrbot.dialogue.state import DialogueState, Result
from ivrbot.dialogue.walking import Walker
from ivrbot.model.dialogue import UserTurn, Value

NO_TOPIC = "goodbye"

_CODES_FOR_OPERATORS = frozenset({"card"})


class Filler(Walker):
    """The engine as far as slots go."""

    def _fill(
        self, state: DialogueState, slot: str, value: Value, also: Mapping[str, Value] = MappingProxyType({})
    ) -> Result:
        answered = (*state.answered, state.stack[-1])
        if slot == "topic":
            state = replace(
                state, topic=state.topic if value == NO_TOPIC else str(value), between=None, unclear=None
            )
        state = self._with_slots(state, {**also, slot: value})
        state = replace(state, failures=0, answered=answered, collect=None)
        return self._run(self._advance(state), [])

    def _with_slots(self, state: DialogueState, values: Mapping[str, Value]) -> DialogueState:
        """With values filled in; what they make void is gone, unless it was said together with them."""
        void = {old for name in values for old in self._set.domain.slots[name].clears if old not in values}
        return replace(state, slots={**state.slots, **dict.fromkeys(void), **values})

    def _with_volunteered(self, state: DialogueState, turn: UserTurn, topic: str) -> DialogueState:
        """Keep values that the caller gave together with a topic, as far as its flow asks for them."""
        entry = self._set.branches.topic(topic)
        wanted = self._asked_in[entry.flow] if entry and entry.flow else _CODES_FOR_OPERATORS
        found = volunteered(self._set.domain, turn, state.language, state.today, wanted)
        return replace(self._with_slots(state, found), fresh=frozenset(found))

    def _also_said(self, state: DialogueState, turn: UserTurn, step: Step) -> dict[str, Value]:
        """What an answer says beyond the question, of the things that this flow asks for."""
        spec = self._set.domain.slots[step.name]
        if spec.kind == "words":
            return {}
        wanted = self._asked_in[state.stack[-1].flow] - {step.name, *spec.clears}
        if spec.kind == "yes_no":  # a number beside a yes or a no is none unless the question is open to it
            wanted = frozenset(step.accepts)
        return volunteered(self._set.domain, turn, state.language, state.today, wanted)

    def _accepted(self, state: DialogueState, turn: UserTurn, step: Step) -> Result | None:
        """The question answered by another slot than it asked for ("the salary one" instead of digits)."""
        found: dict[str, Value] = {}
        for name in step.accepts:
            value = read_slot(self._set.domain.slots[name], turn, state.language, state.today)
            if value is not None:
                found[name] = value
        if not found:
            return None
        last = next(reversed(found))
        return self._fill(state, last, found[last], found)

    def _correction(self, state: DialogueState, turn: UserTurn, value: Value) -> tuple[Value, DialogueState]:
        """Take the right value from an answer to a question that read out another ("no, 90 30", "no, the other").

        Whatever word came with it, a yes to something else is no yes.
        """
        named = self._named_in(state)
        specs = self._set.domain.slots
        wanted = [name for name, spec in specs.items() if name in named or spec.stands_for in named]
        found = volunteered(self._set.domain, turn, state.language, state.today, wanted)
        differing = {name: new for name, new in found.items() if self._differs(state, name, new)}
        if differing:
            state = self._with_slots(state, differing)
            return False, replace(state, slots={**state.slots, "corrected": True})
        if value is False:
            state = replace(state, slots={**state.slots, "corrected": False})
        texts = self._set.responses[state.language]
        question = " ".join(texts[say.response] for say in state.asked)
        if value and is_other_wish(specs[self._step_at(state).name], turn, state.language, question):
            value = None
        return value, state

    def _differs(self, state: DialogueState, name: str, new: Value) -> bool:
        """Whether a value said in an answer is another than the one that was read out."""
        spec = self._set.domain.slots[name]
        told = state.slots.get(spec.stands_for or name)
        listed = state.slots.get(spec.among) if spec.among else None
        if isinstance(listed, tuple):
            return meant([row for row in listed if isinstance(row, Mapping)], told, new).card != told
        return new != told

    def _named_in(self, state: DialogueState) -> frozenset[str]:
        """Slots whose values the open question has just read out."""
        texts = self._set.responses[state.language]
        parts = (part for say in state.asked for part in split_template(texts[say.response]))
        return frozenset(part[0] for part in parts if not isinstance(part, str))
