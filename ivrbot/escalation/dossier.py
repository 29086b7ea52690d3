"""The dossier: what the operator sees before he answers, without anything he must not see.

Takes the parts of a call, gives a masked and bounded `Dossier` and its JSON form. Values are masked where they
enter the call; this is the second line of defence: long numbers and secret answers are taken out again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

from ivrbot.model.call import Dossier, TranscriptLine

MASK = "***"
MAX_LINE_CHARS = 500
MAX_VALUE_CHARS = 200
MAX_LINES = 200
MAX_TRIED = 50
MAX_SLOTS = 40
MAX_CONTACTS = 10
MIN_SECRET_CHARS = 3

# Ten digits or more with anything short between them: cards, telephones, whatever way they were written.
_LONG_NUMBER = re.compile(r"\d(?:[^\w\n]{0,3}\d){9,}")
_SPOKEN_SECRET = re.compile(
    r"\b(?P<cue>кодов\w+\s+слов\w+|код\w*\s+из\s+(?:смс|sms)|пин[- ]?код\w*|code\s*word|pin(?:\s+code)?|cvv|cvc)\b"
    r"(?P<link>\s*[:,—-]?\s*(?:(?:это|будет|is|it's|was|такое|моё|мое)\s+)?)(?P<secret>[^\s,.;!?]+(?:\s+[^\s,.;!?]+)?)",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def mask(text: str, secrets: Iterable[str] = (), *, cues: bool = True) -> str:
    """Take numbers of ten and more digits, named secrets and given secrets out of a text.

    Args:
        text: anything said, keyed or stored.
        secrets: raw answers given to secret questions in this call; those under `MIN_SECRET_CHARS` are left to the
            masking at entry (they would blot out ordinary text).
        cues: also mask what follows "code word", "PIN" and the like; the bot's own questions go without.
    """
    for secret in secrets:
        if len(secret.strip()) >= MIN_SECRET_CHARS:
            text = re.sub(re.escape(secret.strip()), MASK, text, flags=re.IGNORECASE)
    text = _LONG_NUMBER.sub(MASK, text)
    if not cues:
        return text
    return _SPOKEN_SECRET.sub(lambda found: found["cue"] + found["link"] + MASK, text)


def one_line(text: str, limit: int = MAX_VALUE_CHARS) -> str:
    """Text fit for a header or a table cell: no control characters or line breaks, at most `limit` characters."""
    flat = _CONTROL.sub(" ", text).strip()
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def seal(dossier: Dossier, secrets: Sequence[str] = ()) -> Dossier:
    """Mask and bound everything in a dossier that came from outside; the last lines of a long transcript are kept.

    Args:
        dossier: put together from the parts of the call; `caller` (as signalled) stays, `as_json` hides it.
        secrets: raw answers given to secret questions in this call.
    """

    def clean(text: str, limit: int = MAX_VALUE_CHARS, *, cues: bool = True) -> str:
        return one_line(mask(text, secrets, cues=cues), limit)

    lines = tuple(
        TranscriptLine(line.who, clean(line.text, MAX_LINE_CHARS, cues=line.who == "caller"), line.t_ms)
        for line in dossier.transcript[-MAX_LINES:]
    )
    slots = {one_line(name): clean(value) for name, value in list(dossier.slots.items())[:MAX_SLOTS]}
    return replace(
        dossier,
        topic=clean(dossier.topic),
        caller=one_line(dossier.caller, 40),
        customer_name=one_line(dossier.customer_name),
        facts_used=tuple(one_line(fact) for fact in dossier.facts_used),
        slots=slots,
        tried=tuple(clean(step) for step in dossier.tried[-MAX_TRIED:]),
        transcript=lines,
        suggestion=one_line(dossier.suggestion),
        confidence={one_line(name): value for name, value in dossier.confidence.items() if name in dossier.slots},
        contacts=dossier.contacts[:MAX_CONTACTS],
        claims=tuple(
            replace(claim, reference=one_line(claim.reference, 40), merchant=clean(claim.merchant))
            for claim in dossier.claims[:MAX_CONTACTS]
        ),
    )


def as_json(dossier: Dossier, *, with_caller: bool = False) -> dict[str, Any]:
    """JSON form for HTTP, the command line and the desk.

    Args:
        dossier: sealed.
        with_caller: give the whole calling number (operator's desk); else all but two digits is hidden.
    """
    return {
        "dossier_id": dossier.dossier_id,
        "call_id": dossier.call_id,
        "created_at": dossier.created_at.isoformat(timespec="milliseconds"),
        "queue": dossier.queue,
        "priority": dossier.priority,
        "reason": dossier.reason.value,
        "topic": dossier.topic,
        "language": dossier.language,
        "caller": dossier.caller if with_caller else hide_number(dossier.caller),
        "customer_id": dossier.customer_id,
        "customer_name": dossier.customer_name,
        "level": dossier.level.value,
        "facts_used": list(dossier.facts_used),
        "slots": dict(dossier.slots),
        "tried": list(dossier.tried),
        "transcript": [{"who": line.who, "text": line.text, "t_ms": line.t_ms} for line in dossier.transcript],
        "suggestion": dossier.suggestion,
        "confidence": dict(dossier.confidence),
        "last_words": dossier.last_words,
        "contacts": [
            {
                "at": one.at.isoformat(timespec="seconds"),
                "topic": one.topic,
                "outcome": one.outcome,
                "by": one.by,
            }
            for one in dossier.contacts
        ],
        "claims": [asdict(claim) for claim in dossier.claims],
    }


def hide_number(number: str) -> str:
    """All but the last two digits of a telephone number hidden; "" stays ""."""
    return MASK + number[-2:] if len(number) > 4 else MASK if number else ""
