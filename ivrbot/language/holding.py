"""What callers say around a pause that they have asked for: "подождите минутку", "спасибо", "всё, нашла".

Takes recogniser text, gives truth values out of short lists of words. Only whole utterances count: whoever says
anything besides has gone on with the matter.
"""

from __future__ import annotations

from collections.abc import Collection

from ivrbot.language.commands import Universal, universal
from ivrbot.language.lexicon import listed
from ivrbot.language.tokens import words
from ivrbot.model.speech import Language

_PROMISES: dict[Language, frozenset[str]] = {
    "ru": frozenset(listed("подожду обожду погожу подождем жду ждать")),
    "en": frozenset(listed("i'll i'd i can will we'll")),
}
"""Words of somebody who is ready to wait himself."""
_BARE_WAITS = frozenset({"wait", "hold", "please"})
"""English says "wait" for both: to a question whether one would rather wait it is the answer."""

_FOUND: dict[Language, frozenset[str]] = {
    "ru": frozenset(
        listed(
            "алло алле але ало здесь тут нашла нашел нашлась нашелся взяла взял достала достал вернулась вернулся "
            "готова готов готово продолжим продолжаем продолжайте продолжай слушаю слышу"
        )
    ),
    "en": frozenset(listed("here back found got ready hello continue listening there")),
}
_FILLERS: dict[Language, frozenset[str]] = {
    "ru": frozenset(
        listed(
            "я мы вот все ну так и а да ага угу уже еще ее его карту карточку можно давайте давай что вы меня "
            "спасибо пожалуйста извините простите хорошо ладно девушка на линии связи эм э ой"
        )
    ),
    "en": frozenset(
        listed(
            "i i'm am i've have it we we're are yes yeah yep okay ok well so now the my card still just let's "
            "thanks thank you please sorry right all go on uh um oh hi can is let us"
        )
    ),
}
_YES: dict[Language, frozenset[str]] = {
    "ru": frozenset(listed("да ага угу конечно")),
    "en": frozenset(listed("yes yeah yep yup sure")),
}
_THANKS: dict[Language, frozenset[str]] = {
    "ru": frozenset(listed("спасибо благодарю хорошо ладно ага угу окей ок большое вам сейчас")),
    "en": frozenset(listed("thanks thank you okay ok good great fine much very so")),
}


def asks_for_time(text: str, language: Language) -> bool:
    """Whether the caller wants the bot to wait, and does not say that he will: "минутку" but not "я подожду".

    Args:
        text: one utterance.
        language: of the utterance.
    """
    if universal(text, language) is not Universal.WAIT:
        return False
    said = set(words(text, language))
    return not said & _PROMISES[language] and not said <= _BARE_WAITS


def is_back(text: str, language: Language, *, asked: bool) -> bool:
    """Whether all that was said is that the caller is there again: "алло, я здесь", "всё, нашла".

    Args:
        text: one utterance.
        language: of the utterance.
        asked: he was asked whether he is still there; then a bare yes says so as well.
    """
    said = words(text, language)
    if asked and _only(said, _YES[language], _FILLERS[language]):
        return True
    return _only(said, _FOUND[language], _FILLERS[language])


def thanks_for_waiting(text: str, language: Language) -> bool:
    """Whether all that was said is that it is good of the bot to wait: he is not back yet."""
    said = words(text, language)
    return bool(said) and set(said) <= _THANKS[language]


def _only(said: Collection[str], core: Collection[str], beside: Collection[str]) -> bool:
    """Whether some word is of the core, and every other one goes with it."""
    return any(word in core for word in said) and all(word in core or word in beside for word in said)
