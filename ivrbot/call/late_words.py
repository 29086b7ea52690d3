"""The caller goes on after his turn was taken as over: "баланс ... по зарплатной карте".

Takes what he said first, what was done upon it and what he says now, and tells whether both are understood
together, from the state before the first. What counts as an effect, and can no longer be undone: a draw (the
exposure is stored, the topic announced), an answer given to the ladder, a code sent, any request to the bank, a
transfer, a goodbye. No effect: what the engine thinks, what the bot says, a question, and asking the ladder what
it would want to know first.

An effect is never repeated. One is no obstacle where all words together lead to the very same: a draw ("баланс"
and "баланс по зарплатной карте" are one, and its reply is taken as it was). After any other the new words are a
turn of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import Final

from ivrbot.call.channel import Spoken
from ivrbot.call.running import Memory
from ivrbot.dialogue.engine import Dialogue
from ivrbot.language.commands import universal
from ivrbot.model.call import EscalationReason
from ivrbot.model.dialogue import (
    Authenticate,
    AuthReply,
    Collect,
    DialogueAct,
    DialogueInput,
    Route,
    Transfer,
    UserTurn,
)
from ivrbot.model.speech import Hypothesis, Language

LATE_MS: Final = 600
"""Whoever goes on within this time after his last sound had not finished; people's pauses between turns that are
over leave 200 ms, pauses within one are seldom longer than this."""
MOST_PIECES: Final = 4
MOST_READINGS: Final = 3
PLAIN_FACTS: Final = frozenset({"last_four", "code_word", "date_of_birth", "full_name", "phone", "name_and_birth"})


def goes_on(first: Spoken, then: Spoken) -> bool:
    """Whether words follow so closely upon others that they belong together; typed ones never do."""
    return first.ended_ms > 0 and 0 < then.began_ms - first.ended_ms <= LATE_MS


def joined(first: Spoken, then: Spoken) -> Spoken:
    """Both pieces as one; of their readings the likeliest pairs."""
    pairs = product(first.hypotheses[:MOST_READINGS], then.hypotheses[:MOST_READINGS])
    both = (Hypothesis(f"{one.text} {other.text}", one.confidence * other.confidence) for one, other in pairs)
    hypotheses = sorted(both, key=lambda one: -one.confidence)[:MOST_READINGS]
    return Spoken(
        tuple(hypotheses),
        then.engine,
        first.over_prompt,
        first.began_ms,
        then.ended_ms,
        then.asr_ms,
        first.before_question,
    )


def is_effect(act: DialogueAct, reply: DialogueInput) -> bool:
    """Whether something was done that cannot be undone (see above)."""
    if isinstance(act, Authenticate) and isinstance(reply, AuthReply) and act.begin and not act.answers:
        return not (reply.status == "ask" and reply.fact in PLAIN_FACTS)
    return True


@dataclass(slots=True)
class Taken:
    """A turn that was taken as over, as long as the caller may still go on with it.

    Attributes:
        collect: what was asked.
        heard: all pieces so far.
        before: the call as it stood.
        done: what was done upon it, with the replies, in order.
        failures: turns in a row that were not understood, this one included.
        pieces: how often he has gone on, and once.
    """

    collect: Collect
    heard: Spoken
    before: Memory
    done: list[tuple[DialogueAct, DialogueInput]] = field(default_factory=list)
    failures: int = 0
    pieces: int = 1

    def may_go_on_with(self, then: Spoken, language: Language) -> bool:
        """Whether words may belong to this turn; a command ("подождите", "отмена") always stands for itself."""
        close = self.pieces < MOST_PIECES and goes_on(self.heard, then)
        return close and universal(then.hypotheses[0].text, language) is None

    def leads_the_same_way(self, dialogue: Dialogue, turn: UserTurn) -> bool:
        """Whether all that was said is understood, and needs no other effects than those that were had.

        Args:
            dialogue: the engine.
            turn: all pieces together.
        """
        if any(is_effect(act, reply) and not isinstance(act, Route) for act, reply in self.done):
            return False
        state, acts = dialogue.step(self.before.state, turn)
        left = self.done
        while left and acts[-1] == left[0][0]:
            state, acts = dialogue.step(state, left[0][1])
            left = left[1:]
        if any(is_effect(act, reply) for act, reply in left):
            return False
        last = acts[-1]
        given_up = isinstance(last, Transfer) and last.reason == EscalationReason.NO_MATCH
        return not given_up and state.failures <= self.failures
