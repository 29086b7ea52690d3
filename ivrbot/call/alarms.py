"""Alarms for the fraud desk: a dossier without a caller, at the front of the emergency queue.

Takes what was noticed, gives a `Dossier` that names no customer and no number.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from ivrbot.escalation.policy import FRONT_OF_QUEUE, Suggestion
from ivrbot.model.attempts import Tally
from ivrbot.model.call import EMERGENCY_QUEUE, CallId, Dossier, EscalationReason, TranscriptLine
from ivrbot.model.speech import Language

_SPRAYING: Final[Mapping[Language, str]] = {
    "ru": (
        "Похоже на подбор: {failures} неверных ответов в {calls} звонках за {minutes} мин. "
        "Всё, кроме блокировки карт, {hold} мин. идёт к операторам. Проверяйте звонящих особенно внимательно."
    ),
    "en": (
        "This looks like guessing: {failures} wrong answers in {calls} calls within {minutes} min. For {hold} min "
        "everything but the blocking of cards goes to operators. Verify callers with particular care."
    ),
}


def spraying_alarm(
    call_id: CallId, language: Language, window: Tally, *, window_s: int, hold_s: int, at: datetime
) -> Dossier:
    """What the fraud desk sees of an attack on all customers.

    Args:
        call_id: of the call that was one too many.
        language: of the words.
        window: wrong answers of all, guesses beside the question among them.
        window_s: in so long a time.
        hold_s: so long operators verify callers.
        at: aware UTC.
    """
    text = _SPRAYING[language].format(
        failures=window.failures, calls=window.calls, minutes=window_s // 60, hold=hold_s // 60
    )
    return Dossier(
        dossier_id=uuid.uuid4().hex,
        call_id=call_id,
        created_at=at,
        queue=EMERGENCY_QUEUE,
        reason=EscalationReason.FRAUD,
        topic="",
        language=language,
        priority=FRONT_OF_QUEUE,
        tried=(f"alarm:spraying:{window.failures}:{window.calls}",),
        transcript=(TranscriptLine("system", text, 0),),
        suggestion=Suggestion.VERIFY_CALLER,
    )
