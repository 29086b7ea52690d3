"""After a served call: one question, answered by one key. Operators' calls are asked the same by the dialplan.

Takes how the call went and the `Talk` of its session, gives events. The question belongs to no arm: same words,
keys, time-out and exceptions (`ivrbot-score` in deploy/asterisk/extensions_ivrbot.conf), or the scores of both
arms could not be compared. Words are not understood there, so they are not here.
"""

from __future__ import annotations

import logging
from typing import Final

from ivrbot.call.channel import Keyed
from ivrbot.call.handover import Talk
from ivrbot.errors import EngineError, LegClosed
from ivrbot.model.dialogue import Collect, Say
from ivrbot.model.events import EventType
from ivrbot.model.speech import Expect

log = logging.getLogger(__name__)

ASK: Final = "utter_ask_score"
THANKS: Final = "utter_score_thanks"
ANSWER_MS: Final = 5000
SCORES: Final = ("1", "2", "3", "4", "5")
TELEPHONES: Final = frozenset({"audiosocket"})
"""Gateways of real telephones: only there are both arms asked."""


def may_ask(gateway: str, *, served: bool, emergency: bool) -> bool:
    """Whether a caller is asked at all.

    Args:
        gateway: of the registration.
        served: he was given what he rang for.
        emergency: the call was about a lost card or fraud: nothing is asked of somebody in that state.
    """
    return served and not emergency and gateway in TELEPHONES


async def ask_score(talk: Talk) -> int | None:
    """Ask, once; the caller may hang up, or press nothing, and nothing depends on it.

    Returns:
        1 to 5, None when he gave none.
    """
    if not talk.has(ASK):
        return None
    try:
        await talk.say(Say(ASK))
        talk.emit(EventType.SCORE_ASKED, {"by": "bot"})
        collect = Collect("score", Expect.DIGITS, max_digits=1, timeout_ms=ANSWER_MS)
        heard = await talk.listen(collect, _never)
        if not isinstance(heard, Keyed) or heard.digits not in SCORES:
            return None
        score = int(heard.digits)
        talk.emit(EventType.CALL_SCORED, {"score": score, "by": "bot"})
        if talk.has(THANKS):
            await talk.say(Say(THANKS))
        return score
    except (LegClosed, EngineError):
        log.info("the score was not asked to the end")
        return None


async def _never(_text: str) -> bool:
    """Words complete nothing here."""
    return False
