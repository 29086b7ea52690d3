"""Words around an answer to a secret question, by language; lower case, "ё" as "е"."""

from __future__ import annotations

from ivrbot.model.bank import Fact
from ivrbot.model.speech import Language


def _phrases(*lines: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(phrase.split()) for line in lines for phrase in line.split("|"))


def _set(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


FILLERS: dict[Language, frozenset[str]] = {
    "ru": _set(
        "а в вот да и ну но на же так с у я мы мне меня мое мой моя моего зовут имя фамилия отчество фио полное",
        "кодовое кодового слово слова секретное пароль это есть было будет такое называется значит скажу говорю",
        "наверное кажется вроде сейчас секунду секундочку минуту минутку момент вспомню последние последняя",
        "цифры цифра карты карта карту номер дата рождения родился родилась года год хорошо ладно пожалуйста э эм",
        "эээ ммм что чего как какое какую какой какие какая зачем почему для чего вам вас вы нужно надо уже же бы",
        "алло слышно слушайте послушайте девушка говорил говорила сказал сказала повторяю еще раз",
    ),
    "en": _set(
        "a an and is it it's its i i'm am my me the this that that's name full first last code word codeword",
        "secret password would be was called so well okay ok yes um uh er erm hmm think guess probably now",
        "just one moment second minute digits digit card number ends in ending with date of birth born",
        "on please to say what which why how pardon sorry do you your need hello listen told said already again",
    ),
}
"""Words that stand beside an answer and are no part of it."""

UNABLE: dict[Language, tuple[tuple[str, ...], ...]] = {
    "ru": _phrases(
        "не знаю|не помню|не вспомню|не могу|не скажу|не назову|не вижу|забыл|забыла|нет под рукой|нет с собой",
        "нету|без понятия|понятия не имею|нет карты|карты нет|карты же нет|нет кодового",
        "откуда мне знать|откуда я знаю",
    ),
    "en": _phrases(
        "don't know|do not know|don't remember|do not remember|can't remember|cannot remember|can't say",
        "forgot|forgotten|no idea|don't have|do not have|haven't got|not sure",
    ),
}
"""Phrases by which a caller says that he cannot answer."""

CUES: dict[Language, dict[Fact, tuple[tuple[str, ...], ...]]] = {
    "ru": {
        Fact.CODE_WORD: _phrases("кодовое слово|секретное слово|пароль"),
        Fact.FULL_NAME: _phrases("меня зовут|мое имя|фамилия имя отчество"),
    },
    "en": {
        Fact.CODE_WORD: _phrases("code word|codeword|secret word|password"),
        Fact.FULL_NAME: _phrases("my name is|name is|i am called"),
    },
}
"""Words that announce an answer: what stands behind them is it."""
