"""Short answers: yes or no.

Takes recogniser text, gives a truth value; words and phrases are matched, never whole sentences.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum

from ivrbot.language.lexicon import listed
from ivrbot.language.negation import verb_polarities
from ivrbot.language.tokens import Kind, Token, tokenise
from ivrbot.model.speech import Language


class _Sign(Enum):
    YES = "yes"
    NO = "no"
    NEITHER = "neither"  # looks like an answer, is none
    UNSURE = "unsure"  # spoils every answer
    IDIOM = "idiom"  # "да нет": no, unless something else is said


_Phrases = dict[tuple[str, ...], _Sign]


def _table(**phrases: str) -> _Phrases:
    table: _Phrases = {}
    for sign in _Sign:
        for phrase in phrases.get(sign.value, "").split("|"):
            if phrase:
                table[tuple(phrase.split())] = sign
    return table


_PHRASES: dict[Language, _Phrases] = {
    "ru": _table(
        yes="да|да,|ага|угу|дада|так точно|так и есть|именно|точно|верно|правильно|конечно|хорошо|ладно|ок|"
        "окей|окэй|согласен|согласна|подтверждаю|подтверждается|разумеется|естественно|безусловно|непременно|"
        "обязательно|отлично|давай|давайте|делай|делайте|действуйте|продолжай|продолжайте|хочу|надо|нужно|не "
        "возражаю|не против|без проблем|почему бы и нет|почему бы нет|почему нет|она самая|он самый|оно самое|"
        "все так|валяйте|годится|устраивает|подходит|пойдет|несомненно|еще бы|можно|так|верна|верны|ну да|а "
        "как же|не ошиблись|не ошибаетесь|есть такое|само собой|само собой разумеется",
        no="неа|не а|неверно|неправильно|отнюдь|никак нет|ни в коем случае|ни за что|отказываюсь|против|"
        "никогда|ничего подобного|ошибка|ошиблись|нельзя|не надо|ненадо|не нужно|не стоит|не хочу|не верно|не "
        "правильно|не так|не та|не тот|не те|не то|не ту|не эта|не этот|не эту|не это|не эти|не моя|не мое|не "
        "мой|не согласен|не согласна|не подходит|не годится|не устраивает|не точно|не буду|не будем|не "
        "подтверждаю|не совсем|не хотел|не хотела|не давайте|не пойдет|не она|не он|не оно|не делайте|не могу "
        "согласиться|вовсе не|нет конечно|конечно нет|конечно не|точно нет|нет точно|разумеется нет|нет "
        "разумеется|не обязательно|другая|другую|другой карты|с чего вы взяли|не верна|не хорошо|не нужен|не "
        "нужна|ничего больше|больше ничего",
        neither="точно не знаю|надо же|надо подумать|как можно|можно ли|верно ли|правильно ли|так что|так вот|"
        "ну так|а так|хорошо бы|когда надо|что нужно|что надо|что правильно",
        unsure="не знаю|не уверен|не уверена|наверное|наверно|может быть|может|возможно|не помню|сомневаюсь|не "
        "понял|не поняла|не понимаю|не понятно|вроде бы нет|не расслышал|не расслышала|не скажу|не могу "
        "сказать|что это значит|в каком смысле",
        idiom="да нет",
    ),
    "en": _table(
        yes="yes|yeah|yep|yup|ya|uh huh|mhm|mm hmm|sure|right|correct|exactly|absolutely|definitely|certainly|"
        "of course|ok|okay|fine|indeed|true|affirmative|confirm|confirmed|agree|agreed|go ahead|please do|do "
        "it|i do|it is|that's it|that is it|that's the one|that is the one|why not|no problem|no objection|no "
        "objections|by all means|you bet|sounds good|aye|it does|i would|proceed|continue|carry on|all right|"
        "alright|that's right|not wrong|i don't mind|don't mind|not a problem|surely|you're right|no mistake|i "
        "think so|i believe so|you got it|no doubt",
        no="no|nope|nah|wrong|incorrect|never|negative|no way|false|not|don't|do not|dont|isn't|doesn't|"
        "disagree|by no means|mistake|won't|not right|not correct|not true|not okay|not ok|not fine|not "
        "exactly|not that|not that one|not this|not this one|don't do it|don't do that|don't agree|do not "
        "agree|not at all|no thanks|no thank you|isn't right|isn't correct|not the one|not the right|isn't the "
        "right|don't proceed|don't continue|isn't it|absolutely not|definitely not|certainly not|of course not|"
        "not really|i would not|i'd rather not|rather not|that's not it|it is not|that is not right|that's not "
        "right|it is wrong|i do not|don't confirm|another one|a different one|the other one|that is wrong|not "
        "fine by me|nothing else|nothing more",
        neither="right now|all right then|sure about|true that|isn't there|right away|right card",
        unsure="i don't know|i do not know|don't know|do not know|not sure|i'm not sure|maybe|perhaps|i don't "
        "remember|don't remember|i guess|possibly|don't understand|do not understand|i doubt it|not certain|"
        "what do you mean|can't say|not so sure|i am not sure",
    ),
}
_LONGEST = 5
# What a yes may be said with, and a wish for something else just as well: "хочу", "хочу оформить ипотеку".
_WISHES: dict[Language, frozenset[str]] = {
    "ru": frozenset(listed("хочу надо нужно можно так давай давайте хорошо ладно")),
    "en": frozenset(listed("okay ok fine right sure")),
}
_LONGEST_WISH = 4
_STEM = 4
_DETERMINERS: dict[Language, frozenset[str]] = {
    "ru": frozenset(listed("мне мою моя свою ее её одну")),
    "en": frozenset(listed("a an the my one it i me")),
}
_INFINITIVES: dict[Language, tuple[str, ...]] = {"ru": ("ть", "ти", "чь", "ться", "тись"), "en": ()}
_PARTICLE = "да"
# Before a pause the particles are answers of their own.
_PAUSED = {"да": "да,", "не": "неа"}
# "у меня нет карты", "i have no card": the word says that something is missing, not "no".
_HAVING: dict[Language, frozenset[str]] = {
    "ru": frozenset(listed("меня него нее нас них там тут здесь его карты денег больше почему или")),
    "en": frozenset(listed("have has there got is are with i've or")),
}
_BARE_NO: dict[Language, str] = {"ru": "нет", "en": "no"}
_LONE_NO: dict[Language, frozenset[str]] = {
    "ru": frozenset(listed("нет неа")),
    "en": frozenset(listed("no nope nah")),
}
_NOT: dict[Language, frozenset[str]] = {"ru": frozenset({"не"}), "en": frozenset()}
_FILLERS: dict[Language, frozenset[str]] = {
    "ru": frozenset(listed("ну э ээ эээ эм мм а ой вот слушайте девушка пожалуйста это же уж")),
    "en": frozenset(listed("well um er oh so hmm please hey look just")),
}
# Endings of what a caller tells the bot not to do; "не нашел", "не могу" are facts, not answers.
_ACTION_ENDINGS = ("йте", "ите", "ьте", "ть", "ти", "ай", "уй", "ей")


def is_lone_no(text: str, language: Language) -> bool:
    """Whether nothing but a no was said: it is often followed by what instead, or by thanks.

    Source: C. E. Ford 2001, "At the intersection of turn and sequence: negation and what comes next": speakers go
    on after a no, and listeners wait for it.
    """
    said = _answer_words(tokenise(text, language), language)
    return bool(said) and _LONE_NO[language].issuperset(said)


def _match(words: Sequence[str], at: int, phrases: _Phrases) -> tuple[_Sign, int] | None:
    for length in range(min(_LONGEST, len(words) - at), 0, -1):
        sign = phrases.get(tuple(words[at : at + length]))
        if sign is not None:
            return sign, length
    return None


def _answer_words(tokens: Sequence[Token], language: Language) -> list[str]:
    """Give the words that count; a paused "да" is marked, since "да, не ..." and "да не ..." differ."""
    words: list[str] = []
    for token, following in zip(tokens, (*tokens[1:], None), strict=False):
        if token.kind is Kind.WORD and token.text not in _FILLERS[language]:
            paused = following is not None and following.kind is Kind.MARK
            words.append(_PAUSED.get(token.text, token.text) if paused else token.text)
    return words


def _bare_no(words: Sequence[str], at: int, language: Language) -> _Sign:
    """Tell "нет, другая" from "у меня нет карты"."""
    return _Sign.NEITHER if at > 0 and words[at - 1] in _HAVING[language] else _Sign.NO


def _is_wish(words: Sequence[str], at: int, language: Language) -> bool:
    """Tell "хочу" from "хочу оформить ипотеку": what was asked about is found by its verb, apart from this."""
    if words[at] not in _WISHES[language]:
        return False
    following = words[at + 1] if at + 1 < len(words) else ""
    return len(words) > _LONGEST_WISH or following.endswith(_INFINITIVES[language] or ("\0",))


def _read_signs(words: Sequence[str], language: Language) -> list[_Sign]:
    signs: list[_Sign] = []
    at = 0
    while at < len(words):
        if words[at] == _BARE_NO[language] and _match(words, at, _PHRASES[language]) in (None, (_Sign.NO, 1)):
            signs.append(_bare_no(words, at, language))
            at += 1
            continue
        if words[at : at + 2] == [_PARTICLE, "не"]:
            at += 1  # "да не надо": a particle, no yes
            continue
        found = _match(words, at, _PHRASES[language])
        if found is not None:
            signs.append(_Sign.NEITHER if found == (_Sign.YES, 1) and _is_wish(words, at, language) else found[0])
            at += found[1]
        elif words[at] in _NOT[language]:
            action = at + 1 < len(words) and words[at + 1].endswith(_ACTION_ENDINGS)
            signs.append(_Sign.NO if action or at == len(words) - 1 else _Sign.NEITHER)
            at += 2
        else:
            at += 1
    return signs


def parse_yes_no(text: str, language: Language, verbs: Collection[str] = ()) -> bool | None:
    """Read an answer to a yes/no question.

    Args:
        text: one utterance.
        language: of the utterance.
        verbs: stems of what was asked about ("блокир"): said plainly they mean yes, negated they mean no.

    Returns:
        True, False, or None where nothing was answered or both were. Bare "да нет" is None: it means "no" in
        talk, but two answers in a hurry sound the same; "да нет, не надо" is False. "нет, другая карта" is False.
    """
    tokens = tokenise(text, language)
    words = _answer_words(tokens, language)
    signs = set(_read_signs(words, language))
    signs |= {_Sign.YES if asked else _Sign.NO for asked in verb_polarities(tokens, language, verbs)}
    if _Sign.UNSURE in signs:
        return None
    if _Sign.IDIOM in signs:
        return False if _Sign.NO in signs and _Sign.YES not in signs else None
    if (_Sign.YES in signs) == (_Sign.NO in signs):
        return None
    return _Sign.YES in signs


def is_wish_beside(text: str, language: Language, question: str, verbs: Collection[str] = ()) -> bool:
    """Whether a yes rests on a word of wishing alone, with something else beside it: "можно баланс".

    Args:
        text: one utterance that `parse_yes_no` takes for a yes.
        language: of the utterance.
        question: what was asked; who says its words again answers it ("хочу новую" to "Выпустить новую карту?").
        verbs: stems of what was asked about; said plainly they are a yes of their own.
    """
    tokens = tokenise(text, language)
    if any(verb_polarities(tokens, language, verbs)):
        return False
    words = _answer_words(tokens, language)
    known = _DETERMINERS[language] | {token.text for token in tokenise(question, language)}
    stems = tuple(word[:_STEM] for word in known if len(word) >= _STEM)
    rest = False
    at = 0
    while at < len(words):
        found = _match(words, at, _PHRASES[language])
        if found is not None and found[0] is _Sign.YES and words[at] not in _WISHES[language]:
            return False
        rest |= found is None and words[at] not in known and not words[at].startswith(stems)
        at += found[1] if found is not None else 1
    return rest
