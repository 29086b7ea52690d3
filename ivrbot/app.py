"""The composition root: the only module, with `engines`, that names concrete ones.

`open_core` builds everything that a call in text needs (dialogue, understanding, bank, storage, rollout);
`engines.open_speech` adds ears and a mouth; `worker` puts gateways and the web in front.
"""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import hmac
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from ivrbot.analytics.contact_writer import ContactWriter
from ivrbot.analytics.contacts import UnitOf
from ivrbot.analytics.queue_intake import QueueIntake
from ivrbot.analytics.recorder import Recorder
from ivrbot.bank.logged import LoggedBank, OperationsFile
from ivrbot.bank.simulator import BankSimulator
from ivrbot.call.authentication import CustomerLocks
from ivrbot.call.banking import BankDeadlines
from ivrbot.call.router import FRONT_BRANCH, Router
from ivrbot.call.running import CallParts
from ivrbot.config import PROJECT_ROOT, Settings, make_data_dir
from ivrbot.dialogue.engine import Dialogue
from ivrbot.dialogue.loader import load_flows
from ivrbot.dialogue.schema import FlowSet
from ivrbot.engines import open_nlu
from ivrbot.errors import ConfigError, Problem
from ivrbot.identity.policy import Policy, load_policy
from ivrbot.nlu.fallback import FallbackNlu
from ivrbot.operators.desk import OperatorDesk
from ivrbot.ports import NluEngine
from ivrbot.rollout.drawing.assignment import normalise_caller, unit_of
from ivrbot.rollout.drawing.caller_key import load_caller_key
from ivrbot.rollout.drawing.eligibility import Places
from ivrbot.rollout.governing.control import adopt
from ivrbot.rollout.governing.following import PlanFollower
from ivrbot.rollout.planning.check import load_plan
from ivrbot.rollout.planning.plan import Plan
from ivrbot.secretfile import read_secret
from ivrbot.sms.file_drop import FileDropSms
from ivrbot.sms.http import HttpSms, SmsService
from ivrbot.storage.callbacks import CallbackBook
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.engines import PostgresAddress
from ivrbot.storage.history import ContactHistory
from ivrbot.storage.recordings import RecordingArchive
from ivrbot.storage.rollout_book import RolloutBook
from ivrbot.storage.store import Store
from ivrbot.telephony.asterisk import AmiAccount, AmiControl
from ivrbot.telephony.asterisk_phones import phone_news
from ivrbot.telephony.asterisk_queues import AsteriskQueues
from ivrbot.telephony.wire.ami import AmiMessage
from ivrbot.tracing import open_tracing

log = logging.getLogger(__name__)

T = TypeVar("T")

MAIN_DATABASE = "ivrbot.sqlite"
TEXT_DATABASE = "text-calls.sqlite"
DATABASES = (MAIN_DATABASE, TEXT_DATABASE)


DEMO_PLAN = PROJECT_ROOT / "deploy" / "demo-rollout.yaml"


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def known_topics(flow_set: FlowSet) -> frozenset[str]:
    """Every topic of the menu."""
    return frozenset(topic for branch in flow_set.branches.branches.values() for topic in branch.topics)


def load_rollout(path: Path, flow_set: FlowSet) -> Plan:
    """Read and check a plan against the menu.

    Raises:
        ConfigError: every problem of the plan.
    """
    return load_plan(path, {*flow_set.branches.branches, FRONT_BRANCH})


def fact_key(data_dir: Path) -> bytes:
    """Key of the fact hashes, derived from the installation's secret.

    Raises:
        ConfigError: the secret's file is unreadable.
    """
    return hmac.new(load_caller_key(data_dir), b"fact-hashes", hashlib.sha256).digest()


def quality_salt(data_dir: Path) -> bytes:
    """What the lots of calls for scoring are drawn with, derived from the installation's secret.

    Raises:
        ConfigError: the secret's file is unreadable.
    """
    return hmac.new(load_caller_key(data_dir), b"quality-sample", hashlib.sha256).digest()


def open_bank(settings: Settings) -> BankSimulator:
    """The bank's back end."""
    return BankSimulator(settings.data_dir, fact_key(settings.data_dir))


def operations_file(settings: Settings) -> OperationsFile:
    """The bot's log of bank operations; its chain's key is derived from the installation's secret."""
    key = hmac.new(load_caller_key(settings.data_dir), b"operations-log", hashlib.sha256).digest()
    return OperationsFile(settings.data_dir, key, utc_now)


def sms_gateway(settings: Settings) -> FileDropSms | HttpSms | None:
    """Sends one-time codes; None: the settings name no way, and what needs a code goes to operators.

    Raises:
        ConfigError: no address is set, or the token's file cannot be read.
    """
    sms = settings.sms
    if sms.via == "file":
        return FileDropSms(sms.folder or settings.data_dir / "sms")
    if sms.via == "off":
        return None
    if not sms.url:
        raise ConfigError([Problem("", None, "sms.url", "", 'is required with sms.via = "http"')])
    token = read_secret(sms.token_file, "sms.token_file") if sms.token_file else ""
    return HttpSms(SmsService(sms.url, token, sms.deadline_ms))


def with_demo_sms(settings: Settings) -> Settings:
    """The demo drops its short messages into files, unless the settings say otherwise."""
    if "via" in settings.sms.model_fields_set:
        return settings
    return settings.model_copy(update={"sms": settings.sms.model_copy(update={"via": "file"})})


def store_of(settings: Settings, name: str = MAIN_DATABASE) -> Store:
    """The database of the settings; not opened yet.

    Args:
        settings: of the process.
        name: of the file in the data folder; calls in text keep theirs also where PostgreSQL holds the main one.

    Raises:
        ConfigError: the address is wrong, or the password's file cannot be read.
        MissingError: the data folder cannot be made.
    """
    folder, database = make_data_dir(settings.data_dir), settings.database
    if name != MAIN_DATABASE or not database.url:
        return Store(folder / name)
    file = database.password_file
    password = "" if file is None else read_secret(file, "database.password_file")
    return Store(PostgresAddress(database.url, password))


def journal_of(settings: Settings, name: str = MAIN_DATABASE, number: int = 1) -> Path:
    """Where events wait while a database is away; each of several workers has its own, by its number."""
    return settings.data_dir / (f"{name}.journal.jsonl" if number == 1 else f"{name}.journal-{number}.jsonl")


def journals_of(settings: Settings, name: str = MAIN_DATABASE) -> list[Path]:
    """The journals of all workers, also of those that there are no longer."""
    others = settings.data_dir.glob(f"{name}.journal-*.jsonl")
    return [path for path in (journal_of(settings, name), *sorted(others)) if path.is_file()]


async def forget_failures(settings: Settings) -> None:
    """Forget failed authentications, in calls of every kind; goes with a reset of the demo bank."""
    for name in DATABASES:
        if (settings.data_dir / name).is_file() or (name == MAIN_DATABASE and settings.database.url):
            async with store_of(settings, name) as store:
                await store.forget_failures()


@dataclass(frozen=True, slots=True)
class Core:
    """Everything of a process but sound and gateways."""

    settings: Settings
    plan_file: Path
    flow_set: FlowSet
    store: Store
    recorder: Recorder
    desk: OperatorDesk
    parts: CallParts
    pbx: AmiControl | None
    following: PlanFollower


@asynccontextmanager
async def open_core(
    settings: Settings,
    *,
    plan_file: Path,
    database: str = MAIN_DATABASE,
    nlu: NluEngine | None = None,
    number: int = 1,
) -> AsyncIterator[Core]:
    """Build the core and take it down again.

    Args:
        settings: of the process.
        plan_file: the rollout plan.
        database: file in the data folder.
        nlu: an engine; None opens the one of the settings.
        number: of this worker among several.

    Raises:
        ConfigError: every problem of flows, assurance policy, plan or training data.
        MissingError: the data folder cannot be made, or tracing is set without its extra.
        StorageUnavailable: the database cannot be opened.
    """
    make_data_dir(settings.data_dir)
    tracing = open_tracing(settings.tracing.endpoint, settings.tracing.share)
    flow_set, policy, plan = _load_files(settings, plan_file)
    caller_key = load_caller_key(settings.data_dir)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, tracing.close)
        store = await stack.enter_async_context(store_of(settings, database))
        who = f"start:{getpass.getuser()}"
        await adopt(plan, store, who, utc_now())
        following = PlanFollower(
            plan_file, plan, lambda path: load_rollout(path, flow_set), store, f"re{who}", utc_now
        )
        journal = journal_of(settings, database, number)
        recorder = await stack.enter_async_context(Recorder(store, journal, utc_now))
        if nlu is None:
            nlu = await open_nlu(settings)
        stack.push_async_callback(nlu.close)
        bank = LoggedBank(open_bank(settings), operations_file(settings))
        stack.push_async_callback(bank.close)
        sms = sms_gateway(settings)
        if sms is not None:
            stack.push_async_callback(sms.close)
        pbx = _pbx(settings)
        queues = AsteriskQueues(pbx, utc_now, time.monotonic) if pbx else None
        desk = OperatorDesk(
            store,
            [pbx] if pbx else [],
            queues=queues.state if queues else None,
            ahead=queues.ahead if queues else None,
            callbacks=CallbackBook(store),
            now=utc_now,
            recorded=settings.call.recorded,
        )
        stack.push_async_callback(desk.close)
        if pbx is not None:
            pbx.listen(lambda event: _tell_phone(desk, event))
        parts = CallParts(
            flow_set=flow_set,
            dialogue=Dialogue(flow_set, recorded=settings.call.recorded),
            nlu=nlu,
            inside=nlu.second if isinstance(nlu, FallbackNlu) else nlu,
            bank=bank,
            attempts=store,
            policy=policy,
            fact_key=fact_key(settings.data_dir),
            locks=CustomerLocks(),
            operators=desk,
            calls=store,
            router=Router(
                lambda: following.plan,
                flow_set.branches,
                store,
                caller_key,
                utc_now,
                exclusions=RolloutBook(store),
                places=Places(time.monotonic),
                plan_error=lambda: following.error,
            ),
            deadlines=BankDeadlines(settings.call.bank_slow_ms, settings.call.bank_deadline_ms),
            max_call_s=settings.call.max_call_s,
            front=settings.call.front,
            ask_score=settings.call.ask_score,
            now=utc_now,
            waiting=settings.operators,
            history=ContactHistory(store, unit_of_number(settings), flow_set.branches.branches),
            tracing=tracing,
            sms=sms,
            refusals=bank,
        )
        yield Core(settings, plan_file, flow_set, store, recorder, desk, parts, pbx, following)


def check_files(settings: Settings, plan_file: Path) -> None:
    """Read every file that a person edits.

    Raises:
        ConfigError: every problem of all of them.
    """
    _load_files(settings, plan_file)


def _load_files(settings: Settings, plan_file: Path) -> tuple[FlowSet, Policy, Plan]:
    """All files at once, so that all their problems are told at once."""
    problems: list[Problem] = []

    def attempt(load: Callable[[], T]) -> T | None:
        try:
            return load()
        except ConfigError as error:
            problems.extend(error.problems)
            return None

    flow_set = attempt(lambda: load_flows(settings.flows_dir))
    policy = attempt(lambda: load_policy(settings.flows_dir / "assurance.yml"))
    plan = attempt(lambda: load_rollout(plan_file, flow_set)) if flow_set else None
    if flow_set is None or policy is None or plan is None:
        raise ConfigError(problems)
    return flow_set, policy, plan


def _tell_phone(desk: OperatorDesk, event: AmiMessage) -> None:
    """An operator's telephone does something: his desk shows whom it is for."""
    if (news := phone_news(event)) is not None:
        desk.phone(news)


def _pbx(settings: Settings) -> AmiControl | None:
    asterisk = settings.asterisk
    if not asterisk.ami_host:
        return None
    if asterisk.ami_secret_file is None:
        raise ConfigError(
            [Problem("", None, "asterisk.ami_secret_file", "", "is required with asterisk.ami_host")]
        )
    secret = read_secret(asterisk.ami_secret_file, "asterisk.ami_secret_file")
    return AmiControl(AmiAccount(asterisk.ami_host, asterisk.ami_port, asterisk.ami_user, secret))


# --- people's side --------------------------------------------------------------------------------------


def unit_of_number(settings: Settings) -> UnitOf:
    """Makes units of numbers as signalled; the call's id stands for a withheld one.

    Raises:
        ConfigError: the caller key's file is unreadable.
    """
    key = load_caller_key(settings.data_dir)
    return lambda number, call_id: unit_of(normalise_caller(number), call_id, key)


def branch_names(settings: Settings) -> frozenset[str]:
    """Everything that can be handed over: the menu's branches and the front."""
    return frozenset((*load_flows(settings.flows_dir).branches.branches, FRONT_BRANCH))


@asynccontextmanager
async def open_contacts(settings: Settings) -> AsyncIterator[ContactBook]:
    """The contacts of telephone calls."""
    async with store_of(settings) as store:
        yield ContactBook(store)


def contact_writer(contacts: ContactBook, settings: Settings) -> ContactWriter:
    """Folds calls into contacts."""
    return ContactWriter(
        contacts, unit_of=unit_of_number(settings), now=utc_now, max_call_s=settings.call.max_call_s
    )


def queue_intake(
    contacts: ContactBook, settings: Settings, source: str, branches: Mapping[str, str]
) -> QueueIntake:
    """Entrance of a queue's log."""
    return QueueIntake(contacts, source, unit_of=unit_of_number(settings), branches=branches)


def recording_archive(settings: Settings) -> RecordingArchive:
    """The recordings of calls, new ones only where the settings say so."""
    recording = settings.recording
    return RecordingArchive(
        settings.recordings_dir, enabled=recording.enabled, min_free_bytes=recording.min_free_mb * 1024 * 1024
    )


@asynccontextmanager
async def open_recordings(settings: Settings) -> AsyncIterator[RecordingArchive]:
    """Record from now on; what waits is written at the end."""
    archive = recording_archive(settings)
    await asyncio.to_thread(archive.start)
    try:
        yield archive
    finally:
        await asyncio.to_thread(archive.close)
