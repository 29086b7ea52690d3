"""One question between two topics ("Вы хотите заблокировать карту или узнать баланс?") and its answer. Pure.

Takes what a turn means, gives the two topics worth asking about; takes the answer, gives the one that is meant.
The words for a topic are the options of the slot `first_topic` in domain.yml; one without is never asked about.
"""

from __future__ import annotations

from typing import Final

from ivrbot.dialogue.schema import FlowSet
from ivrbot.language.options import named_options
from ivrbot.language.readings import near_topics
from ivrbot.model.dialogue import UserTurn
from ivrbot.model.speech import Language

FIRST: Final = "first_topic"
SECOND: Final = "second_topic"
QUESTION: Final = "utter_ask_which_topic"

_ORDINALS: Final[dict[Language, dict[str, tuple[str, ...]]]] = {
    "ru": {"0": ("перв", "=один", "=одно"), "1": ("втор", "=два", "=последнее")},
    "en": {"0": ("first", "former", "=one"), "1": ("second", "latter", "=two", "=last")},
}

Pair = tuple[str, str]


def worth_asking(flow_set: FlowSet, turn: UserTurn) -> Pair | None:
    """The two topics between which the caller should be asked; an emergency is named first.

    None when one is clear, and when the turn was taken for an emergency: that one never waits for a question.
    """
    pair = near_topics(turn.nlu)
    spec = flow_set.domain.slots.get(FIRST)
    if pair is None or spec is None or not set(pair) <= set(spec.options):
        return None
    if is_emergency(flow_set, turn.nlu.intent) or flow_set.branches.branch_of(pair[1]) is None:
        return None
    return pair if not is_emergency(flow_set, pair[1]) else (pair[1], pair[0])


def is_emergency(flow_set: FlowSet, topic: str) -> bool:
    """Whether a topic belongs to a branch for emergencies."""
    branch = flow_set.branches.branch_of(topic)
    return branch is not None and flow_set.branches.branches[branch].emergency


def chosen(flow_set: FlowSet, turn: UserTurn, pair: Pair, language: Language) -> str | None:
    """The one of two topics that an answer names: by its place, by a word of its own, or by its meaning."""
    options = flow_set.domain.slots[FIRST].options
    words = {topic: options[topic].stems(language) for topic in pair}
    for hypothesis in turn.hypotheses:
        places = named_options(hypothesis.text, language, _ORDINALS[language])
        if len(places) == 1:
            return pair[int(places[0])]
        named = named_options(hypothesis.text, language, words)
        if len(named) == 1:
            return named[0]
    return turn.nlu.intent if turn.nlu.intent in pair else None


def keyed(digits: str, pair: Pair) -> str | None:
    """The topic of key 1 or 2."""
    return {"1": pair[0], "2": pair[1]}.get(digits)
