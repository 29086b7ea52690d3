"""Reads the answer to an open question: a slot's value from speech or keys. Pure.

An open `collect` decides yes/no, digits and topics before the intent does; an ambiguous reading is None.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date

from ivrbot.dialogue.schema import Branches, Domain, FlowSet, SlotSpec
from ivrbot.language.answers import is_wish_beside, parse_yes_no
from ivrbot.language.codes import parse_digits
from ivrbot.language.commands import Universal, universal
from ivrbot.language.dates import parse_date
from ivrbot.language.lexicon import listed
from ivrbot.language.masking import mask_codes
from ivrbot.language.money import names_currency, parse_amount
from ivrbot.language.options import named_options
from ivrbot.language.phonetic import phonetic_key, transcript_words
from ivrbot.language.remarks import is_unsure, is_upset
from ivrbot.language.resemblance import resemblance, sounds_like
from ivrbot.language.tokens import words
from ivrbot.model.dialogue import Collect, UserTurn, Value
from ivrbot.model.speech import Hypothesis, Language, NluResult

ACT_CONFIDENCE = 0.6
"""Least confidence at which a dialogue act of the classifier counts inside a flow."""

TOPIC_CHANGE_CONFIDENCE = 0.8
"""Least confidence at which another topic interrupts a question; answers to questions are often misheard."""

LEAST_RESEMBLANCE = 0.75
"""Share of the word's sounds that must be there for a garbled "operator"."""

LIKE_AN_OPTION: Mapping[Language, float] = {"ru": 0.85, "en": 0.8}
"""The same for a garbled city. Of 1,992 Russian and 1,441 English sentences of up to four words that name none, 1
and 2 resemble one so much; at 0.8 it would be 75 Russian ones."""

_LEAST_SOUNDS = 5
_MORE_THAN_OTHERS = 0.15
_LONGEST_NAME = 4
"""Words of an answer that may be nothing but a garbled name."""

LONGEST_YES = 4
"""Words of an answer that the classifier alone may call a yes; what it opens cannot be undone."""

MAX_NOTE_CHARS = 1000

_OPERATOR: dict[Language, str] = {"ru": "оператор", "en": "operator"}
_REFUSALS = frozenset({"не", "нет", "no", "not", "don't"})

EARLY_TOPIC_CONFIDENCE = 0.8
"""Least confidence at which a topic ends the caller's turn after the shortest pause."""

_ASSENT = frozenset({"affirm", "thanks", "greet", "goodbye"})
"""Meanings that agree with a yes ("хорошо спасибо")."""

_DECLINING = frozenset({"deny", "goodbye", "thanks"})
"""Meanings of who wants nothing more."""
_DECLINES: Mapping[Language, frozenset[str]] = {
    "ru": frozenset(
        listed(
            "нет не надо нужно спасибо большое вам все это ничего больше пока благодарю до свидания всего доброго"
        )
    ),
    "en": frozenset(
        listed("no not nope thank thanks you very much that's that is all it nothing else more bye goodbye")
    ),
}
"""Words of which a refusal and its courtesies are made: whoever says no other one begins nothing new."""

_ANY_DAY = date(2026, 1, 1)
"""Stands for today where it only matters whether a date was said."""

_PARTICLE = re.compile(r"^\W*да\b", re.IGNORECASE)

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


def read_slot(spec: SlotSpec, turn: UserTurn, language: Language, today: date | None = None) -> Value:
    """Value of a slot in the caller's words, None when there is none or it is ambiguous."""
    if spec.kind == "yes_no":
        return _yes_no(spec, turn, language)
    if spec.kind == "words":
        return mask_codes(turn.text, language, today=today)[:MAX_NOTE_CHARS]
    for hypothesis in turn.hypotheses:
        if (value := _read_text(spec, hypothesis.text, language, today)) is not None:
            return value
    return None


def _read_text(spec: SlotSpec, text: str, language: Language, today: date | None) -> Value:
    match spec.kind:
        case "digits":
            return parse_digits(text, language, spec.length)
        case "money":
            return parse_amount(text, language)
        case "date":
            day = parse_date(text, language, today) if today is not None else None
            return day.isoformat() if day is not None else None
        case "choice":
            return _choice(spec, text, language)
        case _:
            return None


def resembled_option(spec: SlotSpec, turn: UserTurn, language: Language) -> str | None:
    """The one option that a short answer sounds like which was not understood otherwise ("всказание": Казань)."""
    texts = [one.text for one in turn.hypotheses if len(words(one.text, language)) <= _LONGEST_NAME]
    if spec.kind != "choice" or not texts or set(words(turn.text, language)) & _REFUSALS:
        return None
    alike = {name: _resemblance(texts, one.stems(language), language) for name, one in spec.options.items()}
    best, *others = sorted(alike, key=alike.__getitem__, reverse=True)
    clear = all(alike[best] - alike[other] >= _MORE_THAN_OTHERS for other in others)
    return best if clear and alike[best] >= LIKE_AN_OPTION[language] else None


def _resemblance(texts: Sequence[str], stems: Sequence[str], language: Language) -> float:
    long = [stem for stem in stems if "=" not in stem and len(phonetic_key(stem, language)) >= _LEAST_SOUNDS]
    return max((resemblance(text, stem, language) for text in texts for stem in long), default=0.0)


def _only_declines(text: str, language: Language) -> bool:
    """Whether nothing follows but the goodbye, which hangs up; after a bare "no" more may come."""
    said = words(text, language)
    return len(said) > 1 and set(said) <= _DECLINES[language]


def _choice(spec: SlotSpec, text: str, language: Language) -> str | None:
    heard = named_options(text, language, {name: one.stems(language) for name, one in spec.options.items()})
    named = [name for name in heard if not set(spec.options[name].unless) & set(heard)]
    if len(named) > 1 and spec.several:
        return spec.several
    return named[0] if len(named) == 1 else None


def _yes_no(spec: SlotSpec, turn: UserTurn, language: Language) -> bool | None:
    """The first reading that is a yes or a no; else the meaning (the classifier has rejected what it doubts)."""
    verbs = spec.verbs.get(language, [])
    for hypothesis in turn.hypotheses:
        if (answer := parse_yes_no(hypothesis.text, language, verbs)) is not None:
            # "да вы издеваетесь", "да сколько можно": a cry and no yes, unless more of a yes follows.
            if answer and is_upset(hypothesis.text, language):
                return parse_yes_no(_PARTICLE.sub("", hypothesis.text), language, verbs)
            return answer
    return _meant(turn, language)


def is_other_wish(spec: SlotSpec, turn: UserTurn, language: Language, question: str) -> bool:
    """Whether what was taken for a yes wishes for something else: "можно баланс" when a card is to be blocked.

    Whatever stands beside the word of wishing is enough: a misheard yes is asked for again, a misheard wish would
    do what nobody wanted.
    """
    meaning, verbs = turn.nlu, spec.verbs.get(language, [])
    if meaning.intent in _ASSENT:
        return False
    said = next((one.text for one in turn.hypotheses if parse_yes_no(one.text, language, verbs)), "")
    return bool(said) and is_wish_beside(said, language, question, verbs)


def _meant(turn: UserTurn, language: Language) -> bool | None:
    """The classifier's word for it; a yes only of a short, sure answer without any refusal in it."""
    if turn.nlu.intent == "deny":
        return False
    said = words(turn.text, language)
    if turn.nlu.intent != "affirm" or turn.nlu.confidence < TOPIC_CHANGE_CONFIDENCE:
        return None
    doubtful = len(said) > LONGEST_YES or set(said) & _REFUSALS or is_unsure(turn.text, language)
    return None if doubtful else True


def volunteered(
    domain: Domain, turn: UserTurn, language: Language, today: date | None, wanted: Collection[str] | None = None
) -> dict[str, Value]:
    """Values that the caller gave beside what he was asked: with his topic, or with another answer.

    Args:
        domain: the slots; of those marked `fill_from_topic` values are taken.
        turn: the caller's.
        language: of the turn.
        today: the day of the call.
        wanted: only these slots; None means all.
    """
    found: dict[str, Value] = {}
    for name, spec in domain.slots.items():
        if not spec.fill_from_topic or (wanted is not None and name not in wanted):
            continue
        if spec.kind == "words" and not _is_account(spec, turn, language):
            continue
        if (value := read_slot(spec, turn, language, today)) is not None:
            found[name] = value
    return _without_echoes(domain, found, names_currency(turn.text, language), parse_amount(turn.text, language))


def _is_account(spec: SlotSpec, turn: UserTurn, language: Language) -> bool:
    """Whether a sentence may be put on record without asking: long enough, and surely about this."""
    return turn.nlu.confidence >= TOPIC_CHANGE_CONFIDENCE and len(words(turn.text, language)) >= spec.least_words


def _without_echoes(
    domain: Domain, found: Mapping[str, Value], currency: bool, amount_minor: int | None
) -> dict[str, Value]:
    """Digits have one meaning: a sum where a currency was named, else a code."""
    codes = {str(value) for name, value in found.items() if domain.slots[name].kind == "digits"}
    sums = {f"{amount_minor // 100:04d}"} if amount_minor is not None else set()
    echoes = {"digits" if currency else "money"} if codes & sums else set()
    return {name: value for name, value in found.items() if domain.slots[name].kind not in echoes}


def read_keys(spec: SlotSpec, digits: str, branches: Branches) -> Value:
    """Value of a keyed answer: a menu key, 1 for yes and 2 for no, the number of an option, or the digits."""
    digits = digits.removesuffix("#")
    if spec.kind == "topic":
        return branches.topic_of_key(digits)
    if spec.kind == "yes_no":
        return {"1": True, "2": False}.get(digits)
    if not (digits.isdigit() and digits.isascii()):
        return None
    match spec.kind:
        case "choice":
            at = int(digits) - 1
            return list(spec.options)[at] if 0 <= at < len(spec.options) else None
        case "money":
            return int(digits) * 100 if len(digits) < 10 else None
        case "date":
            return _keyed_day(digits)
        case "digits":
            return digits if spec.length in (None, len(digits)) else None
        case _:
            return None


def _keyed_day(digits: str) -> str | None:
    """Day, month and year by four digits."""
    if len(digits) != 8:
        return None
    try:
        return date(int(digits[4:]), int(digits[2:4]), int(digits[:2])).isoformat()
    except ValueError:
        return None


def read_topic(turn: UserTurn, branches: Branches) -> str | None:
    """The topic that the caller stated, None when he stated none that is known."""
    return turn.nlu.intent if branches.branch_of(turn.nlu.intent) is not None else None


def answers_question(
    flow_set: FlowSet,
    collect: Collect,
    text: str,
    nlu: NluResult,
    language: Language,
    *,
    after_service: bool = False,
) -> bool:
    """Whether a reading already answers the question on the table, so that the turn may end early.

    Args:
        flow_set: the bank's flows.
        collect: what was asked.
        text: as read so far.
        nlu: what it means.
        language: of the text.
        after_service: the topic that is asked for is another one: "no, thank you" answers as well.
    """
    if universal(text, language) is not None:
        return True
    if collect.slot == "fact":
        return collect.max_digits > 0 and parse_digits(text, language, collect.max_digits) is not None
    turn = UserTurn((Hypothesis(text),), nlu)
    slots = flow_set.domain.slots
    if slots[collect.slot].kind == "topic":
        known = flow_set.branches.branch_of(nlu.intent) is not None
        declines = after_service and nlu.intent in _DECLINING and _only_declines(text, language)
        return (known or declines) and nlu.confidence >= EARLY_TOPIC_CONFIDENCE
    asked = [slots[name] for name in (collect.slot, *collect.accepts)]
    # After "five thousand" more may come; free words are over when nothing more is said.
    closed = [spec for spec in asked if spec.kind not in {"money", "words"}]
    if any(read_slot(spec, turn, language, _ANY_DAY) is not None for spec in closed):
        return True
    # Garbled as it is, a longer wait would not make it clearer.
    return not is_unsure(text, language) and resembled_option(slots[collect.slot], turn, language) is not None
