"""An operator's telephone rings: his desk knows for whom."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.operators import PhoneNews, PhoneState
from ivrbot.operators.desk import OperatorDesk
from ivrbot.telephony.asterisk_phones import phone_news
from ivrbot.telephony.wire.ami import AmiMessage, AmiParser
from tests.unit.web_fixture import AT, a_dossier, open_site

CALLED = b"""Event: AgentCalled\r\nPrivilege: agent,all\r\nChannel: PJSIP/trunk-0001\r\nUniqueid: 1700000000.1\r
Linkedid: 1700000000.1\r\nDestChannel: PJSIP/operator1-0002\r\nDestUniqueid: 1700000000.2\r\nQueue: balance\r
Interface: PJSIP/operator1\r\nMemberName: operator1\r\n\r\n"""


def message(event: str) -> AmiMessage:
    parser = AmiParser()
    parser.feed(b"Asterisk Call Manager/9.0\r\n")
    (found,) = parser.feed(CALLED.replace(b"AgentCalled", event.encode()))
    return found


@pytest.mark.parametrize(
    ("event", "state"),
    [
        ("AgentCalled", PhoneState.RINGING),
        ("AgentConnect", PhoneState.TALKING),
        ("AgentRingNoAnswer", PhoneState.OVER),
        ("AgentComplete", PhoneState.OVER),
    ],
)
def test_events_of_asterisk_tell_whose_telephone_rings(event: str, state: PhoneState) -> None:
    assert phone_news(message(event)) == PhoneNews("operator1", state, ("1700000000.1",))


def test_other_events_tell_nothing() -> None:
    assert phone_news(message("QueueMemberStatus")) is None


async def test_a_dossier_knows_whose_telephone_rings_for_it(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        desk = OperatorDesk(site.parts.store)
        call = CallRegistration(CallId(str(uuid.uuid4())), uniqueid="1.1", linkedid="1.0")
        await desk.transfer(call, a_dossier(call_id=call.call_id))
        news = PhoneNews("operator1", PhoneState.RINGING, ("1.1",))
        desk.phone(news)
        desk.phone(replace(news, operator="operator2", channels=("unknown",)))
        assert desk.phones("d" * 32) == {"operator1": "ringing"}
        desk.phone(replace(news, state=PhoneState.TALKING, channels=("9.9", "1.0")))
        assert desk.phones("d" * 32) == {"operator1": "talking"}
        desk.phone(replace(news, state=PhoneState.OVER))
        assert desk.phones("d" * 32) == {}


async def test_the_desks_stream_tells_of_a_ringing_telephone(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        call = CallRegistration(CallId(str(uuid.uuid4())), uniqueid="1.1")
        await site.parts.operators.transfer(call, a_dossier(call_id=call.call_id))
        async with asyncio.timeout(20), site.api.get(f"{site.url}/web/desk") as response:
            told = []
            async for line in response.content:
                if line.startswith(b"data:"):
                    told.append(json.loads(line[5:]))
                    if told[-1]["phones"]:
                        break
                    site.parts.operators.phone(PhoneNews("operator1", PhoneState.RINGING, ("1.1",)))
        assert told[0]["phones"] == {}
        assert told[-1]["phones"] == {"d" * 32: {"operator1": "ringing"}}
        assert AT.isoformat(timespec="seconds") == told[0]["calls"][0]["created_at"]
