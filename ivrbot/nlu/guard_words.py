"""How Russian and English refuse and deny: the words behind `ivrbot.nlu.guard`. Data only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ivrbot.model.speech import Language


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
        refusals: word sequences that refuse what follows or precedes, by their first word.
        agreeing: last words of the refusals whose subject comes before them ("баланс не нужен").
        negators: words that negate the very next word (requests).
        event_negators: words that negate an event.
        fillers: words that may stand between a negator and the thing named ("не про кредит", "not the balance").
        event_reach: how many words before an event its negator may stand.
        subjects: words before a negator that make it a statement about others, not a refusal.
        stoppers: words that end a refusal's reach.
        speakers: words for the caller; after a refusal they begin another clause.
        subjects_first: those of them that begin another clause right after a refusal too.
        objects: words that belong to what is refused, whichever topic it is.
        says: verb forms of the caller; before a refusal they end another clause.
        imperative: word form of a request; it ends a reach, and negated it is itself a refusal.
        courtesies: imperatives that refuse nothing when negated ("не подскажите").
        infinitive: verb form that a refusal right behind it refuses ("блокировать не надо").
        adverbs: words between it and its refusal that change nothing.
        wishes: words that ask for the infinitive behind them.
        asking: words that begin a question of its own behind a refused topic.
        orders: per intent whose effect cannot be undone, stems of the verb forms that order it.
        contrary: per such intent, what asks for its very contrary ("разблокируйте", "lift the block").
        statement_form: verb forms that tell what is or was, so that negating them refuses nothing.
        participle: passive forms of a state ("заблокирована"); None where `statement_form` has them.
        questions: words that turn a negated request into a question or a reproach.
        forward: reach of a refusal in words after it.
        backward: reach in words before it.
    """

    cues: Mapping[str, Cues]
    refusals: Mapping[str, tuple[tuple[str, ...], ...]]
    agreeing: frozenset[str]
    negators: frozenset[str]
    event_negators: frozenset[str]
    fillers: frozenset[str]
    event_reach: int
    subjects: frozenset[str]
    stoppers: tuple[str, ...]
    speakers: frozenset[str]
    subjects_first: frozenset[str]
    objects: frozenset[str]
    says: re.Pattern[str] | None
    imperative: re.Pattern[str] | None
    courtesies: frozenset[str]
    infinitive: re.Pattern[str] | None
    adverbs: frozenset[str]
    wishes: frozenset[str]
    asking: frozenset[str]
    orders: Mapping[str, tuple[str, ...]]
    contrary: Mapping[str, re.Pattern[str]]
    statement_form: re.Pattern[str] | None
    participle: re.Pattern[str] | None
    questions: frozenset[str]
    forward: int
    backward: int


def _sequences(text: str) -> Mapping[str, tuple[tuple[str, ...], ...]]:
    found: dict[str, tuple[tuple[str, ...], ...]] = {}
    for phrase in text.split("|"):
        words = tuple(phrase.split())
        found[words[0]] = (*found.get(words[0], ()), words)
    return found


_RU: Final = Grammar(
    cues={
        "block_card": Cues(
            ("блок", "заблок", "заморо", "замораж", "отключ", "закры", "останав", "приостан"),
            ("теря", "потеря", "утеря", "укра", "кра", "воров", "спер", "стащи", "вытащ", "пропа", "посея"),
        ),
        "card_reissue": Cues(
            ("перевыпус", "переоформ", "замен", "меня", "помен", "дубликат", "нов", "продл"),
            ("слома", "тресн", "размагни", "истек"),
        ),
        "report_fraud": Cues(("мошен", "аферис", "жулик"), ("обман", "взлам", "укра", "кра", "звони", "развел")),
        "check_balance": Cues(("баланс", "остат")),
        "recent_transactions": Cues(("операци", "выписк", "истори", "транзакц", "списани", "трат", "движени")),
        "salary_status": Cues(("зарплат", "аванс", "зп", "пенси", "получк", "стипенди")),
        "atm_problem": Cues(("банкомат", "терминал")),
        "card_limits": Cues(("лимит", "огранич", "увелич", "повыш", "сниж", "поднима", "меня", "помен", "измен")),
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
    agreeing=frozenset({"нужен", "нужна", "нужны", "интересует", "интересуют"}),
    negators=frozenset({"не", "ни", "никаких", "никакого", "никакой"}),
    event_negators=frozenset({"не", "никаких", "никакого"}),
    fillers=frozenset({"про", "о", "об", "за", "насчет", "по", "на", "до"}),
    event_reach=1,
    subjects=frozenset({"они", "вы", "он", "она"}),
    stoppers=(
        *("а", "но", "зато", "чтобы", "чтоб", "что", "если", "как", "когда", "и", "пока", "потому", "просто"),
        *("лучше", "хочу", "нужен", "нужна", "робот", "роботом", "роботами", "машиной", "ботом", "автоответчиком"),
    ),
    speakers=frozenset({"я", "мне", "меня", "у", "нам", "мы"}),
    subjects_first=frozenset({"я", "мы", "у"}),
    objects=frozenset(
        {"карту", "карта", "карты", "карточку", "карточка", "ее", "мою", "моя", "ничего", "никакой", "больше"}
    ),
    says=re.compile(r"\w{2,}(?:аю|яю|ую|ею|лю)$"),
    imperative=re.compile(r"\w+(?:йте|ите|ьте)$"),
    courtesies=frozenset(
        {"подскажите", "скажите", "кладите", "бросайте", "вешайте", "уходите", "молчите", "говорите"}
    ),
    infinitive=re.compile(r"\w+(?:ть|ти|чь)(?:ся)?$"),
    adverbs=frozenset(
        {"пока", "сейчас", "сразу", "уже", "еще", "вообще", "совсем", "точно", "пожалуйста", "никак"}
    ),
    wishes=frozenset(
        {"хочу", "хотел", "хотела", "хотим", "надо", "нужно", "можно", "прошу", "буду", "давайте", "собираюсь"}
    ),
    asking=frozenset(
        {"где", "куда", "когда", "сколько", "какой", "какая", "какое", "какие", "какую", "кто", "что", "чем"}
    ),
    orders={"block_card": ("блокируй", "блокировать", "морозить", "морозьте", "замораживать", "замораживай")},
    contrary={
        "block_card": re.compile(
            r"\b(?:разблок|размороз|размораж|разлоч)\w*"
            r"|\b(?:сн(?:им|я[тл]|ят)|убер|убра|отмен|отключ)\w*(?: \w+){0,2} (?:блок(?:ировк)?|заморозк)\w*"
            r"|\b(?:блок(?:ировк)?|заморозк)\w*(?: \w+){0,2} (?:сним|снять|снят|убер|убра|отмен|отключ)\w*"
        )
    },
    statement_form=re.compile(r"(?!кредит|лимит|депозит)\w+(?:л|ла|ли|ло|ся|сь|ете|ет|ют|ит|ишь|ешь)$"),
    participle=re.compile(r"\w{3,}(?:ан|ана|ано|аны|ен|ена|ено|ены|анная|анную)$"),
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
        "report_fraud": Cues(
            ("scammer", "fraudster", "crook", "fraud"),
            ("scam", "fraud", "hack", "trick", "stol", "steal", "conned"),
        ),
        "check_balance": Cues(("balance",)),
        "recent_transactions": Cues(("transaction", "statement", "histor", "spending", "movements")),
        "salary_status": Cues(("salary", "wage", "paycheck", "pension")),
        "atm_problem": Cues(("atm", "cashpoint", "dispenser")),
        "card_limits": Cues(("limit", "cap", "rais", "increas", "lower", "chang")),
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
        "no thanks|rather not|don't bother|not planning|needn't|need not"
    ),
    agreeing=frozenset({"needed", "necessary", "required"}),
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
    fillers=frozenset({"the", "a", "an", "about", "for"}),
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
    speakers=frozenset({"i", "i'm", "it's", "i've"}),
    subjects_first=frozenset({"i", "i'm", "it's", "i've"}),
    objects=frozenset({"the", "my", "a", "any", "card", "cards", "it", "anything", "no"}),
    says=None,
    imperative=None,
    courtesies=frozenset(),
    infinitive=None,
    adverbs=frozenset(),
    wishes=frozenset(),
    asking=frozenset({"what", "what's", "where", "where's", "when", "when's", "how", "which", "who", "has", "is"}),
    orders={},
    contrary={
        "block_card": re.compile(
            r"\b(?:un ?block|un ?freez|un ?lock|re ?activat|re ?enabl)\w*"
            r"|\b(?:lift|remov|undo|revers|cancel|take off|end)\w*(?: \w+){0,2} (?:block|freez|lock)\w*"
        )
    },
    statement_form=re.compile(r"\w+(?:ed|ing)$"),
    participle=None,
    questions=frozenset({"why"}),
    forward=5,
    backward=3,
)

GRAMMARS: Final[dict[Language, Grammar]] = {"ru": _RU, "en": _EN}
