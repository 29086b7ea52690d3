"""A running server as a PBX meets it: registers calls over its API and follows their events.

Takes addresses and a token, gives one `Followed` a call.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from ivrbot.config import Settings
from ivrbot.errors import MissingError
from ivrbot.model.call import CallId
from ivrbot.simulate.moves import Line
from ivrbot.simulate.persona import Persona

ENDED_S: Final = 8.0


@dataclass(slots=True)
class Followed:
    """The events of a call so far.

    Attributes:
        told: everything that the bot has said, masked.
        ended: data of the call's last event, None while it goes on.
        over: set with it.
    """

    told: list[Line] = field(default_factory=list)
    ended: dict[str, Any] | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, event: dict[str, Any]) -> None:
        """One event of the stream."""
        match event.get("type"):
            case "bot_said":
                self.told.append(Line(str(event.get("response", "")), str(event.get("text", ""))))
            case "call_ended":
                self.ended = event
                self.over.set()


class Server:
    """A running server.

    Args:
        settings: whose data folder holds the installation's token.
        address: HOST:PORT of the gateway, "" for that of the settings.
        api: address of its web side, "" for that of the settings.

    Raises:
        MissingError: there is no token: no server has run in this data folder.
    """

    def __init__(self, settings: Settings, address: str, api: str) -> None:
        host, _, port = address.rpartition(":")
        self.host = host or settings.media.host
        self.port = int(port) if port.isdigit() else settings.media.port
        self._api = api.rstrip("/") or f"http://{settings.web.host}:{settings.web.port}"
        path = settings.data_dir / "api.token"
        try:
            self._token = path.read_text("ascii").strip()
        except OSError as error:
            fix = "Start the server in the same data folder (make run), or use --text."
            raise MissingError(f"no API token at {path}", fix) from error
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {self._token}"})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def register(self, call_id: CallId, persona: Persona) -> None:
        """Announce a call.

        Raises:
            MissingError: nobody answers, or the call is not taken.
        """
        body = {
            "uuid": call_id,
            "caller": persona.phone,
            "called": "",
            "channel": "",
            "uniqueid": "",
            "linkedid": "",
        }
        assert self._session is not None
        try:
            url = f"{self._api}/api/v1/calls"
            async with self._session.post(url, json=body | {"language": persona.line_language}) as response:
                answer = await response.json()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            fix = "Start it (make run), name its address with --api, or use --text."
            raise MissingError(f"no ivrbot answers at {self._api}", fix) from error
        if answer.get("status") != "ok":
            raise MissingError(f"a call was not taken: {answer}", "Try fewer at once (--concurrency).")

    async def follow(self, call_id: CallId, followed: Followed) -> None:
        """Collect a call's events until its end."""
        assert self._session is not None
        url, timeout = f"{self._api}/api/v1/calls/{call_id}/events", aiohttp.ClientTimeout(total=None)
        async with self._session.get(url, timeout=timeout) as response:
            async for raw in response.content:
                line = raw.decode("utf-8").strip()
                if line.startswith("data:"):
                    followed.take(json.loads(line.removeprefix("data:")))
                if followed.ended is not None:
                    return
