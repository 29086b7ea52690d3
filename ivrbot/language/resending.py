"""The message has not come: what a caller says who waits for a short message. Pure.

Takes recogniser text, gives whether another message is wished for. Asked only while a code is being waited for, so
that "once more" can mean nothing else.
"""

from __future__ import annotations

from ivrbot.language.options import fits
from ivrbot.language.tokens import words
from ivrbot.model.speech import Language

_WISHES: dict[Language, tuple[tuple[str, ...], ...]] = {
    "ru": tuple(
        tuple(phrase.split())
        for phrase in (
            "=не приш", "=не приход", "=не прид", "=не получ", "=не дош", "=ничего не приш", "=нет смс",
            "=нет сообщен", "=нет кода", "=еще раз", "=еще код", "=еще один", "=другой код", "=новый код",
            "повтор", "=заново", "переотправ", "=вышли", "=вышлите", "=отправь", "=отправьте", "=пришлите",
            "=пришли", "=смс нет", "=кода нет", "=сообщения нет", "удалил", "потерял", "=не вижу",
        )
    ),
    "en": tuple(
        tuple(phrase.split())
        for phrase in (
            "resend", "=send again", "=send it again", "=send another", "=send a new", "=again", "=once more",
            "=another code", "=new code", "=another one", "=no code", "=no text", "=no message", "=no sms",
            "=not come", "=hasn't come", "=hasn't arrived", "=not arrived", "=didn't come", "=didn't arrive",
            "=didn't get", "=haven't got", "=haven't received", "=didn't receive", "=not received", "=never came",
            "=don't see it", "=don't have it", "=nothing came", "=nothing arrived", "deleted",
        )
    ),
}  # fmt: skip


def wants_resend(text: str, language: Language) -> bool:
    """Whether somebody who waits for a message says that it has not come, or wants another one."""
    said = words(text, language)
    return any(_stands_in(said, phrase) for phrase in _WISHES[language])


def _stands_in(said: tuple[str, ...], phrase: tuple[str, ...]) -> bool:
    size = len(phrase)
    return any(
        all(fits(word, stem) for word, stem in zip(said[at : at + size], phrase, strict=True))
        for at in range(len(said) - size + 1)
    )
