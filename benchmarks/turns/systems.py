"""The systems under measurement and how a caller gets to them; every process is ended when its block is left."""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from benchmarks.turns.callers import Guide, Person, ProductGuide, ScriptGuide
from benchmarks.turns.lines import Line, RtpLine, by_audiosocket
from benchmarks.turns.peers.build import build
from ivrbot.config import PROJECT_ROOT, load_settings
from ivrbot.model.call import CallId
from ivrbot.model.speech import Language
from ivrbot.telephony.pacer import Pacer
from tests.integration.asterisk.install import install
from tests.integration.asterisk.product import Product
from tests.integration.asterisk.server import clean_environment
from tests.integration.asterisk.sip import PATIENCE_S, Caller
from tests.integration.asterisk.stage import Story, running
from tests.integration.asterisk.wait import until

CALLED: Final[dict[Language, str]] = {"ru": "84950000000", "en": "84950000001"}
"""The dialled number chooses the language."""
TAKEN_S: Final = 10.0
"""A call that the bot does not know so long after the answer is with an operator."""

Dial = Callable[[int, Person], AbstractAsyncContextManager[tuple[Line, Guide]]]
"""Places a call: gives the line, answered, and what knows the questions."""


def _product(folder: Path) -> Product:
    settings: dict[str, Any] = {f"CALL__LANGUAGE_BY_CALLED__{CALLED['en']}": "en", "CALL__ASK_SCORE": "false"}
    settings |= {"CAPACITY__EASE": "true", "CAPACITY__ADMIT": "measured"}  # as it is shipped
    return Product(folder / "data", **settings)


class CallRefusedError(RuntimeError):
    """The product sends this caller to an operator at once, for lack of room: he may ring again."""


@asynccontextmanager
async def ivrbot_by_asterisk(folder: Path) -> AsyncIterator[Dial]:
    """The product behind a real Asterisk; callers come over SIP and RTP."""
    installation = await asyncio.to_thread(install)
    dialling: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
    async with running(installation, folder, _product(folder)) as stage:

        @asynccontextmanager
        async def dial(call: int, person: Person) -> AsyncIterator[tuple[Line, Guide]]:
            del call
            called = CALLED[person.language]
            caller = Caller(stage.installation, stage.server.site.sip_port, number=person.number, called=called)
            # a call is known by its number, so of one number only one is dialled at a time
            await dialling[person.number].acquire()
            try:
                known = stage.calls_of(person.number)
                await caller.__aenter__()
            except BaseException:
                dialling[person.number].release()
                raise
            try:
                try:
                    await caller.answered(PATIENCE_S)
                    line = RtpLine(caller)
                    try:
                        await until(lambda: bool(stage.calls_of(person.number) - known), TAKEN_S)
                    except TimeoutError:
                        raise CallRefusedError("with an operator, as the dialplan says") from None
                    (call_id,) = stage.calls_of(person.number) - known
                finally:
                    dialling[person.number].release()
                async with _followed(stage.web, call_id) as story:
                    yield line, _guide(person, story)
            finally:
                await caller.__aexit__(None, None, None)

        yield dial


@asynccontextmanager
async def ivrbot_by_audiosocket(folder: Path) -> AsyncIterator[Dial]:
    """The product; callers come over AudioSocket as a PBX does."""
    pacer = Pacer()
    async with _product(folder) as product:
        headers = {"Authorization": f"Bearer {product.token}", "Accept": "application/json"}
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(product.api, headers=headers, timeout=timeout) as web:

            @asynccontextmanager
            async def dial(call: int, person: Person) -> AsyncIterator[tuple[Line, Guide]]:
                del call
                call_id = CallId(str(uuid.uuid4()))
                form = {"uuid": call_id, "caller": person.number, "called": CALLED[person.language]}
                form |= {"channel": "", "uniqueid": "", "linkedid": ""}
                async with web.post("/api/v1/calls", json=form) as response:
                    answer = await response.json()
                    if answer.get("status") != "ok":
                        raise CallRefusedError(f"not taken: {answer}")
                async with (
                    by_audiosocket(product.media_port, call_id, pacer) as line,
                    _followed(web, call_id) as story,
                ):
                    yield line, _guide(person, story)

            yield dial


def _guide(person: Person, story: Story) -> Guide:
    return ProductGuide(person, story.until, story.events)


@asynccontextmanager
async def _followed(web: aiohttp.ClientSession, call_id: str) -> AsyncIterator[Story]:
    story = Story()

    async def follow() -> None:
        async with web.get(f"/api/v1/calls/{call_id}/events") as response:
            await story.read(response)

    reader = asyncio.create_task(follow())
    try:
        yield story
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


PEERS: Final = {
    "pipecat": ("pipecat_bot", "Pipecat"),
    "livekit": ("livekit_bot", "LiveKit Agents"),
}
"""Module below `benchmarks.turns.peers` and name of each peer."""
PEER_KINDS: Final = ("recommended", "fastest")
PEER_READY_S: Final = 300.0


@asynccontextmanager
async def peer(module: str, kind: str, log_path: Path, folder: Path) -> AsyncIterator[Dial]:
    """A peer's bot in its own environment; callers come over AudioSocket.

    Args:
        module: its program.
        kind: its settings, "recommended" or "fastest".
        log_path: file that gets what it says, and what it understood.
        folder: not needed, for peers keep nothing.
    """
    del folder
    python = await asyncio.to_thread(build)
    pacer = Pacer()
    models = load_settings(PROJECT_ROOT).models_dir
    command = [str(python), "-m", f"benchmarks.turns.peers.{module}", kind, str(models)]
    environment = clean_environment() | {"PYTHONPATH": str(PROJECT_ROOT), "HF_HUB_OFFLINE": "1"}
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=environment,
            cwd=PROJECT_ROOT,
        )
    try:
        port = await _port(process, log_path)

        @asynccontextmanager
        async def dial(call: int, person: Person) -> AsyncIterator[tuple[Line, Guide]]:
            del call
            last_bit = int(person.language == "en")
            call_id = CallId(str(uuid.UUID(int=uuid.uuid4().int >> 1 << 1 | last_bit)))
            async with by_audiosocket(port, call_id, pacer) as line:
                yield line, ScriptGuide(person)

        yield dial
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _port(process: asyncio.subprocess.Process, log_path: Path) -> int:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PEER_READY_S):
            while line := await process.stdout.readline():
                if line.startswith(b"port "):
                    return int(line.split()[1])
    except TimeoutError:
        raise RuntimeError(f"not ready within {PEER_READY_S:.0f} s") from None
    raise RuntimeError(f"ended with {await process.wait()}, see {log_path}")
