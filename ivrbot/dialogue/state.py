"""What the engine remembers between two steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ivrbot.model.dialogue import Collect, Say, Value
from ivrbot.model.speech import Language

Waiting = Literal["collect", "fact", "auth", "bank", "route", "over"]


@dataclass(frozen=True, slots=True)
class Frame:
    """A flow under way, the id of the step it stands at, and the topic that it serves ("" for fronts)."""

    flow: str
    step: str
    topic: str = ""


@dataclass(frozen=True, slots=True)
class DialogueState:
    """One call's dialogue; a value, never changed in place.

    Attributes:
        stack: flows under way, the running one last; what lies below was interrupted and will be resumed.
        slots: what is known, by slot.
        waiting: what kind of input must come next.
        topic: the topic being served, "" before the caller has stated one.
        asked: what to say again when the question must be repeated.
        collect: what is being listened for, while waiting for a collect or a fact.
        operation: what the caller is being authenticated for.
        fact: the fact just asked for.
        failures: no-matches and no-inputs in a row.
        hint_given: the caller was told how to reach an operator.
        answered: collects answered in the running flow, newest last, for "back".
    """

    language: Language
    stack: tuple[Frame, ...] = ()
    slots: Mapping[str, Value] = field(default_factory=dict)
    waiting: Waiting = "route"
    topic: str = ""
    asked: tuple[Say, ...] = ()
    collect: Collect | None = None
    operation: str = ""
    fact: str = ""
    failures: int = 0
    hint_given: bool = False
    answered: tuple[Frame, ...] = ()
