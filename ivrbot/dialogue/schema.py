"""Shape of the files in `flows/`, as written (pydantic) and as run (frozen dataclasses).

The written shape follows Rasa's flow files: `flows: id: {name, description, steps}`, steps `action`, `collect`,
`set_slots`, `link`, `call`, `noop`, each with an optional `id` and `next` (a step id, END, or a list of jumps).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ivrbot.dialogue.conditions import Condition
from ivrbot.model.dialogue import Value
from ivrbot.model.speech import Language

END = "END"

SlotKind = Literal[
    "topic", "digits", "money", "count", "date", "percent", "choice", "words", "yes_no", "flag", "list", "name"
]


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WrittenStep(_Written):
    """One step as written; exactly one of the verbs is set (checked by the loader)."""

    id: str | None = None
    action: str | None = None
    collect: str | None = None
    accepts: list[str] = []
    unsure: str | None = None
    utter: str | None = None
    ask_before_filling: bool = False
    set_slots: list[dict[str, Any]] | None = None
    link: str | None = None
    call: str | None = None
    noop: bool | None = None
    description: str | None = None
    next: str | list[WrittenJump] | None = None


class WrittenJump(_Written):
    """One arm of a branching `next`."""

    if_: str | None = Field(None, alias="if")
    then: str | list[WrittenStep] | None = None
    else_: str | list[WrittenStep] | None = Field(None, alias="else")


class WrittenFlow(_Written):
    """One flow as written."""

    name: str = ""
    description: str
    steps: list[WrittenStep] = Field(min_length=1)


class WrittenFlows(_Written):
    """A flow file."""

    version: str | None = None
    flows: dict[str, WrittenFlow]


class OptionSpec(_Written):
    """One option of a choice.

    Attributes:
        ru, en: stems that name it, see `ivrbot.language.options`; none for options that only the bank names.
        unless: options beside which it is not counted ("the salary debit card" is the salary card).
        say: how it is spoken, by language; recorded as one fragment.
    """

    ru: list[str] = []
    en: list[str] = []
    unless: list[str] = []
    say: dict[Language, str] = {}

    def stems(self, language: Language) -> list[str]:
        """Stems in a language."""
        return self.ru if language == "ru" else self.en


class SlotSpec(_Written):
    """A slot of domain.yml.

    Attributes:
        kind: how an answer is read and a value spoken.
        length: number of digits of a code, None for any.
        fill_from_topic: a value said together with the topic, or with another answer, is kept.
        personal: masked in events and transcripts.
        verbs: for yes/no, per language: stems of the verb that is asked about, so that "block it" is a yes.
        options: of a choice, in the order of their keys.
        like: the slot whose options it has.
        several: the option that naming more than one stands for, "" where that is ambiguous.
        stands_for: the slot whose value this one points to ("the salary card" to a card).
        among: the list of the bank in which a word for it ("the other one") finds what it stands for.
        clears: slots that a new value makes void.
        lasting: kept when another flow begins; else a flow begins without what an earlier one asked for.
        least_words: for words: fewer said together with a topic are no account of anything.
    """

    kind: SlotKind
    length: int | None = Field(None, ge=1, le=20)
    fill_from_topic: bool = False
    personal: bool = False
    verbs: dict[Language, list[str]] = {}
    options: dict[str, OptionSpec] = {}
    like: str = ""
    several: str = ""
    stands_for: str = ""
    among: str = ""
    clears: list[str] = []
    lasting: bool = False
    least_words: int = Field(1, ge=1, le=50)


class ActionSpec(_Written):
    """An action of domain.yml.

    Attributes:
        operation: for `authenticate_*`: the entry of assurance.yml; else the bank's, when not in the name.
        arguments: by slot that is sent, the name the bank knows it by; a list where the names are the same. For
            `authenticate_*` what a one-time code confirms: the same names and values as the operation's own.
        results: by slot that the answer fills, the name the bank gives it; a list where the names are the same.
        fixed: further arguments, the same in every call.
        write: it changes something, so it gets an idempotency key and is never repeated without.
        serves: the caller has what he rang for when it succeeds; false for mere look-ups on the way.
        optional: when the bank fails, the flow goes on without the results.
    """

    operation: str = ""
    arguments: dict[str, str] = {}
    results: dict[str, str] = {}
    fixed: dict[str, str | int | bool] = {}
    write: bool = False
    serves: bool = True
    optional: bool = False

    @field_validator("arguments", "results", mode="before")
    @classmethod
    def _named_alike(cls, written: Any) -> Any:
        if isinstance(written, list) and all(isinstance(name, str) for name in written):
            return {name: name for name in written}
        return written


class Domain(_Written):
    """domain.yml."""

    version: str | None = None
    slots: dict[str, SlotSpec]
    actions: dict[str, ActionSpec]

    @model_validator(mode="after")
    def _shared_options(self) -> Self:
        for spec in self.slots.values():
            if spec.like in self.slots:
                spec.options = self.slots[spec.like].options
        return self


class WrittenTopic(_Written):
    """A topic of branches.yml; served by the bot when it has a flow."""

    flow: str | None = None
    priority: int = Field(0, ge=0, le=10)


class WrittenBranch(_Written):
    """A branch of branches.yml."""

    key: str = Field(pattern=r"^[0-9]$")
    key_topic: str
    emergency: bool = False
    topics: dict[str, WrittenTopic] = Field(min_length=1)


class Branches(_Written):
    """branches.yml: the menu and the queues."""

    version: Literal[1]
    general_queue: str
    language_key: str = Field(pattern=r"^[0-9*#]$")
    branches: dict[str, WrittenBranch] = Field(min_length=1)

    def branch_of(self, topic: str) -> str | None:
        """Branch (and queue) of a topic, None for an unknown one."""
        return next((name for name, branch in self.branches.items() if topic in branch.topics), None)

    def topic(self, name: str) -> WrittenTopic | None:
        """A topic's entry."""
        branch = self.branch_of(name)
        return self.branches[branch].topics[name] if branch else None

    def topic_of_key(self, key: str) -> str | None:
        """Topic that a menu key stands for."""
        return next((branch.key_topic for branch in self.branches.values() if branch.key == key), None)


class WrittenResponse(_Written):
    """One wording of a response."""

    text: str = Field(min_length=1)


class Responses(_Written):
    """<lang>.yml."""

    version: str | None = None
    responses: dict[str, list[WrittenResponse]]


@dataclass(frozen=True, slots=True)
class Jump:
    """Where to go when the condition holds (None: always). `target` is a step id of the flow, or END."""

    condition: Condition | None
    target: str


@dataclass(frozen=True, slots=True)
class Step:
    """A compiled step; `verb` says which of the fields counts.

    Attributes:
        name: the action, collected slot, linked or called flow.
        utter: response that asks for a collected slot.
        accepts: other slots that answer the question as well.
        unsure: step to go to when the caller does not know, "" for an operator.
        values: for `set_slots`: literals or "slots.NAME".
        jumps: tried in order; the last one has no condition.
        line: where the step stands in its file.
    """

    id: str
    verb: Literal["action", "collect", "set_slots", "link", "call", "noop"]
    name: str
    jumps: tuple[Jump, ...]
    utter: str = ""
    accepts: tuple[str, ...] = ()
    unsure: str = ""
    ask_before_filling: bool = False
    values: Mapping[str, Value] = field(default_factory=dict)
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """A compiled flow; `steps` keeps the written order, the first is the entry."""

    name: str
    description: str
    steps: Mapping[str, Step]

    @property
    def entry(self) -> str:
        """Id of the first step."""
        return next(iter(self.steps))


@dataclass(frozen=True, slots=True)
class FlowSet:
    """Everything of `flows/`, checked."""

    flows: Mapping[str, Flow]
    domain: Domain
    branches: Branches
    responses: Mapping[Language, Mapping[str, str]]
