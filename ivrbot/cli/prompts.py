"""`ivrbot prompts`: recordings of everything that the bot says."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from ivrbot import engines
from ivrbot.call.scoring import ASK, THANKS
from ivrbot.cli.console import (
    FAILED,
    INVALID,
    fail,
    guarded,
    json_option,
    language_option,
    print_json,
    quiet_settings,
    run_async,
)
from ivrbot.dialogue.loader import load_flows
from ivrbot.dialogue.responses import render as render_text
from ivrbot.dialogue.responses import static_pieces
from ivrbot.dialogue.schema import FlowSet
from ivrbot.language.verbalise import fragments
from ivrbot.media.g711 import pcm_to_alaw
from ivrbot.model.dialogue import Say
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.tts import render as rendering

DIALPLAN_PLAYS: Final = (ASK, THANKS)
"""Said to callers whom an operator has served, by the PBX itself."""


def spoken_texts(flow_set: FlowSet, language: Language) -> tuple[str, ...]:
    """Every text that needs a recording: static pieces and the fragments of values."""
    return (*static_pieces(flow_set, language), *sorted(fragments(language)))


@click.group()
def prompts() -> None:
    """Render and check recorded prompts; print the studio's recording script."""


@prompts.command()
@click.option("--engine", type=click.Choice(["rhvoice", "pyttsx3"]), default="rhvoice", show_default=True)
@json_option
@run_async
async def render(engine: str, as_json: bool) -> None:
    """Render what is missing or changed, with the voices of the settings."""
    settings = quiet_settings()
    flow_set = load_flows(settings.flows_dir)
    speaker = engines.tts_engine(settings, engine)
    await speaker.start()
    reports = {}
    try:
        for language in LANGUAGES:
            voice = settings.tts.voice_ru if language == "ru" else settings.tts.voice_en
            reports[language] = await rendering.render(
                settings.tts.prompts_dir, spoken_texts(flow_set, language), language, voice, speaker
            )
    finally:
        await speaker.close()
    if as_json:
        print_json({language: _counts(report) for language, report in reports.items()})
    else:
        for language, report in reports.items():
            counts = ", ".join(f"{count} {what}" for what, count in _counts(report).items())
            click.echo(f"{language}: {counts}", err=True)


def _counts(report: rendering.RenderReport) -> dict[str, int]:
    return {"rendered": len(report.rendered), "kept": len(report.kept), "removed": len(report.removed)}


@prompts.command()
@json_option
@guarded
def check(as_json: bool) -> None:
    """Compare texts and recordings by hash."""
    settings = quiet_settings()
    flow_set = load_flows(settings.flows_dir)
    problems = [
        problem
        for language in LANGUAGES
        for problem in rendering.check(settings.tts.prompts_dir, spoken_texts(flow_set, language), language)
    ]
    if as_json:
        print_json([{"file": p.file, "path": p.path, "value": p.value, "message": p.message} for p in problems])
    if problems:
        fail(INVALID, *([] if as_json else [str(problem) for problem in problems]))
    if not as_json:
        click.echo("every text has its recording", err=True)


@prompts.command()
@language_option
@json_option
@guarded
def script(lang: Language, as_json: bool) -> None:
    """What a speaker has to record, with the file names to use."""
    flow_set = load_flows(quiet_settings().flows_dir)
    lines = rendering.script(spoken_texts(flow_set, lang))
    if as_json:
        print_json([{"number": line.number, "file": line.file, "text": line.text} for line in lines])
        return
    for line in lines:
        click.echo(f"{line.number:4}  {line.file}  {line.text}")


@prompts.command()
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
@guarded
def asterisk(folder: Path, as_json: bool) -> None:
    """Write what the dialplan plays (A-law without a header) into FOLDER/<language>."""
    settings = quiet_settings()
    flow_set = load_flows(settings.flows_dir)
    written = []
    for language, store in engines.prompt_stores(settings).items():
        (folder / language).mkdir(parents=True, exist_ok=True)
        for response in DIALPLAN_PLAYS:
            text = render_text(flow_set, Say(response), language).text
            sound = store.find(text)
            if sound is None:
                fail(FAILED, f"{response} ({language}) has no recording: ivrbot prompts render")
            file = folder / language / f"{response}.alaw"
            file.write_bytes(pcm_to_alaw(sound))
            written.append(str(file))
    if as_json:
        print_json(written)
    else:
        click.echo(f"{len(written)} files written", err=True)
