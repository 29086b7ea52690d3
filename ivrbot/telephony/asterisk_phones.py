"""Which operator's telephone rings for which caller.

Takes events of Asterisk's queues, gives `PhoneNews`. Pure.

Source: events AgentCalled, AgentConnect, AgentRingNoAnswer, AgentComplete and AgentDump in the Asterisk
documentation; their MemberName is the name of the member line in queues.conf.
"""

from __future__ import annotations

from typing import Final

from ivrbot.model.operators import PhoneNews, PhoneState
from ivrbot.telephony.wire.ami import AmiMessage

_STATES: Final = {
    "AgentCalled": PhoneState.RINGING,
    "AgentConnect": PhoneState.TALKING,
    "AgentRingNoAnswer": PhoneState.OVER,
    "AgentComplete": PhoneState.OVER,
    "AgentDump": PhoneState.OVER,
}


def phone_news(event: AmiMessage) -> PhoneNews | None:
    """What an event tells of an operator's telephone; None for any other event."""
    state = _STATES.get(event.get("Event"))
    operator = event.get("MemberName") or event.get("Interface")
    channels = tuple(dict.fromkeys(name for field in ("Uniqueid", "Linkedid") if (name := event.get(field))))
    if state is None or not operator or not channels:
        return None
    return PhoneNews(operator, state, channels)
