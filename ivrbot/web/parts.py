"""What the web needs of the process, handed in by whoever starts it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ivrbot.analytics.recorder import Recorder
from ivrbot.call.door import CallDesk
from ivrbot.call.load_watch import LoadWatch
from ivrbot.call.router import Router
from ivrbot.config import OperatorSettings, WebSettings
from ivrbot.model.voiceprint import VoiceThresholds
from ivrbot.operators.desk import OperatorDesk
from ivrbot.operators.dialler import CallbackDialler
from ivrbot.ports import Bank
from ivrbot.reports.service import Reports
from ivrbot.storage.activity import ActivityLog
from ivrbot.storage.erasure import Erased
from ivrbot.storage.people import PeopleBook
from ivrbot.storage.recordings import RecordingArchive
from ivrbot.storage.store import Store
from ivrbot.telephony.media_sockets import MediaSockets
from ivrbot.telephony.softphone import SoftphoneGateway
from ivrbot.web.people_passwords import Passwords


class Eraser(Protocol):
    """Erases everything that leads to a caller."""

    async def erase(self, number: str, who: str, why: str) -> Erased:
        """Erase and note it in the activity log, without the number.

        Raises:
            ConfigError: not a number.
            StorageError: not finished; asking again goes on.
        """
        ...


@dataclass(frozen=True, slots=True)
class VoiceprintFacts:
    """What of voices the process knows.

    Attributes:
        enabled: by the settings.
        model: hash of the model in use, "" where voices are not compared.
        notice: whose model it is and under which licence, "" where none is installed.
        thresholds: of the settings.
        calibration: where the error rates of an installation lie.
        ref: what the activity log calls a customer.
    """

    enabled: bool
    model: str
    notice: str
    thresholds: VoiceThresholds
    calibration: Path
    ref: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class WebParts:
    """Parts of one process.

    Attributes:
        settings: where to listen.
        token: the installation's own, which opens everything to machines.
        calls: registrations, readiness, live calls.
        softphone: serves the pages' WebSockets.
        media: serves the PBX's and providers' WebSockets.
        store: events, dossiers, outcomes, rollout states.
        recorder: live events.
        operators: dossiers of this process.
        router: draws calls.
        bank: changed by operators, for the caller in hand.
        people: accounts, sessions, tokens.
        activity: who did and saw what; every change by a person and every view of a call is noted there.
        passwords: hashes them; tests take cheaper ones.
        eraser: erases a caller's data; None where the page server stands alone.
        recordings: the sound of calls; None where none can be heard.
        reports: figures of calls; None where nothing is exported.
        simulated: the calls of this database were made up; every page says so.
        quality_salt: with it the calls that people score are drawn by lot.
        callback_rules: how often, and after what pause, a person calls back.
        voiceprint: how voices are compared; None where the page server stands alone.
        load: what is left out and whether one more call fits; None where the page server stands alone.
        dialler: is told how attempts to call back ended; None where a person dials.
    """

    settings: WebSettings
    token: str
    calls: CallDesk
    softphone: SoftphoneGateway
    media: MediaSockets
    store: Store
    recorder: Recorder
    operators: OperatorDesk
    router: Router
    bank: Bank
    people: PeopleBook
    activity: ActivityLog
    passwords: Passwords = field(default_factory=Passwords)
    quality_salt: bytes = b""
    callback_rules: OperatorSettings = field(default_factory=OperatorSettings)
    dialler: CallbackDialler | None = None
    recordings: RecordingArchive | None = None
    eraser: Eraser | None = None
    reports: Reports | None = None
    simulated: bool = False
    voiceprint: VoiceprintFacts | None = None
    load: LoadWatch | None = None
