"""Everything that a call needs, running: the product, an operator's telephone, Asterisk. And calls on it.

A `Call` is one caller's telephone together with what the product tells over its API while the call runs.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from ivrbot.media.level import SPEECH_DBFS, rms_dbfs, speech_stretches
from ivrbot.media.wav import read_wav, write_wav
from ivrbot.model.audio import FRAME_BYTES, FRAME_MS
from tests.caller_speech import CallerVoice, caller_sound
from tests.integration.asterisk.install import Installation
from tests.integration.asterisk.product import Product
from tests.integration.asterisk.rtp import Phone
from tests.integration.asterisk.server import AsteriskServer
from tests.integration.asterisk.sip import PATIENCE_S, Caller, OperatorPhone, SipMessage
from tests.integration.asterisk.wait import until

SOKOLOVA, ORLOV, KIM = "+79161234567", "+79031112233", "+79265550011"
"""The demo bank's customers."""
QUIET_MS = 700
ASK_S = 60.0
HELD_UP_S = 0.3
"""A telephone whose packets are later than this is worth a word where a call fails."""
API_WAIT_S = 20
"""Patience with the bot: a long prompt and a busy machine."""
ASR_WAIT_MS = 30_000
"""Likewise with the recogniser: at the deadline a turn is lost, which is right, but not what a call is about."""

STORAGE_REASONS = frozenset({"storage_unavailable", "storage_failure", "storage_journal"})

Event = Mapping[str, Any]


class Story:
    """The events of one call, followed over the API from its beginning."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def of(self, type_: str) -> list[Event]:
        """Events of a kind so far."""
        return [event for event in self.events if event["type"] == type_]

    async def until(self, wanted: Callable[[Event], bool], timeout_s: float = ASK_S, after_seq: int = -1) -> Event:
        """The first fitting event behind a number, waiting for it.

        Raises:
            TimeoutError: it did not come; carries those that did.
        """

        def found() -> Event | None:
            return next((event for event in self.events if event["seq"] > after_seq and wanted(event)), None)

        try:
            await until(lambda: found() is not None, timeout_s)
        except TimeoutError:
            raise TimeoutError(f"not within {timeout_s} s; so far:\n{self}") from None
        event = found()
        assert event is not None
        return event

    async def ended(self, timeout_s: float = ASK_S) -> Event:
        """The event that closes the call."""
        return await self.until(lambda event: event["type"] == "call_ended", timeout_s)

    async def read(self, response: aiohttp.ClientResponse) -> None:
        """Take events off a stream until the call is over."""
        async for raw in response.content:
            line = raw.decode().strip()
            if line.startswith("data:"):
                self.events.append(json.loads(line.removeprefix("data:")))
                if self.events[-1]["type"] == "call_ended":
                    return

    def __str__(self) -> str:
        hidden = {"seq", "call_id", "at", "type", "t_ms"}
        return "\n".join(
            f"{event['t_ms']:>6} {event['type']} { {k: v for k, v in event.items() if k not in hidden} }"
            for event in self.events
        )


@dataclass(slots=True)
class Call:
    """One call.

    Attributes:
        call_id: the product's.
        answered_s: moment of the answer, loop's clock.
        spoke_s: when the caller last finished, loop's clock: the end of his voice, not of the file.
    """

    caller: Caller
    story: Story
    call_id: str
    answered_s: float
    spoke_s: float
    _seq: int = field(default=-1)

    @property
    def phone(self) -> Phone:
        """The caller's sound."""
        return self.caller.phone

    async def asked(self, response: str, timeout_s: float = ASK_S) -> Event:
        """Wait until the bot has said a response, and has finished speaking."""
        event = await self.story.until(
            lambda event: event["type"] == "bot_said" and event["response"] == response, timeout_s, self._seq
        )
        self._seq = event["seq"]
        await asyncio.sleep(0.3)
        await self.phone.listen(self.spoke_s, quiet_ms=QUIET_MS, timeout_s=timeout_s)
        return event

    async def say(self, text: str, voice: CallerVoice = "anna") -> None:
        """Say something, whoever else speaks."""
        pcm = await caller_sound(text, voice)
        frames = [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES)]
        voiced = [number for number, frame in enumerate(frames) if rms_dbfs(frame) >= SPEECH_DBFS]
        trailing_s = (len(frames) - 1 - voiced[-1]) * FRAME_MS / 1000
        self.phone.say(pcm)
        self.spoke_s = await self.phone.said() + FRAME_MS / 1000 - trailing_s

    async def press(self, keys: str) -> None:
        """Press keys."""
        self.phone.press(keys)
        self.spoke_s = await self.phone.said()

    def since_answer_s(self, event: Event) -> float:
        """When an event happened, seconds after the telephone was answered, by the product's clock."""
        return float(event["t_ms"]) / 1000


@dataclass(frozen=True, slots=True)
class Stage:
    """All processes of a bank's line, running."""

    installation: Installation
    product: Product
    operator: OperatorPhone
    server: AsteriskServer
    web: aiohttp.ClientSession

    def caller(self, number: str = SOKOLOVA) -> Caller:
        """A caller's telephone."""
        return Caller(self.installation, self.server.site.sip_port, number=number)

    @asynccontextmanager
    async def call(self, number: str = SOKOLOVA) -> AsyncIterator[Call]:
        """Place a call and follow its events; hangs up at the end."""
        known = self.calls_of(number)
        async with self.caller(number) as caller:
            answered_s = await caller.answered(PATIENCE_S)
            await until(lambda: bool(self.calls_of(number) - known), PATIENCE_S)
            (call_id,) = self.calls_of(number) - known
            story = Story()
            async with self.web.get(f"/api/v1/calls/{call_id}/events") as response:
                reader = asyncio.create_task(story.read(response))
                try:
                    yield Call(caller, story, call_id, answered_s, answered_s)
                finally:
                    if caller.phone.held_up_s > HELD_UP_S:
                        print(f"\nthis caller's telephone was held up for {caller.phone.held_up_s:.1f} s")
                    reader.cancel()
                    await asyncio.gather(reader, return_exceptions=True)

    async def ring_for(self, call: Call, timeout_s: float = PATIENCE_S) -> SipMessage:
        """Wait until the operator's telephone rings for a call; gives the INVITE."""

        def rings() -> list[SipMessage]:
            return [ring for ring in self.operator.rings() if ring.headers.get("x-bot-call-id") == call.call_id]

        try:
            await until(lambda: bool(rings()), timeout_s)
        except TimeoutError:
            raise TimeoutError(f"no operator's telephone rang; so far:\n{call.story}") from None
        return rings()[0]

    async def queue_of(self, call: Call) -> str:
        """The queue in which a call waited, by Asterisk's own log."""

        def rows() -> list[list[str]]:
            return [row for row in self.server.queue_log() if row[4] == "BOTCTX" and row[5] == call.call_id]

        await until(lambda: bool(rows()), PATIENCE_S)
        return rows()[0][2]

    async def outcome(self, call_id: str) -> str:
        """What the dialplan is told to do."""
        async with self.web.get(f"/api/v1/calls/{call_id}/outcome") as response:
            return await response.text() if response.status == 200 else ""

    async def dossier(self, dossier_id: str) -> dict[str, Any]:
        """What the operator may read."""
        async with self.web.get(f"/api/v1/dossiers/{dossier_id}") as response:
            assert response.status == 200, await response.text()
            dossier: dict[str, Any] = await response.json()
            return dossier

    async def cards(self, number: str) -> dict[str, dict[str, Any]]:
        """A customer's cards by their last four digits, as `ivrbot bank show` tells."""
        code, out, err = await self.product.command("bank", "show", "--caller", number, "--json")
        assert code == 0, err
        (customer,) = json.loads(out)
        return {card["last4"]: card for card in customer["cards"]}

    async def reset(self) -> None:
        """Put the demo bank back to its first state."""
        code, _, err = await self.product.command("bank", "reset")
        assert code == 0, err

    async def transcribe(self, wav: Path) -> str:
        """What the product's own recogniser reads in a recording, phrase by phrase as it hears callers."""
        pcm = read_wav(wav)
        files = []
        for number, stretch in enumerate(speech_stretches(pcm, join_ms=450)):
            start, end = max(0, stretch.start_sample - 1600), stretch.end_sample + 1600
            files.append(wav.with_name(f"{wav.stem}-{number}.wav"))
            write_wav(files[-1], pcm[2 * start : 2 * end])
        code, out, err = await self.product.command("asr", *map(str, files), "--engine", "whisper", "--json")
        assert code == 0, err
        return " ".join(str(json.loads(line)["text"]) for line in out.splitlines())

    async def metric(self, name: str) -> dict[str, float]:
        """Samples of a metric by their labels, as Prometheus would read them."""
        async with self.web.get("/metrics") as response:
            text = await response.text()
        found = re.findall(rf"^{name}(\{{.*\}})? (\S+)$", text, re.MULTILINE)
        return {labels: float(value) for labels, value in found}

    def calls_of(self, number: str) -> set[str]:
        """Ids of all calls from a number."""
        with closing(sqlite3.connect(self.product.data_dir / "ivrbot.sqlite")) as database:
            rows = database.execute("select call_id from calls where caller = ?", (number,)).fetchall()
        return {str(row[0]) for row in rows}


@asynccontextmanager
async def running(
    installation: Installation, folder: Path, product: Product | None = None
) -> AsyncIterator[Stage]:
    """Start everything; the product is patient and has the demonstration's plan unless another is given."""
    patient = product or Product(folder / "data", ASR__DEADLINE_MS=str(ASR_WAIT_MS))
    async with patient as bot, OperatorPhone(installation) as operator:
        site = bot.site(api_wait_s=API_WAIT_S, operator1=operator.port)
        headers = {"Authorization": f"Bearer {bot.token}", "Accept": "application/json"}
        timeout = aiohttp.ClientTimeout(total=None)
        async with (
            AsteriskServer(installation, site, keep_in=folder / "asterisk") as server,
            aiohttp.ClientSession(bot.api, headers=headers, timeout=timeout) as web,
        ):
            yield Stage(installation, bot, operator, server, web)


def is_cut_short(event: Event) -> bool:
    """Whether this tells of a disk that stood still: whoever it befell was sent to an operator, as is right."""
    return event.get("reason") in STORAGE_REASONS


def wall_clock_s(loop_s: float) -> float:
    """A moment of the running loop's clock as seconds since the epoch."""
    return time.time() - asyncio.get_running_loop().time() + loop_s
