"""Short messages handed to a service over HTTP: `POST url` with JSON `{to, text, id}` and a bearer token.

Takes where the service is, gives a `SmsGateway`. Any 2xx answer is an acceptance. What was not accepted (no
connection, time-out, 5xx, 429) is tried once more with the same `id`, so that a service which took the first one
and could not say so sends one message; both tries share one deadline. Certificates are always verified.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from ivrbot.errors import SmsUnavailable

log = logging.getLogger(__name__)

TOO_MANY: Final = 429
PAUSE_S: Final = 0.2
FIRST_SHARE: Final = 0.6
"""Of the deadline, what the first try may take: the second one needs the rest."""


@dataclass(frozen=True, slots=True)
class SmsService:
    """Where the service is.

    Attributes:
        url: of the POST, https but for this machine and closed networks.
        token: sent as `Authorization: Bearer`, "" for none.
        deadline_ms: of one message, both tries together.
    """

    url: str
    token: str = field(default="", repr=False)
    deadline_ms: int = 3000


class HttpSms:
    """`ivrbot.ports.SmsGateway` over HTTP; connects at the first message."""

    def __init__(self, service: SmsService) -> None:
        self._service = service
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def send(self, number: str, text: str) -> None:
        """See `SmsGateway`."""
        if self._closed:
            raise SmsUnavailable("the gateway is closed")
        body = {"to": number, "text": text, "id": uuid.uuid4().hex}
        loop = asyncio.get_running_loop()
        began_s, deadline_s = loop.time(), self._service.deadline_ms / 1000
        cause = ""
        for ends_s in (began_s + deadline_s * FIRST_SHARE, began_s + deadline_s):
            cause = await self._try(body, ends_s)
            if not cause:
                return
            log.info("a short message was not accepted: %s", cause)
            await asyncio.sleep(min(PAUSE_S, max(0.0, ends_s - loop.time())))
        raise SmsUnavailable(f"the service did not accept a message: {cause}")

    async def close(self) -> None:
        """Close connections. Idempotent."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def check(self) -> str:
        """Whether anything answers there; nothing is sent. For `ivrbot doctor`.

        Raises:
            SmsUnavailable: no connection, or no valid certificate.
        """
        where = urlsplit(self._service.url)
        try:
            async with (
                asyncio.timeout(self._service.deadline_ms / 1000),
                self._open().options(self._service.url, allow_redirects=False),
            ):
                return f"{where.hostname} answers"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SmsUnavailable(f"{where.hostname} does not answer: {type(error).__name__}") from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {"Authorization": f"Bearer {self._service.token}"} if self._service.token else {}
            self._session = aiohttp.ClientSession(headers=headers)
        return self._session

    async def _try(self, body: dict[str, str], ends_s: float) -> str:
        """Why it was not accepted, "" when it was.

        Raises:
            SmsUnavailable: refused for good.
        """
        try:
            # No redirects: the token and the code go where the settings say, and nowhere else.
            async with (
                asyncio.timeout_at(ends_s),
                self._open().post(self._service.url, json=body, allow_redirects=False) as answer,
            ):
                status = answer.status
        except TimeoutError:
            return "no answer in time"
        except (aiohttp.ClientError, OSError) as error:
            return type(error).__name__  # its text may hold what was sent
        if status < 300:
            return ""
        if status < 500 and status != TOO_MANY:
            raise SmsUnavailable(f"the service refused a message with {status}")
        return f"status {status}"
