"""A Vosk server behind the recognition port: the models run on another machine, the sound goes there by WebSocket.

Takes 8 kHz sound of one utterance as it comes, gives partials and the reading of everything so far. One connection
a stretch of speech, opened when the first sound comes; what was sent since the last reading is kept, so that a
broken connection costs a second attempt and not the caller's words.

Source: alphacephei.com/vosk/server, WebSocket protocol: a configuration, then sound, one answer to each message;
`eof` asks for the last one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp

from ivrbot.asr.streaming import BACKLOG_MS, CHUNK_MS, join_words, joined
from ivrbot.asr.vosk_answers import hypotheses_of, spoken
from ivrbot.asr.workers import Load
from ivrbot.errors import EngineBadOutput, EngineError, EngineTimeout, EngineUnavailable
from ivrbot.model.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ, Pcm, silence
from ivrbot.model.speech import Expect, Hypothesis, Language, Partial, Transcript

NAME: Final = "vosk-server"
ALTERNATIVES: Final = 5
CONNECT_S: Final = 1.0
CLOSE_S: Final = 1.0
WARM_UP_MS: Final = 500
MAX_ANSWER_BYTES: Final = 256 * 1024
_BYTES_PER_MS: Final = SAMPLE_RATE_HZ * SAMPLE_BYTES // 1000
_N_BEST: Final = frozenset((Expect.SECRET, Expect.NAME, Expect.DIGITS))


class VoskServerEngine:
    """Vosk servers of one or more languages. See `ivrbot.ports.AsrEngine`.

    Args:
        addresses: `ws://` or `wss://` address of each language's server.
        deadline_ms: for one decode.
    """

    def __init__(self, addresses: Mapping[Language, str], *, deadline_ms: int = 6000) -> None:
        self._addresses = dict(addresses)
        self._deadline_s = deadline_ms / 1000.0
        self._session: aiohttp.ClientSession | None = None
        self.load = Load()

    @property
    def name(self) -> str:
        """Name for events and metrics."""
        return NAME

    @property
    def deadline_s(self) -> float:
        """Of one decode."""
        return self._deadline_s

    async def start(self) -> None:
        """Ask every server once.

        Raises:
            EngineUnavailable: one does not answer.
        """
        self._session = aiohttp.ClientSession()
        try:
            for language in self._addresses:
                stream = self.open(language, Expect.OPEN, lambda _: None)
                stream.feed(silence(WARM_UP_MS))
                await stream.decode()
                stream.close()
        except BaseException:
            await self.close()
            raise

    def open(self, language: Language, expect: Expect, on_partial: Callable[[Partial], None]) -> VoskServerStream:
        """Begin an utterance.

        Raises:
            EngineUnavailable: no server for that language, or the engine is closed.
        """
        if self._session is None or language not in self._addresses:
            raise EngineUnavailable(f"no Vosk server for {language}")
        return VoskServerStream(self, language, expect, on_partial)

    async def connect(self, language: Language, expect: Expect) -> aiohttp.ClientWebSocketResponse:
        """A connection that knows what is coming.

        Raises:
            EngineUnavailable: the server does not take it.
        """
        if self._session is None:
            raise EngineUnavailable("the engine is closed")
        address = self._addresses[language]
        try:
            async with asyncio.timeout(CONNECT_S):
                ws = await self._session.ws_connect(address, max_msg_size=MAX_ANSWER_BYTES, compress=0)
                await ws.send_str(json.dumps({"config": _config(expect)}))
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise EngineUnavailable(f"the Vosk server at {address} does not answer: {error}") from error
        return ws

    async def close(self) -> None:
        """End all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _config(expect: Expect) -> dict[str, object]:
    wanted: dict[str, object] = {"sample_rate": SAMPLE_RATE_HZ, "words": True}
    return wanted | ({"max_alternatives": ALTERNATIVES} if expect in _N_BEST else {})


class VoskServerStream:
    """One utterance. See `ivrbot.ports.AsrStream`; belongs to the event loop."""

    def __init__(
        self,
        engine: VoskServerEngine,
        language: Language,
        expect: Expect,
        on_partial: Callable[[Partial], None],
    ) -> None:
        self._engine = engine
        self._language = language
        self._expect = expect
        self._on_partial = on_partial
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._stretch = bytearray()
        self._sent_bytes = 0
        self._heard_bytes = 0
        self._finished: list[Hypothesis] = []
        self._said: list[str] = []
        self._partial = self._told = ""
        self._readings: tuple[Hypothesis, ...] = ()
        self._transcript: Transcript | None = None
        self._pump_task: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[object] | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    def feed(self, pcm: Pcm) -> None:
        """Add sound; of a stretch longer than 10 s that no server has taken, the oldest is dropped and counted."""
        if self._closed:
            return
        self._stretch += pcm
        self._heard_bytes += len(pcm)
        self._transcript = None
        excess = len(self._stretch) - self._sent_bytes - BACKLOG_MS * _BYTES_PER_MS
        if excess > 0:
            del self._stretch[self._sent_bytes : self._sent_bytes + excess]
            self._engine.load.dropped_ms += excess // _BYTES_PER_MS
        if self._waiting_bytes >= CHUNK_MS * _BYTES_PER_MS and (self._pump_task is None or self._pump_task.done()):
            self._pump_task = asyncio.get_running_loop().create_task(self._pump())

    @property
    def _waiting_bytes(self) -> int:
        return len(self._stretch) - self._sent_bytes

    async def decode(self) -> Transcript:
        """Reading of everything so far; asked again without new sound it answers from memory.

        Raises:
            EngineTimeout: deadline passed.
            EngineUnavailable: closed, or the server does not answer.
            EngineBadOutput: the server's answer makes no sense.
        """
        async with self._turn:
            if self._closed:
                raise EngineUnavailable("the utterance is closed")
            if self._transcript is not None:
                return self._transcript
            try:
                async with asyncio.timeout(self._engine.deadline_s):
                    transcript = await self._finish()
            except TimeoutError as error:
                self._engine.load.timeouts += 1
                self._forget()
                raise EngineTimeout("the Vosk server is too slow") from error
            except BaseException:
                self._forget()
                raise
            if not self._stretch:  # else more came meanwhile
                self._transcript = transcript
            return transcript

    def close(self) -> None:
        """End the connection. Idempotent."""
        self._closed = True
        if self._pump_task is not None:
            self._pump_task.cancel()
        self._forget()
        self._stretch.clear()

    async def _pump(self) -> None:
        """Send whole chunks as long as there are any."""
        while self._waiting_bytes >= CHUNK_MS * _BYTES_PER_MS and not self._closed:
            async with self._turn:
                t_ms = self._heard_bytes // _BYTES_PER_MS
                try:
                    async with asyncio.timeout(self._engine.deadline_s):
                        await self._send_waiting()
                except (EngineError, TimeoutError):
                    self._forget()  # `decode` sends everything again, and says what it meets
                    return
                except BaseException:
                    self._forget()
                    raise
            text = join_words([*(one.text for one in self._finished), *self._said, self._partial])
            if text and not self._closed:
                self._tell(t_ms, text)

    def _tell(self, t_ms: int, text: str) -> None:
        if text != self._told:
            self._told = text
            self._on_partial(Partial(t_ms, text))

    async def _finish(self) -> Transcript:
        if self._stretch:
            try:
                last = await self._last_answer()
            except EngineUnavailable:
                self._forget()  # everything once more, on a new connection
                last = await self._last_answer()
            self._keep(last)
        return Transcript(self._readings, NAME, (self._heard_bytes - len(self._stretch)) // _BYTES_PER_MS)

    async def _last_answer(self) -> dict[str, Any]:
        await self._send_waiting()
        return await self._ask(json.dumps({"eof": 1}))

    def _keep(self, last: dict[str, Any]) -> None:
        """Take the last answer of a stretch: its readings, each behind what came before.

        What was not sent, for it came while the server read, begins the next stretch.
        """
        answered = hypotheses_of(json.dumps(last))
        before = [*self._finished, *(Hypothesis(text) for text in self._said)]
        if answered:
            self._readings = tuple(joined((*before, one)) for one in answered)
        else:
            self._readings = (joined(before),) if before else ()
        self._finished = list(before) + list(answered[:1])
        self._said, self._partial = [], ""
        del self._stretch[: self._sent_bytes]
        self._forget()

    async def _send_waiting(self) -> None:
        """Send what waits and take the answer to it; a server that has found a pause answers with a result."""
        pcm = bytes(self._stretch[self._sent_bytes :])
        if not pcm:
            return
        # What is on its way waits no longer: `feed` must not drop it.
        self._sent_bytes += len(pcm)
        answer = await self._ask(pcm)
        if "partial" in answer:
            self._partial = spoken(str(answer["partial"]))
        elif found := hypotheses_of(json.dumps(answer)):
            self._said.append(found[0].text)
            self._partial = ""

    async def _ask(self, message: str | bytes) -> dict[str, Any]:
        if self._ws is None:
            self._ws = await self._engine.connect(self._language, self._expect)
        try:
            if isinstance(message, str):
                await self._ws.send_str(message)
            else:
                await self._ws.send_bytes(message)
            text = await self._ws.receive_str()
        except (aiohttp.ClientError, OSError, TypeError) as error:  # TypeError: it has closed instead of answering
            raise EngineUnavailable(f"the Vosk server has gone: {error}") from error
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise EngineBadOutput("the Vosk server's answer is not JSON") from error
        if not isinstance(answer, dict):
            raise EngineBadOutput("the Vosk server's answer is no object")
        return answer

    def _forget(self) -> None:
        """Give the connection up; what was sent on it counts as not sent."""
        ws, self._ws = self._ws, None
        self._sent_bytes = 0
        if self._stretch:
            self._said, self._partial = [], ""
        if ws is not None:
            self._closing = asyncio.get_running_loop().create_task(_close(ws))


async def _close(ws: aiohttp.ClientWebSocketResponse) -> object:
    try:
        async with asyncio.timeout(CLOSE_S):
            return await ws.close()
    except (TimeoutError, aiohttp.ClientError, OSError):
        return None
