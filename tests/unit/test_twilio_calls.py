"""Calls by a provider's webhooks: nothing unsigned, nobody dropped, nowhere but to listed targets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from xml.etree import ElementTree as Xml

import aiohttp
import pytest
from aiohttp import web

from ivrbot.config import Settings, TwilioSettings
from ivrbot.errors import LegRefused, StorageUnavailable
from ivrbot.model.call import CallId, CallOutcome, CallRegistration
from ivrbot.telephony.twilio_calls import NEXT, SIGNATURE, STREAM, VOICE, TwilioCalls
from ivrbot.telephony.wire.media_messages import Began
from ivrbot.telephony.wire.media_streams import signature

TOKEN = b"not a secret"
PUBLIC = "https://bank.example"
CALL: Mapping[str, str] = {"CallSid": "CA1", "From": "+79161234567", "To": "+74950000000", "CallStatus": "ringing"}
QUEUES = {"other": "+74951112233", "block_card": "sip:cards@pbx.example"}


class Bank:
    """The bot's side."""

    def __init__(self) -> None:
        self.registered: list[CallRegistration] = []
        self.takes = True
        self.fails = False
        self.outcomes: dict[CallId, CallOutcome] = {}

    async def register(self, registration: CallRegistration) -> bool:
        if self.fails:
            raise StorageUnavailable("away")
        self.registered.append(registration)
        return self.takes

    async def outcome(self, call_id: CallId) -> CallOutcome | None:
        if self.fails:
            raise StorageUnavailable("away")
        return self.outcomes.get(call_id)


class Provider:
    """Asks as the provider would."""

    def __init__(self, session: aiohttp.ClientSession, port: int, bank: Bank, calls: TwilioCalls) -> None:
        self._session, self._port = session, port
        self.bank, self.calls = bank, calls

    async def post(
        self, path: str, form: Mapping[str, str] = CALL, *, signed: str | None = None
    ) -> tuple[int, Xml.Element | None]:
        shown = signature(TOKEN, PUBLIC + path, form.items()) if signed is None else signed
        url = f"http://127.0.0.1:{self._port}{path}"
        async with self._session.post(url, data=dict(form), headers={SIGNATURE: shown}) as answer:
            text = await answer.text()
            return answer.status, Xml.fromstring(text) if answer.status == 200 else None

    async def twiml(self, path: str, form: Mapping[str, str] = CALL) -> Xml.Element:
        status, element = await self.post(path, form)
        assert status == 200
        assert element is not None
        return element


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    bank = Bank()
    settings = TwilioSettings(public_url=PUBLIC + "/", auth_token_file=Path("token"), queues=QUEUES)
    calls = TwilioCalls(settings, TOKEN, bank.register, bank.outcome)
    application = web.Application()
    application.add_routes([web.post(VOICE, calls.voice), web.post(NEXT, calls.next)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        yield Provider(session, runner.addresses[0][1], bank, calls)
    await runner.cleanup()


async def test_a_call_is_registered_and_streamed(provider: Provider) -> None:
    response = await provider.twiml(VOICE)
    (registration,) = provider.bank.registered
    assert (registration.caller, registration.called) == ("+79161234567", "+74950000000")
    assert (registration.uniqueid, registration.gateway) == ("CA1", "media_streams")
    stream = response.find("Connect/Stream")
    assert stream is not None
    assert stream.get("url") == "wss://bank.example" + STREAM
    parameter = stream.find("Parameter")
    assert parameter is not None
    assert parameter.attrib == {"name": "call_id", "value": registration.call_id}
    assert [child.tag for child in response] == ["Connect", "Redirect"]
    assert response.findtext("Redirect") == PUBLIC + NEXT


async def test_a_repeated_question_gets_the_same_answer(provider: Provider) -> None:
    first, second = await provider.twiml(VOICE), await provider.twiml(VOICE)
    assert Xml.tostring(first) == Xml.tostring(second)
    assert len(provider.bank.registered) == 1


@pytest.mark.parametrize("signed", ["", "x", signature(b"other", PUBLIC + VOICE, CALL.items())])
async def test_what_is_not_signed_is_refused(provider: Provider, signed: str) -> None:
    assert await provider.post(VOICE, signed=signed) == (403, None)
    assert await provider.post(NEXT, signed=signed) == (403, None)
    assert provider.bank.registered == []


async def test_a_signature_for_other_fields_is_refused(provider: Provider) -> None:
    replayed = signature(TOKEN, PUBLIC + VOICE, CALL.items())
    status, _ = await provider.post(VOICE, {**CALL, "From": "+79265550011"}, signed=replayed)
    assert status == 403


async def test_a_call_that_the_bot_cannot_take_rings_the_operators(provider: Provider) -> None:
    provider.bank.takes = False
    assert (await provider.twiml(VOICE)).findtext("Dial/Number") == "+74951112233"


async def test_asked_again_about_such_a_call_the_answer_is_the_same(provider: Provider) -> None:
    provider.bank.takes = False
    for _ in range(2):
        assert (await provider.twiml(VOICE)).findtext("Dial/Number") == "+74951112233"


async def test_a_call_that_cannot_be_registered_rings_the_operators(provider: Provider) -> None:
    provider.bank.fails = True
    assert (await provider.twiml(VOICE)).findtext("Dial/Number") == "+74951112233"


async def test_after_the_stream_the_bot_says_what_is_next(provider: Provider) -> None:
    await provider.twiml(VOICE)
    call_id = provider.bank.registered[0].call_id
    provider.bank.outcomes[call_id] = CallOutcome("transfer", "block_card", "block_card", "d-1", 9)
    target = (await provider.twiml(NEXT)).findtext("Dial/Sip") or ""
    assert target.startswith("sip:cards@pbx.example?")
    assert f"X-Bot-Call-Id={call_id}" in target
    assert "X-Bot-Topic=block_card" in target
    assert "X-Bot-Dossier=d-1" in target


@pytest.mark.parametrize("action", ["hangup", "callback"])
async def test_a_served_call_ends(provider: Provider, action: str) -> None:
    await provider.twiml(VOICE)
    provider.bank.outcomes[provider.bank.registered[0].call_id] = CallOutcome(action)
    assert [child.tag for child in await provider.twiml(NEXT)] == ["Hangup"]


@pytest.mark.parametrize("queue", ["+79990000000", "nobody", "sip:me@evil.example", ""])
async def test_only_listed_targets_are_dialled(provider: Provider, queue: str) -> None:
    await provider.twiml(VOICE)
    provider.bank.outcomes[provider.bank.registered[0].call_id] = CallOutcome("transfer", queue)
    assert (await provider.twiml(NEXT)).findtext("Dial/Number") == "+74951112233"


async def test_without_a_word_from_the_bot_an_operator_is_rung(provider: Provider) -> None:
    assert (await provider.twiml(NEXT)).findtext("Dial/Number") == "+74951112233"
    await provider.twiml(VOICE)
    provider.bank.fails = True
    assert (await provider.twiml(NEXT)).findtext("Dial/Number") == "+74951112233"


async def test_a_stream_must_bring_its_own_call(provider: Provider) -> None:
    await provider.twiml(VOICE)
    await provider.twiml(VOICE, {**CALL, "CallSid": "CA2"})
    mine, other = (registration.call_id for registration in provider.bank.registered)
    assert provider.calls.identify(Began(mine, "CA1")) == mine
    for began in (Began(other, "CA1"), Began(mine, "CA3"), Began(mine, ""), Began("", "CA1")):
        with pytest.raises(LegRefused):
            provider.calls.identify(began)


@pytest.mark.parametrize(
    ("twilio", "named"),
    [
        ({"public_url": "bank.example"}, "public_url"),
        ({"public_url": PUBLIC}, "auth_token_file"),
        ({"public_url": PUBLIC, "auth_token_file": "t", "queues": {"loans": "+74951112233"}}, "other"),
        ({"queues": {"other": "911"}}, "911"),
        ({"queues": {"other": "sip:x@y?Replaces=1"}}, "Replaces"),
    ],
)
def test_settings_that_would_drop_a_caller_are_refused(twilio: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Settings.model_validate({"twilio": twilio})
