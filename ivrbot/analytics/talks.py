"""The words of an operator's talk, read from its recording, as they may be kept.

Takes what each side was heard to say, gives masked lines in order. Pure. Nobody marks in a recording which answer
was a secret, so every answer to a question that may have asked for one is taken out whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from ivrbot.escalation.dossier import mask, one_line
from ivrbot.language.masking import mask_codes
from ivrbot.model.speech import Language

HIDDEN: Final = "[answer]"
MAX_LINE_CHARS: Final = 500
ANSWERS_MS: Final = 30_000
"""What the caller says so long after such a question is taken as its answer, whatever the operator adds."""

_ASKS_FOR_SECRET: Final = re.compile(
    r"\b(?:код\w*|парол\w*|пин\w*|пинкод\w*|паспорт\w*|рожден\w*|cvv|cvc|смс|code\w*|password\w*|passcode\w*|pin"
    r"|passport\w*|birth\w*|sms)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Heard:
    """One stretch of speech.

    Attributes:
        by: "operator" or "caller".
        at_ms: since the recording began.
        text: as recognised.
    """

    by: str
    at_ms: int
    text: str


def masked_talk(said: Iterable[Heard], language: Language, day: date) -> tuple[Heard, ...]:
    """Lines of both sides by time, without codes, numbers, and answers to questions about secrets.

    Args:
        said: by each side.
        language: spoken.
        day: of the talk.
    """
    lines = []
    asked_ms: int | None = None
    for one in sorted(said, key=lambda line: (line.at_ms, line.by)):
        text = one_line(mask(mask_codes(one.text, language, today=day)), MAX_LINE_CHARS)
        if not text:
            continue
        if one.by == "operator" and _ASKS_FOR_SECRET.search(one.text):
            asked_ms = one.at_ms
        hidden = one.by == "caller" and asked_ms is not None and one.at_ms - asked_ms <= ANSWERS_MS
        lines.append(Heard(one.by, one.at_ms, HIDDEN if hidden else text))
    return tuple(lines)
