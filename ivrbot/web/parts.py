"""What the web needs of the process, handed in by whoever starts it."""

from __future__ import annotations

from dataclasses import dataclass

from ivrbot.analytics.recorder import Recorder
from ivrbot.call.door import CallDesk
from ivrbot.call.router import Router
from ivrbot.config import WebSettings
from ivrbot.operators.desk import OperatorDesk
from ivrbot.operators.dialler import CallbackDialler
from ivrbot.storage.activity import ActivityLog
from ivrbot.storage.store import Store
from ivrbot.telephony.softphone import SoftphoneGateway


@dataclass(frozen=True, slots=True)
class WebParts:
    """Parts of one process.

    Attributes:
        settings: where to listen.
        token: what machine clients show.
        calls: registrations, readiness, live calls.
        softphone: serves the pages' WebSockets.
        store: events, dossiers, outcomes, rollout states.
        recorder: live events.
        operators: dossiers of this process.
        router: draws calls.
        activity: who did and saw what; every change by a person and every view of a call is noted there.
        dialler: is told how attempts to call back ended; None where a person dials.
    """

    settings: WebSettings
    token: str
    calls: CallDesk
    softphone: SoftphoneGateway
    store: Store
    recorder: Recorder
    operators: OperatorDesk
    router: Router
    activity: ActivityLog
    dialler: CallbackDialler | None = None
