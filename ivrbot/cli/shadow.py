"""`ivrbot shadow`: what the bot would have done with calls that people answered."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from ivrbot import app, engines
from ivrbot.asr.choose import choose_engine
from ivrbot.asr.transcribe import read_utterance
from ivrbot.call.door import canonical_call_id
from ivrbot.call.opening import MAX_TURNS, Opening, hear_opening
from ivrbot.cli.console import INVALID, fail, json_option, language_option, print_json, quiet_settings, run_async
from ivrbot.config import Settings
from ivrbot.dialogue.engine import Dialogue
from ivrbot.dialogue.loader import load_flows
from ivrbot.dialogue.schema import Branches, FlowSet
from ivrbot.errors import ConfigError, EngineError, Problem
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import Pcm
from ivrbot.model.shadow import FRONT, ShadowCall
from ivrbot.model.speech import Language, Transcript
from ivrbot.ports import AsrEngine, NluEngine
from ivrbot.rollout.shadow import (
    BranchShadow,
    OperatorRow,
    branch_report,
    predict,
    read_dispositions,
    recording_name,
    shadow_report,
)
from ivrbot.storage.shadow import Added, ShadowBook

DEADLINE_MS: Final = 120_000
"""Nobody waits on a line for a recording, so a slow machine is no reason to give up."""
MAX_CSV_BYTES: Final = 64 * 1024 * 1024
CHANNELS: Final = {"left": 0, "right": 1, "both": None}

_REFUSED: Final = {
    Added.SAME_SOUND: "not stored: another call has the same recording",
    Added.OTHER_SOUND: "not stored: another recording of this call is stored already",
    Added.LIVE: "not stored: the call was predicted while it ran",
}


@dataclass(frozen=True, slots=True)
class Listener:
    """What hears openings."""

    asr: AsrEngine
    nlu: NluEngine
    flow_set: FlowSet
    language: Language
    channel: int | None
    first_s: int
    max_turns: int

    async def hear(self, file: Path) -> Opening:
        """What the bot would have understood of a recording.

        Raises:
            ConfigError: not a WAV file.
            EngineError: recogniser or understanding failed.
        """
        pcm = read_wav(file, channel=self.channel, first_s=self.first_s)
        dialogue = Dialogue(self.flow_set)
        return await hear_opening(pcm, self._read, self.nlu, dialogue, self.language, self.max_turns)

    async def _read(self, pcm: Pcm) -> Transcript:
        return await read_utterance(self.asr, pcm, self.language)


@dataclass(frozen=True, slots=True)
class Recording:
    """A file with its row."""

    file: Path
    call_id: str
    row: OperatorRow | None


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--dispositions",
    type=click.Path(path_type=Path),
    default=None,
    help="CSV: file or call_id, topic, outcome; kind (real, synthetic) if you like. Required with files.",
)
@language_option
@click.option(
    "--channel", type=click.Choice([*CHANNELS]), default="left", show_default=True, help="The caller's, of stereo."
)
@click.option(
    "--first-s",
    type=click.IntRange(5, 3600),
    default=60,
    show_default=True,
    help="Seconds from the beginning to listen to.",
)
@click.option(
    "--turns",
    type=click.IntRange(1, 50),
    default=MAX_TURNS,
    show_default=True,
    help="Utterances of the caller after which no topic is expected any more.",
)
@click.option("--synthetic", is_flag=True, help="Made for a test: labelled, and counted for nothing.")
@click.option("--store", is_flag=True, help="Keep the result, so that the controller counts it.")
@json_option
@run_async
async def shadow(
    files: tuple[Path, ...],
    dispositions: Path | None,
    lang: Language,
    channel: str,
    first_s: int,
    turns: int,
    synthetic: bool,
    store: bool,
    as_json: bool,
) -> None:
    """Say of recorded calls what the bot would have done, beside what their operators noted.

    Without FILES: what is stored so far, of recordings and of live calls.
    """
    settings = quiet_settings()
    flow_set = load_flows(settings.flows_dir)
    if not files:
        if dispositions or store:
            fail(INVALID, "Name the recordings, too.")
        await _show_stored(settings, flow_set.branches, as_json)
        return
    if dispositions is None:
        fail(INVALID, "--dispositions FILE.csv is required: what did the operators say of these calls?")
    recordings, lonely = _joined(files, dispositions, flow_set.branches)
    async with _listener(settings, flow_set, lang, CHANNELS[channel], first_s, turns) as listener:
        heard, failed = await _hear_all(listener, recordings, synthetic)
    kept = await _keep(settings, [call for _, call in heard]) if store else {}
    report = shadow_report((*flow_set.branches.branches, FRONT), [call for _, call in heard])
    notes = [
        *(f"{one.file}: no row in {dispositions}" for one in recordings if one.row is None),
        *(f"{dispositions}:{row.line}: no recording of {row.name}" for row in lonely),
        *failed,
        *(f"{call_id}: {_REFUSED[added]}" for call_id, added in kept.items() if added in _REFUSED),
    ]
    if as_json:
        calls = [_call_row(call, str(file), kept.get(call.call_id)) for file, call in heard]
        print_json({"calls": calls, "branches": [branch_row(row) for row in report], "notes": notes})
        return
    for note in notes:
        click.echo(note, err=True)
    for file, call in heard:
        click.echo(_call_line(file, call))
    _print(report)


# --- recordings and rows --------------------------------------------------------------------------------


def _joined(
    files: Sequence[Path], dispositions: Path, branches: Branches
) -> tuple[list[Recording], list[OperatorRow]]:
    """Recordings with their rows, and the rows without any.

    Raises:
        ConfigError: every problem of the CSV and of the names.
    """
    topics = [topic for branch in branches.branches.values() for topic in branch.topics]
    rows = {row.name: row for row in read_dispositions(_text(dispositions), str(dispositions), topics)}
    found: dict[str, Recording] = {}
    problems: list[Problem] = []
    for file in files:
        name = recording_name(str(file))
        if name in found:
            problems.append(Problem(str(file), None, "", "", f"has the same name as {found[name].file}"))
        if not file.is_file():
            problems.append(Problem(str(file), None, "", "", "is no file"))
        found[name] = Recording(file, canonical_call_id(name) or name, rows.get(name))
    if problems:
        raise ConfigError(problems)
    return list(found.values()), [row for name, row in rows.items() if name not in found]


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_CSV_BYTES:
            raise ConfigError([Problem(str(file), None, "", "", "too large", f"{MAX_CSV_BYTES} bytes")])
        return file.read_text("utf-8")
    except OSError as error:
        raise ConfigError([Problem(str(file), None, "", "", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(file), None, "", "", "is not UTF-8")]) from error


# --- listening ------------------------------------------------------------------------------------------


@asynccontextmanager
async def _listener(
    settings: Settings, flow_set: FlowSet, lang: Language, channel: int | None, first_s: int, turns: int
) -> AsyncIterator[Listener]:
    """Engines as `serve` uses them, without the deadlines of a live call."""
    chosen = settings.asr.model_copy(update={"deadline_ms": DEADLINE_MS})
    asr = choose_engine(chosen, settings.models_dir, (lang,))
    nlu = await engines.train_nlu(settings)
    try:
        await asr.start()
        try:
            yield Listener(asr, nlu, flow_set, lang, channel, first_s, turns)
        finally:
            await asr.close()
    finally:
        await nlu.close()


async def _hear_all(
    listener: Listener, recordings: Sequence[Recording], synthetic: bool
) -> tuple[list[tuple[Path, ShadowCall]], list[str]]:
    """Every recording in turn; one that cannot be heard is named and left out."""
    heard: list[tuple[Path, ShadowCall]] = []
    failed: list[str] = []
    sounds: dict[str, str] = {}
    for number, recording in enumerate(recordings, start=1):
        click.echo(f"{number}/{len(recordings)} {recording.file}", err=True)
        try:
            content_hash = hashlib.sha256(recording.file.read_bytes()).hexdigest()
            if content_hash in sounds:
                failed.append(f"{recording.file}: left out: the same recording as {sounds[content_hash]}")
                continue
            sounds[content_hash] = str(recording.file)
            opening = await listener.hear(recording.file)
        except ConfigError as error:
            failed += [str(problem) for problem in error.problems]
        except EngineError as error:
            failed.append(f"{recording.file}: {error.code}: {error}")
        else:
            heard.append((recording.file, _call(recording, opening, content_hash, synthetic, listener.flow_set)))
    return heard, failed


def _call(
    recording: Recording, opening: Opening, content_hash: str, synthetic: bool, flow_set: FlowSet
) -> ShadowCall:
    row, branches = recording.row, flow_set.branches
    prediction = predict(
        opening.topic,
        opening.confidence,
        asked=opening.asked_for_person,
        spoken=opening.turns > 0,
        branches=branches,
    )
    return ShadowCall(
        recording.call_id,
        "recording",
        content_hash,
        datetime.now(UTC),
        prediction,
        synthetic or bool(row and row.synthetic),
        row.topic if row else "",
        (branches.branch_of(row.topic) or "") if row else "",
        row.outcome if row else None,
    )


# --- what is stored -------------------------------------------------------------------------------------


@asynccontextmanager
async def _book(settings: Settings) -> AsyncIterator[ShadowBook]:
    async with app.store_of(settings) as store:
        yield ShadowBook(store)


async def _keep(settings: Settings, calls: Sequence[ShadowCall]) -> dict[str, Added]:
    async with _book(settings) as book:
        return {call.call_id: await book.add(call) for call in calls}


async def _show_stored(settings: Settings, branches: Branches, as_json: bool) -> None:
    beginning = datetime.min.replace(tzinfo=UTC)
    async with _book(settings) as book:
        calls = await book.calls(beginning)
        waiting = await book.waiting(beginning)
    rows = [branch_report(name, calls, waiting.get(name, 0)) for name in (*branches.branches, FRONT)]
    report = [row for row in rows if row.evidence.n or row.evidence.synthetic or row.waiting]
    if as_json:
        print_json({"calls": [], "branches": [branch_row(row) for row in report], "notes": []})
    else:
        _print(report)


# --- showing --------------------------------------------------------------------------------------------


def branch_row(row: BranchShadow) -> dict[str, Any]:
    """A branch in JSON."""
    evidence = row.evidence
    share = partial(round, ndigits=4)
    return {
        "branch": row.branch,
        "n": evidence.n,
        "correct": evidence.correct,
        "accuracy": None if evidence.accuracy is None else share(evidence.accuracy),
        "lower": share(row.accuracy.lower),
        "upper": share(row.accuracy.upper),
        "would_resolve": evidence.would_resolve,
        "would_escalate": evidence.would_escalate,
        "misrouted": row.misrouted,
        "asked_for_person": row.asked_for_person,
        "no_speech": row.no_speech,
        "waiting": row.waiting,
        "synthetic": evidence.synthetic,
        "confusions": [
            {"operator": one.operator_topic, "bot": one.bot_topic, "calls": one.calls} for one in row.confusions
        ],
    }


def _call_row(call: ShadowCall, file: str, added: Added | None) -> dict[str, Any]:
    prediction = call.prediction
    return {
        "file": file,
        "call_id": call.call_id,
        "topic": prediction.topic,
        "branch": prediction.branch,
        "confidence": round(prediction.confidence, 3),
        "expected": prediction.expected.value,
        "would_resolve": prediction.would_resolve,
        "operator_topic": call.operator_topic,
        "outcome": call.outcome.value if call.outcome else None,
        "synthetic": call.synthetic,
        "stored": added in {Added.NEW, Added.AGAIN},
    }


def _call_line(file: Path, call: ShadowCall) -> str:
    prediction = call.prediction
    heard = f"{prediction.topic or '-'} ({prediction.confidence:.2f})"
    label = " [synthetic]" if call.synthetic else ""
    return (
        f"{file.name:<28} bot {heard:<28} {prediction.expected:<12} operator {call.operator_topic or '-'}{label}"
    )


def _print(report: Sequence[BranchShadow]) -> None:
    if not report:
        click.echo("No shadow calls yet.")
    for row in report:
        evidence, limits = row.evidence, row.accuracy
        accuracy = "-" if evidence.accuracy is None else f"{evidence.accuracy:.1%}"
        click.echo(
            f"{row.branch}: topic right in {evidence.correct} of {evidence.n} real calls: {accuracy} "
            f"(95 %: {limits.lower:.1%} to {limits.upper:.1%})"
        )
        click.echo(
            f"  would have served {evidence.would_resolve}, handed over {evidence.would_escalate}, "
            f"served the wrong topic {row.misrouted}"
        )
        click.echo(
            f"  besides: asked for a person {row.asked_for_person}, no speech {row.no_speech}, "
            f"waiting for the operator {row.waiting}, synthetic (not counted) {evidence.synthetic}"
        )
        for one in row.confusions[:10]:
            click.echo(f"  operator {one.operator_topic}, bot {one.bot_topic or 'nothing'}: {one.calls}")
