"""The HTTP API, over real parts."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ivrbot.errors import ConfigError, StorageUnavailable
from ivrbot.model.call import CallId, CallOutcome, CallRegistration
from ivrbot.model.events import EventType
from ivrbot.web.rollout_status import RolloutStatus
from ivrbot.web.server import WebServer
from tests.fakes.waiting import until
from tests.unit.web_fixture import AT, Site, a_dossier, open_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        yield site


def new_id() -> CallId:
    return CallId(str(uuid.uuid4()))


async def registered(site: Site) -> CallId:
    call_id = new_id()
    assert await site.post("/api/v1/calls", json={"uuid": call_id}) == (200, {"status": "ok"})
    return call_id


# --- registration ---------------------------------------------------------------------------------------


async def test_a_dialplan_registers_with_a_form_and_reads_one_word(site: Site) -> None:
    call_id = new_id()
    form = {
        "uuid": call_id.upper(),
        "caller": "+79161234567",
        "called": "84950000000",
        "channel": "PJSIP/trunk-00000001",
        "uniqueid": "1.1",
        "linkedid": "1.0",
        "accountcode": "unknown to us",
    }
    assert await site.post("/api/v1/calls", data=form) == (200, "ok")
    assert await site.parts.store.registration(call_id) == CallRegistration(
        call_id, "+79161234567", "84950000000", "PJSIP/trunk-00000001", "1.1", "1.0"
    )


async def test_json_may_choose_the_language(site: Site) -> None:
    call_id = new_id()
    body = {"uuid": call_id, "caller": "", "language": "en"}
    assert await site.post("/api/v1/calls", json=body) == (200, {"status": "ok"})
    stored = await site.parts.store.registration(call_id)
    assert stored
    assert stored.language == "en"


async def test_every_problem_is_told_at_once_and_no_value_is_repeated(site: Site) -> None:
    body = {"uuid": "../../etc/passwd", "caller": "9" * 40, "language": "tlh", "channel": "a\r\nb", "extra": 1}
    status, answer = await site.post("/api/v1/calls", json=body)
    assert status == 400
    assert {item["field"] for item in answer["problems"]} == {"uuid", "caller", "language", "channel", "extra"}
    assert "passwd" not in json.dumps(answer)
    assert "99999" not in json.dumps(answer)
    status, text = await site.post("/api/v1/calls", data={"uuid": "x"})
    assert (status, text) == (400, "invalid: uuid: not a UUID")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"null", b'{"uuid": 7}', b"[" * 20_000, b"\xff"])
async def test_nonsense_is_refused(site: Site, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    status, answer = await site.post("/api/v1/calls", data=body, headers=headers)
    assert status == 400
    assert answer["error"] == "invalid"


async def test_other_kinds_of_bodies_are_refused(site: Site) -> None:
    status, _ = await site.post("/api/v1/calls", data=b"<xml/>", headers={"Content-Type": "text/xml"})
    assert status == 415


async def test_a_huge_body_is_refused(site: Site) -> None:
    status, answer = await site.post("/api/v1/calls", json={"uuid": "x" * 100_000})
    assert (status, answer) == (413, {"error": "too_large"})


async def test_a_call_id_is_used_once(site: Site) -> None:
    call_id = await registered(site)
    status, answer = await site.post("/api/v1/calls", json={"uuid": call_id})
    assert (status, answer["error"]) == (409, "used")
    assert (await site.post("/api/v1/calls", data={"uuid": call_id}))[0] == 409


async def test_above_the_cap_the_answer_is_operator(tmp_path: Path) -> None:
    async with open_site(tmp_path, max_calls=1) as site:
        await registered(site)
        assert await site.post("/api/v1/calls", json={"uuid": new_id()}) == (200, {"status": "operator"})
        assert await site.post("/api/v1/calls", data={"uuid": new_id()}) == (200, "operator")


async def test_ready_follows_the_call_desk(tmp_path: Path) -> None:
    async with open_site(tmp_path, is_open=False) as site:
        assert (await site.get("/readyz"))[0] == 503
        assert (await site.get("/healthz"))[0] == 200
        assert await site.post("/api/v1/calls", data={"uuid": new_id()}) == (200, "operator")
    (tmp_path / "open").mkdir()
    async with open_site(tmp_path / "open") as site:
        assert (await site.get("/readyz"))[0] == 200
        await site.parts.calls.drain(0.1)
        assert (await site.get("/readyz"))[0] == 503


# --- events -----------------------------------------------------------------------------------------------


class Reader:
    """A client of a stream; `rows` grow as they come."""

    def __init__(self, site: Site, path: str, headers: dict[str, str] | None = None) -> None:
        self.rows: list[dict[str, Any]] = []
        self.is_over = False
        self.task = asyncio.create_task(self._read(site, path, headers))

    async def _read(self, site: Site, path: str, headers: dict[str, str] | None) -> None:
        async with site.api.get(site.url + path, headers=headers) as response:
            assert response.status == 200, await response.text()
            assert response.content_type == "text/event-stream"
            async for line in response.content:
                if line.startswith(b"data: "):
                    self.rows.append(json.loads(line[6:]))
        self.is_over = True


async def test_past_and_live_events_meet_without_gap_or_repetition(site: Site) -> None:
    call_id = await registered(site)
    record = site.parts.recorder
    for number in range(30):
        record.emit(call_id, EventType.NO_MATCH, number, {"text": "до"})
    early = Reader(site, f"/api/v1/calls/{call_id}/events")
    for number in range(30):
        record.emit(call_id, EventType.NO_MATCH, 30 + number, {"text": "во время"})
        await asyncio.sleep(0)
    late = Reader(site, f"/api/v1/calls/{call_id}/events")
    await until(lambda: early.rows and late.rows)
    record.emit(call_id, EventType.CALL_ENDED, 99, {"disposition": "resolved", "type": "forged", "seq": -1})
    await until(lambda: early.is_over and late.is_over)
    for reader in (early, late):
        assert [row["seq"] for row in reader.rows] == list(range(62))
        assert reader.rows[0]["type"] == "call_registered"
        assert {"type", "t_ms", "seq"} <= reader.rows[-1].keys()
        assert (reader.rows[-1]["type"], reader.rows[-1]["disposition"]) == ("call_ended", "resolved")
    await asyncio.gather(early.task, late.task)


async def test_what_happens_while_the_past_is_read_is_told_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_id = await registered(site)
    flush = site.parts.recorder.flush

    async def busy_flush() -> None:
        site.parts.recorder.emit(call_id, EventType.NO_MATCH, 1, {})
        await flush()

    monkeypatch.setattr(site.parts.recorder, "flush", busy_flush)
    reader = Reader(site, f"/api/v1/calls/{call_id}/events")
    await until(lambda: len(reader.rows) == 2)
    site.parts.recorder.emit(call_id, EventType.CALL_ENDED, 2, {})
    await reader.task
    assert [row["seq"] for row in reader.rows] == [0, 1, 2]


async def test_a_finished_call_is_told_and_the_stream_ends(site: Site) -> None:
    call_id = await registered(site)
    site.parts.recorder.emit(call_id, EventType.CALL_ENDED, 5, {})
    reader = Reader(site, f"/api/v1/calls/{call_id}/events")
    await reader.task
    assert [row["type"] for row in reader.rows] == ["call_registered", "call_ended"]


async def test_a_reader_who_comes_back_gets_the_rest(site: Site) -> None:
    call_id = await registered(site)
    for number in range(3):
        site.parts.recorder.emit(call_id, EventType.NO_MATCH, number, {})
    site.parts.recorder.emit(call_id, EventType.CALL_ENDED, 5, {})
    reader = Reader(site, f"/api/v1/calls/{call_id}/events", {"Last-Event-ID": "2"})
    await reader.task
    assert [row["seq"] for row in reader.rows] == [3, 4]


async def test_a_reader_too_slow_for_the_live_view_is_served_from_the_store(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivrbot.analytics.subscription.LIMIT", 4)
    call_id = await registered(site)
    reader = Reader(site, f"/api/v1/calls/{call_id}/events")
    await until(lambda: reader.rows)
    for number in range(40):
        site.parts.recorder.emit(call_id, EventType.NO_MATCH, number, {})
    site.parts.recorder.emit(call_id, EventType.CALL_ENDED, 50, {})
    await reader.task
    assert [row["seq"] for row in reader.rows] == list(range(42))


async def test_events_of_an_unknown_call(site: Site) -> None:
    for name in (new_id(), "x", "..%2f..%2fetc"):
        status, answer = await site.get(f"/api/v1/calls/{name}/events")
        assert (status, answer) == (404, {"error": "unknown_call"})


async def test_streams_are_limited_and_end_when_readers_go(site: Site) -> None:
    streams = site.server._streams
    streams._limit = 1
    call_id = await registered(site)
    reader = Reader(site, f"/api/v1/calls/{call_id}/events")
    await until(lambda: reader.rows)
    assert (await site.get(f"/api/v1/calls/{call_id}/events"))[0] == 503
    reader.task.cancel()
    await asyncio.gather(reader.task, return_exceptions=True)
    site.parts.recorder.emit(call_id, EventType.NO_MATCH, 1, {})
    await until(lambda: site.parts.recorder.waiting == 0)
    site.parts.recorder.emit(call_id, EventType.NO_MATCH, 2, {})
    await until(lambda: streams.count == 0)


async def test_stopping_ends_streams(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        call_id = await registered(site)
        reader = Reader(site, f"/api/v1/calls/{call_id}/events")
        await until(lambda: reader.rows)
        await site.server.stop()
        await asyncio.gather(reader.task, return_exceptions=True)


# --- outcome, dossier -------------------------------------------------------------------------------------


async def test_the_outcome_is_one_line(site: Site) -> None:
    call_id = await registered(site)
    await site.parts.store.save_outcome(call_id, CallOutcome("transfer", "loans", "loan_info", "d1", 3))
    assert await site.get(f"/api/v1/calls/{call_id}/outcome") == (200, "transfer:loans|loan_info|d1|3")


async def test_without_an_outcome_there_is_nothing_to_read(site: Site) -> None:
    for name in (await registered(site), new_id(), "nonsense"):
        async with site.api.get(f"{site.url}/api/v1/calls/{name}/outcome") as response:
            assert (response.status, await response.read()) == (404, b"")


async def test_an_outcome_while_the_store_is_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(call_id: CallId) -> CallOutcome:
        raise StorageUnavailable("away")

    monkeypatch.setattr(site.parts.store, "outcome", away)
    async with site.api.get(f"{site.url}/api/v1/calls/{new_id()}/outcome") as response:
        assert (response.status, await response.read()) == (503, b"")


async def test_a_dossier_hides_the_number_from_machines(site: Site) -> None:
    call_id = await registered(site)
    registration = CallRegistration(call_id, caller="+79161234567")
    await site.parts.operators.transfer(registration, a_dossier(call_id=call_id))
    status, dossier = await site.get(f"/api/v1/dossiers/{'d' * 32}")
    assert status == 200
    assert (dossier["caller"], dossier["customer_name"], dossier["level"]) == ("***67", "Анна", "identified")
    assert dossier["transcript"] == [{"who": "caller", "text": "оператор", "t_ms": 900}]


async def test_unknown_dossiers(site: Site) -> None:
    for name in ("d", "..%2f..", "d'--", "d" * 100):
        status, answer = await site.get(f"/api/v1/dossiers/{name}")
        assert (status, answer) == (404, {"error": "unknown_dossier"})


# --- rollout ----------------------------------------------------------------------------------------------


async def test_a_decision_is_drawn_once(site: Site) -> None:
    question = {"branch": "balance", "caller": "8 916 123-45-67", "call_id": "pbx-1.7"}
    status, first = await site.post("/api/v1/rollout/decision", json=question)
    assert status == 200
    assert (first["route"], first["arm"], first["branch"], first["stage"]) == (
        "bot",
        "treatment",
        "balance",
        "full",
    )
    exposure = await site.parts.store.exposure(CallId("pbx-1.7"), "balance")
    assert exposure
    assert (exposure.unit, exposure.at) == (first["unit"], AT)
    _, again = await site.post("/api/v1/rollout/decision", json=question)
    assert again == {**first, "reason": "repeated"}
    assert set(first) == {"route", "arm", "branch", "stage", "share", "propensity", "unit", "reason"}


async def test_a_topic_that_only_operators_know_is_drawn_for_nobody(site: Site) -> None:
    question = {"branch": "block_card", "caller": "+79161234567", "call_id": "pbx-1.8", "topic": "card_reissue"}
    _, answer = await site.post("/api/v1/rollout/decision", json=question)
    assert (answer["route"], answer["arm"], answer["reason"]) == ("operator", None, "not_served")
    assert await site.parts.store.exposure(CallId("pbx-1.8"), "block_card") is None
    status, answer = await site.post("/api/v1/rollout/decision", json=question | {"topic": "loan_info"})
    assert (status, answer["problems"][0]["field"]) == (400, "topic")


async def test_of_a_registered_call_the_door_learns_where_it_went(site: Site) -> None:
    asked = {"branch": "other", "caller": "", "topic": "atm_problem"}
    for _ in range(site.parts.calls._settings.max_calls + 1):
        call_id = str(uuid.uuid4())
        assert await site.post("/api/v1/calls", data={"uuid": call_id}) == (200, "ok")
        assert await site.post("/api/v1/rollout/decision", data=asked | {"call_id": call_id}) == (200, "operator")


async def test_bad_questions(site: Site) -> None:
    for question in ({}, {"branch": "weather", "call_id": "1"}, {"branch": "balance", "call_id": "a b"}):
        status, answer = await site.post("/api/v1/rollout/decision", json=question)
        assert (status, answer["error"]) == (400, "invalid")
    assert "balance" in answer["problems"][0]["message"] or answer["problems"][0]["field"] == "call_id"


async def test_the_state_of_every_branch(site: Site) -> None:
    status, rows = await site.get("/api/v1/rollout")
    assert status == 200
    assert {row["branch"]: row["share"] for row in rows} == dict.fromkeys(site.parts.router.known_branches, 1.0)
    assert rows == await RolloutStatus(site.parts.store, lambda: AT).rows(site.parts.router.plan)


# --- the description is true ------------------------------------------------------------------------------


async def test_the_description_names_exactly_what_is_served(site: Site) -> None:
    _, described = await site.get("/api/v1/openapi.json")
    named = {
        (path.replace("{uuid}", "{call_id}"), method.upper())
        for path, item in described["paths"].items()
        for method in item
    }
    served = {
        (route.resource.canonical, route.method)
        for route in site.server.application().router.routes()
        if route.resource and route.method != "HEAD" and route.resource.canonical.startswith(("/api/", "/healthz"))
    }
    assert served <= named
    assert {path for path, _ in named} - {path for path, _ in served} == {"/readyz", "/metrics"}


async def test_described_bodies_are_those_that_are_read(site: Site) -> None:
    from ivrbot.web.calls_api import Registration
    from ivrbot.web.rollout_api import Question

    _, described = await site.get("/api/v1/openapi.json")
    schemas = described["components"]["schemas"]
    assert list(schemas["Registration"]["properties"]) == list(Registration.model_fields)
    assert set(schemas["Question"]["properties"]) == set(Question.model_fields)


async def test_metrics_are_prometheus_text(site: Site) -> None:
    status, text = await site.get("/metrics")
    assert status == 200
    assert "ivrbot_calls_active" in text


# --- listening --------------------------------------------------------------------------------------------


async def test_a_port_in_use_is_named(site: Site) -> None:
    port = int(site.url.rpartition(":")[2])
    settings = site.parts.settings.model_copy(update={"port": port})
    with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port}.*IVRBOT_WEB__PORT"):
        await WebServer(replace(site.parts, settings=settings)).start()


async def test_an_address_of_another_machine_is_named(site: Site) -> None:
    settings = site.parts.settings.model_copy(update={"host": "192.0.2.1"})
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1:0"):
        await WebServer(replace(site.parts, settings=settings)).start()


async def test_connections_are_limited(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivrbot.web.server.MAX_CONNECTIONS", 3)
    port = int(site.url.rpartition(":")[2])
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"{site.url}/healthz")
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()

        async def answers() -> bool:
            try:
                async with session.get(f"{site.url}/healthz") as response:
                    return response.status == 200
            except aiohttp.ClientError:
                return False

        async with asyncio.timeout(5):
            while not await answers():  # noqa: ASYNC110 - the server's side of closing has no event
                await asyncio.sleep(0.01)


async def test_a_dialplan_is_answered_with_the_bare_route(site: Site) -> None:
    asked = {"branch": "balance", "caller": "", "call_id": "form-1", "trunk": "+74950000000"}
    assert await site.post("/api/v1/rollout/decision", data=asked) == (200, "bot")
    kept = await site.parts.store.exposure(CallId("form-1"), "balance")
    assert kept is not None
    assert kept.trunk == "+74950000000"


async def test_the_rollout_is_changed_over_http_and_signed_by_the_token(site: Site) -> None:
    status, answer = await site.post("/api/v1/rollout/balance/rollback", json={"why": "repeat calls"})
    assert (status, answer[0]["action"], answer[0]["to"]["share"]) == (200, "roll_back", 0.0)
    status, asked = await site.post("/api/v1/rollout/balance/propose", json={"why": "mended"})
    assert (status, asked["to_stage"], asked["proposer"]) == (200, "full", "token:api")
    body = {"id": asked["id"], "why": "checked"}
    status, refused = await site.post("/api/v1/rollout/loans/approve", json=body)
    assert (status, refused["problems"][0]["field"]) == (400, "id")
    status, answer = await site.post("/api/v1/rollout/balance/approve", json=body)
    assert (status, answer[0]["to"]["share"]) == (200, 1.0)
    assert (await site.post("/api/v1/rollout/balance/approve", json=body))[0] == 400
    assert (await site.get("/api/v1/rollout/proposals"))[1][0]["state"] == "approved"
    for path in ("/api/v1/rollout/kill", "/api/v1/rollout/%2A/resume", "/api/v1/rollout/loans/kill"):
        assert (await site.post(path, json={"why": "drill"}))[0] == 200
        assert (await site.post(path, json={}))[0] == 400
    _, states = await site.get("/api/v1/rollout")
    assert {row["branch"] for row in states if row["killed"]} == {"loans"}
    _, history = await site.get("/api/v1/rollout/history", params={"branch": "loans"})
    assert (history[-1]["action"], history[-1]["who"]) == ("kill", "token:api")
