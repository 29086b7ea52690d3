"""Is a verb negated? Guard for classifiers, which take "не блокируйте" for "блокируйте".

Takes text and verb stems, gives a truth value. Inability ("не могу заблокировать", "can't block") and polite
questions ("не могли бы вы заблокировать") are requests, not negations.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ivrbot.language.lexicon import listed
from ivrbot.language.tokens import Kind, Token, tokenise
from ivrbot.model.speech import Language


@dataclass(frozen=True, slots=True)
class _Negators:
    """Words of a language around a negated verb.

    Attributes:
        before: what negates a verb behind it; may be up to `reach` words away if all between are `light`.
        light: words that may stand between.
        after: phrases that negate a verb before them ("блокировать не надо").
        excuse: phrases with a negation that ask for the thing.
        prefixes: verb prefixes that keep the meaning.
    """

    before: re.Pattern[str]
    light: frozenset[str]
    after: re.Pattern[str]
    excuse: re.Pattern[str]
    prefixes: tuple[str, ...]
    new_clause: frozenset[str]


_REACH = 6

_NEGATORS: dict[Language, _Negators] = {
    "ru": _Negators(
        before=re.compile(
            r"(?:не|нельзя|незачем|ненадо|перестаньте|прекратите|передумал|передумала|отказываюсь|против|ни|запрещаю)$"
        ),
        light=frozenset(
            listed(
                "надо нужно нужна следует стоит хочу хотел хотела хотим буду будем будет будете собираюсь "
                "собирался собиралась планирую просил просила просим прошу пока еще уже ее его их мне мою мой "
                "моей карту карты карт больше ничего вы вам нам я чтобы чтоб чего сейчас сразу вздумайте "
                "смейте ли бы того эту этой все поводу случае коем совсем вообще снова "
                "пожалуйста"
            )
        ),
        after=re.compile(
            r"^(?:(?:ее|его|их|карту|пока|сейчас|мне|мою|я|мы|эту|все|вообще|ничего|больше|уже|вам|вас) )"
            r"{0,4}(?:не (?:надо|нужно|стоит|буду|будем|хочу|хотел|хотела|хотим|просил|просила|просим|следует|"
            r"требуется|собираюсь|собирался|собиралась|обязательно|разрешаю)|нельзя|незачем|ненадо|"
            r"нет необходимости|запрещаю|отказываюсь|я передумал|я передумала|передумал|передумала|рано)"
            r"(?: (?!\S*(?:ть|ти|чь)(?: |$))|$)"
        ),
        excuse=re.compile(
            r"(?<!\S)(?:не (?:могли|мог|могла|можете|можешь|могу|можем|получается|получилось|удается|удалось|"
            r"умею|знаю|забудьте|забудь|дает|дают|терпится|выходит|понимаю|медлите|тяните|откладывая)|почему "
            r"(?:бы )?(?:вам )?не|нельзя ли|ни разу)(?!\S)"
        ),
        prefixes=("за", "по", "пере", "с", "от", "при", "о", "про", "вы", "до"),
        new_clause=frozenset({"а", "но", "лучше", "только", "просто", "если", "потому"}),
    ),
    "en": _Negators(
        before=re.compile(
            r"(?:not|don't|dont|do'nt|never|didn't|doesn't|won't|shouldn't|mustn't|wouldn't|isn't|aren't|"
            r"wasn't|without|nobody|no|stop|avoid|refuse|needn't|rather)$"
        ),
        light=frozenset(
            listed(
                "to want wanted need needed needs have going yet be been being get got please you the my it "
                "that this them card cards any ever even just really actually asked ask asking for i'm i am "
                "reason should must now anyone anybody like would not do longer point in necessary you're your "
                "me necessity"
            )
        ),
        after=re.compile(
            r"^(?:(?:it|the|my|card|that|this|them|is|isn't|was|are|would|will|yet|now|please|be) ){0,5}(?:not|"
            r"isn't|unnecessary|never|no need|no thanks|needn't)(?: |$)(?!working|able)"
        ),
        excuse=re.compile(
            r"(?<!\S)(?:can't|cannot|can not|couldn't|could not|unable to|not able to|why (?:don't|not|didn't|"
            r"haven't)|won't let me|doesn't let me|don't (?:forget|hesitate|know how) to|do not (?:forget|"
            r"hesitate) to|don't know|do not know|not sure|didn't manage to|no way to|wouldn't you|won't you|"
            r"don't you)(?!\S)"
        ),
        prefixes=("re",),
        new_clause=frozenset({"but", "just", "instead", "because", "if", "so"}),
    ),
}
_MODALS_RU = frozenset({"надо", "нужно", "ничего"})
_BREAKS = frozenset(".,;:!?-")
_IMPERATIVE_RU = re.compile(r"(?:й|йте|ите|ьте|тесь|(?<!л)и)$")


def _stem_in(word: str, stems: Collection[str], prefixes: Sequence[str]) -> bool:
    for stem in stems:
        if word.startswith(stem):
            return True
        if any(word.startswith(prefix + stem) for prefix in prefixes):
            return True
    return False


def _clauses(tokens: Sequence[Token], language: Language) -> list[list[str]]:
    """Split at punctuation and at conjunctions that oppose."""
    clauses: list[list[str]] = [[]]
    for token in tokens:
        if (token.kind is Kind.MARK and token.text in _BREAKS) or token.text in _NEGATORS[language].new_clause:
            clauses.append([])
        if token.kind is not Kind.MARK:
            clauses[-1].append(token.text)
    return [clause for clause in clauses if clause]


def _rejoin(clauses: list[list[str]]) -> list[list[str]]:
    """Undo a comma inside "не хочу, чтобы вы ..." and "блокировать, не надо"."""
    joined: list[list[str]] = []
    for clause in clauses:
        if joined and (clause[0] in ("чтобы", "чтоб") or clause in (["не", "надо"], ["не", "нужно"])):
            joined[-1] = [*joined[-1], *clause]
        else:
            joined.append(clause)
    return joined


def _negated_before(before: Sequence[str], verb: str, language: Language) -> bool:
    negators = _NEGATORS[language]
    for distance, word in enumerate(reversed(before)):
        if negators.before.match(word):
            # "не надо ничего заблокируйте": an imperative is only negated by what stands right before it.
            between = before[len(before) - distance :]
            near = distance <= 2 and not any(word in _MODALS_RU for word in between)
            return near or language != "ru" or not _IMPERATIVE_RU.search(verb)
        if distance >= _REACH or word not in negators.light:
            return False
    return False


def verb_polarities(tokens: Sequence[Token], language: Language, stems: Collection[str]) -> list[bool]:
    """Tell for each occurrence of the verbs whether it is asked for (True) or negated (False)."""
    negators = _NEGATORS[language]
    found: list[bool] = []
    for clause in _rejoin(_clauses(tokens, language)):
        for at, word in enumerate(clause):
            if not _stem_in(word, stems, negators.prefixes):
                continue
            before = negators.excuse.sub(" ", " ".join(clause[:at])).split()
            after = " ".join(clause[at + 1 :])
            negated = _negated_before(before, word, language) or bool(negators.after.match(after))
            found.append(not negated)
    return found


def has_negation(text: str, language: Language, of: Collection[str]) -> bool:
    """Tell whether a verb is negated anywhere in the text.

    Args:
        text: one utterance.
        language: of the utterance.
        of: stems of the verb, lower case ("блокир", "block"); common prefixes of the same meaning are found, too
            ("заблокируйте"), "разблокируйте" is another verb.

    Returns:
        True for "не блокируйте карту", "блокировать не надо", "don't block it"; False for "не могу заблокировать".
    """
    return False in verb_polarities(tokenise(text, language), language, of)
