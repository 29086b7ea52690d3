"""The composition root, continued: what a server does beside its calls, and what commands do without a server.

Contacts folded and followed, the export and its reports, mails, calls back, retention, erasure. `worker` runs the
endless ones; each goes on after whatever fails in it, for calls do not wait for figures.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from ivrbot.analytics.evidence_source import ContactEvidence
from ivrbot.analytics.export import Export, keep_exporting
from ivrbot.analytics.export_columns import Habits
from ivrbot.analytics.export_evidence import ExportEvidence
from ivrbot.analytics.figures import Rates
from ivrbot.analytics.journal_owner import JournalOwner, keep_adopting
from ivrbot.analytics.report_queries import ReportReader
from ivrbot.app import Core, contact_writer, fact_key, journal_of, journals_of, queue_intake, utc_now
from ivrbot.call.authentication import number_subject
from ivrbot.call.voice import Voices
from ivrbot.config import Settings, make_data_dir
from ivrbot.errors import BankError, ConfigError, EngineUnavailable, Problem, StorageError, StorageUnavailable
from ivrbot.model.call import CallId
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.voiceprint import VoiceThresholds
from ivrbot.operators.dialler import CallbackDialler, DiallerParts
from ivrbot.ports import Bank
from ivrbot.reports.mail import Envelope, FileMail, MailPort, SmtpAccount, SmtpMail
from ivrbot.reports.service import ReportParts, Reports
from ivrbot.reports.summary import Summaries, SummaryRules
from ivrbot.rollout.drawing.assignment import normalise_caller, unit_of
from ivrbot.rollout.drawing.caller_key import load_caller_key
from ivrbot.rollout.planning.plan import Plan
from ivrbot.seat import Seat
from ivrbot.secretfile import read_secret
from ivrbot.storage import retention
from ivrbot.storage.activity import ActivityLog
from ivrbot.storage.call_list import CallList
from ivrbot.storage.callbacks import CallbackBook
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.erasure import Caller, Erased, erase
from ivrbot.storage.leases import Leadership
from ivrbot.storage.recordings import RecordingArchive
from ivrbot.storage.report_facts import ReportFacts
from ivrbot.storage.sealing import load_master_key
from ivrbot.storage.shadow import ShadowBook
from ivrbot.storage.store import Store
from ivrbot.storage.voiceprints import VoiceprintBook, has_voices
from ivrbot.telephony.asterisk_callbacks import AsteriskCallbacks
from ivrbot.telephony.queue_log import QueueLogFollower, QueueLogReader
from ivrbot.voiceprint.calibration import calibration_path
from ivrbot.voiceprint.engine import OnnxVoiceprint
from ivrbot.voiceprint.network import FOLDER
from ivrbot.web.parts import VoiceprintFacts

log = logging.getLogger(__name__)

BEGIN_AGAIN_S = 10.0
FIRST_EXPORT_S = 5.0
EXPIRE_EVERY_S = 3600.0
ATTEMPTS_DAYS = 7
"""Failed proofs count for a day, and tell for one more what is usual; the rest is for looking back."""
RETENTION_EVERY_S = 86_400.0
SAME_DIGITS = 7
"""Of a number's end: a quick look before it is read as a number."""


async def follow_contacts(core: Core) -> None:
    """Keep contacts up to date, and follow the PBX's queue_log if the settings name one; until cancelled."""
    settings, contacts = core.settings, ContactBook(core.store)
    async with asyncio.TaskGroup() as group:
        group.create_task(_for_ever(contact_writer(contacts, settings).run), name="contact-writer")
        group.create_task(_fill_call_list(core.store), name="call-list")
        if settings.asterisk.queue_log:
            group.create_task(_for_ever(lambda: _follow_queue_log(contacts, settings)), name="queue-log")


async def _fill_call_list(store: Store) -> None:
    """Once a start: contacts that an older version or an import has stored get their line in the list of calls."""
    try:
        if added := await CallList(store).fill():
            log.info("the list of calls has %d lines more", added)
    except StorageError as error:
        log.warning("the list of calls is filled at the next start: %s", error.code)


async def fold_what_waits(store: Store, settings: Settings) -> None:
    """Fold every call that is due into contacts, for commands that run without a server."""
    writer = contact_writer(ContactBook(store), settings)
    while await writer.step():
        pass


async def _follow_queue_log(contacts: ContactBook, settings: Settings) -> None:
    path = Path(settings.asterisk.queue_log)
    intake = queue_intake(contacts, settings, str(path), settings.asterisk.queue_branches)
    reader = QueueLogReader(path, await contacts.log_position(str(path)))
    await QueueLogFollower(reader, lambda piece: intake.take(piece.rows, piece.position), utc_now).run()


def report_habits(plan: Plan) -> Habits:
    """What of a plan the analytical export depends on."""
    return Habits(
        plan.timezone,
        {name: timedelta(days=branch.repeat_window_days) for name, branch in plan.branches.items()},
        {name: branch.time_cap_s for name, branch in plan.branches.items()},
    )


def report_export(settings: Settings, store: Store, plan: Callable[[], Plan]) -> Export:
    """The analytical export of the data folder."""
    folder = make_data_dir(settings.data_dir) / "export"
    return Export(folder, ReportFacts(store), lambda: report_habits(plan()), utc_now)


def reports_of(settings: Settings, store: Store, plan: Callable[[], Plan]) -> Reports:
    """Reports over that export."""
    folder, costs = settings.data_dir / "export", settings.costs
    live = ContactEvidence(
        ContactBook(store),
        shadow=ShadowBook(store).evidence,
        time_cap_s=lambda branch: plan().branches[branch].time_cap_s,
    )
    rates = Rates(costs.bot_minute_minor, costs.operator_minute_minor)
    parts = ReportParts(
        ReportReader(folder, rates), ExportEvidence(folder, live), plan, store, rates, costs.currency
    )
    return Reports(parts)


async def keep_reports(core: Core, reports: Reports) -> None:
    """Keep the export up to date; until cancelled. It waits for its first round until calls are being answered."""
    settings = core.settings
    export = report_export(settings, core.store, lambda: core.parts.router.plan)
    mail = mail_port(settings)
    await asyncio.sleep(FIRST_EXPORT_S)
    async with asyncio.TaskGroup() as group:
        group.create_task(
            _for_ever(lambda: keep_exporting(export, settings.reports.export_s, reports.prepare)), name="export"
        )
        if mail is not None:
            group.create_task(_for_ever(_summaries(core, reports, export, mail).run), name="summaries")


def mail_port(settings: Settings) -> MailPort | None:
    """The way for mails of the settings; None where there is none.

    Raises:
        ConfigError: nobody to send from or to, or the password's file cannot be read.
    """
    mail = settings.mail
    if mail.via == "off":
        return None
    missing = [name for name, value in (("sender", mail.sender), ("recipients", mail.recipients)) if not value]
    if missing:
        raise ConfigError([Problem("", None, f"mail.{name}", "", "is required with mail.via") for name in missing])
    envelope = Envelope(mail.sender, mail.recipients)
    if mail.via == "file":
        return FileMail(settings.data_dir / "outbox", envelope, utc_now)
    file = mail.smtp_password_file
    password = "" if file is None else read_secret(file, "mail.smtp_password_file")
    account = SmtpAccount(mail.smtp_host, mail.smtp_port, mail.smtp_security, mail.smtp_user, password)
    return SmtpMail(account, envelope, utc_now)


def _summaries(core: Core, reports: Reports, export: Export, mail: MailPort) -> Summaries:
    settings = core.settings.mail
    rules = SummaryRules(
        settings.weekday, settings.hour, core.parts.router.plan.timezone, settings.language, settings.link
    )
    return Summaries(reports, ReportFacts(core.store), mail, rules, export.refresh, utc_now)


def callback_dialler(core: Core) -> CallbackDialler | None:
    """Dials call-backs through the PBX, where the settings say so and there is one."""
    settings, pbx = core.settings.operators, core.pbx
    if settings.callbacks != "dial" or pbx is None:
        return None

    async def record(call_id: CallId, kind: EventType, data: dict[str, JsonValue]) -> None:
        await core.recorder.resume(call_id)  # an earlier process may have begun it
        core.recorder.emit(call_id, kind, 0, data)

    store = CallbackBook(core.store)
    parts = DiallerParts(store, AsteriskCallbacks(pbx), core.desk.state, settings, record, utc_now)
    return CallbackDialler(parts)


async def dial_callbacks(dialler: CallbackDialler) -> None:
    """Dial what is due; until cancelled."""
    await _for_ever(dialler.run)


async def apply_retention(core: Core, holder: str) -> None:
    """Erase what is too old, once a day, by one process of all on this database; until cancelled."""
    settings = core.settings.retention
    ages = retention.Ages(
        settings.numbers_days,
        settings.transcripts_days,
        settings.dossiers_days,
        settings.events_days,
        ATTEMPTS_DAYS,
    )
    leader = Leadership(core.store, "retention", holder, RETENTION_EVERY_S / 2)

    async def apply() -> None:
        if await leader.take(utc_now()):
            done = await retention.apply(core.store, ages, utc_now())
            if any(done.values()):
                log.info("erased, their days are over: %s", ", ".join(f"{n} {kind}" for kind, n in done.items()))
        await asyncio.sleep(RETENTION_EVERY_S)

    await _for_ever(apply)


async def expire_recordings(archive: RecordingArchive, settings: Settings) -> None:
    """Erase recordings whose days are over, every hour; until cancelled."""

    async def expire() -> None:
        before = utc_now() - timedelta(days=settings.recording.days)
        erased = await asyncio.to_thread(archive.erase_before, before)
        if erased:
            log.info("%d recordings of calls were erased, their time is over", erased)
        await asyncio.sleep(EXPIRE_EVERY_S)

    await _for_ever(expire)


def caller_of(settings: Settings, number: str) -> Caller:
    """How a caller is known in the database, to erase him.

    Args:
        settings: of the installation whose keys made his hashes.
        number: in national or international form.

    Raises:
        ConfigError: not a number, or a key's file is unreadable.
    """
    wanted = normalise_caller(number)
    if wanted is None:
        raise ConfigError([Problem("", None, "number", "", "is not a telephone number", "+79991234567")])
    unit = unit_of(wanted, "", load_caller_key(settings.data_dir))
    key, end = fact_key(settings.data_dir), wanted[-SAME_DIGITS:]

    def is_his(stored: str) -> bool:
        digits = "".join(char for char in stored if char.isdigit())
        return digits.endswith(end) and normalise_caller(stored) == wanted

    return Caller(is_his, unit, partial(number_subject, key), secrets.token_hex(32))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # written to the store just now
        return 0


@asynccontextmanager
async def own_journal(settings: Settings, seat: Seat | None) -> AsyncIterator[None]:
    """Be the one who writes this worker's journal, so that no other worker takes its events to the store."""
    number = 1 if seat is None else seat.number
    make_data_dir(settings.data_dir)
    owner = JournalOwner(journal_of(settings, number=number))
    try:
        if seat is None:
            await asyncio.to_thread(owner.take)
        else:
            await owner.wait()
    except OSError as error:
        raise ConfigError([Problem("", None, "data_dir", str(settings.data_dir), str(error.strerror))]) from error
    try:
        yield
    finally:
        owner.give_back()


async def keep_journals(core: Core, number: int) -> None:
    """Write to the store what workers have left in their journals that are gone for good; until cancelled."""
    own = journal_of(core.settings, number=number)
    await keep_adopting(core.store, lambda: (path for path in journals_of(core.settings) if path != own))


class Eraser:
    """Erases callers: database, recordings; refuses while events wait in the journal.

    Args:
        settings: of the process.
        store: open.
        recordings: None where none are kept.
        bank: tells whose number it is, for his voiceprint.
    """

    def __init__(self, settings: Settings, store: Store, recordings: RecordingArchive | None, bank: Bank) -> None:
        self._settings = settings
        self._store = store
        self._recordings = recordings
        self._bank = bank

    async def erase(self, number: str, who: str, why: str) -> Erased:
        """Erase a caller and note it in the activity log, without his number.

        Raises:
            ConfigError: not a number.
            StorageError: not finished; asking again goes on.
        """
        caller = caller_of(self._settings, number)
        caller = replace(caller, customer_id=await self._customer_of(number))
        if await asyncio.to_thread(lambda: any(_size(journal) for journal in journals_of(self._settings))):
            raise StorageUnavailable("events wait in the journal for the database; ask again later")
        done = await erase(self._store, caller)
        erased = 0
        if self._recordings is not None:
            for call_id in done.call_ids:
                erased += await asyncio.to_thread(self._recordings.erase, CallId(call_id))
        done.rows["recordings"] = erased
        detail: dict[str, JsonValue] = {"why": why, "calls": len(done.call_ids), **done.rows}
        await ActivityLog(self._store, utc_now).note(who, "erase", "caller", "", detail=detail)
        return done

    async def _customer_of(self, number: str) -> str:
        """The bank's name of him; "" when it knows none, or when nobody's voice is kept anyway."""
        if not await self._store.read(has_voices):
            return ""
        try:
            customer = await self._bank.find_customer(normalise_caller(number) or "")
        except BankError as error:
            raise StorageUnavailable("the bank cannot be asked whose voice to erase; ask again later") from error
        return "" if customer is None else customer.customer_id


# --- voices -----------------------------------------------------------------------------------------------


def voiceprint_engine(settings: Settings) -> OnnxVoiceprint:
    """The engine that compares voices; not started."""
    return OnnxVoiceprint(settings.models_dir)


def voiceprint_book(settings: Settings, store: Store) -> VoiceprintBook:
    """Consents and templates over an open store.

    Raises:
        ConfigError: the master key is none, or cannot be read.
        MissingError: there is no master key.
    """
    return VoiceprintBook(store, load_master_key(settings.voiceprint.master_key_file))


def voice_thresholds(settings: Settings) -> VoiceThresholds:
    """The bank's."""
    chosen = settings.voiceprint
    return VoiceThresholds(chosen.accept, chosen.flag, chosen.min_speech_ms, chosen.min_snr_db)


def customer_ref(settings: Settings, customer_id: str) -> str:
    """What the activity log calls a customer: the same one the same, and nobody can be read from it."""
    digest = hmac.new(load_caller_key(settings.data_dir), f"customer:{customer_id}".encode(), hashlib.sha256)
    return digest.hexdigest()[:32]


def voiceprint_facts(settings: Settings, voices: Voices | None) -> VoiceprintFacts:
    """What the page about voices shows of this process."""
    notice = settings.models_dir / FOLDER / "NOTICE"
    return VoiceprintFacts(
        enabled=settings.voiceprint.enabled,
        model=voices.engine.model if voices else "",
        notice=notice.read_text("utf-8") if notice.is_file() else "",
        thresholds=voice_thresholds(settings),
        calibration=calibration_path(settings.data_dir),
        ref=partial(customer_ref, settings),
    )


@asynccontextmanager
async def open_voices(settings: Settings, store: Store) -> AsyncIterator[Voices | None]:
    """What calls need to compare voices; None where the bank has not switched it on, or the model is not there.

    Raises:
        ConfigError: the master key is none, or cannot be read.
        MissingError: there is no master key.
    """
    if not settings.voiceprint.enabled:
        yield None
        return
    book, engine = voiceprint_book(settings, store), voiceprint_engine(settings)
    try:
        await engine.start()
    except EngineUnavailable as error:
        log.error("voices are not compared, callers are asked for codes: %s", error)
        yield None
        return
    try:
        yield Voices(engine, book, voice_thresholds(settings))
    finally:
        await engine.close()


async def _for_ever(work: Callable[[], Awaitable[None]]) -> None:
    """Work for figures: whatever fails in it must not end calls."""
    while True:
        try:
            await work()
        except Exception:  # the calls go on; what it missed is still in the store or in the log
            log.exception("work in the background failed and is begun again")
        await asyncio.sleep(BEGIN_AGAIN_S)
