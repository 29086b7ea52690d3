"""What the bot understands, as a list for people: topics, example sentences, what happens then. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

from ivrbot.dialogue.schema import Branches
from ivrbot.model.speech import Language
from ivrbot.nlu.data import TrainingData

Outcome = Literal["served", "operator", "answer"]

EXAMPLES: Final = 5
_MIN_WORDS: Final = 3
_OUTCOMES: Final[dict[Outcome, str]] = {
    "served": "The bot serves it to the end.",
    "operator": "To the branch's operators at once.",
    "answer": "Understood at any moment of a call.",
}


@dataclass(frozen=True, slots=True)
class Understood:
    """One intent.

    Attributes:
        intent: its name, as in reports and data.
        branch: branch and operators' queue; "" where it belongs to none.
        outcome: what happens.
        emergency: whether its branch is for emergencies.
        examples: sentences per language.
        counts: number of training sentences per language.
    """

    intent: str
    branch: str
    outcome: Outcome
    emergency: bool
    examples: dict[Language, tuple[str, ...]]
    counts: dict[Language, int]

    def as_json(self) -> dict[str, object]:
        """What `nlu list --json` prints."""
        return asdict(self)


def understood(data: Mapping[Language, TrainingData], branches: Branches) -> tuple[Understood, ...]:
    """Every intent: topics in the order of the menu, then the rest by name."""
    topics = [topic for branch in branches.branches.values() for topic in branch.topics]
    named = frozenset[str]().union(*(own.intents for own in data.values()))
    return tuple(_entry(name, data, branches) for name in [*topics, *sorted(named - set(topics))])


def _entry(name: str, data: Mapping[Language, TrainingData], branches: Branches) -> Understood:
    branch, topic = branches.branch_of(name), branches.topic(name)
    outcome: Outcome = "answer" if topic is None else "served" if topic.flow else "operator"
    texts = {language: [one.text for one in own.examples if one.intent == name] for language, own in data.items()}
    return Understood(
        name,
        branch or "",
        outcome,
        branch is not None and branches.branches[branch].emergency,
        {language: _spread(own) for language, own in texts.items()},
        {language: len(own) for language, own in texts.items()},
    )


def _spread(texts: Sequence[str]) -> tuple[str, ...]:
    """A few sentences from all over the data, rather whole ones than single words."""
    long = [text for text in texts if len(text.split()) >= _MIN_WORDS] or list(texts)
    step = max(1, len(long) // EXAMPLES)
    return tuple(long[::step][:EXAMPLES])


def as_markdown(entries: Sequence[Understood]) -> str:
    """The page docs/reference/understanding.md."""
    lines = [
        "# What the bot understands",
        "",
        "Written by `ivrbot nlu list --markdown` from the training data and the menu; a test keeps it up to date.",
        "The sentences are examples out of many: other words do as well. What is none of this is out of scope:",
        "the bot asks once more, then hands over.",
        "",
    ]
    for entry in entries:
        place = f" Branch `{entry.branch}`{', an emergency' if entry.emergency else ''}." if entry.branch else ""
        lines += [f"## `{entry.intent}`", "", f"{_outcome(entry)}{place}", ""]
        for language, examples in entry.examples.items():
            sentences = "; ".join(f"“{text}”" for text in examples)
            lines.append(f"- {language} ({entry.counts[language]} sentences): {sentences}")
        lines.append("")
    return "\n".join(lines)


def _outcome(entry: Understood) -> str:
    if entry.intent == "out_of_scope":
        return "What the bot does not serve, chatter, and what the caller says he does not want."
    return _OUTCOMES[entry.outcome]
