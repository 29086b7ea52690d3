"""One process that answers calls: gateways and the web in front of the core, a heartbeat, an orderly end.

`run_worker` returns when a stop was asked for and running calls have finished (or `drain_s` has passed).
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from ivrbot import app, engines, upkeep
from ivrbot.analytics.evidence_source import ContactEvidence
from ivrbot.analytics.vitals import Standing, Vitals
from ivrbot.asr.watch import AsrWatch
from ivrbot.call.door import CallDesk
from ivrbot.call.load_watch import LoadWatch
from ivrbot.call.router import DRAINING
from ivrbot.call.shared_door import SharedDesk
from ivrbot.config import SIMULATED_MARK, Settings, make_data_dir
from ivrbot.errors import ConfigError, Problem
from ivrbot.peers.member import Job, TeamMember, forget_places
from ivrbot.ports import NluEngine
from ivrbot.priority import BESIDE, give_way
from ivrbot.rollout.forecasting.workload import staffing_outlook
from ivrbot.rollout.governing.controller import LEASE_S, Controller, ControllerParts
from ivrbot.seat import Seat, seat_here
from ivrbot.secretfile import read_secret
from ivrbot.storage.activity import ActivityLog
from ivrbot.storage.audit_rows import AuditTrail
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.leases import Leadership
from ivrbot.storage.people import PeopleBook
from ivrbot.storage.rollout_book import RolloutBook
from ivrbot.storage.shadow import ShadowBook
from ivrbot.telephony.audiosocket import AudioSocketGateway
from ivrbot.telephony.media_sockets import MediaSockets
from ivrbot.telephony.pacer import Pacer
from ivrbot.telephony.softphone import SoftphoneGateway
from ivrbot.web.people_accounts import PeopleDesk
from ivrbot.web.people_passwords import Passwords
from ivrbot.web.server import WebParts, WebServer

log = logging.getLogger(__name__)

Ready = Callable[[int, int, str], None]

HEARTBEAT_S: Final = 0.25
ALIVE: Final = b"."
LEAVING: Final = b"d"
"""The supervisor of several workers lets another one lead."""
BESIDE_THREADS: Final = 6


def load_api_token(data_dir: Path) -> str:
    """Token of machine clients, made on first use and readable by its owner only.

    Raises:
        ConfigError: the file cannot be read or made.
        MissingError: the folder cannot be made.
    """
    path = make_data_dir(data_dir) / "api.token"
    try:
        if not path.exists():
            draft = path.with_name(f"api.token.{secrets.token_hex(4)}")
            draft.touch(0o600)
            draft.write_text(secrets.token_urlsafe(32) + "\n", "ascii")
            draft.replace(path)
        return path.read_text("ascii").strip()
    except OSError as error:
        raise ConfigError([Problem(str(path), None, "", "", f"cannot be read: {error.strerror}")]) from error


async def run_worker(settings: Settings, plan_file: Path, *, beat: Callable[[bytes], None], ready: Ready) -> None:
    """Answer calls until SIGTERM or SIGINT.

    Args:
        settings: of the process.
        plan_file: the rollout plan.
        beat: called every `HEARTBEAT_S` from the event loop with `ALIVE`, or with `LEAVING` when it takes no new
            calls any more; a stalled loop stops calling it.
        ready: told the web port, the media port and the password of an administrator made now ("" when there was
            somebody already) when calls are accepted.

    Raises:
        ConfigError: invalid files, or a port that cannot be used.
        MissingError: no recognition model.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    seat = seat_here()
    # Outermost, so that the heart beats until everything is closed.
    async with asyncio.TaskGroup() as vital:
        heart: list[asyncio.Task[None]] = []

        def begin() -> None:
            heart.append(vital.create_task(_beat(beat, stop), name="heartbeat"))

        try:
            app.check_files(settings, plan_file)
            # Training and model loading take seconds each; they share the cores.
            training = vital.create_task(engines.open_nlu(settings), name="training")
            part = _own_part(settings, seat)
            await _answer_calls(part, plan_file, training, _Life(stop, begin, ready), seat)
        finally:
            for task in heart:
                task.cancel()


@dataclass(frozen=True, slots=True)
class _Life:
    """How a worker is told to stop, and what it tells."""

    stop: asyncio.Event
    begin: Callable[[], None]
    ready: Ready


def _own_part(settings: Settings, seat: Seat | None) -> Settings:
    """What is divided among workers: recognisers, each with a processor of its own."""
    if seat is None:
        return settings
    asr = settings.asr.model_copy(update={"instances": seat.share(settings.asr.instances)})
    return settings.model_copy(update={"asr": asr})


async def _answer_calls(
    settings: Settings, plan_file: Path, training: Awaitable[NluEngine], life: _Life, seat: Seat | None
) -> None:
    number = 1 if seat is None else seat.number
    async with (
        engines.open_speech(settings) as speech,
        upkeep.own_journal(settings, seat),
        app.open_core(settings, plan_file=plan_file, nlu=await training, number=number) as core,
        app.open_recordings(settings) as recordings,
        upkeep.open_voices(settings, core.store) as voices,
        asyncio.TaskGroup() as group,
    ):
        _give_way_beside_calls()
        hearing = AsrWatch(speech.hearing, time.monotonic)
        load = LoadWatch(
            settings.capacity,
            speech.asr.pools,
            lambda: len(desk.live) + desk.expected,
            workers=1 if seat is None else seat.of,
        )
        desk = (CallDesk if seat is None else SharedDesk)(
            replace(core.parts, voices=voices),
            asr=hearing.hearing,
            voice=speech.voice,
            settings=settings.call,
            record=core.recorder.emit,
            registered_only=settings.media.registered_only,
            recordings=recordings,
            headroom=load.refuses,
        )
        core.parts.router.watch(
            lambda: desk.live_anywhere,
            lambda: what_ails(asr_down=hearing.down, storing=core.recorder.storing, ready=desk.ready),
        )
        pacer, dialler = Pacer(), upkeep.callback_dialler(core)
        reports = upkeep.reports_of(settings, core.store, lambda: core.parts.router.plan)
        gateway = AudioSocketGateway(desk, pacer, settings.media)
        web = WebServer(
            WebParts(
                settings=settings.web,
                token=load_api_token(settings.data_dir),
                calls=desk,
                softphone=SoftphoneGateway(desk, pacer, desk.register, core.recorder.subscribe, settings.media),
                media=MediaSockets(
                    desk,
                    pacer,
                    settings.media,
                    settings.twilio,
                    _provider_token(settings),
                    desk.register,
                    core.store.outcome,
                ),
                store=core.store,
                recorder=core.recorder,
                operators=core.desk,
                router=core.parts.router,
                bank=core.parts.bank,
                people=PeopleBook(core.store),
                activity=ActivityLog(core.store, app.utc_now),
                callback_rules=settings.operators,
                quality_salt=app.quality_salt(settings.data_dir),
                dialler=dialler,
                recordings=recordings,
                eraser=upkeep.Eraser(settings, core.store, recordings, core.parts.bank),
                reports=reports,
                voiceprint=upkeep.voiceprint_facts(settings, voices),
                simulated=(settings.data_dir / SIMULATED_MARK).is_file(),
                load=load,
            )
        )
        vitals = Vitals(
            core.recorder,
            lambda: Standing(len(desk.live), desk.expected, desk.ready),
            clock=asyncio.get_running_loop().time,
        )
        once: dict[str, Job] = {
            "recordings": partial(upkeep.expire_recordings, recordings, settings),
            "contacts": partial(upkeep.follow_contacts, core),
            "rollout": _controller(core).run,
            "reports": partial(upkeep.keep_reports, core, reports),
            "retention": partial(upkeep.apply_retention, core, _holder()),
            "journals": partial(upkeep.keep_journals, core, number),
        }
        if dialler is not None:
            once["call-backs"] = partial(upkeep.dial_callbacks, dialler)
        member = None
        if isinstance(desk, SharedDesk) and seat is not None:
            once["places"] = partial(forget_places, desk)
            member = TeamMember(seat, desk, core, gateway, web, once)
        background = [
            group.create_task(vitals.run(), name="vitals"),
            group.create_task(load.run(), name="load"),
            group.create_task(core.following.run(), name="plan"),
        ]
        if core.pbx is not None:
            background.append(group.create_task(core.pbx.run(), name="pbx"))
        try:
            if member is not None:
                await member.join(group)
                life.begin()
                orders = member.follow_orders(group, partial(_greet, core, life))
                background.append(group.create_task(orders, name="orders"))
                background.append(group.create_task(member.keep_in_touch(), name="peers"))
            else:
                background += [group.create_task(job(), name=name) for name, job in once.items()]
                media_port = await gateway.start()
                web_port = await web.start()
                desk.open(group)
                life.begin()
                await _greet(core, life, web_port, media_port)
            await life.stop.wait()
            log.info("stopping: new calls go elsewhere, %d running", len(desk.live))
            if not await desk.drain(settings.call.drain_s):
                log.warning("calls were still running at the end of the drain time")
        finally:
            await gateway.stop()
            await web.stop()
            for task in background:
                task.cancel()


def _provider_token(settings: Settings) -> bytes:
    """The auth token of a provider, b"" when there is none."""
    file = settings.twilio.auth_token_file
    return b"" if file is None else read_secret(file, "twilio.auth_token_file").encode()


def _give_way_beside_calls() -> None:
    """From now on `asyncio.to_thread` is for exports, reports, passwords, files: work beside the calls.

    Called when everything is open, for threads started by such a thread give way as well: calls wait for the
    database's writer.
    """
    executor = ThreadPoolExecutor(BESIDE_THREADS, "beside", initializer=give_way, initargs=(BESIDE,))
    asyncio.get_running_loop().set_default_executor(executor)


async def _greet(core: app.Core, life: _Life, web_port: int, media_port: int) -> None:
    life.ready(web_port, media_port, await _first_admin(core))


async def _first_admin(core: app.Core) -> str:
    """The password of the first administrator, made now; "" when there is somebody who can log in."""
    now = app.utc_now
    return await PeopleDesk(PeopleBook(core.store), ActivityLog(core.store, now), Passwords(), now).first_admin()


def what_ails(*, asr_down: bool, storing: bool, ready: bool) -> str:
    """Short code of what keeps this process from serving callers who are not drawn yet, "" when nothing does.

    What concerns every call comes before what concerns new ones only.
    """
    if asr_down:
        return "asr_down"
    if not storing:
        return "storage_journal"
    return "" if ready else DRAINING


def _holder() -> str:
    """This process, unlike any other."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def _controller(core: app.Core) -> Controller:
    """Decides about the rollout beside the calls; one process of all on this database does."""
    store, settings = core.store, core.settings.rollout
    return Controller(
        ControllerParts(
            plan=lambda: core.parts.router.plan,
            audit=AuditTrail(store),
            leader=Leadership(store, "rollout", _holder(), LEASE_S),
            source=ContactEvidence(
                ContactBook(store),
                shadow=ShadowBook(store).evidence,
                time_cap_s=lambda branch: core.parts.router.plan.branches[branch].time_cap_s,
            ),
            proposals=RolloutBook(store),
            now=app.utc_now,
            interval_s=settings.interval_s,
            query_s=settings.query_s,
            staffing=partial(staffing_outlook, ContactBook(store)),
        )
    )


async def _beat(beat: Callable[[bytes], None], stop: asyncio.Event) -> None:
    while True:
        beat(LEAVING if stop.is_set() else ALIVE)
        await asyncio.sleep(HEARTBEAT_S)
