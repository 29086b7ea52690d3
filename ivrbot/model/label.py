"""An operator's correction of what the bot took a call to be about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ivrbot.model.call import CallId
from ivrbot.model.speech import Language


@dataclass(frozen=True, slots=True)
class Label:
    """An example for understanding, to be reviewed by a person.

    Attributes:
        who: the operator, or the program that he uses.
        text: the caller's words as recognised, masked, one line.
        heard: topic that the bot went by, "" when it made out none.
        confidence: how sure it was, 0..1.
        topic: what the operator says it was, "out_of_scope" when the menu has nothing like it.
    """

    call_id: CallId
    at: datetime
    who: str
    language: Language
    text: str
    heard: str
    confidence: float
    topic: str
