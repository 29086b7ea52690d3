"""Shape of the files in `flows/`, as written (pydantic) and as run (frozen dataclasses).

The written shape follows Rasa's flow files: `flows: id: {name, description, steps}`, steps `action`, `collect`,
`set_slots`, `link`, `call`, `noop`, each with an optional `id` and `next` (a step id, END, or a list of jumps).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ivrbot.dialogue.conditions import Condition
from ivrbot.model.dialogue import Value
from ivrbot.model.speech import Language

END = "END"

SlotKind = Literal["topic", "digits", "money", "count", "date", "yes_no", "flag", "list", "name"]


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WrittenStep(_Written):
    """One step as written; exactly one of the verbs is set (checked by the loader)."""

    id: str | None = None
    action: str | None = None
    collect: str | None = None
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


class SlotSpec(_Written):
    """A slot of domain.yml.

    Attributes:
        kind: how an answer is read and a value spoken.
        length: number of digits of a code, None for any.
        fill_from_topic: a value said together with the topic is kept.
        personal: masked in events and transcripts.
        verbs: for yes/no, per language: stems of the verb that is asked about, so that "block it" is a yes.
    """

    kind: SlotKind
    length: int | None = Field(None, ge=1, le=20)
    fill_from_topic: bool = False
    personal: bool = False
    verbs: dict[Language, list[str]] = {}


class ActionSpec(_Written):
    """An action of domain.yml.

    Attributes:
        operation: for `authenticate_*`: the entry of assurance.yml.
        arguments: slots sent to the bank.
        results: slots that the bank's answer may fill.
        write: it changes something, so it gets an idempotency key and is never repeated without.
        serves: the caller has what he rang for when it succeeds; false for mere look-ups on the way.
    """

    operation: str = ""
    arguments: list[str] = []
    results: list[str] = []
    write: bool = False
    serves: bool = True


class Domain(_Written):
    """domain.yml."""

    version: str | None = None
    slots: dict[str, SlotSpec]
    actions: dict[str, ActionSpec]


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
        values: for `set_slots`: literals or "slots.NAME".
        jumps: tried in order; the last one has no condition.
        line: where the step stands in its file.
    """

    id: str
    verb: Literal["action", "collect", "set_slots", "link", "call", "noop"]
    name: str
    jumps: tuple[Jump, ...]
    utter: str = ""
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
