"""`ivrbot import recordings`: what was said in operators' talks, read from recordings after the calls."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from ivrbot import app
from ivrbot.analytics.talks import Heard, masked_talk
from ivrbot.asr.choose import choose_engine
from ivrbot.asr.transcribe import pieces, read_utterance
from ivrbot.cli.console import json_option, print_json, quiet_settings, run_async
from ivrbot.media.level import speech_stretches
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ, Pcm
from ivrbot.model.call import CallId
from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.speech import LANGUAGES, Expect, Language
from ivrbot.ports import AsrEngine
from ivrbot.storage.store import Store

DEADLINE_MS: Final = 120_000
"""Nobody waits on a line for a recording, so a slow machine is no reason to give up."""
JOIN_MS: Final = 700
EDGE_SAMPLES: Final = SAMPLE_RATE_HZ // 5
SIDES: Final = ("caller", "operator")

_FILE: Final = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(caller|operator)\.wav")


@dataclass(slots=True)
class _Counts:
    read: int = 0
    new: int = 0
    duplicate: int = 0


@click.command("recordings")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@json_option
@run_async
async def recordings(folder: Path, as_json: bool) -> None:
    """Transcribe operators' talks (UUID-caller.wav, UUID-operator.wav) of callers who consented, masked."""
    settings, names = quiet_settings(), calls_in(folder)
    chosen = settings.asr.model_copy(update={"deadline_ms": DEADLINE_MS})
    recogniser = choose_engine(chosen, settings.models_dir, LANGUAGES)
    counts, rejected = _Counts(), list[tuple[str, str]]()
    async with app.store_of(settings, app.MAIN_DATABASE) as store:
        await recogniser.start()
        try:
            for call_id in names:
                counts.read += 1
                events = await store.of_call(CallId(call_id))
                if why := refusal(events):
                    rejected.append((call_id, why))
                elif any(event.type is EventType.OPERATOR_SAID for event in events):
                    counts.duplicate += 1
                else:
                    await _take(store, folder, events, recogniser.engines)
                    counts.new += 1
        finally:
            await recogniser.close()
    _show(counts, rejected, as_json)


def calls_in(folder: Path) -> list[str]:
    """Ids of the calls of which a folder holds recordings."""
    return sorted({match[1] for file in folder.iterdir() if (match := _FILE.fullmatch(file.name))})


def refusal(events: Sequence[CallEvent]) -> str:
    """Why a recording may not be read; "" when it may.

    Args:
        events: of its call.
    """
    if not events:
        return "there is no such call"
    if not any(event.type is EventType.RECORDING_STARTED for event in events):
        return "the caller was not told that the call is recorded: delete the recording"
    return ""


async def _take(
    store: Store, folder: Path, events: Sequence[CallEvent], engines: Mapping[Language, AsrEngine]
) -> None:
    """Read both sides of one talk and append their words to the call."""
    call_id, language = events[0].call_id, _language(events)
    said: list[Heard] = []
    for side in SIDES:
        file = folder / f"{call_id}-{side}.wav"
        if file.is_file():
            said += await hear(engines[language], read_wav(file), side, language)
    lines = masked_talk(said, language, events[-1].at.date())
    first, at = events[-1].seq + 1, app.utc_now()
    await store.append(
        [
            CallEvent(
                call_id,
                first + number,
                EventType.OPERATOR_SAID,
                0,
                at,
                {"text": line.text, "by": line.by, "at_ms": line.at_ms},
            )
            for number, line in enumerate(lines)
        ]
    )


async def hear(engine: AsrEngine, pcm: Pcm, side: str, language: Language) -> list[Heard]:
    """One side of a talk, stretch by stretch.

    Args:
        engine: started.
        pcm: that side's sound alone.
        side: "operator" or "caller".
        language: spoken.
    """
    said = []
    for stretch in speech_stretches(pcm, join_ms=JOIN_MS):
        start, end = max(0, stretch.start_sample - EDGE_SAMPLES), stretch.end_sample + EDGE_SAMPLES
        sound = Pcm(pcm[SAMPLE_BYTES * start : SAMPLE_BYTES * end])
        texts = [(await read_utterance(engine, piece, language, Expect.OPEN)).text for piece in pieces(sound)]
        said.append(Heard(side, round(stretch.start_ms), " ".join(text for text in texts if text)))
    return said


def _language(events: Sequence[CallEvent]) -> Language:
    told = next((event.data.get("language") for event in events if event.type is EventType.CALL_STARTED), None)
    return "en" if told == "en" else "ru"


def _show(counts: _Counts, rejected: Sequence[tuple[str, str]], as_json: bool) -> None:
    if as_json:
        rows = [{"call_id": call_id, "why": why} for call_id, why in rejected]
        print_json({"read": counts.read, "new": counts.new, "duplicate": counts.duplicate, "rejected": rows})
        return
    for call_id, why in rejected:
        click.echo(f"{call_id}: {why}", err=True)
    click.echo(
        f"{counts.read} talks: {counts.new} new, {counts.duplicate} known already, {len(rejected)} rejected"
    )
