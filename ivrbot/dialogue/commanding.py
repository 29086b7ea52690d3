"""Words that work at any moment, failures, and the line that is kept while the caller looks for something. Pure.

Who asks for time gets a minute without a word. Then he is asked once, softly, whether he is still there; whatever
he says goes on with the question on the table, which he hears again when he asks for it, or when he had not heard
it to its end.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from ivrbot.dialogue.filling import NO_TOPIC, Filler
from ivrbot.dialogue.state import DialogueState, Hold, Result
from ivrbot.dialogue.walking import MEANWHILE
from ivrbot.language.commands import Universal
from ivrbot.language.holding import is_back, thanks_for_waiting
from ivrbot.model.call import EscalationReason
from ivrbot.model.dialogue import Collect, Say, UserTurn

MAX_FAILURES = 2

WAIT_MS = 60_000
"""How long the line is kept without a word."""
STILL_THERE_MS = 10_000
"""Then he has so long to say that he is there, and, when he is, to begin his answer."""
MAX_WAITS = 3
"""At one question; whoever needs more time than that has a person wait for him."""
MAX_WAITS_IN_ALL = 6


class Commander(Filler):
    """The engine as far as commands and failures go."""

    def _failure(self, state: DialogueState, response: str, reason: EscalationReason) -> Result:
        if (kept := self._during_hold(state, reason)) is not None:
            return kept
        if state.upset or state.failures + 1 >= MAX_FAILURES:
            return self._transfer(state, [Say("utter_transfer")], self._shortened(state, reason))
        return self._ask_again(replace(state, failures=state.failures + 1), [Say(response)])

    def _command(self, state: DialogueState, command: Universal) -> Result:
        match command:
            case Universal.OPERATOR:
                return self._transfer(state, [], EscalationReason.CALLER_ASKED)
            case Universal.REPEAT:
                return self._ask_again(state, list(state.told), repeat_question=False)
            case Universal.WAIT:
                return self._wait(state)
            case Universal.HELP:
                return self._ask_again(state, [Say("utter_help")])
            case Universal.BACK:
                return self._back(state)
            case Universal.CANCEL:
                if not state.topic and state.held is None:
                    return self._ask_again(state, [])
                if state.collect is not None and state.collect.slot == "topic":
                    return self._fill(state, "topic", NO_TOPIC)  # nothing is under way: he wants no more
                flow = "more" if state.held is None else MEANWHILE
                return self._enter(replace(state, stack=(), answered=()), flow, [Say("utter_cancelled")])
            case _:
                assert_never(command)

    def _back(self, state: DialogueState) -> Result:
        """Ask the last answered question of this flow again; without one, the open one."""
        if not state.answered or state.answered[-1].flow != state.stack[-1].flow:
            return self._ask_again(state, [])
        frame = state.answered[-1]
        step = self._set.flows[frame.flow].steps[frame.step]
        slots = {**state.slots, **dict.fromkeys((step.name, *step.accepts))}
        state = replace(state, stack=(*state.stack[:-1], frame), slots=slots, answered=state.answered[:-1])
        return self._run(state, [])

    # --- the line is kept ---------------------------------------------------------------------------

    def _wait(self, state: DialogueState) -> Result:
        """Give him a minute; as often as he asks for it, within reason."""
        if state.waits >= MAX_WAITS or state.waits_in_all >= MAX_WAITS_IN_ALL:
            return self._transfer(state, [Say("utter_transfer")], EscalationReason.NO_INPUT)
        unheard = state.hold.unheard if state.hold is not None else state.over_prompt
        state = replace(state, waits=state.waits + 1, waits_in_all=state.waits_in_all + 1)
        return self._keep(state, [Say("utter_wait")], WAIT_MS, Hold(unheard))

    def _returned(self, state: DialogueState, turn: UserTurn) -> Result | None:
        """What is no answer to anything but the pause: thanks for it, and that he is there again."""
        hold = state.hold
        if hold is None:
            return None
        if not hold.asked and not hold.thanked and thanks_for_waiting(turn.text, state.language):
            return self._keep(state, [], WAIT_MS, replace(hold, thanked=True))
        if is_back(turn.text, state.language, asked=hold.asked):
            return self._go_on(state, hold)
        return None

    def _during_hold(self, state: DialogueState, reason: EscalationReason) -> Result | None:
        """Silence is asked about once; words that answer nothing bring the question back without counting."""
        hold = state.hold
        if hold is None:
            return None
        if reason is not EscalationReason.NO_INPUT:
            return self._go_on(state, hold)
        if hold.asked:
            return None
        return self._keep(state, [Say("utter_still_there")], STILL_THERE_MS, replace(hold, asked=True))

    def _go_on(self, state: DialogueState, hold: Hold) -> Result:
        """He is there again; what he has not heard to its end is said now."""
        says = [*state.asked] if hold.unheard else [Say("utter_go_on")]
        return self._keep(state, says, STILL_THERE_MS, None)

    def _keep(self, state: DialogueState, says: list[Say], least_ms: int, hold: Hold | None) -> Result:
        """Listen on for the same question, which does not count as put again."""
        times = state.times_asked
        state, acts = self._ask_again(replace(state, times_asked=0), says, repeat_question=False)
        return replace(state, times_asked=times, hold=hold), tuple(
            replace(act, timeout_ms=max(act.timeout_ms, least_ms)) if isinstance(act, Collect) else act
            for act in acts
        )
