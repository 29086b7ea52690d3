"""Back-channels: what listeners say so that the other one goes on ("угу", "uh-huh"). Pure.

Takes recogniser text, gives whether it is nothing but such signals. They claim no turn (Yngve 1970, "On getting a
word in edgewise"), so they stop no prompt. The English ones are continuers of telephone talk as the tags `b` and
`bk` of the Switchboard corpus have them (Jurafsky, Shriberg and Biasca 1997, "Switchboard SWBD-DAMSL Shallow-
Discourse-Function Annotation Coders Manual"), but for those that are first of all answers ("yes", "right",
"sure"); the Russian ones are their counterparts, chosen by the same rule ("да" and "хорошо" are answers).
Hesitations ("эм", "um") are none: who hesitates wants to speak. A lone letter and a drawn vowel ("I", "Таааа!")
are what recognisers write to a cough; whoever has only begun to speak with one goes on, and that counts. Whether a
signal answers the question on the table ("угу" to "верно?") is for the caller of this module to ask: see
`answers.parse_yes_no`.
"""

from __future__ import annotations

import re
from typing import Final

from ivrbot.language.tokens import words
from ivrbot.model.speech import Language

MAX_SIGNALS: Final = 4
"""Longer rows of them are talk."""


def _table(phrases: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(phrase.split()) for phrase in phrases.split("|"))


_SIGNALS: Final[dict[Language, frozenset[tuple[str, ...]]]] = {
    # "у у", "м м": recognisers that write by ear.
    "ru": _table(
        "угу|у гу|у у|ага|а га|а а|так|так так|ну так|м|мм|ммм|м м|хм|хмм|гм|ясно|понятно|все понятно|"
        "понял|поняла|ок|окей|о кей"
    ),
    "en": _table("uh huh|uhhuh|uhuh|mhm|mm hmm|mm hm|mm|mmm|hm|hmm|aha|ah|oh|ok|okay|mkay|i see"),
}
_DRAWN: Final = re.compile(r"([аеёиоуыэюяaeiouy])\1{3}")
_LONGEST: Final = max(len(signal) for table in _SIGNALS.values() for signal in table)


def is_back_channel(text: str, language: Language) -> bool:
    """Whether an utterance only says "I am listening".

    Args:
        text: one utterance; "uh-huh" may be written in one word or two.
        language: of the utterance.
    """
    said = words(text, language)
    if len(said) == 1 and ((len(said[0]) == 1 and said[0].isalpha()) or _DRAWN.search(said[0])):
        return True
    at = signals = 0
    while at < len(said):
        for length in range(min(_LONGEST, len(said) - at), 0, -1):
            if said[at : at + length] in _SIGNALS[language]:
                break
        else:
            return False
        at += length
        signals += 1
    return 0 < signals <= MAX_SIGNALS
