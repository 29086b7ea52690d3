"""`ivrbot voiceprint enrol / verify / erase / show / rewrap`: one customer's voice, without a call.

For the bank's own procedures (a branch that records consent on paper) and for tests. Each use is noted in the
activity log; no command prints or writes a vector.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from ivrbot import app, upkeep
from ivrbot.cli.console import FAILED, fail, json_option, print_json, quiet_settings, run_async
from ivrbot.cli.rollout_parts import who_asks
from ivrbot.config import Settings
from ivrbot.errors import EngineBadOutput
from ivrbot.identity.voices import ENROL_CALLS, compare, doubt_about, enrolled
from ivrbot.language.masking import mask_typed
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import Pcm
from ivrbot.model.events import JsonValue
from ivrbot.model.voiceprint import VoiceComparison, VoiceDoubt, VoiceSample, VoiceTemplate, VoiceVerdict
from ivrbot.ports import VoiceprintEngine
from ivrbot.storage.activity import ActivityLog
from ivrbot.storage.sealing import load_master_key
from ivrbot.storage.store import Store
from ivrbot.storage.voiceprints import VoiceprintBook, VoiceprintCounts, counted, forget, withdraw

KIND = "voiceprint"
MODEL_SHOWN = 12

customer_option = click.option("--customer", "customer_id", required=True, help="The bank's name of him.")
why_option = click.option(
    "--why",
    required=True,
    callback=lambda _context, _option, text: mask_typed(text),
    help="Reason (his request, its date), kept in the activity log.",
)


@dataclass(frozen=True, slots=True)
class _Desk:
    """What the commands need."""

    settings: Settings
    store: Store

    @property
    def book(self) -> VoiceprintBook:
        return upkeep.voiceprint_book(self.settings, self.store)

    async def note(self, action: str, customer_id: str, **detail: JsonValue) -> None:
        ref = upkeep.customer_ref(self.settings, customer_id) if customer_id else ""
        await ActivityLog(self.store, app.utc_now).note(who_asks(), action, KIND, ref, detail=detail)


@asynccontextmanager
async def _desk() -> AsyncIterator[_Desk]:
    settings = quiet_settings()
    async with app.store_of(settings) as store:
        yield _Desk(settings, store)


@asynccontextmanager
async def _engine(settings: Settings) -> AsyncIterator[VoiceprintEngine]:
    engine = upkeep.voiceprint_engine(settings)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


# --- enrol ------------------------------------------------------------------------------------------------


@click.command()
@customer_option
@click.option("--consent-ref", "reference", default="", help="The paper on which he has agreed; kept.")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@run_async
async def enrol(customer_id: str, reference: str, files: tuple[Path, ...], as_json: bool) -> None:
    """Keep the voice of FILES, one a call, in a customer's voiceprint; it takes three."""
    async with _desk() as desk, _engine(desk.settings) as engine:
        book = desk.book
        if reference:
            await book.record_consent(customer_id, True, app.utc_now(), reference=mask_typed(reference))
        elif await book.consent(customer_id) is not True:
            fail(FAILED, "the customer has not agreed; --consent-ref names the paper on which he does")
        heard = [await _heard(engine, desk.settings, file) for file in files]
        for one in heard:
            if one.sample is not None and one.doubt is None:
                await book.add_sample(customer_id, one.call_id, one.sample, app.utc_now())
        template = await _finished(desk, book, customer_id)
        kept = sum(one.doubt is None for one in heard)
        await desk.note("enrol", customer_id, files=len(files), kept=kept, done=template is not None)
        waiting = len(await book.samples(customer_id))
    rows = [one.row() for one in heard]
    if as_json:
        print_json({"files": rows, "kept": kept, "done": template is not None, "waiting": waiting})
    else:
        for row in rows:
            click.echo(f"{row['file']}: {row['doubt'] or 'kept'}, {row['speech_ms']} ms of speech")
        click.echo("enrolled" if template else f"{waiting} of {ENROL_CALLS} calls")
    if kept < len(files):
        raise SystemExit(FAILED)


@dataclass(frozen=True, slots=True)
class _Heard:
    """A file and what it is good for."""

    file: Path
    call_id: str
    sample: VoiceSample | None
    doubt: VoiceDoubt | None

    def row(self) -> dict[str, object]:
        speech_ms = self.sample.speech_ms if self.sample else 0
        snr_db = round(self.sample.snr_db, 1) if self.sample else None
        return {
            "file": str(self.file),
            "speech_ms": speech_ms,
            "snr_db": snr_db,
            "doubt": self.doubt.value if self.doubt else "",
        }


async def _heard(engine: VoiceprintEngine, settings: Settings, file: Path) -> _Heard:
    pcm: Pcm = await asyncio.to_thread(read_wav, file)
    call_id = f"file:{hashlib.sha256(pcm).hexdigest()[:32]}"  # the same sound twice is one call
    try:
        sample = await engine.sample(pcm)
    except EngineBadOutput:
        return _Heard(file, call_id, None, VoiceDoubt.TOO_LITTLE_SPEECH)
    return _Heard(file, call_id, sample, doubt_about(sample, upkeep.voice_thresholds(settings)))


async def _finished(desk: _Desk, book: VoiceprintBook, customer_id: str) -> VoiceTemplate | None:
    samples = await book.samples(customer_id)
    template = enrolled(customer_id, samples, upkeep.voice_thresholds(desk.settings), app.utc_now())
    if template is not None:
        await book.save(template)
    return template


# --- verify -----------------------------------------------------------------------------------------------


@click.command()
@customer_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@run_async
async def verify(customer_id: str, file: Path, as_json: bool) -> None:
    """Compare the voice of FILE with a customer's; exit code 1 unless it is accepted."""
    async with _desk() as desk, _engine(desk.settings) as engine:
        heard = await _heard(engine, desk.settings, file)
        template = await desk.book.template(customer_id)
        if heard.sample is None:
            done = VoiceComparison(VoiceVerdict.INDETERMINATE, doubt=heard.doubt)
        else:
            done = compare(heard.sample, template, upkeep.voice_thresholds(desk.settings))
        told: dict[str, JsonValue] = {
            "verdict": done.verdict.value,
            "score": None if done.score is None else round(done.score, 2),
            "doubt": done.doubt.value if done.doubt else "",
            "model": engine.model[:MODEL_SHOWN],
        }
        await desk.note("verify", customer_id, **told)
    if as_json:
        print_json(told)
    else:
        score = "" if told["score"] is None else f", score {told['score']}"
        click.echo(f"{told['verdict']}{score}{', ' if told['doubt'] else ''}{told['doubt']}")
    if done.verdict is not VoiceVerdict.ACCEPT:
        raise SystemExit(FAILED)


# --- erase ------------------------------------------------------------------------------------------------


@click.command()
@customer_option
@why_option
@click.option(
    "--forget", "wholly", is_flag=True, help="His words too: he is then asked again after a call with a code."
)
@json_option
@run_async
async def erase(customer_id: str, why: str, wholly: bool, as_json: bool) -> None:
    """Destroy the key of a customer's voice, and keep that he has withdrawn, so that he is not asked again."""
    async with _desk() as desk:
        if wholly:
            had = await forget(desk.store, customer_id)
        else:
            had = await withdraw(desk.store, customer_id, app.utc_now(), reference=why)
        await desk.note("erase", customer_id, why=why, had=had, forget=wholly)
        is_file_clean = await desk.store.clean()
    if as_json:
        print_json({"erased": had, "is_file_clean": is_file_clean})
        return
    click.echo("erased" if had else "there was nothing of his voice")
    if not is_file_clean:
        click.echo("Somebody was reading: run the command again, to empty the write-ahead log.", err=True)


# --- show -------------------------------------------------------------------------------------------------


@click.command()
@click.option("--customer", "customer_id", default="", help="Where one customer stands.")
@json_option
@run_async
async def show(customer_id: str, as_json: bool) -> None:
    """Tell how many customers are enrolled, and by which model; never a vector."""
    async with _desk() as desk:
        told = await _customer(desk, customer_id) if customer_id else _told(await desk.store.read(counted))
        await desk.note("view", customer_id)
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
        click.echo(f"{name:12} {_shown(value)}")


def _shown(value: object) -> str:
    """A value for people: counts by a hash as "2 (a1b2...)"."""
    if isinstance(value, dict):
        return ", ".join(f"{count} ({code[:MODEL_SHOWN]})" for code, count in value.items()) or "0"
    return "never asked" if value is None else str(value)


def _told(counts: VoiceprintCounts) -> dict[str, object]:
    told: dict[str, object] = asdict(counts)
    return told


async def _customer(desk: _Desk, customer_id: str) -> dict[str, object]:
    book = desk.book
    template = await book.template(customer_id)
    told: dict[str, object] = {"consent": await book.consent(customer_id), "enrolled": template is not None}
    if template is not None:
        told |= {
            "model": template.model[:MODEL_SHOWN],
            "calls": template.calls,
            "speech_ms": template.speech_ms,
            "updated_at": template.updated_at.isoformat(),
        }
    return told | {"waiting": len(await book.samples(customer_id))}


# --- another master key -----------------------------------------------------------------------------------


@click.command()
@click.option(
    "--old-key-file",
    "file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The master key of before; the settings name the new one.",
)
@json_option
@run_async
async def rewrap(file: Path, as_json: bool) -> None:
    """Wrap all customers' keys with the master key of the settings; all or none."""
    async with _desk() as desk:
        done = await desk.book.rewrap(load_master_key(file, {}))
        await desk.note("rewrap", "", keys=done)
    if as_json:
        print_json({"keys": done})
    else:
        click.echo(f"{done} keys are wrapped with the new master key; destroy the old one")
