"""What the engine remembers between two steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from ivrbot.model.dialogue import Collect, DialogueAct, Say, Transfer, UserTurn, Value
from ivrbot.model.speech import Language

Waiting = Literal["collect", "fact", "auth", "bank", "route", "over"]

Acts = tuple[DialogueAct, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """A flow under way.

    Attributes:
        flow: its name.
        step: id of the step it stands at.
        topic: what it serves, "" for fronts.
        kept: the flow's slots as they were when another topic interrupted it, to be restored; None otherwise.
    """

    flow: str
    step: str
    topic: str = ""
    kept: Mapping[str, Value] | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """The caller has asked for time, and has it.

    Attributes:
        unheard: he asked over the question, and has not heard it to its end.
        asked: his time is over, and he was asked whether he is still there.
        thanked: he has said thanks for it, and nothing else.
    """

    unheard: bool = False
    asked: bool = False
    thanked: bool = False


@dataclass(frozen=True, slots=True)
class DialogueState:
    """One call's dialogue; a value, never changed in place.

    Attributes:
        today: the day of the call where the bank is, None where nobody said (then no date is understood).
        stack: flows under way, the running one last; what lies below was interrupted and will be resumed.
        slots: what is known, by slot.
        fresh: slots filled by the turn that stated the topic, which its flow must not forget.
        waiting: what kind of input must come next.
        topic: the topic being served, "" before the caller has stated one.
        asked: what to say again when the question must be repeated.
        told: all that was said with the question, for "repeat".
        so_far: what was said since the caller's last turn, before the next question.
        times_asked: how often the same question was put in a row.
        waits: how often the caller has asked for time at this question; `waits_in_all` in this call.
        hold: the line is being kept for him, None when it is not.
        over_prompt: his turn began while the bot was speaking.
        collect: what is being listened for, while waiting for a collect or a fact.
        operation: what the caller is being authenticated for.
        fact: the fact just asked for.
        failures: no-matches and no-inputs in a row.
        upset: turns in which the caller swore, raged or despaired.
        served: a flow has told what it had to tell without the bank.
        hint_given: the caller was told how to reach an operator.
        between: the two topics that the caller was asked to choose from, None when he was not.
        unclear: the turn after which he was asked, for what else it said.
        aside: what was said where a secret was asked for, until the ladder has said whether it was that.
        held: the hand-over that waits while the caller is served in the meantime, and the topic it is about.
        answered: collects answered in the running flow, newest last, for "back".
    """

    language: Language
    today: date | None = None
    stack: tuple[Frame, ...] = ()
    slots: Mapping[str, Value] = field(default_factory=dict)
    fresh: frozenset[str] = frozenset()
    waiting: Waiting = "route"
    topic: str = ""
    asked: tuple[Say, ...] = ()
    told: tuple[Say, ...] = ()
    so_far: tuple[Say, ...] = ()
    times_asked: int = 0
    waits: int = 0
    waits_in_all: int = 0
    hold: Hold | None = None
    over_prompt: bool = False
    collect: Collect | None = None
    operation: str = ""
    fact: str = ""
    failures: int = 0
    upset: int = 0
    served: bool = False
    hint_given: bool = False
    between: tuple[str, str] | None = None
    unclear: UserTurn | None = None
    aside: UserTurn | None = field(default=None, repr=False)
    held: tuple[Transfer, str] | None = None
    answered: tuple[Frame, ...] = ()


Result = tuple[DialogueState, Acts]
