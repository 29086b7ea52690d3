"""Whether an utterance can stand as it is, or more must come: "заблокируйте мою" cannot, "I lost my card" can.

Takes what a recogniser has read before a pause, gives one of a few answers. Only what holds for every sentence of
the language counts: words of closed classes that ask for another word after them (articles, prepositions,
conjunctions, possessives, modal verbs), hesitations, marks that the recogniser set, and, where figures or a day
are wanted, how many of them are there. It does not know topics, and it does not parse: a whole sentence here is
one with nothing missing at its end. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import Enum
from typing import Final

from ivrbot.language.codes import parse_digits
from ivrbot.language.dates import date_tokens, parse_date
from ivrbot.language.lexicon import listed
from ivrbot.language.numbers import digit_readings, find_runs
from ivrbot.language.tokens import Kind, Token, tokenise
from ivrbot.model.speech import Expect, Language


class Standing(Enum):
    """What can be said of an utterance without knowing what it is about."""

    OPEN = "open"
    """Something is missing at its end."""
    BARE = "bare"
    """What it is about is missing: a greeting, a wish or a question without its noun."""
    WHOLE = "whole"
    ENOUGH = "enough"
    """As many figures as are wanted, or more, in no order that makes them one number: the rest is misheard."""
    UNKNOWN = "unknown"


_LEAST_WORDS: Final = 3
"""Fewer words, without a greeting, may be the beginning of anything."""

_FUNCTION: Final[dict[Language, frozenset[str]]] = {
    "ru": frozenset(
        listed(
            "я ты он она оно мы вы они меня мне мной тебя тебе его ему ее ей нас нам вас вам их им мой моя мое "
            "мои свой свое свои наш наша ваш ваша ваше ваши это этот эта эти тот та те такой такая такое такие "
            "какой какая какое какие кто что где куда откуда когда как почему зачем сколько чей который которая "
            "никак уже еще сейчас теперь там тут здесь тоже также очень просто только вообще бы ли же ведь вот "
            "вчера сегодня завтра был была было были есть нет будет можно нельзя надо нужно нужен нужна нужны "
            "то нибудь либо кое следующий следующая следующее следующего ближайший ближайшая ближайшее "
            "ближайшего себе себя"
        )
    ),
    "en": frozenset(
        listed(
            "i you he she it we they me him her us them my your his our their mine yours this that these those a "
            "an the some any what which who whose when where why how is are was were am be been do does did has "
            "have had can could will would shall should may might must still just now already yet also only "
            "really very much many there here next nearest not don't can't i'd i'm i've it's that's what's "
            "where's let to get know tell find out ask see say speak talk need want like in on at of for with "
            "from about up well"
        )
    ),
}
"""Words that carry no matter of their own; of English verbs those that only lead to what is wanted."""
_CHECKING: Final = frozenset(listed("слышите слышишь слышно"))
"""Who asks whether he is heard wants to be told, and says no more until then."""
_VERB_ENDINGS: Final = (
    "ть",
    "ти",
    "чь",
    "ться",
    "ите",
    "йте",
    "ьте",
    "ется",
    "ится",
    "лся",
    "лась",
    "лось",
    "шла",
)
"""Of Russian infinitives, imperatives and reflexives: without a noun they want an object or a subject."""

_FULL_NAME: Final = 2
"""Names are asked for in full: a first name and a surname at least."""

_ANY_DAY: Final = date(2026, 1, 1)
"""Stands for today where it only matters whether a date was said."""

_HESITATIONS: Final[dict[Language, frozenset[tuple[str, ...]]]] = {
    "ru": frozenset(
        tuple(phrase.split())
        for phrase in listed(
            "э|ээ|эээ|эм|эмм|мм|ммм|м|ну|значит|короче|типа|это|как бы|то есть|так сказать|это самое|как его|"
            "как ее|как это",
            "|",
        )
    ),
    "en": frozenset(
        tuple(phrase.split())
        for phrase in listed("uh|uhm|um|umm|er|erm|hmm|well|like|you know|i mean|sort of|kind of|let me see", "|")
    ),
}
_NEEDS_MORE: Final[dict[Language, frozenset[str]]] = {
    "ru": frozenset(
        listed(
            "в во на с со по для от из у к ко о об обо за под подо над при без до через между про перед насчет "
            "вместо кроме и а но или либо что чтобы если потому поскольку хотя как чем который которая которое "
            "которую которые которого которой которым которых не ни мою моей моего моему моим моих свою своей "
            "своего своим своих вашу вашей вашего нашу нашей эту этой этого я мы они он она"
        )
    ),
    "en": frozenset(
        listed(
            "a an the my your our their his of to into by during via than and or but because if while whose "
            "every i we they he she i'm we're i've i'd i'll very"
        )
    ),
}
"""No sentence of its own ends with these; what is said of a bare answer ("я", "to") holds too."""
_NEEDS_MORE_UNLESS_ASKED: Final[dict[Language, frozenset[str]]] = {
    "ru": frozenset(),
    "en": frozenset(listed("for with from at about is are was were am has have will would can could should")),
}
"""English questions strand these: "what is it for", "tell me what my balance is"."""
_WISHES: Final[dict[Language, frozenset[str]]] = {
    "ru": frozenset(
        listed("хочу хочется хотел хотела хотелось хотим бы могу можно надо нужно нужен нужна нужны пытаюсь")
    ),
    "en": frozenset(listed("want need wanna gotta gonna can't cannot trying tried")),
}
"""To an open question these only begin a wish; to another they may be the answer."""
_ASKING: Final[dict[Language, frozenset[str]]] = {
    "ru": frozenset(),
    "en": frozenset(listed("what what's where where's who who's which how how's why when whether")),
}
_GREETINGS: Final[dict[Language, frozenset[str]]] = {
    "ru": frozenset(
        listed(
            "здравствуйте здравствуй здрасте здрасьте привет алло але ало добрый доброе день вечер утро девушка "
            "скажите подскажите послушайте слушайте пожалуйста извините простите так вот ну да ой а"
        )
    ),
    "en": frozenset(
        listed("hello hi hey good morning afternoon evening there yes yeah excuse me sorry oh okay ok so please")
    ),
}
"""Who has said nothing but this has not yet said what he calls for."""
_NAMING: Final[dict[Language, frozenset[str]]] = {
    "ru": frozenset(listed("меня зовут это мое имя фамилия мои имя-отчество отчество да я")),
    "en": frozenset(listed("my name is it's i'm i am this the full first last and yes")),
}
_AUXILIARIES: Final = frozenset(
    listed("do does did has have had can could will would shall should may might must")
)
_COPULAS: Final = frozenset(listed("is are was were am"))
_SUBJECTS: Final = frozenset(listed("i you he she it we they"))
_DETERMINERS: Final = frozenset(listed("my your our his her their the this that a an any"))
_MID_SENTENCE: Final = frozenset(listed("still just already also ever never really"))
"""English adverbs that stand between a subject and its verb."""
_LONGEST_ASKING: Final = 3
"""Words that ask, at most: "what", "how much money"."""
_SET_OFF: Final = frozenset({",", "-", ":", ";"})


def standing(text: str, language: Language, expect: Expect, digits: int = 0) -> Standing:
    """Judge an utterance by its end.

    Args:
        text: what has been read so far, with the recogniser's marks or without.
        language: of the text.
        expect: kind of answer that was asked for.
        digits: figures wanted, 0 where their number is open.
    """
    tokens = tokenise(text, language)
    said = [token.text for token in tokens if token.kind is not Kind.MARK]
    if not said:
        return Standing.UNKNOWN
    if expect is Expect.DIGITS and (found := _of_figures(text, tokens, language, digits)):
        return found
    if expect is Expect.DATE and (found := _of_day(text, language)):
        return found
    if _breaks_off(tokens) or _wants_a_word(said, tokens, language):
        return Standing.OPEN
    if expect is Expect.NAME:
        return _of_name(said, language)
    return _of_sentence(said, tokens, language) if expect is Expect.OPEN else Standing.UNKNOWN


def _of_figures(text: str, tokens: Sequence[Token], language: Language, wanted: int) -> Standing | None:
    """Of figures one by one or in groups; None where there are none."""
    heard = [max(map(len, digit_readings(run)), default=0) for run in find_runs(tokens, language, code=True)]
    if not any(heard):
        return None
    if not wanted:
        return Standing.UNKNOWN
    if parse_digits(text, language, wanted) is not None:
        return Standing.WHOLE
    return Standing.OPEN if sum(heard) < wanted else Standing.ENOUGH


def _of_day(text: str, language: Language) -> Standing | None:
    """Of a day: whole with its year, open while there are only numbers; None where there are none."""
    if parse_date(text, language, _ANY_DAY, with_year=True) is not None:
        return Standing.WHOLE
    tokens = date_tokens(text, language)
    return Standing.OPEN if any(True for _ in find_runs(tokens, language, code=False)) else None


def _breaks_off(tokens: Sequence[Token]) -> bool:
    """Whether the recogniser has set a mark after which more is said: "...", a comma, a dash."""
    last = tokens[-1]
    if last.kind is not Kind.MARK:
        return False
    dots = len(tokens) > 1 and last.text == "." and tokens[-2].text == "."
    return dots or last.text in _SET_OFF


def _wants_a_word(said: Sequence[str], tokens: Sequence[Token], language: Language) -> bool:
    if any(tuple(said[-len(phrase) :]) == phrase for phrase in _HESITATIONS[language]):
        return True
    if tokens[-1].text == "?":
        return False
    last = said[-1]
    if last in _NEEDS_MORE[language]:
        return True
    return last in _NEEDS_MORE_UNLESS_ASKED[language] and not _ASKING[language] & set(said)


def _of_name(said: Sequence[str], language: Language) -> Standing:
    names = [word for word in said if word not in _NAMING[language]]
    if len(names) < _FULL_NAME:
        return Standing.OPEN
    return Standing.WHOLE if len(names) > _FULL_NAME else Standing.UNKNOWN


def _of_sentence(said: list[str], tokens: Sequence[Token], language: Language) -> Standing:
    rest = [word for word in said if word not in _GREETINGS[language]]
    if language == "en" and _lacks_its_verb(rest):
        return Standing.OPEN
    matter = [word for word in rest if _has_matter(word, language)]
    if not matter or said[-1] in _WISHES[language]:
        return Standing.BARE
    asked = tokens[-1].text == "?"
    if language == "en" and not asked and said[-2:] == ["please", *matter]:
        return Standing.BARE  # a verb alone, of which the object is to come: "please block"
    return Standing.WHOLE if asked or len(rest) >= _LEAST_WORDS else Standing.UNKNOWN


def _lacks_its_verb(said: Sequence[str]) -> bool:
    """Whether an English question has put its auxiliary before its subject, and what both are about is to come.

    "has my salary", "how much do I still", "where is"; not "where is it", "is my card blocked", "can you hear".
    """
    at = next((index for index, word in enumerate(said) if word in _AUXILIARIES | _COPULAS), None)
    if at is None or at > _LONGEST_ASKING or (at and said[0] not in _ASKING["en"]):
        return False
    rest = [word for word in said[at + 1 :] if word not in _MID_SENTENCE]
    if not rest:
        return True
    if at and said[at] in _COPULAS:
        return False
    return (len(rest) == 1 and rest[0] in _SUBJECTS) or (len(rest) == 2 and rest[0] in _DETERMINERS)


def _has_matter(word: str, language: Language) -> bool:
    """Whether a sentence can be about this word."""
    if word in _FUNCTION[language] or word in _NEEDS_MORE[language] or word in _WISHES[language]:
        return False
    return language != "ru" or word in _CHECKING or not word.endswith(_VERB_ENDINGS)
