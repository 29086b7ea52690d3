"""What callers say beside the matter: anger, "are you a robot?", "I don't know", "that number again".

Takes recogniser text, gives truth values out of short lists of word stems. The lists hold words that are rarely
said for another reason on a bank's line; whoever is angry in other words is heard by the failures that follow.
"""

from __future__ import annotations

from collections.abc import Sequence

from ivrbot.language.lexicon import listed
from ivrbot.language.options import fits
from ivrbot.language.tokens import words
from ivrbot.model.speech import Language

_Phrases = tuple[tuple[str, ...], ...]


def _phrases(*lines: str) -> _Phrases:
    return tuple(tuple(phrase.split()) for line in lines for phrase in line.split("|"))


_UPSET: dict[Language, _Phrases] = {
    "ru": _phrases(
        # swearing
        "=бля|блят|бляд|=хуй|хуе|хуя|=нахуй|=нахер|=похуй|пизд",
        "=ебать|=ебал|=ебаный|=ебаная|ебуч|заеб|наеб|уеб|долбо",
        "=сука|=суки|мудак|мудил|гандон|дерьм|говн|=жопа|=жопу",
        "придур|идиот|дебил|=козел|=козлы|=уроды|=урод|=твари",
        "=черт возьми|=к черту|=какого черта|=какого хрена|=ни хрена|=на хрен|=нахрен|=хрень|=фигня",
        # anger
        "задолба|заколеба|=вы достали|=достали уже|=как достали|=достало",
        "издева|безобрази|=бесит|=бесите|=тупой робот",
        "=тупая машина|=тупой бот|=тупая железяка|=сколько можно|=надоело",
        "=надоели|=совсем обалдели|=офигели|=с ума сошли",
        "=да что ж это такое|=что за бред|=бред какой|возмут|=возмущена|=возмущен|=ненавижу",
        # distress
        "=я в панике|=паника|паникую|=в истерике|=истерика|рыда|=умоляю|=мне плохо|=схожу с ума|=сил нет|=нет сил",
        "=в отчаянии|=руки трясутся|=трясет всю|=ради бога",
    ),
    "en": _phrases(
        "fuck|shit|bullshit|bastard|asshole|arsehole|=damn|goddamn",
        "bitch|=crap|=bloody hell|=wtf|moron|=idiot|=idiots",
        "=stupid bot|=stupid robot|=stupid machine|=stupid thing|ridiculous",
        "=useless|=sick of|=fed up|furious|=outrageous",
        "=i hate|=this is a joke|=how many times|=i'm angry",
        "=i am angry|=pissed off|=for god's sake|=for heaven's sake",
        "panick|=in a panic|desperate|=going crazy|=losing my mind",
        "=i'm crying|=in tears|=i can't take this|=freaking out",
    ),
}

_ABOUT_BOT: dict[Language, _Phrases] = {
    "ru": _phrases(
        "=вы робот|=ты робот|=это робот|=вы бот|=ты бот|=это бот|=вы человек|=ты человек|=это человек|=вы живой",
        "=ты живой|=вы живая|=ты живая|=это живой|вы настоящ|ты настоящ|=кто вы|=кто ты|=вы кто|=ты кто|=это кто",
        "=кто это|=с кем я говорю|=с кем я разговариваю|=с кем говорю|=с кем разговариваю|=с роботом говорю",
        "=с роботом разговариваю|=как вас зовут|=как тебя зовут|=это автоответчик|=вы автоответчик|=это машина",
        "=вы машина|=это программа|=ты программа|=вы программа|нейросет|=искусственный интеллект",
    ),
    "en": _phrases(
        "=are you a robot|=are you a bot|=are you human|=are you a human",
        "=are you real|=are you a real|=are you a person",
        "=are you a machine|=are you an ai|=are you a computer|=you a robot",
        "=you a bot|=you a machine|=who are you",
        "=who is this|=who am i talking to|=who am i speaking to|=who's this|=is this a robot|=is this a bot",
        "=is this a machine|=is this a recording|=is this a real|=is this a human|=is this a person|=what are you",
        "=talking to a robot|=talking to a machine|=speaking to a robot|=speaking to a machine|=what's your name",
        "=what is your name",
    ),
}
_LONGEST_QUESTION = 9

_UNSURE: dict[Language, _Phrases] = {
    "ru": _phrases(
        "=не знаю|=не помню|=не вспомню|=понятия не имею|=без понятия",
        "=забыл|=забыла|=затрудняюсь|=не в курсе|=не уверен",
        "=не уверена|=не могу сказать|=не скажу|=откуда мне знать",
        "=откуда я знаю|=хрен его знает|=фиг знает|=фиг его знает",
        "=не могу вспомнить|=не вижу|=не разобрать|=не назову",
    ),
    "en": _phrases(
        "=don't know|=do not know|=don't remember|=do not remember",
        "=can't remember|=cannot remember|=no idea|=not sure",
        "=no clue|=forgot|=i've forgotten|=can't say",
        "=couldn't say|=how should i know|=how would i know|=can't recall",
        "=don't recall|=i am unsure|=i'm unsure|=dunno",
    ),
}

_NUMBER: dict[Language, tuple[str, ...]] = {
    "ru": ("номер", "обращени", "заявлени", "заявк", "=цифры"),
    "en": ("number", "reference", "=digits"),
}
_AGAIN: dict[Language, tuple[str, ...]] = {
    "ru": tuple(
        listed("повтор продикт назов =еще медленн =какой =скажите =скажи записал записыва успел услышал =запишу")
    ),
    "en": tuple(
        listed("repeat =again read =say slow =what =what's missed write =writing =catch =get =give =once")
    ),
}
_OTHER_NUMBERS: dict[Language, tuple[str, ...]] = {
    "ru": ("карт", "телефон", "счет", "паспорт", "отделени", "договор"),
    "en": ("card", "phone", "account", "passport", "branch", "contract"),
}

_LANGUAGES: dict[Language, tuple[Language, tuple[str, ...]]] = {
    "ru": ("en", ("английск", "=английски", "english", "инглиш")),
    "en": ("ru", ("russian", "русск", "=русски")),
}
_LONGEST_WISH = 7


# Who wishes to thank has somebody to thank, unless it is whom he talks to.
_TO_THANK: dict[Language, _Phrases] = {
    "ru": _phrases("=хочу|=хотел|=хотела|=хотелось|=хотели|=передай|=передайте|=прошу"),
    "en": _phrases(
        "=thanks to|=thank you to|=thank the|=thank your|=thank a|=thank one|=thank my|=pass on|=pass my"
    ),
}
_TO_YOU: dict[Language, _Phrases] = {"ru": _phrases("=вам|=вас|=тебе|=тебя"), "en": ()}


def thanks_somebody(text: str, language: Language) -> bool:
    """Whether thanks are meant for somebody else ("хочу сказать спасибо менеджеру"), so that they end no call."""
    said = words(text, language)
    return _any(said, _TO_THANK[language]) and not _any(said, _TO_YOU[language])


def is_upset(text: str, language: Language) -> bool:
    """Whether the caller swears, rages or despairs."""
    return _any(words(text, language), _UPSET[language])


def asks_about_bot(text: str, language: Language) -> bool:
    """Whether the caller asks whom or what he is talking to."""
    said = words(text, language)
    return len(said) <= _LONGEST_QUESTION and _any(said, _ABOUT_BOT[language])


def is_unsure(text: str, language: Language) -> bool:
    """Whether the caller says that he does not know what he was asked."""
    return _any(words(text, language), _UNSURE[language])


def wants_number_again(text: str, language: Language) -> bool:
    """Whether the caller asks for the reference number once more."""
    said = words(text, language)
    if len(said) > _LONGEST_QUESTION or _has(said, _OTHER_NUMBERS[language]):
        return False
    return _has(said, _NUMBER[language]) and _has(said, _AGAIN[language])


def wished_language(text: str, language: Language) -> Language | None:
    """The other language, when the caller asks to go on in it."""
    other, stems = _LANGUAGES[language]
    said = words(text, language)
    return other if len(said) <= _LONGEST_WISH and _has(said, stems) else None


def _has(said: Sequence[str], stems: Sequence[str]) -> bool:
    return any(fits(word, stem) for word in said for stem in stems)


def _any(said: Sequence[str], phrases: _Phrases) -> bool:
    """Whether one of the phrases stands in the words; "=" before a phrase asks for whole words in all of it."""
    for phrase in phrases:
        whole = phrase[0].startswith("=")
        stems = [f"={stem.removeprefix('=')}" if whole else stem for stem in phrase]
        for at in range(len(said) - len(stems) + 1):
            if all(fits(word, stem) for word, stem in zip(said[at:], stems, strict=False)):
                return True
    return False
