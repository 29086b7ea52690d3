"""What the bot will probably say: the answer to a turn that is not over yet, and the question after it.

Takes an early reading, gives the engine's step and the sentences in front, without any effect: the engine is pure,
and what others would have to decide (the router, the ladder) is only guessed for the sake of the sound. Nothing
here is ever taken for decided but the step of the turn itself, and that only when its final reading is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ivrbot import metrics
from ivrbot.dialogue.engine import Dialogue
from ivrbot.dialogue.state import Acts, DialogueState, Result
from ivrbot.model.dialogue import Authenticate, AuthReply, DialogueInput, Route, Routed, Say, UserTurn
from ivrbot.model.speech import Language

MOST_AHEAD: Final = 3
"""Decisions of others that are guessed in a row: the route, the first question of the ladder."""

Likely = Callable[[Authenticate], AuthReply | None]
"""What the ladder would reply if all goes well; None where that is not to be known."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One early reading, and the step that it would be.

    Attributes:
        turn: as read and understood at the pause.
        before: the state that it was taken in.
        result: of the step.
    """

    turn: UserTurn
    before: DialogueState
    result: Result


def probably_said(dialogue: Dialogue, result: Result, likely: Likely) -> tuple[tuple[Say, Language], ...]:
    """The sentences of a step, and of what most probably follows it, each with the call's language by then.

    Args:
        dialogue: the engine.
        result: of the step.
        likely: see `Likely`.
    """
    state, acts = result
    said: list[tuple[Say, Language]] = []
    for _ in range(MOST_AHEAD):
        said += [(act, state.language) for act in acts if isinstance(act, Say)]
        reply = _guessed(acts, likely)
        if reply is None:
            break
        state, acts = dialogue.step(state, reply)
    return tuple(said)


def _guessed(acts: Acts, likely: Likely) -> DialogueInput | None:
    match acts[-1]:
        case Route():
            return Routed(True, "")
        case Authenticate() as act:
            return likely(act)
        case _:
            return None


class Foresight:
    """The early reading of the question on the table.

    Args:
        dialogue: the engine.

    Attributes:
        missed: the last step was another than the one foreseen: what was prepared for it is in vain.
    """

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self._foreseen: Foreseen | None = None
        self.missed = False

    def forget(self) -> None:
        """Another question is on the table."""
        self._foreseen = None

    def look(self, turn: UserTurn, state: DialogueState) -> Result:
        """Do a step that may never be."""
        known = self._foreseen
        if known is None or not _same(known.turn, turn) or known.before is not state:
            known = self._foreseen = Foreseen(turn, state, self._dialogue.step(state, turn))
        return known.result

    def step(self, state: DialogueState, input_: DialogueInput) -> Result:
        """Do a step; one that was done at the pause is taken as it is, one that a late word has changed is not."""
        foreseen, self._foreseen, self.missed = self._foreseen, None, False
        if not isinstance(input_, UserTurn):
            return self._dialogue.step(state, input_)
        hit = foreseen is not None and foreseen.before is state and _same(foreseen.turn, input_)
        self.missed = foreseen is not None and not hit
        metrics.TURNS_PREPARED.labels("none" if foreseen is None else "hit" if hit else "miss").inc()
        if foreseen is None or not hit or input_.over_prompt:  # at the pause nobody knew what it was spoken over
            return self._dialogue.step(state, input_)
        return foreseen.result


def _same(early: UserTurn, final: UserTurn) -> bool:
    """Whether a turn came out as it was read before its end; how surely is no matter to a single reading."""
    single = len(early.hypotheses) == len(final.hypotheses) == 1
    return single and early.text.strip() == final.text.strip() and early.nlu == final.nlu
