"""Words by which masking tells secrets from figures that may be read: tables per language, no logic."""

from __future__ import annotations

import re
from typing import Final

from ivrbot.language.lexicon import listed
from ivrbot.model.speech import Language


def _stems(ru: str, en: str) -> dict[Language, re.Pattern[str]]:
    return {"ru": re.compile(rf"(?:{ru})$"), "en": re.compile(rf"(?:{en})$")}


def _sets(ru: str, en: str) -> dict[Language, frozenset[str]]:
    return {"ru": frozenset(listed(ru)), "en": frozenset(listed(en))}


WORD_CUES: Final[dict[Language, tuple[tuple[re.Pattern[str], ...], ...]]] = {
    "ru": tuple(
        tuple(re.compile(f"{stem}$") for stem in phrase.split())
        for phrase in (
            r"кодов\w* слов\w*",
            r"код слов\w*",
            r"секретн\w* слов\w*",
            r"контрольн\w* слов\w*",
            r"проверочн\w* слов\w*",
            r"девич\w* фамили\w*",
            r"парол\w*",
        )
    ),
    "en": tuple(
        tuple(re.compile(f"{stem}$") for stem in phrase.split())
        for phrase in (
            "code words?",
            "codewords?",
            "secret words?",
            "security words?",
            "maiden name",
            "passwords?",
            "passphrase",
        )
    ),
}
"""Phrases beside which a secret in words stands."""

LINKS: Final = _sets(
    "это будет был была было есть такое такой моё мое мой моего моя у меня значит ну вот да называется звучит как "
    "следующее такая по-моему кажется наверное так говорю скажу сейчас именно",
    "is it it's its was my mine the a an our well so um uh er would be i think that's that following set called",
)
"""Words between such a phrase and the secret."""

NO_SECRET: Final = {
    "ru": re.compile(
        r"(?:не|нет|и|а|но|или|на|в|во|к|с|со|от|по|для|из|о|об|при|через|чтобы|если|когда|где|что|кто|какое|какой|"
        r"какую|зачем|почему|мне|вам|вас|вы|он|она|оно|они|я|мы|уже|еще|опять|снова|больше|тоже|можно|нельзя|надо|"
        r"нужно|нужен|хочу|хотел\w*|забыл\w*|забыт\w*|забыв\w*|помн\w*|помен\w*|сме?н\w*|измен\w*|восстанов\w*|"
        r"сброс\w*|потеря\w*|утер\w*|узна\w*|установ\w*|придум\w*|введ\w*|ввод\w*|ввёл|ввел\w*|неверн\w*|"
        r"неправильн\w*|подош\w*|подход\w*|пришел|пришёл|пришл\w*|приход\w*|истек\w*|устарел\w*|спраш\w*|сказ\w*|"
        r"назв\w*|называ\w*|говор\w*|сообщ\w*|карт\w*|банк\w*|оператор\w*|пожалуйста)$"
    ),
    "en": re.compile(
        r"(?:not|no|and|but|or|on|in|to|for|from|of|at|with|by|because|if|when|where|what|which|who|why|how|i|you|"
        r"we|they|he|she|me|isn't|doesn't|does|don't|didn't|won't|wasn't|can|can't|cannot|could|should|will|has|"
        r"hasn't|have|haven't|had|again|please|now|already|still|forgot\w*|forget\w*|chang\w*|reset\w*|lost|"
        r"expir\w*|recover\w*|restor\w*|remember\w*|work\w*|wrong|invalid|came|comes|arriv\w*|need\w*|want\w*|"
        r"card|bank|operator)$"
    ),
}
"""With one of these behind the phrase no secret was given: "забыла кодовое слово и ..."."""

CODE_CUES: Final = _stems(
    r"карт\w*|код\w*|пин|пинкод\w*|пина|цвв|цвс|cvv2?|cvc2?|pin|смс|sms|парол\w*|паспорт\w*|снилс\w*|инн|сери[яюией]+|"
    r"счет\w*|полис\w*|телефон\w*|заканчива\w*|оканчива\w*|конча\w*|последн\w*|цифр\w*|оборот\w*|обратн\w*",
    r"cards?|codes?|pin|cvv2?|cvc2?|sms|passwords?|passcodes?|passport|insurance|account|ssn|phone|mobile|ends?|"
    r"ending|last|digits?|back|otp|numbers?",
)
"""Before a number: it is a code."""

SHORT_CUES: Final = _stems(
    r"код\w*|пин|пинкод\w*|пина|цвв|цвс|cvv2?|cvc2?|pin|смс|sms|парол\w*|заканчива\w*|оканчива\w*|конча\w*|последн\w*|"
    r"цифр\w*|оборот\w*|обратн\w*",
    r"codes?|pin|cvv2?|cvc2?|sms|passcodes?|passwords?|ends?|ending|last|digits?|back|otp",
)
"""Before a number of two or three digits: it is a code all the same."""

KEY_CUES: Final = _stems(
    r"код\w*|пин|пинкод\w*|пина|цвв|цвс|cvv2?|cvc2?|pin|парол\w*",
    r"codes?|pin|cvv2?|cvc2?|passcodes?|passwords?|otp",
)
"""Right before a number: it is a code even where it looks like a time or a year ("пин 15:30")."""

CLAIM_CUES: Final = _stems(
    r"заявк\w*|заявлени\w*|обращени[еяюй]\w*|претензи\w*|референс\w*|талон\w*|дела|делу|тикет\w*",
    r"claims?|references?|tickets?|case|complaints?|requests?",
)
"""Before a number of four to eight digits: the bank's own number of a claim; "такое дело" begins any story."""

SLIPS: Final = _sets(
    "ой ай нет не да помню знаю вроде точнее вернее простите извините стоп подождите секунду секундочку минутку "
    "еще раз то есть щас ли а",
    "no oh oops sorry wait hold on mean rather actually maybe again not sure yes",
)
"""Between the pieces of a number: somebody hesitates or corrects himself."""

SUM_CUES: Final = _stems(
    r"сн[яи]\w*|списа\w*|перев[её]\w*|сумм\w*|зачисл\w*|потрат\w*|заплат\w*|оплат\w*|купи\w*|долг\w*|должн\w*|лимит\w*|"
    r"баланс\w*|остал\w*|остат\w*|положи\w*|внес\w*|получи\w*|кредит(?:а|у|ом|е|ы|ов)?|рублей|стои\w*|"
    r"процент\w*|украл\w*|пропал\w*",
    r"withdr\w*|charg\w*|transfer\w*|amount|sum|paid|pay\w*|spen\w*|owe\w*|limit|balance|deposit\w*|credited|debited|"
    r"bought|cost\w*|receiv\w*|loan|stole\w*|missing|for",
)
"""Before a round number: it is a sum."""

HOMOPHONES: Final[dict[Language, dict[str, str]]] = {
    "ru": {},
    "en": {
        "won": "one",
        "to": "two",
        "too": "two",
        "for": "four",
        "fore": "four",
        "ate": "eight",
        "tree": "three",
    },
}
"""Everyday words that sound like digits; figures only among figures of a code ("pin won to three for")."""

UNITS: Final = _stems(
    r"рубл(?:[ьеяюи]|ей|[её]м|ям|ями|ях)|руб|р|₽|руб(?:ч|л)ик\w*|доллар(?:а|у|ом|е|ы|ов|ам|ами|ах)?|евро|\$|€|"
    r"копе\w*|коп|цент(?:а|у|ом|е|ы|ов|ам|ами|ах)?|тенге|юан(?:[ьяюи]|ей|ем|ям|ями|ях)|"
    r"километр(?:а|у|ом|е|ы|ов|ам|ами|ах)?|метр(?:а|у|ом|е|ы|ов|ам|ами|ах)?|штук\w*|балл(?:а|у|ом|ы|ов|ам|ами)?|"
    r"бонус(?:а|у|ом|ы|ов|ам|ами)?",
    r"roubles?|rubles?|rub|₽|\$|€|dollars?|bucks?|euros?|usd|eur|kopecks?|copecks?|cents?|points?|meters?|metres?|"
    r"kilometers?|kilometres?",
)
"""Behind a number of any size: it counts something. Adjectives of a card ("рублёвая", "бонусная") do not."""

SMALL_UNITS: Final = _stems(
    r"процент\w*|%|дн[еяюи]\w*|день|недел\w*|месяц\w*|год\w*|г|лет|час(?:а|у|ом|ов|ам|ами|ах)?|минут\w*|секунд\w*|"
    r"утра|вечера|ночи|раза?|человек\w*|операц\w*|покуп\w*|платеж\w*|перевод\w*",
    r"percent|%|days?|weeks?|months?|years?|hours?|minutes?|seconds?|am|pm|o'clock|times?|people|transactions?|"
    r"payments?|purchases?|transfers?",
)
"""Behind a number: it counts something of which there are rarely thousands ("карта 4271, перевод не прошёл")."""

YEAR_WORDS: Final = _stems(r"год\w*|г", r"year|years")
PREFIXES: Final = frozenset("$€₽")

BIRTH: Final = _stems(r"рожд\w*|родил\w*|родивш\w*", r"born|birth|birthday|birthdate|dob")

AT_SIGNS: Final = {
    "ru": frozenset({"@", "собака", "собачка", "собаку", "эт"}),
    "en": frozenset({"@", "at"}),
}
DOTS: Final[dict[Language, frozenset[str]]] = {
    "ru": frozenset({".", "точка", "тчк"}),
    "en": frozenset({".", "dot", "point"}),
}
NAME_MARKS: Final = frozenset(
    {".", "-", "точка", "dot", "дефис", "минус", "тире", "hyphen", "dash", "underscore", "подчеркивание", "нижнее"}
)
"""Between the parts of an e-mail address."""
TOP_DOMAINS: Final = re.compile(
    r"(?:ru|com|net|org|info|biz|su|рф|ру|ком|нет|орг|инфо|бай|by|kz|ua|io|uk|de|co|me|gov|edu)$"
)
