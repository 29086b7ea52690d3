"""Guard against negation: "не блокируйте карту" must not block a card, whatever a classifier believes.

Takes a text and the intent that a classifier chose; says whether the text refuses the thing asked for
("не надо блокировать", "I don't need an operator") or denies that it happened ("карту не теряла").
Bags of words and sentence embeddings hardly see a negation, so the rule looks at words in order. Pure.

The rule: words of an intent are requests (what is asked for) or events (what has happened). A request is refused
when a negator stands right before it ("не блокируйте") or when it lies within the reach of a refusal ("не надо",
"мне не нужен"). An event is denied when negated directly ("не терял"). Complaints about what the bank has not
done ("почему не заблокировали") and symptoms ("не могу войти") are neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ivrbot.model.speech import Language
from ivrbot.nlu.text import normalise

_SENTENCE_END: Final = re.compile(r"[.!?;]+")


@dataclass(frozen=True, slots=True)
class Cues:
    """Stems that name an intent's subject: what is asked for, and what happened."""

    requests: tuple[str, ...]
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grammar:
    """How one language negates.

    Attributes:
        cues: per intent; an intent without cues is never guarded.
        refusals: word sequences that refuse what follows or precedes.
        negators: words that negate the very next word (requests).
        event_negators: words that negate an event.
        event_reach: how many words before an event its negator may stand.
        subjects: words before a negator that make it a statement about others, not a refusal.
        stoppers: words that end a refusal's reach.
        imperative: word form of a request; it ends a reach, and negated it is itself a refusal.
        courtesies: imperatives that refuse nothing when negated ("не подскажите").
        statement_form: verb forms that tell what is or was, so that negating them refuses nothing.
        questions: words that turn a negated request into a question or a reproach.
        forward: reach of a refusal in words after it.
        backward: reach in words before it.
    """

    cues: Mapping[str, Cues]
    refusals: tuple[tuple[str, ...], ...]
    negators: frozenset[str]
    event_negators: frozenset[str]
    event_reach: int
    subjects: frozenset[str]
    stoppers: tuple[str, ...]
    imperative: re.Pattern[str] | None
    courtesies: frozenset[str]
    statement_form: re.Pattern[str] | None
    questions: frozenset[str]
    forward: int
    backward: int


def _sequences(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(phrase.split()) for phrase in text.split("|"))


_RU: Final = Grammar(
    cues={
        "block_card": Cues(
            ("блок", "заблок", "заморо", "замораж", "отключ", "закры"),
            ("теря", "потеря", "утеря", "укра", "кра", "воров", "спер", "стащи", "вытащ", "пропа", "посея"),
        ),
        "card_reissue": Cues(
            ("перевыпус", "переоформ", "замен", "меня", "помен", "дубликат", "нов", "продл"),
            ("слома", "тресн", "размагни", "истек"),
        ),
        "report_fraud": Cues((), ("обман", "взлам", "укра", "кра", "звони", "развел")),
        "check_balance": Cues(("баланс", "остат")),
        "recent_transactions": Cues(("операци", "выписк", "истори", "транзакц")),
        "salary_status": Cues(("зарплат", "аванс", "зп")),
        "card_limits": Cues(("лимит", "огранич", "увелич", "повыш", "сниж", "поднима")),
        "dispute_transaction": Cues(("оспар", "оспор", "претенз", "возвра", "чарджб")),
        "loan_info": Cues(("кредит", "займ", "заем", "ссуд", "бра", "взя", "оформ")),
        "deposit_info": Cues(("вклад", "депозит", "открыва", "открыт")),
        "find_office": Cues(("отделен", "офис", "филиал", "адрес")),
        "online_bank_access": Cues(("приложени", "интернет", "онлайн", "кабинет", "парол")),
        "complaint": Cues(("жалоб", "жалов", "пожалов", "претенз")),
        "pin_change": Cues(("пин", "меня", "помен", "смен")),
        "operator": Cues(
            ("оператор", "человек", "специалист", "сотрудник", "соедин", "переключ", "переводи", "консультант")
        ),
    },
    refusals=_sequences(
        "не надо|не нужно|не нужен|не нужна|не нужны|не хочу|не хотим|не хотел|не хотела|не буду|не будем|"
        "не собираюсь|не собирался|не собиралась|не планирую|не прошу|не просил|не просила|не требуется|"
        "не стоит|не спрашивал|не спрашивала|не интересует|не интересуют|не интересуюсь|не пользуюсь|"
        "нет необходимости|нету необходимости|незачем|ненадо|ненужно|не следует|не вздумайте|не предлагайте"
    ),
    negators=frozenset({"не", "ни", "никаких", "никакого", "никакой"}),
    event_negators=frozenset({"не", "никаких", "никакого"}),
    event_reach=1,
    subjects=frozenset({"они", "вы", "он", "она"}),
    stoppers=(
        *("а", "но", "зато", "чтобы", "чтоб", "что", "если", "как", "когда", "и", "пока", "потому", "просто"),
        *("лучше", "хочу", "нужен", "нужна", "робот", "роботом", "роботами", "машиной", "ботом", "автоответчиком"),
    ),
    imperative=re.compile(r"\w+(?:йте|ите|ьте)$"),
    courtesies=frozenset(
        {"подскажите", "скажите", "кладите", "бросайте", "вешайте", "уходите", "молчите", "говорите"}
    ),
    statement_form=re.compile(r"\w+(?:л|ла|ли|ло|ся|сь|ете|ет|ют|ит|ишь|ешь)$"),
    questions=frozenset({"ли", "могли", "можете", "почему", "зачем", "разве", "неужели"}),
    forward=4,
    backward=3,
)

_EN: Final = Grammar(
    cues={
        "block_card": Cues(
            ("block", "freez", "lock", "cancel", "stop", "disabl", "deactiv", "suspend"),
            ("los", "misplac", "stol", "steal", "rob", "missing", "gone", "nick", "drop"),
        ),
        "card_reissue": Cues(
            ("replac", "reissu", "renew", "new", "duplicat", "another"), ("broke", "expir", "damag")
        ),
        "report_fraud": Cues((), ("scam", "fraud", "hack", "trick", "stol", "steal", "conned")),
        "check_balance": Cues(("balance",)),
        "recent_transactions": Cues(("transaction", "statement", "histor")),
        "salary_status": Cues(("salary", "wage", "paycheck")),
        "card_limits": Cues(("limit", "cap", "rais", "increas", "lower")),
        "dispute_transaction": Cues(("disput", "contest", "refund", "chargeback", "claim")),
        "loan_info": Cues(("loan", "borrow", "credit", "lend")),
        "deposit_info": Cues(("deposit", "saving")),
        "find_office": Cues(("branch", "office", "address")),
        "online_bank_access": Cues(("app", "online", "internet", "password", "login")),
        "complaint": Cues(("complain",)),
        "pin_change": Cues(("pin", "chang")),
        "operator": Cues(
            (
                "operator",
                "agent",
                "human",
                "person",
                "representative",
                "manager",
                "transfer",
                "connect",
                "somebody",
            )
        ),
    },
    refusals=_sequences(
        "don't want|dont want|do not want|don't need|dont need|do not need|no need|not going to|i won't|we won't|"
        "i will not|not interested|not asking|not looking|didn't ask|did not ask|not needed|isn't needed|"
        "aren't needed|not necessary|not required|don't use|do not use|stop offering|don't offer|don't tell|"
        "do not tell|don't change|do not change|don't read|don't touch|don't send|don't give|don't make|don't put|"
        "no thanks|rather not|don't bother|not planning"
    ),
    negators=frozenset({"don't", "dont", "not", "never"}),
    event_negators=frozenset(
        {
            "not",
            "never",
            "nobody",
            "no",
            "haven't",
            "hasn't",
            "didn't",
            "wasn't",
            "isn't",
            "none",
            "havent",
            "didnt",
        }
        | {"weren't", "ain't", "aren't", "don't"}
    ),
    event_reach=2,
    subjects=frozenset({"they", "you", "it", "she", "he", "we", "does", "did", "has", "have", "could", "can"}),
    stoppers=(
        *(
            "but",
            "just",
            "instead",
            "because",
            "so",
            "and",
            "if",
            "until",
            "when",
            "give",
            "connect",
            "get",
            "put",
        ),
        *("robot", "machine", "bot", "computer", "somebody's", "please"),
    ),
    imperative=None,
    courtesies=frozenset(),
    statement_form=re.compile(r"\w+(?:ed|ing)$"),
    questions=frozenset({"why"}),
    forward=5,
    backward=3,
)

_GRAMMARS: Final[dict[Language, Grammar]] = {"ru": _RU, "en": _EN}


def is_negated(text: str, language: Language, intent: str) -> bool:
    """Whether the text refuses or denies the very thing that the intent stands for.

    Args:
        text: the caller's words, with or without punctuation.
        language: of the text.
        intent: class that a classifier chose.

    Returns:
        True only if every request word is refused, or, without request words, every event word is denied;
        False for intents without cues.
    """
    grammar = _GRAMMARS[language]
    cues = grammar.cues.get(intent)
    if cues is None:
        return False
    requests: list[bool] = []
    events: list[bool] = []
    for sentence in _SENTENCE_END.split(text):
        words = normalise(sentence).split()
        requests += _requests(words, cues, grammar)
        events += _events(words, cues, grammar)
    if requests:
        return all(requests)
    return bool(events) and all(events)


def is_asserted(text: str, language: Language, intent: str) -> bool:
    """Whether the text names the intent's subject somewhere without negating it."""
    grammar = _GRAMMARS[language]
    cues = grammar.cues.get(intent)
    if cues is None:
        return False
    words = normalise(text).split()
    return not all(_requests(words, cues, grammar)) or not all(_events(words, cues, grammar))


def _requests(words: Sequence[str], cues: Cues, grammar: Grammar) -> list[bool]:
    """One entry per request word: refused or not; negated statements and reproaches are left out."""
    reach = _refused(words, grammar)
    found = []
    reproach = bool(grammar.questions & set(words))
    for index, word in enumerate(words):
        if not word.startswith(cues.requests):
            continue
        direct = index > 0 and words[index - 1] in grammar.negators
        if direct and (reproach or _is_statement(words, index, grammar)):
            continue
        found.append(direct or (index in reach and not reproach))
    return found


def _is_statement(words: Sequence[str], index: int, grammar: Grammar) -> bool:
    if grammar.statement_form is not None and grammar.statement_form.match(words[index]):
        return True
    return index > 1 and words[index - 2] in grammar.subjects


def _events(words: Sequence[str], cues: Cues, grammar: Grammar) -> list[bool]:
    """One entry per event word: denied or not."""
    return [
        any(before in grammar.event_negators for before in words[max(0, index - grammar.event_reach) : index])
        for index, word in enumerate(words)
        if cues.events and word.startswith(cues.events)
    ]


def _refused(words: Sequence[str], grammar: Grammar) -> set[int]:
    """Indices of the words within reach of a refusal, forwards and backwards."""
    reach: set[int] = set()
    for start in range(len(words)):
        for phrase in grammar.refusals:
            if tuple(words[start : start + len(phrase)]) == phrase:
                end = start + len(phrase)
                reach.update(_walk(words, range(end, min(len(words), end + grammar.forward)), grammar))
                reach.update(_walk(words, range(start - 1, max(-1, start - 1 - grammar.backward), -1), grammar))
        if start > 0 and words[start - 1] in grammar.negators and _is_imperative(words[start], grammar):
            reach.update(_walk(words, range(start + 1, min(len(words), start + grammar.forward)), grammar))
            reach.update(_walk(words, range(start - 2, max(-1, start - 2 - grammar.backward), -1), grammar))
    return reach


def _is_imperative(word: str, grammar: Grammar) -> bool:
    return (
        grammar.imperative is not None
        and grammar.imperative.match(word) is not None
        and word not in grammar.courtesies
    )


def _walk(words: Sequence[str], indices: range, grammar: Grammar) -> list[int]:
    walked = []
    for index in indices:
        word = words[index]
        if word in grammar.stoppers or _is_imperative(word, grammar):
            break
        walked.append(index)
    return walked
