"""`ivrbot doctor`: what works, what is missing, and how to get it."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Final

import click

from ivrbot import app, engines
from ivrbot.asr.choose import choose_engine
from ivrbot.cli import doctor_host, doctor_speech, doctor_voices
from ivrbot.cli.console import FAILED, json_option, print_json, quiet_settings, run_async
from ivrbot.cli.doctor_checks import NotInUse
from ivrbot.cli.prompts import spoken_texts
from ivrbot.config import Settings
from ivrbot.dialogue.loader import load_flows
from ivrbot.errors import ConfigError, EngineError, IvrbotError, MissingError, SmsUnavailable
from ivrbot.identity.policy import load_policy
from ivrbot.model.speech import LANGUAGES
from ivrbot.models import store as model_store
from ivrbot.nlu.encoder import ENCODER_FILE
from ivrbot.storage.migrations import newest_revision
from ivrbot.telephony.microphone import load_sounddevice
from ivrbot.tts.prompts import PromptStore
from ivrbot.tts.render import check as check_prompts

Check = Callable[[Settings], Awaitable[str]]

REFUSED_S: Final = 1.0


async def _files(settings: Settings) -> str:
    flow_set = load_flows(settings.flows_dir)
    load_policy(settings.flows_dir / "assurance.yml")
    return f"{len(flow_set.flows)} flows"


async def _plan(settings: Settings) -> str:
    flow_set = load_flows(settings.flows_dir)
    return f"{len(app.load_rollout(settings.rollout.plan, flow_set).branches)} branches"


async def _models(settings: Settings) -> str:
    names = [state.model.name for state in model_store.installed(settings.models_dir) if state.model.by_default]
    problems = [problem for name in names for problem in model_store.verify(name, settings.models_dir)]
    if problems:
        raise MissingError("; ".join(str(problem) for problem in problems), "Run `ivrbot models pull`.")
    return ", ".join(names)


async def _recognition(settings: Settings) -> str:
    engine = choose_engine(settings.asr, settings.models_dir)
    await engine.start()
    await engine.close()
    return engine.name


async def _understanding(settings: Settings) -> str:
    engine = await engines.train_nlu(settings)
    try:
        told = await doctor_speech.topics(engine)
    finally:
        await engine.close()
    encoder = (settings.models_dir / ENCODER_FILE).is_file()
    return f"{engine.name}, {'with' if encoder else 'WITHOUT'} sentence embeddings; {told}"


async def _rasa(settings: Settings) -> str:
    if settings.nlu.engine != "rasa":
        raise NotInUse("the embedded classifier is used")
    engine = engines.rasa_nlu(settings)
    try:
        model = await engine.model_name()
        told = await doctor_speech.topics(engine)
    except EngineError as error:
        raise MissingError(str(error), "Run `make rasa`, or set nlu.rasa_url to where the server is.") from error
    finally:
        await engine.close()
    return f"{settings.nlu.rasa_url}, model {model}; {told}"


async def _voice(settings: Settings) -> str:
    engine = await engines.start_tts(settings)
    if engine is None:
        raise NotInUse("recorded prompts only; free text goes to an operator")
    languages = ", ".join(sorted(engine.languages()))
    await engine.close()
    return f"{engine.name} ({languages})"


async def _prompts(settings: Settings) -> str:
    flow_set = load_flows(settings.flows_dir)
    count = 0
    for language in LANGUAGES:
        texts = spoken_texts(flow_set, language)
        if problems := check_prompts(settings.tts.prompts_dir, texts, language):
            raise ConfigError(problems)
        count += len(texts)
        PromptStore(settings.tts.prompts_dir, language)
    return f"{count} recordings"


async def _database(settings: Settings) -> str:
    async with app.store_of(settings) as opened:
        await opened.own_states()
        return f"{opened.where}, schema {newest_revision()}"


async def _ports(settings: Settings) -> str:
    for host, port in ((settings.web.host, settings.web.port), (settings.media.host, settings.media.port)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise NotInUse(
                    f"{host}:{port} is taken (perhaps by a running ivrbot): {error.strerror}"
                ) from error
    return f"{settings.web.port} and {settings.media.port} are free"


async def _asterisk(settings: Settings) -> str:
    if not settings.asterisk.ami_host:
        raise NotInUse("asterisk.ami_host is not set: topics do not reach the PBX before the transfer")
    address = (settings.asterisk.ami_host, settings.asterisk.ami_port)
    try:
        async with asyncio.timeout(REFUSED_S):
            _, writer = await asyncio.open_connection(*address)
    except (OSError, TimeoutError) as error:
        fix = "Start Asterisk, and see deploy/asterisk/manager.conf.example."
        raise MissingError(f"no manager answers at {address[0]}:{address[1]}", fix) from error
    writer.close()
    return f"{address[0]}:{address[1]}"


async def _sms(settings: Settings) -> str:
    gateway = app.sms_gateway(settings)
    if gateway is None:
        raise NotInUse("off: what needs a one-time code goes to operators")
    try:
        return await gateway.check()
    except SmsUnavailable as error:
        raise MissingError(str(error), "Check sms.url and the service, or sms.folder.") from error
    finally:
        await gateway.close()


async def _microphone(_settings: Settings) -> str:
    try:
        load_sounddevice()
    except MissingError as error:
        raise NotInUse(str(error)) from error
    return "PortAudio"


CHECKS: Final[dict[str, tuple[Check, str]]] = {
    "flows": (_files, "Run `ivrbot flows check`."),
    "rollout plan": (_plan, "Run `ivrbot rollout check`."),
    "models": (_models, "Run `ivrbot models pull`."),
    "speech recognition": (_recognition, "Run `ivrbot models pull`."),
    "understanding": (_understanding, "Run `ivrbot nlu train`."),
    "Rasa": (_rasa, 'Optional: run `make rasa` and set nlu.engine = "rasa".'),
    "live voice": (_voice, "Optional: install Debian's librhvoice5 with a voice."),
    "recorded prompts": (_prompts, "Run `ivrbot prompts render`."),
    "voice activity": (doctor_speech.voice_activity, "Reinstall ivrbot's dependencies."),
    "round trip": (doctor_speech.round_trips, "See docs/how-to/choose-speech-engines.md."),
    "database": (_database, "Check that the data folder can be written (IVRBOT_DATA_DIR)."),
    "disk space": (doctor_host.space, "Make room, or set IVRBOT_DATA_DIR to a larger disk."),
    "clock": (doctor_host.clock, "Set the clock and keep it set (systemd-timesyncd, chrony)."),
    "private files": (doctor_host.secrets, "chmod 600 the files named."),
    "journal": (doctor_host.journal, "Bring the database back and start `ivrbot serve`."),
    "recordings": (doctor_host.recordings, "Optional: set recording.enabled."),
    "ports": (_ports, "Set web.port and media.port, or stop what holds them."),
    "Asterisk": (_asterisk, "Optional: set asterisk.ami_host, ami_user and ami_secret_file."),
    "queue_log": (doctor_host.queue_log, "Optional: set asterisk.queue_log."),
    "tracing": (doctor_host.tracing, "Optional: pip install 'ivrbot[tracing]' and set tracing.endpoint."),
    "voices": (doctor_voices.voices, "Optional: see docs/how-to/switch-on-voiceprint.md."),
    "short messages": (_sms, "Optional: set sms.via, for one-time codes."),
    "microphone": (_microphone, "Optional: pip install 'ivrbot[microphone]' and Debian's libportaudio2."),
}


@click.command()
@json_option
@run_async
async def doctor(as_json: bool) -> None:
    """Check everything and say what to do about what fails."""
    settings = quiet_settings()
    rows = [await _examine(name, check, fix, settings) for name, (check, fix) in CHECKS.items()]
    if as_json:
        print_json({"checks": rows})
    else:
        for row in rows:
            click.echo(f"{'ok ' if row['ok'] else 'BAD'}  {row['name']:<20} {row['detail']}")
            if not row["ok"]:
                click.echo(f"     {'':<20} {row['fix']}")
    if not all(row["ok"] for row in rows):
        sys.exit(FAILED)


async def _examine(name: str, check: Check, fix: str, settings: Settings) -> dict[str, object]:
    try:
        return {"name": name, "ok": True, "detail": await check(settings), "fix": ""}
    except NotInUse as error:
        return {"name": name, "ok": True, "detail": str(error), "fix": fix}
    except ConfigError as error:
        shown = "; ".join(str(problem) for problem in error.problems[:5])
        more = f" (and {len(error.problems) - 5} more)" if len(error.problems) > 5 else ""
        return {"name": name, "ok": False, "detail": shown + more, "fix": fix}
    except (IvrbotError, OSError) as error:
        return {"name": name, "ok": False, "detail": str(error), "fix": getattr(error, "fix", "") or fix}
