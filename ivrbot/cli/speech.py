"""`ivrbot asr` and `ivrbot tts`: the engines by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from ivrbot import engines
from ivrbot.asr.choose import choose_engine
from ivrbot.asr.transcribe import transcribe_file
from ivrbot.cli.console import INVALID, fail, json_option, language_option, print_json, quiet_settings, run_async
from ivrbot.errors import MissingError
from ivrbot.media.wav import read_wav, write_wav
from ivrbot.model.audio import duration_ms
from ivrbot.model.speech import Language
from ivrbot.tts.measure import speak_to_pcm

FILE_DEADLINE_MS: Final = 120_000


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@language_option
@click.option(
    "--engine",
    type=click.Choice(["auto", "whisper", "vosk", "vosk-server", "sherpa"]),
    default=None,
    help="The settings' by default.",
)
@json_option
@run_async
async def asr(files: tuple[Path, ...], lang: Language, engine: str | None, as_json: bool) -> None:
    """Transcribe WAV files."""
    settings = quiet_settings()
    sounds = [(file, read_wav(file)) for file in files]
    # Nobody waits on a line for a file, so a slow machine is no reason to give up.
    changes: dict[str, object] = {"deadline_ms": FILE_DEADLINE_MS}
    chosen = settings.asr.model_copy(update=changes | ({"engine": engine, "engines": {}} if engine else {}))
    recogniser = choose_engine(chosen, settings.models_dir, (lang,))
    await recogniser.start()
    try:
        for file, pcm in sounds:
            reading = await transcribe_file(recogniser, pcm, lang)
            if as_json:
                partials = [{"t_ms": partial.t_ms, "text": partial.text} for partial in reading.partials]
                print_json(
                    {
                        "file": str(file),
                        "text": reading.text,
                        "audio_s": round(reading.audio_s, 3),
                        "cpu_s": round(reading.cpu_s, 3),
                        "engine": reading.engine,
                        "partials": partials,
                    }
                )
            else:
                click.echo(f"{file}: {reading.text}")
    finally:
        await recogniser.close()


@click.command()
@click.argument("text")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="WAV file to write (8 kHz).")
@language_option
@click.option(
    "--engine", type=click.Choice(["auto", "rhvoice", "piper", "pyttsx3"]), default="auto", show_default=True
)
@json_option
@run_async
async def tts(text: str, output: Path, lang: Language, engine: str, as_json: bool) -> None:
    """Speak a text into a WAV file."""
    settings = quiet_settings()
    if not text.strip():
        fail(INVALID, "TEXT is blank")
    spoken_by = {"engine": engine, "engines": {}}
    chosen = settings.model_copy(update={"tts": settings.tts.model_copy(update=spoken_by)})
    speaker = await engines.start_tts(chosen)
    if speaker is None:
        raise MissingError(
            "no speech engine", "Install Debian's librhvoice5 with a voice, or use --engine pyttsx3."
        )
    try:
        if lang not in speaker.languages() and engine == "auto":
            fix = "Install RHVoice with a voice of the language, or choose --engine pyttsx3."
            raise MissingError(f"{speaker.name} does not speak {lang} intelligibly", fix)
        spoken = await speak_to_pcm(speaker, text, lang)
    finally:
        await speaker.close()
    write_wav(output, spoken.pcm)
    row = {
        "audio_s": duration_ms(spoken.pcm) / 1000,
        "cpu_s": round(spoken.cpu_s, 4),
        "first_audio_ms": round(spoken.first_audio_ms),
        "engine": speaker.name,
    }
    if as_json:
        print_json(row)
    else:
        click.echo(f"{output}: {row['audio_s']:.1f} s by {speaker.name}", err=True)
