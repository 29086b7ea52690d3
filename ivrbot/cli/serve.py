"""`ivrbot serve`: a supervisor and the worker that answers calls.

The supervisor imports next to nothing: engines and tables are the worker's, and loading them twice doubled the
time of a start.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import click

from ivrbot.cli.console import guarded, settings_here
from ivrbot.cli.supervisor import Supervisor, heartbeat_fd
from ivrbot.config import Settings
from ivrbot.model.people import FIRST_ADMIN


@click.command()
@click.option("--demo", is_flag=True, help="Demo rollout plan: every branch to the bot.")
@click.option("--worker", is_flag=True, hidden=True)
@guarded
def serve(demo: bool, worker: bool) -> None:
    """Answer calls until SIGTERM; prints `ready` when they are accepted."""
    settings = settings_here()
    if worker:
        _work(settings, demo)
        return
    command = [sys.executable, "-m", "ivrbot", "serve", "--worker", *(["--demo"] if demo else [])]
    count = _processors() if settings.workers == "auto" else settings.workers
    if count == 1:
        sys.exit(Supervisor(command).run())
    from ivrbot.cli.team import Team

    web, media = settings.web, settings.media
    sys.exit(Team(command, count, web=(web.host, web.port), media=(media.host, media.port)).run())


def _processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _work(settings: Settings, demo: bool) -> None:
    from ivrbot import app
    from ivrbot.worker import run_worker

    if demo:
        settings = app.with_demo_sms(_with_open_phone(settings))
    plan_file = app.DEMO_PLAN if demo else settings.rollout.plan
    pipe = heartbeat_fd()

    def beat(sign: bytes) -> None:
        if pipe is not None:
            try:
                os.write(pipe, sign)
            except BrokenPipeError:
                # The supervisor is gone, so nobody would start another worker: finish the calls and end.
                os.kill(os.getpid(), signal.SIGTERM)

    def ready(web_port: int, media_port: int, password: str) -> None:
        click.echo(_greeting(settings, plan_file, web_port, media_port, password), err=True)
        click.echo("ready")
        sys.stdout.flush()

    with contextlib.suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(run_worker(settings, plan_file, beat=beat, ready=ready))


def _with_open_phone(settings: Settings) -> Settings:
    """The demo's softphone is for this computer's own user without log-in, unless the settings say otherwise."""
    if "login" in settings.web.model_fields_set:
        return settings
    return settings.model_copy(update={"web": settings.web.model_copy(update={"login": "phone"})})


def _log_in(settings: Settings, password: str) -> str:
    """How to log in; the first administrator's password is told here and nowhere else."""
    if settings.web.login == "local":
        return "nobody has to, on this computer (web.login)"
    if password:
        return f"as {FIRST_ADMIN} with {password} (shown only now)"
    return f"as a person of `ivrbot users list`; forgotten: `ivrbot users password {FIRST_ADMIN}`"


def _codes_in(settings: Settings) -> Path | None:
    """Where short messages are dropped, None when they are not."""
    return settings.sms.folder or settings.data_dir / "sms" if settings.sms.via == "file" else None


def _greeting(settings: Settings, plan_file: Path, web_port: int, media_port: int, password: str) -> str:
    web = f"http://{settings.web.host}:{web_port}"
    return "\n".join(
        [
            "ivrbot answers calls.",
            f"  place a call in the browser:  {web}/phone",
            "  with recorded speech:         ivrbot call --wav one.wav two.wav --caller +79161234567",
            "  in text:                      ivrbot call --text --caller +79161234567",
            *([f"  one-time codes lie in:        {folder}"] if (folder := _codes_in(settings)) else []),
            f"  operator's desk:              {web}/desk",
            f"  log in:                       {_log_in(settings, password)}",
            f"  Asterisk connects to:         {settings.media.host}:{media_port} (AudioSocket)",
            f"  rollout plan:                 {plan_file}",
        ]
    )
