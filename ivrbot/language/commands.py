"""Words that work at any moment of a call: repeat, wait, back, cancel, help, operator.

Takes recogniser text, gives a command when the whole utterance is one: some word carries it, and every
other word is courtesy or belongs to the command. "отмените платеж" is a topic, so it is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from ivrbot.language.lexicon import listed
from ivrbot.language.tokens import Kind, tokenise
from ivrbot.model.speech import Language


class Universal(StrEnum):
    """Commands that work at any moment of a call."""

    REPEAT = "repeat"
    WAIT = "wait"
    BACK = "back"
    CANCEL = "cancel"
    HELP = "help"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class _Command:
    """Stems that carry a command and stems that may go with it; "=" before a stem asks for the whole word."""

    core: tuple[str, ...]
    also: tuple[str, ...] = ()
    phrases: tuple[tuple[str, ...], ...] = ()


def _command(core: str, also: str = "", phrases: str = "") -> _Command:
    return _Command(
        tuple(core.split()),
        tuple(also.split()),
        tuple(tuple(phrase.split()) for phrase in phrases.split("|") if phrase),
    )


_COURTESY: dict[Language, frozenset[str]] = {
    "ru": frozenset(
        listed(
            "пожалуйста ну э ээ эээ эм мм а ой вот так и да девушка алло слушайте здравствуйте добрый день "
            "вечер утро будьте добры прошу я мне меня нам вы вас мы бы можно можете могли хочу хотел хотела "
            "хотелось давайте давай спасибо просто уже сейчас тогда все нужно надо ладно хорошо извините "
            "простите если то лучше скорее быстро быстрее срочно привет же уж ка вам ты ок окей нет"
        )
    ),
    "en": frozenset(
        listed(
            "please well uh um er oh so hi hello hey i me you we can could would may let i'd like want need to "
            "just now then the a an ok okay thanks thank it that's is fine my us will don't no yes kindly "
            "sorry excuse quickly urgently immediately i'll good morning"
        )
    ),
}

_COMMANDS: dict[Language, dict[Universal, _Command]] = {
    "ru": {
        Universal.OPERATOR: _command(
            "оператор специалист консультант менеджер =человек =человека =человеку =человеком сотрудни =людьми "
            "=людей =людям живого живым живому живой",
            "соедин переключ перевед позов пригласи поговор говор общат общени разговари =дай =дайте свободн "
            "=нужен =нужна =с =со =на =к =за =из банка банк =не =роботом =робот =роботами =есть автоответчик "
            "связ свяж подключи переключ =позвать реальн настоящ любо =какого-нибудь линии линию перевест "
            "дежурн =жду ответит =а кого-нибудь нибудь =кого =кем",
            "не с роботом|не говорить с роботом|не разговаривать с роботом|не общаться с роботом|не буду с "
            "роботом",
        ),
        Universal.REPEAT: _command(
            "повтор =расслышал =расслышала =недослышал =недослышала =прослушал =прослушала =чего =что",
            "=еще =раз =что =вы =сказали =сказал =сказала =не =последн =как =говорите =медленн =помедленнее "
            "=громче =понял =поняла =вопрос =фразу =сначала =это =слышу =слышно",
            "еще раз|еще разок|что вы сказали|как вы сказали|не понял|не поняла|что что|как как|скажите еще|не "
            "понял вопрос|что ты сказал|что вы говорите|не слышу|плохо слышно|не слышно",
        ),
        Universal.WAIT: _command(
            "подожд погод обожд =минуту =минутка =минутку =минуточку =секунду =секундочку =секунд =момент "
            "=моментик постой =минут =сек =щас =повисите",
            "=одну =один =пару =пол =еще =немного =чуть-чуть =чуть =найду =посмотрю =возьму =достану =ищу "
            "=схожу =за =ручку =карту =карточку =найти =не =кладите =трубку =мой =две =только =гляну",
            "сейчас найду|сейчас посмотрю|сейчас возьму|сейчас достану|не кладите трубку|не вешайте трубку",
        ),
        Universal.BACK: _command(
            "=назад =вернись =вернитесь =вернуться =обратно",
            "=в =на =к =шаг =один =начало =меню =главное =предыдущ =предыдущему =предыдущее =вопросу =самое",
            "в начало|в меню|главное меню|в главное меню|предыдущее меню|предыдущий шаг|на шаг назад",
        ),
        Universal.CANCEL: _command(
            "отмен =стоп хватит прекрат прекращ =передумал =передумала =забудьте остановит",
            "=не =это =всего =действие =операцию-отменить =я =больше",
        ),
        Universal.HELP: _command(
            "помощ помог подсказк подсказ =хелп",
            "=нужна =что =делать =как =быть =с =этим =мне =кто-нибудь =какая",
            "что делать|что я могу сказать|что можно сказать|что ты умеешь|что вы умеете|что говорить|не знаю "
            "что сказать|не знаю что делать|что мне делать|как мне быть|какие есть варианты|что мне сказать",
        ),
    },
    "en": {
        Universal.OPERATOR: _command(
            "operator agent representative human =person specialist consultant advisor adviser =someone "
            "=somebody manager employee =assistant =people =rep =staff",
            "=speak speaking =talk talking =connect connecting =transfer transferring =put =through =with "
            "=real =live =actual =get =give =from =bank =of =not =robot =machine =bot =switch =over =being "
            "=rather =any =call =be connected transferred =who =at =in =here =else =on",
            "talk robot|talk machine|talk bot|speak robot|speak machine|speak bot|talking robot|speaking robot|"
            "not robot",
        ),
        Universal.REPEAT: _command(
            "repeat =pardon =what =again",
            "=say =that =once =more =one =time =did =not =didn't =hear =catch =understand =last =question "
            "=slower =slowly =come =was =did =louder =get =said =couldn't =sentence =you =over =question",
            "say again|say that|once more|one more time|come again|didn't hear|didn't catch|did not hear|"
            "didn't get|did not catch|didn't understand|did not understand|can't hear|what did say",
        ),
        Universal.WAIT: _command(
            "=wait =hold =moment =minute =second =sec =minutes =seconds",
            "=on =one =for =few =give =hang =bit =little =while =let's =find =look =looking =get =card =more "
            "=line =at =some =two =check =see =in",
            "hang on|bear with me",
        ),
        Universal.BACK: _command(
            "=back =previous",
            "=go =step =one =return =to =menu =main =start =take =beginning =take",
            "main menu|start over|go back",
        ),
        Universal.CANCEL: _command(
            "cancel =stop =abort =nevermind",
            "=this =never =mind =forget =about =changed =mind =all =everything =of =doing",
            "never mind|forget it|changed mind|forget about",
        ),
        Universal.HELP: _command(
            "=help assistance",
            "=what =say =do =should =options =some =are =there =does =know =with =this =how =work",
            "what can i say|what can you do|what options|what are options|what do|what should say|what should do",
        ),
    },
}


def _hits(word: str, stems: tuple[str, ...]) -> bool:
    return any(word == stem[1:] if stem[0] == "=" else word.startswith(stem) for stem in stems)


def _said_phrases(words: list[str], rest: list[str], command: _Command) -> set[str]:
    """Give the words of the command's phrases that were said, with or without courtesies in between."""
    return {
        word
        for phrase in command.phrases
        for some in (words, rest)
        for at in range(len(some))
        if tuple(some[at : at + len(phrase)]) == phrase
        for word in phrase
    }


_REFUSALS: dict[Language, frozenset[tuple[str, str]]] = {
    "ru": frozenset({("не", "надо"), ("не", "нужно"), ("не", "нужен"), ("не", "хочу"), ("не", "нужна")}),
    "en": frozenset({("don't", "need"), ("don't", "want"), ("not", "need"), ("no", "need")}),
}
_MACHINES: dict[Language, tuple[str, ...]] = {"ru": ("робот", "автоответчик"), "en": ("robot", "machine", "bot")}


def _refused(words: list[str], language: Language) -> bool:
    """Tell "оператор не нужен"; refusing the robot asks for the operator."""
    if any(word.startswith(_MACHINES[language]) for word in words):
        return False
    pairs = pairwise(words)
    if any(pair in _REFUSALS[language] for pair in pairs):
        return True
    follows = {
        "не": ("повтор", "отмен", "соедин", "переключ", "подожд", "перевод"),
        "don't": ("repeat", "cancel", "stop", "connect", "transfer", "wait"),
    }
    return any(word in follows and after.startswith(follows[word]) for word, after in pairwise(words))


_LONGEST_REQUEST = 5


def ends_asking_for_operator(text: str, language: Language) -> bool:
    """Tell whether an outburst ends with the plain wish for a person: "вы издеваетесь, соедините с оператором".

    Args:
        text: one utterance, more than a command.
        language: of the utterance.
    """
    said = [token.text for token in tokenise(text, language) if token.kind is not Kind.MARK]
    tails = (" ".join(said[-length:]) for length in range(2, min(_LONGEST_REQUEST, len(said)) + 1))
    return not _refused(said, language) and any(universal(tail, language) is Universal.OPERATOR for tail in tails)


def universal(text: str, language: Language) -> Universal | None:
    """Tell whether the whole utterance is a command that works at any moment.

    Args:
        text: one utterance.
        language: of the utterance.

    Returns:
        The command, or None for everything else, for negated commands ("оператор не нужен") and for two at once.
    """
    words = [token.text for token in tokenise(text, language) if token.kind is not Kind.MARK]
    if not words or _refused(words, language):
        return None
    courtesy = _COURTESY[language]
    rest = [word for word in words if word not in courtesy]
    by_phrase: list[Universal] = []
    by_word: list[Universal] = []
    for name, command in _COMMANDS[language].items():
        said = _said_phrases(words, rest, command)
        if not all(word in said or _hits(word, command.core + command.also) for word in rest):
            continue
        if said:
            by_phrase.append(name)
        elif any(_hits(word, command.core) for word in words):
            by_word.append(name)
    # "what can i say" asks for help although "what" alone asks to repeat.
    found = by_phrase or by_word
    return found[0] if len(found) == 1 else None
