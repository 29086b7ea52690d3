"""`ivrbot call`: a call in text, in sound through a running gateway, or with the local microphone."""

from __future__ import annotations

import uuid
from pathlib import Path

import click

from ivrbot import app
from ivrbot.call.session import CallSession
from ivrbot.call.text import TextChannel
from ivrbot.cli.console import INVALID, fail, json_option, print_json, quiet_settings, run_async
from ivrbot.cli.standard_input import StandardInput
from ivrbot.config import Settings
from ivrbot.escalation.dossier import as_json as dossier_json
from ivrbot.model.call import CallEnd, CallId, CallRegistration
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.speech import Language


@click.command()
@click.option("--text", "mode", flag_value="text", help="Lines instead of sound: yours on standard input.")
@click.option("--mic", "mode", flag_value="mic", help="The local microphone and speaker.")
@click.option("--wav", "first_wav", multiple=True, type=click.Path(path_type=Path), help="One turn a file.")
@click.argument("more_wavs", nargs=-1, type=click.Path(path_type=Path))
@click.option("--caller", default="", help="Calling number; empty is a withheld one.")
@click.option("--lang", type=click.Choice(["ru", "en"]), default=None, help="Language of the first words.")
@click.option(
    "--to", "address", default="", metavar="HOST:PORT", help="Gateway (AudioSocket) of a running server."
)
@click.option("--api", default="", metavar="URL", help="Web address of that server.")
@click.option("--record", type=click.Path(path_type=Path), default=None, help="Write what was heard into a WAV.")
@click.option("--plan", type=click.Path(path_type=Path), default=None, help="Rollout plan of a call in text.")
@json_option
@run_async
async def call(
    mode: str | None,
    first_wav: tuple[Path, ...],
    more_wavs: tuple[Path, ...],
    caller: str,
    lang: Language | None,
    address: str,
    api: str,
    record: Path | None,
    plan: Path | None,
    as_json: bool,
) -> None:
    """Place a call.

    In text, a line of digits, * and # is keys, an empty line is silence, and the end of input hangs up.
    """
    settings = app.with_demo_sms(quiet_settings())
    wavs = (*first_wav, *more_wavs)
    if mode == "text" and not wavs:
        await _text_call(settings, caller, lang, plan, as_json)
    elif mode == "mic" and not wavs:
        from ivrbot.cli.call_mic import microphone_call

        await microphone_call(settings, caller, lang, as_json)
    elif wavs and mode is None:
        from ivrbot.cli.call_wav import wav_call

        await wav_call(settings, wavs, caller, lang, address, api, record, as_json)
    else:
        fail(INVALID, "choose one of --text, --wav FILE... and --mic")


async def _text_call(
    settings: Settings, caller: str, language: Language | None, plan: Path | None, as_json: bool
) -> None:
    call_id = CallId(str(uuid.uuid4()))
    registration = CallRegistration(call_id, caller=caller, gateway="text", language=language)

    def print_line(who: str, text: str) -> None:
        if not as_json:
            click.echo(f"{who}: {text}")

    plan_file = plan or app.DEMO_PLAN
    async with app.open_core(settings, plan_file=plan_file, database=app.TEXT_DATABASE) as core:
        await core.store.register(registration, app.utc_now())

        def emit(type_: EventType, t_ms: int, data: dict[str, JsonValue]) -> None:
            core.recorder.emit(call_id, type_, t_ms, data)
            if as_json and type_ is not EventType.CALL_ENDED:
                print_json({"type": type_.value, "t_ms": t_ms, **shown(type_, data)})

        lines = StandardInput()
        channel = TextChannel(lines.next_line, print_line)
        shown = _Unmasked(channel)
        session = CallSession(core.parts, registration, language or settings.call.language, channel, emit)
        end = await session.run()
    if as_json:
        print_json(ended_row(end, channel.now_ms()))
    else:
        click.echo(
            f"-- {end.disposition.value} ({end.reason}){' -> ' + end.escalated_to if end.escalated_to else ''}"
        )


class _Unmasked:
    """On the caller's own screen the bot's words stand as they were spoken; events keep them masked."""

    def __init__(self, channel: TextChannel) -> None:
        self._channel = channel

    def __call__(self, type_: EventType, data: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if type_ is EventType.BOT_SAID:
            return {**data, "text": self._channel.last_bot_line}
        return data


def ended_row(end: CallEnd, t_ms: int) -> dict[str, object]:
    """Last line of a call's JSON."""
    return {
        "type": "call_ended",
        "t_ms": t_ms,
        "disposition": end.disposition.value,
        "reason": end.reason,
        "topic": end.topic,
        "escalated_to": end.escalated_to,
        "dossier": dossier_json(end.dossier) if end.dossier else None,
    }
