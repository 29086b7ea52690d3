"""A Vosk server on loopback: the protocol is the real one's, the recogniser is whichever is given."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from aiohttp import WSMsgType, web

RATE_HZ = 8000


class Recogniser(Protocol):
    """What the server needs of the library's recogniser; the names are the library's."""

    def AcceptWaveform(self, pcm: bytes) -> int: ...

    def PartialResult(self) -> str: ...

    def Result(self) -> str: ...

    def FinalResult(self) -> str: ...


class Loudness:
    """Hears a word in each 300 ms by how loud they are, nothing in silence; answers as the library does."""

    def __init__(self, alternatives: int = 0) -> None:
        self._alternatives = alternatives
        self._pcm = b""

    def AcceptWaveform(self, pcm: bytes) -> int:
        self._pcm += pcm
        return 0

    def _text(self) -> str:
        sound = np.abs(np.frombuffer(self._pcm, "<i2").astype(np.float64))
        levels = [float(sound[at : at + 2400].mean()) for at in range(0, len(sound), 2400)]
        return " ".join(["тихо", "громко"][level > 1500] for level in levels if level > 100)

    def PartialResult(self) -> str:
        return json.dumps({"partial": self._text()})

    def Result(self) -> str:
        return self.FinalResult()

    def FinalResult(self) -> str:
        text = self._text()
        if not self._alternatives:
            return json.dumps({"text": text, "result": [{"word": word, "conf": 0.9} for word in text.split()]})
        found = [{"text": text, "confidence": 2.0}, {"text": f"{text} да", "confidence": 1.0}]
        return json.dumps({"alternatives": found if text else [{"text": "", "confidence": 1.0}]})


class VoskServer:
    """The server; an asynchronous context manager.

    Attributes:
        configs: what each connection asked for.
        breaks: so many connections are cut after their first sound.
        answers: sent instead of the recogniser's answers, when not None.
        is_mute: nothing is answered at all.
    """

    def __init__(self, make: Callable[[dict[str, Any]], Recogniser]) -> None:
        self._make = make
        self.configs: list[dict[str, Any]] = []
        self.breaks = 0
        self.answers: str | None = None
        self.is_mute = False
        self.address = ""

    async def __aenter__(self) -> VoskServer:
        application = web.Application()
        application.add_routes([web.get("/", self._serve)])
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = f"ws://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        recogniser: Recogniser | None = None
        async for message in ws:
            if message.type is WSMsgType.TEXT and "config" in (told := json.loads(message.data)):
                self.configs.append(told["config"])
                recogniser = self._make(told["config"])
                continue
            assert recogniser is not None, "sound before the configuration"
            if self.breaks and message.type is WSMsgType.BINARY:
                self.breaks -= 1
                assert request.transport is not None
                request.transport.abort()
                break
            if self.is_mute:
                continue
            if self.answers is not None:
                await ws.send_str(self.answers)
            elif message.type is WSMsgType.TEXT:
                await ws.send_str(recogniser.FinalResult())
                break
            else:
                found = recogniser.AcceptWaveform(message.data)
                await ws.send_str(recogniser.Result() if found else recogniser.PartialResult())
        return ws
