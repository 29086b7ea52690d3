"""The Rasa adapter against answers that a server may give, and the engine behind it that answers instead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ivrbot.errors import EngineBadOutput, EngineError, EngineTimeout, EngineUnavailable
from ivrbot.model.speech import OUT_OF_SCOPE, Language, NluResult
from ivrbot.nlu.fallback import FAILURES_IN_A_ROW, REST_S, FallbackNlu
from ivrbot.nlu.rasa import RasaNlu, RasaServer

PATIENCE_MS = 10_000
"""Of a parse whose deadline is not the subject."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ANSWER = {
    "text": "карту украли",
    "intent": {"name": "nlu_fallback", "confidence": 0.5},
    "entities": [{"entity": "card_kind", "value": "зарплатная", "start": 0, "end": 3}, {"odd": 1}],
    "intent_ranking": [
        {"name": "nlu_fallback", "confidence": 0.5},
        {"name": "check_balance", "confidence": 0.2},
        {"name": "block_card", "confidence": 0.6},
    ],
}


@asynccontextmanager
async def rasa(handler: Handler, **settings: object) -> AsyncIterator[RasaNlu]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(application) as server:
        engine = RasaNlu(RasaServer(str(server.make_url("")), **{"deadline_ms": PATIENCE_MS, **settings}))  # type: ignore[arg-type]
        try:
            yield engine
        finally:
            await engine.close()


async def test_the_class_hidden_by_the_fallback_is_read_from_the_ranking() -> None:
    seen: list[tuple[str, str, object]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.path, request.query.get("token", ""), await request.json()))
        return web.json_response(ANSWER)

    async with rasa(handler, token="secret") as engine:
        result = await engine.parse("Карту украли!", "ru")
    assert seen == [("/model/parse", "secret", {"text": "карту украли"})]
    assert (result.intent, result.text, result.engine) == ("block_card", "Карту украли!", "rasa")
    assert [score.name for score in result.ranking] == ["block_card", "check_balance"]
    assert sum(score.confidence for score in result.ranking) == pytest.approx(1.0)
    assert [(found.name, found.value) for found in result.entities] == [("card_kind", "зарплатная")]


async def test_blank_text_is_not_sent() -> None:
    async def handler(_request: web.Request) -> web.Response:
        raise AssertionError("asked")

    async with rasa(handler) as engine:
        assert (await engine.parse(" ... ", "ru")).intent == OUT_OF_SCOPE


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"{", 200, EngineBadOutput),
        (b"[]", 200, EngineBadOutput),
        (b"{}", 200, EngineBadOutput),
        (b'{"intent_ranking": []}', 200, EngineBadOutput),
        (b'{"intent_ranking": [{"name": "nlu_fallback", "confidence": 1}]}', 200, EngineBadOutput),
        (b'{"intent_ranking": [{"name": "a", "confidence": NaN}]}', 200, EngineBadOutput),
        (b'{"intent_ranking": [{"name": "a", "confidence": "x"}]}', 200, EngineBadOutput),
        (b" " * 300_000, 200, EngineBadOutput),
        (b"{}", 401, EngineUnavailable),
        (b"{}", 500, EngineUnavailable),
        (b"{}", 409, EngineUnavailable),
    ],
)
async def test_an_answer_that_is_none(body: bytes, status: int, error: type[EngineError]) -> None:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=body, status=status)

    async with rasa(handler) as engine:
        with pytest.raises(error):
            await engine.parse("карту украли", "ru")


async def test_a_slow_server_is_a_time_out() -> None:
    held = asyncio.Event()

    async def handler(_request: web.Request) -> web.Response:
        await held.wait()
        return web.json_response(ANSWER)

    async with rasa(handler, deadline_ms=20) as engine:
        with pytest.raises(EngineTimeout):
            await engine.parse("карту украли", "ru")
        held.set()


async def test_no_server_and_no_token_in_the_message() -> None:
    engine = RasaNlu(RasaServer("http://127.0.0.1:9", "secret", PATIENCE_MS))
    with pytest.raises(EngineUnavailable) as caught:
        await engine.parse("карту украли", "ru")
    assert "secret" not in str(caught.value)
    await engine.close()
    with pytest.raises(EngineUnavailable):
        await engine.parse("карту украли", "ru")


class Scripted:
    """An engine that fails as told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = 0
        self.error: EngineError | None = None
        self.closed = False

    async def parse(self, text: str, language: Language) -> NluResult:
        self.asked += 1
        if self.error:
            raise self.error
        return NluResult(text, "block_card", 0.9, engine=self.name)

    async def close(self) -> None:
        self.closed = True


async def test_the_second_answers_when_the_first_fails_and_it_is_counted() -> None:
    first, second, counted, now = Scripted("rasa"), Scripted("embedded"), [], [0.0]
    engine = FallbackNlu(first, second, on_failure=lambda *what: counted.append(what), clock=lambda: now[0])
    assert (await engine.parse("а", "ru")).engine == "rasa"
    first.error = EngineTimeout("slow")
    for _ in range(FAILURES_IN_A_ROW + 2):
        assert (await engine.parse("а", "ru")).engine == "embedded"
    assert counted == [("rasa", "engine_timeout")] * FAILURES_IN_A_ROW
    assert first.asked == 1 + FAILURES_IN_A_ROW  # then it is left alone
    now[0] += REST_S
    first.error = None
    assert (await engine.parse("а", "ru")).engine == "rasa"
    first.error = second.error = EngineUnavailable("gone")
    with pytest.raises(EngineUnavailable):
        await engine.parse("а", "ru")
    await engine.close()
    assert first.closed
    assert second.closed
