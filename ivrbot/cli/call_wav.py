"""`ivrbot call --wav`: a call in sound through a running gateway, as a PBX would place it.

Each file is one turn, spoken when the bot has finished. Gaps are measured on the sound of both sides.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import click

from ivrbot.cli.console import FAILED, INVALID, fail, print_json
from ivrbot.config import Settings
from ivrbot.errors import MissingError
from ivrbot.media.gap import measure_gaps
from ivrbot.media.wav import read_wav, write_wav
from ivrbot.model.call import CallId
from ivrbot.model.speech import Language
from ivrbot.telephony.audiosocket_client import AudioSocketCall

QUIET_MS: Final = 700
"""The bot has finished when it was silent for so long after it had spoken."""
ANSWER_S: Final = 40.0
"""Longest wait for the bot to speak and to finish."""


@dataclass(slots=True)
class _Server:
    """A running server as seen from here."""

    api: str
    token: str
    events: list[dict[str, Any]] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}


async def wav_call(
    settings: Settings,
    wavs: tuple[Path, ...],
    caller: str,
    language: Language | None,
    address: str,
    api: str,
    record: Path | None,
    as_json: bool,
) -> None:
    """Place the call and report it."""
    turns = [read_wav(wav) for wav in wavs]
    host, port = _address(settings, address)
    server = _Server(api.rstrip("/") or f"http://{settings.web.host}:{settings.web.port}", _token(settings))
    call_id = CallId(str(uuid.uuid4()))
    phone = AudioSocketCall()
    spoken: list[tuple[int, int]] = []
    async with aiohttp.ClientSession(headers=server.headers) as session:
        await _register(session, server, call_id, caller, language)
        await phone.connect(host, port, call_id)
        follower = asyncio.create_task(_follow(session, server, call_id, as_json))
        try:
            await _converse(phone, turns, spoken)
            phone.hang_up()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await server.ended.wait()
        finally:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)
        dossier = await _dossier(session, server)
    if record is not None:
        write_wav(record, phone.said_track, phone.heard_track)
    _report(server, phone, spoken, len(turns), dossier, as_json)


def _address(settings: Settings, address: str) -> tuple[str, int]:
    if not address:
        return settings.media.host, settings.media.port
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        fail(INVALID, f"--to: {address!r} is not HOST:PORT")
    return host, int(port)


def _token(settings: Settings) -> str:
    path = settings.data_dir / "api.token"
    try:
        return path.read_text("ascii").strip()
    except OSError as error:
        fix = "Start the server in the same data folder (IVRBOT_DATA_DIR) first: make run."
        raise MissingError(f"no API token at {path}", fix) from error


async def _register(
    session: aiohttp.ClientSession, server: _Server, call_id: CallId, caller: str, language: Language | None
) -> None:
    body = {"uuid": call_id, "caller": caller, "called": "", "channel": "", "uniqueid": "", "linkedid": ""}
    if language is not None:
        body["language"] = language
    try:
        async with session.post(f"{server.api}/api/v1/calls", json=body) as response:
            answer = await response.json()
    except (aiohttp.ClientError, OSError, ValueError) as error:
        fix = "Start it (make run), or name its address with --api."
        raise MissingError(f"no ivrbot answers at {server.api}", fix) from error
    if answer.get("status") != "ok":
        fail(FAILED, f"the call was not taken: {json.dumps(answer, ensure_ascii=False)}")


async def _follow(session: aiohttp.ClientSession, server: _Server, call_id: CallId, as_json: bool) -> None:
    """Collect and print the call's events until it has ended."""
    timeout = aiohttp.ClientTimeout(total=None)
    async with session.get(f"{server.api}/api/v1/calls/{call_id}/events", timeout=timeout) as response:
        async for event in _sse(response):
            server.events.append(event)
            if as_json and event.get("type") != "call_ended":
                print_json(event)
            elif event.get("type") in {"bot_said", "caller_said"}:
                click.echo(f"{'bot' if event['type'] == 'bot_said' else 'caller'}: {event.get('text', '')}")
            if event.get("type") == "call_ended":
                break
    server.ended.set()


async def _sse(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for raw in response.content:
        line = raw.decode("utf-8").strip()
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


async def _converse(phone: AudioSocketCall, turns: list[Any], spoken: list[tuple[int, int]]) -> None:
    heard_from_ms = 0
    for pcm in turns:
        await phone.wait_answered(heard_from_ms, quiet_ms=QUIET_MS, deadline_s=ANSWER_S)
        if phone.cause:
            return
        began_ms = phone.elapsed_ms
        phone.send(pcm)
        await phone.wait_said()
        heard_from_ms = phone.elapsed_ms
        spoken.append((began_ms, heard_from_ms))
    await phone.wait_answered(heard_from_ms, quiet_ms=QUIET_MS, deadline_s=ANSWER_S)
    if not phone.cause:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await phone.wait_closed()


async def _dossier(session: aiohttp.ClientSession, server: _Server) -> dict[str, Any] | None:
    ended = server.events[-1] if server.events else {}
    if not ended.get("dossier"):
        return None
    async with session.get(f"{server.api}/api/v1/dossiers/{ended['dossier']}") as response:
        return await response.json() if response.status == 200 else None


def _report(
    server: _Server,
    phone: AudioSocketCall,
    spoken: list[tuple[int, int]],
    turns: int,
    dossier: dict[str, Any] | None,
    as_json: bool,
) -> None:
    gaps = measure_gaps(phone.said_track, phone.heard_track)
    texts = [e.get("text", "") for e in server.events if e.get("type") in {"caller_said", "no_match"}]
    for index, (began_ms, ended_ms) in enumerate(spoken):
        mine = [gap.gap_ms for gap in gaps if began_ms <= gap.caller_end_ms <= ended_ms + 50]
        row = {
            "type": "turn",
            "heard": texts[index] if index < len(texts) else "",
            "response_gap_ms": round(mine[-1]) if mine else None,
        }
        if as_json:
            print_json(row)
        else:
            click.echo(f"turn {index + 1}: response gap {row['response_gap_ms']} ms")
    ended = server.events[-1] if server.events and server.events[-1].get("type") == "call_ended" else None
    if ended is None:
        fail(FAILED, "the call's end was not reported by the server")
    if as_json:
        print_json({**ended, "dossier": dossier})
    else:
        target = f" -> {ended['escalated_to']}" if ended.get("escalated_to") else ""
        click.echo(f"-- {ended['disposition']} ({ended['reason']}){target}")
    if len(spoken) < turns:
        click.echo(f"the call was over before turn {len(spoken) + 1}", err=True)
