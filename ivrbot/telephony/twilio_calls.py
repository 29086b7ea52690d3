"""Calls that come by Twilio, or by whoever speaks its protocol: the voice webhook, the stream, what follows it.

Takes the provider's signed requests, registers each call, answers with TwiML: connect the stream to this bot, then
ask here what comes next, which is an operator or the end. A call above the cap goes to the operators before the
bot answers. A stream is let in once, for a call that was registered by a signed request, and only with its id.

Sources: twilio.com/docs, Voice > TwiML (Connect, Stream, Redirect, Dial, Hangup); Usage > Security.
"""

from __future__ import annotations

import hmac
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import urlencode
from xml.etree import ElementTree as Xml

from aiohttp import web

from ivrbot.config import TwilioSettings
from ivrbot.errors import LegRefused, StorageError
from ivrbot.metrics import LEGS_REFUSED
from ivrbot.model.call import CallId, CallOutcome, CallRegistration
from ivrbot.telephony.wire.media_messages import Began
from ivrbot.telephony.wire.media_streams import CALL_ID, signature

VOICE: Final = "/twilio/voice"
NEXT: Final = "/twilio/next"
STREAM: Final = "/ws/media-streams"
GATEWAY: Final = "media_streams"
DEFAULT_QUEUE: Final = "other"
SIGNATURE: Final = "X-Twilio-Signature"
REMEMBERED: Final = 10_000
"""Calls whose second webhook gets the same answer."""

_NUMBER: Final = frozenset("+0123456789")
_log = logging.getLogger(__name__)

Register = Callable[[CallRegistration], Awaitable[bool]]
Outcome = Callable[[CallId], Awaitable[CallOutcome | None]]


class TwilioCalls:
    """The provider's side of calls.

    Args:
        settings: public address, queues.
        token: the account's auth token, with which every request is signed.
        register: announces a call; False when callers are to go to operators. Raises LegRefused for a used id.
        outcome: what the bot wants to be done when its leg has closed.
        new_id: makes call ids; by default from the provider's own, so that every worker knows which is whose.
    """

    def __init__(
        self,
        settings: TwilioSettings,
        token: bytes,
        register: Register,
        outcome: Outcome,
        new_id: Callable[[], CallId] | None = None,
    ) -> None:
        self._settings = settings
        self._token = token
        self._register = register
        self._outcome = outcome
        self._new_id = new_id
        self._calls: dict[str, CallId] = {}

    # --- requests of the provider ---

    async def voice(self, request: web.Request) -> web.Response:
        """A call comes in: stream it to the bot, or ring the operators.

        Raises:
            HTTPForbidden: not signed by the provider.
        """
        form = await self._signed(request)
        sid = form.get("CallSid", "")
        if not sid:
            raise web.HTTPBadRequest(text="CallSid is missing")
        call_id = self._new_id() if self._new_id else self._id_of(sid)
        if sid in self._calls:
            return _answer(self._connect(self._calls[sid]))  # the provider asks again when an answer was lost
        self._remember(sid, call_id)
        registration = CallRegistration(
            call_id,
            caller=_number(form.get("From", "")),
            called=_number(form.get("To", "")),
            uniqueid=sid,
            linkedid=sid,
            gateway=GATEWAY,
        )
        try:
            taken = await self._register(registration)
        except (LegRefused, StorageError) as error:
            _log.warning("a call could not be registered: %s", error)
            taken = False
        if not taken:
            self._calls.pop(sid, None)  # asked again, it is no call of the bot's either
        return _answer(self._connect(call_id) if taken else self._dial(DEFAULT_QUEUE, {}))

    async def next(self, request: web.Request) -> web.Response:
        """The stream has ended, whoever ended it: what comes next. Without a word from the bot, an operator.

        Raises:
            HTTPForbidden: not signed by the provider.
        """
        form = await self._signed(request)
        sid = form.get("CallSid", "")
        call_id, outcome = self._known(sid), None
        if call_id is not None:
            try:
                outcome = await self._outcome(call_id)
            except StorageError as error:
                _log.warning("an outcome could not be read: %s", error)
        if outcome is not None and outcome.action in {"hangup", "callback"}:
            response = Xml.Element("Response")
            Xml.SubElement(response, "Hangup")
            return _answer(response)
        headers = {"X-Bot-Call-Id": str(call_id or "") if outcome or sid in self._calls else ""}
        if outcome is not None:
            headers |= {"X-Bot-Topic": outcome.topic, "X-Bot-Dossier": outcome.dossier_id}
        return _answer(self._dial(outcome.queue if outcome else DEFAULT_QUEUE, headers))

    def may_stream(self, request: web.BaseRequest) -> bool:
        """Whether a WebSocket's request is signed by the provider."""
        address = self._address(request)
        return self._is_ours(request, address.replace("https://", "wss://", 1).replace("http://", "ws://", 1), {})

    def identify(self, began: Began) -> CallId:
        """The call that a stream brings.

        Raises:
            LegRefused: none that was registered here, or not with its own id.
        """
        known = self._known(began.remote_id)
        if known is None or not hmac.compare_digest(known.encode(), began.call_id.encode()):
            raise LegRefused("a stream without a call of ours")
        return known

    # --- inside ---

    async def _signed(self, request: web.Request) -> Mapping[str, str]:
        fields = [(name, value) for name, value in (await request.post()).items() if isinstance(value, str)]
        form = dict(fields)
        if not self._is_ours(request, self._address(request), form):
            LEGS_REFUSED.labels("signature").inc()
            raise web.HTTPForbidden(text="not signed")
        return form

    def _is_ours(self, request: web.BaseRequest, url: str, form: Mapping[str, str]) -> bool:
        shown = request.headers.get(SIGNATURE, "")
        return hmac.compare_digest(signature(self._token, url, form.items()).encode(), shown.encode())

    def _address(self, request: web.BaseRequest) -> str:
        """The address that the provider has called, whatever proxies have made of it."""
        return self._settings.public_url.rstrip("/") + request.raw_path

    def _known(self, sid: str) -> CallId | None:
        """The call of an id of the provider's: of this worker, or announced to another one."""
        if sid in self._calls or self._new_id is not None or not sid:
            return self._calls.get(sid)
        return self._id_of(sid)

    def _id_of(self, sid: str) -> CallId:
        """A call id that nobody can tell from the provider's without the token."""
        digest = hmac.digest(self._token, b"call:" + sid.encode(), "sha256")
        return CallId(str(uuid.UUID(bytes=digest[:16], version=4)))

    def _remember(self, sid: str, call_id: CallId) -> None:
        while len(self._calls) >= REMEMBERED:
            del self._calls[next(iter(self._calls))]
        self._calls[sid] = call_id

    def _connect(self, call_id: CallId) -> Xml.Element:
        public = self._settings.public_url.rstrip("/")
        response = Xml.Element("Response")
        connect = Xml.SubElement(response, "Connect")
        stream = Xml.SubElement(connect, "Stream", url=public.replace("http", "ws", 1) + STREAM)
        Xml.SubElement(stream, "Parameter", name=CALL_ID, value=call_id)
        redirect = Xml.SubElement(response, "Redirect", method="POST")
        redirect.text = public + NEXT
        return response

    def _dial(self, queue: str, headers: Mapping[str, str]) -> Xml.Element:
        """Only targets that the settings list are ever dialled."""
        target = self._settings.queues.get(queue) or self._settings.queues[DEFAULT_QUEUE]
        response = Xml.Element("Response")
        dial = Xml.SubElement(response, "Dial", answerOnBridge="true")
        if target.startswith(("sip:", "sips:")):
            shown = {name: value for name, value in headers.items() if value}
            Xml.SubElement(dial, "Sip").text = target + (f"?{urlencode(shown)}" if shown else "")
        else:
            Xml.SubElement(dial, "Number").text = target
        return response


def _number(text: str) -> str:
    return "".join(char for char in text if char in _NUMBER)[:20]


def _answer(response: Xml.Element) -> web.Response:
    body = Xml.tostring(response, encoding="utf-8", xml_declaration=True)
    return web.Response(body=body, content_type="text/xml", charset="utf-8")
