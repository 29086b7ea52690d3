"""A web server over real parts: store, recorder, desks, router; only the call itself is left out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import aiohttp
from argon2 import PasswordHasher
from yarl import URL

from ivrbot.analytics.evidence_source import ContactEvidence
from ivrbot.analytics.export_evidence import ExportEvidence
from ivrbot.analytics.figures import Rates
from ivrbot.analytics.recorder import Recorder
from ivrbot.analytics.report_queries import ReportReader
from ivrbot.bank.simulator import BankSimulator
from ivrbot.call.door import CallDesk
from ivrbot.call.router import FRONT_BRANCH, Router
from ivrbot.call.running import CallParts
from ivrbot.config import PROJECT_ROOT, CallSettings, MediaSettings, TwilioSettings, WebSettings
from ivrbot.dialogue.loader import load_flows
from ivrbot.errors import ConfigError, Problem
from ivrbot.model.call import AssuranceLevel, CallId, Dossier, EscalationReason, QueueName, TranscriptLine
from ivrbot.model.people import Account, Role
from ivrbot.model.voiceprint import VoiceThresholds
from ivrbot.operators.desk import OperatorDesk
from ivrbot.reports.service import ReportParts, Reports
from ivrbot.rollout.governing.control import adopt
from ivrbot.rollout.planning.check import load_plan
from ivrbot.rollout.planning.plan import Plan
from ivrbot.storage.activity import ActivityLog
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.engines import Opening
from ivrbot.storage.erasure import Erased
from ivrbot.storage.people import PeopleBook
from ivrbot.storage.recordings import RecordingArchive
from ivrbot.storage.store import Store
from ivrbot.telephony.media_sockets import MediaSockets
from ivrbot.telephony.pacer import Pacer
from ivrbot.telephony.softphone import SoftphoneGateway
from ivrbot.web.parts import VoiceprintFacts
from ivrbot.web.people_passwords import Passwords
from ivrbot.web.server import WebParts, WebServer
from ivrbot.web.sessions import csrf_of
from tests.fakes.media import RecordingDoor

TOKEN = "a-token-of-tests"
PASSWORD = "four words of a test"
CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FLOWS = load_flows(PROJECT_ROOT / "flows")


Login = Literal["always", "phone", "local"]


class FakeEraser:
    """Knows one number; what it was asked is kept."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    async def erase(self, number: str, who: str, why: str) -> Erased:
        if not number.startswith("+7"):
            raise ConfigError([Problem("", None, "number", "", "is not a telephone number")])
        self.asked.append((number, who, why))
        return Erased(("c-1",), {"calls": 1}, ("old.zip",))


class Site:
    """A running server and a client.

    Attributes:
        api: shows the token; `page` does not.
    """

    def __init__(self, parts: WebParts, server: WebServer, door: RecordingDoor, bank: BankSimulator) -> None:
        self.parts = parts
        self.server = server
        self.door = door
        self.bank = bank
        self.url = ""
        self.api: aiohttp.ClientSession = cast(aiohttp.ClientSession, None)
        self.page: aiohttp.ClientSession = cast(aiohttp.ClientSession, None)

    async def post(self, path: str, **arguments: Any) -> tuple[int, Any]:
        async with self.api.post(self.url + path, **arguments) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else await response.text()

    async def get(self, path: str, **arguments: Any) -> tuple[int, Any]:
        async with self.api.get(self.url + path, **arguments) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else await response.text()

    async def add_person(
        self, name: str, *roles: Role, branches: frozenset[str] | None = None, must_change: bool = False
    ) -> None:
        """Somebody who may log in with `PASSWORD`."""
        hashed = CHEAP.hash_now(PASSWORD)
        await self.parts.people.add(
            Account(name, frozenset(roles), branches, hashed, must_change, False, AT, "test")
        )

    @asynccontextmanager
    async def logged_in(
        self, name: str, *roles: Role, branches: frozenset[str] | None = None
    ) -> AsyncIterator[Visitor]:
        """A new person with a browser of his own, logged in."""
        await self.add_person(name, *roles, branches=branches)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            visitor = Visitor(self.url, session)
            assert await visitor.log_in(name) == 303
            yield visitor


class Visitor:
    """A browser, as far as HTTP goes.

    Attributes:
        csrf: what its pages show.
    """

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session
        self.csrf = ""

    async def log_in(self, name: str, password: str = PASSWORD) -> int:
        """Send the form; gives the status."""
        form = {"name": name, "password": password}
        async with self.session.post(f"{self.url}/login", data=form, allow_redirects=False) as response:
            status = response.status
        cookie = self.session.cookie_jar.filter_cookies(URL(self.url)).get("session")
        self.csrf = csrf_of(cookie.value) if cookie else ""
        return status

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.session.get(self.url + path, headers=headers, allow_redirects=False) as response:
            return response.status, await response.text()

    async def post(self, path: str, *, csrf: str | None = None, **arguments: Any) -> tuple[int, str]:
        headers = {"X-CSRF-Token": self.csrf if csrf is None else csrf}
        async with self.session.post(
            self.url + path, headers=headers, allow_redirects=False, **arguments
        ) as response:
            return response.status, await response.text()


@asynccontextmanager
async def open_site(
    folder: Path,
    *,
    max_calls: int = 20,
    is_open: bool = True,
    login: Login = "local",
    proxies: tuple[str, ...] = (),
    plan: Plan | None = None,
    where: Path | Opening | None = None,
) -> AsyncIterator[Site]:
    plan = plan or load_plan(
        PROJECT_ROOT / "deploy" / "demo-rollout.yaml", {*FLOWS.branches.branches, FRONT_BRANCH}
    )
    async with (
        Store(where or folder / "test.sqlite") as store,
        Recorder(store, folder / "journal.jsonl", lambda: AT) as recorder,
        asyncio.TaskGroup() as group,
    ):
        await adopt(plan, store, "test", AT)
        desk = CallDesk(
            cast(CallParts, SimpleNamespace(calls=store, now=lambda: AT)),
            asr=cast(Any, None),
            voice=cast(Any, None),
            settings=CallSettings(max_calls=max_calls),
            record=recorder.emit,
            registered_only=True,
        )
        if is_open:
            desk.open(group)
        door, bank = RecordingDoor(), BankSimulator(folder, b"k" * 32)
        parts = WebParts(
            settings=WebSettings(port=0, login=login, proxies=proxies),
            token=TOKEN,
            calls=desk,
            softphone=SoftphoneGateway(door, Pacer(), desk.register, recorder.subscribe, MediaSettings()),
            media=MediaSockets(
                door, Pacer(), MediaSettings(), TwilioSettings(), b"", desk.register, store.outcome
            ),
            store=store,
            recorder=recorder,
            operators=OperatorDesk(store),
            bank=bank,
            router=Router(lambda: plan, FLOWS.branches, store, b"k" * 32, lambda: AT),
            people=PeopleBook(store),
            passwords=CHEAP,
            activity=ActivityLog(store, lambda: AT),
            reports=reports_over(folder, store, plan),
            eraser=FakeEraser(),
            voiceprint=VoiceprintFacts(
                True,
                "a" * 64,
                "whose model it is",
                VoiceThresholds(0.84, 0.45),
                folder / "voiceprint" / "calibration.json",
                lambda customer_id: f"ref-{len(customer_id)}",
            ),
            recordings=RecordingArchive(folder / "recordings", enabled=True, min_free_bytes=0),
        )
        site = Site(parts, WebServer(parts), door, bank)
        site.url = f"http://127.0.0.1:{await site.server.start()}"
        try:
            async with (
                aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as site.api,
                aiohttp.ClientSession() as site.page,
            ):
                yield site
        finally:
            await site.server.stop()
            await bank.close()


def reports_over(folder: Path, store: Store, plan: Plan) -> Reports:
    """Reports over an export in the folder, where there is one."""
    export, live = folder / "export", ContactEvidence(ContactBook(store))
    rates = Rates(100.0, 2_000.0)
    return Reports(
        ReportParts(ReportReader(export, rates), ExportEvidence(export, live), lambda: plan, store, rates)
    )


def a_dossier(dossier_id: str = "d" * 32, call_id: str = "", text: str = "оператор") -> Dossier:
    return Dossier(
        dossier_id=dossier_id,
        call_id=CallId(call_id),
        created_at=AT,
        queue=QueueName("balance"),
        reason=EscalationReason.CALLER_ASKED,
        topic="check_balance",
        language="ru",
        caller="+79161234567",
        customer_name="Анна",
        level=AssuranceLevel.IDENTIFIED,
        transcript=(TranscriptLine("caller", text, 900),),
    )
