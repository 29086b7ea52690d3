"""Reads the answer to an open question: a slot's value from speech or keys. Pure.

An open `collect` decides yes/no, digits and topics before the intent does; an ambiguous reading is None.
"""

from __future__ import annotations

from ivrbot.dialogue.schema import Branches, FlowSet, SlotSpec
from ivrbot.language.answers import parse_yes_no
from ivrbot.language.codes import parse_digits
from ivrbot.language.commands import Universal, universal
from ivrbot.language.phonetic import transcript_words
from ivrbot.language.resemblance import sounds_like
from ivrbot.model.dialogue import Collect, UserTurn, Value
from ivrbot.model.speech import Hypothesis, Language, NluResult

ACT_CONFIDENCE = 0.6
"""Least confidence at which a dialogue act of the classifier counts inside a flow."""

TOPIC_CHANGE_CONFIDENCE = 0.8
"""Least confidence at which another topic interrupts a question; answers to questions are often misheard."""

LEAST_RESEMBLANCE = 0.75
"""Share of the word's sounds that must be there for a garbled "operator"."""

_OPERATOR: dict[Language, str] = {"ru": "оператор", "en": "operator"}
_REFUSALS = frozenset({"не", "нет", "no", "not", "don't"})

EARLY_TOPIC_CONFIDENCE = 0.7
"""Least confidence at which a topic ends the caller's turn after the shortest pause."""

_ACTS = {
    "operator": Universal.OPERATOR,
    "repeat": Universal.REPEAT,
    "wait": Universal.WAIT,
    "help": Universal.HELP,
    "cancel": Universal.CANCEL,
}


def command_in(turn: UserTurn, language: Language) -> Universal | None:
    """The universal command that the whole turn is, by its words alone."""
    return universal(turn.text, language)


def command_meant(turn: UserTurn) -> Universal | None:
    """The universal command that the classifier is sure of."""
    return _ACTS.get(turn.nlu.intent) if turn.nlu.confidence >= ACT_CONFIDENCE else None


def resembles_operator(turn: UserTurn, language: Language) -> bool:
    """Whether words that mean nothing sound like "operator", as small recognisers spell it by ear.

    For turns that were not understood otherwise; of sentences about other things 0.5 % pass.
    """
    texts = [hypothesis.text for hypothesis in turn.hypotheses]
    if set(transcript_words(texts[0], language)) & _REFUSALS:
        return False
    return sounds_like(texts, [_OPERATOR[language]], language, LEAST_RESEMBLANCE)


def read_slot(spec: SlotSpec, turn: UserTurn, language: Language) -> Value:
    """Value of a digits or yes/no slot in the caller's words, None when there is none or it is ambiguous."""
    if spec.kind == "digits":
        for hypothesis in turn.hypotheses:
            if (digits := parse_digits(hypothesis.text, language, spec.length)) is not None:
                return digits
        return None
    if spec.kind == "yes_no":
        return _yes_no(spec, turn, language)
    return None


def _yes_no(spec: SlotSpec, turn: UserTurn, language: Language) -> bool | None:
    """The first reading that is a yes or a no; else the meaning (the classifier has rejected what it doubts)."""
    verbs = spec.verbs.get(language, [])
    for hypothesis in turn.hypotheses:
        if (answer := parse_yes_no(hypothesis.text, language, verbs)) is not None:
            return answer
    return {"affirm": True, "deny": False}.get(turn.nlu.intent)


def read_keys(spec: SlotSpec, digits: str, branches: Branches) -> Value:
    """Value of a keyed answer: a menu key, 1 for yes and 2 for no, or the digits themselves."""
    digits = digits.removesuffix("#")
    if spec.kind == "topic":
        return branches.topic_of_key(digits)
    if spec.kind == "yes_no":
        return {"1": True, "2": False}.get(digits)
    if not digits.isdigit() or (spec.length is not None and len(digits) != spec.length):
        return None
    return digits


def read_topic(turn: UserTurn, branches: Branches) -> str | None:
    """The topic that the caller stated, None when he stated none that is known."""
    return turn.nlu.intent if branches.branch_of(turn.nlu.intent) is not None else None


def answers_question(flow_set: FlowSet, collect: Collect, text: str, nlu: NluResult, language: Language) -> bool:
    """Whether a reading already answers the question on the table, so that the turn may end early."""
    if universal(text, language) is not None:
        return True
    if collect.slot == "fact":
        return collect.max_digits > 0 and parse_digits(text, language, collect.max_digits) is not None
    spec = flow_set.domain.slots[collect.slot]
    if spec.kind == "topic":
        known = flow_set.branches.branch_of(nlu.intent) is not None
        return known and nlu.confidence >= EARLY_TOPIC_CONFIDENCE
    turn = UserTurn((Hypothesis(text),), nlu)
    return read_slot(spec, turn, language) is not None
