"""Traces of calls: one tree a call, in order, without a word that was said."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ivrbot.errors import MissingError
from ivrbot.metrics import REGISTRY
from ivrbot.tracing import OFF, Tracing, open_tracing
from tests.fakes.calls import FakeNlu
from tests.scenario.runner import core, play

sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="needs the extra tracing")

CALLER = "+79161234567"


def steps_seen(step: str, engine: str = "") -> float:
    labels = {"step": step, "engine": engine}
    return REGISTRY.get_sample_value("ivrbot_step_seconds_count", labels) or 0.0


async def test_a_call_is_one_tree_without_words(tmp_path: Path) -> None:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = sdk.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before = steps_seen("nlu", "fake"), steps_seen("dialogue")
    turns = ["какой у меня остаток", "4271", "черёмуха", "спасибо"]
    async with core(tmp_path, FakeNlu({turns[0]: "check_balance"})) as built:
        traced = replace(built, parts=replace(built.parts, tracing=Tracing(provider)))
        await play(traced, CALLER, turns)
    spans = {span.context.span_id: span for span in exporter.get_finished_spans()}
    calls = [span for span in spans.values() if span.parent is None]
    assert [span.name for span in calls] == ["call"]
    call = calls[0]
    assert {span.context.trace_id for span in spans.values()} == {call.context.trace_id}
    turn_spans = sorted((span for span in spans.values() if span.name == "turn"), key=lambda one: one.start_time)
    assert [span.attributes["turn.number"] for span in turn_spans] == list(range(1, len(turn_spans) + 1))
    assert all(span.parent.span_id == call.context.span_id for span in turn_spans)
    names = {span.name for span in spans.values()}
    assert names >= {"call", "turn", "asr", "nlu", "dialogue", "authentication", "bank", "tts"}
    within = {spans[span.parent.span_id].name for span in spans.values() if span.name in ("asr", "nlu", "bank")}
    assert within == {"turn"}
    shown = " ".join(f"{span.name} {dict(span.attributes)} {span.events}" for span in spans.values())
    assert not [word for word in (*turns, CALLER, "остаток", "Соколова", "12345", "1234567") if word in shown]
    assert steps_seen("nlu", "fake") > before[0] and steps_seen("dialogue") > before[1]


async def test_a_failed_step_is_marked_by_its_kind_alone(tmp_path: Path) -> None:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = sdk.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace = Tracing(provider).call("id", "text")
    trace.turn("spoken")
    with pytest.raises(ValueError, match="4276"), trace.step("bank"):
        raise ValueError("card 4276123456784271")
    trace.end("failed", "internal_error")
    bank = next(span for span in exporter.get_finished_spans() if span.name == "bank")
    assert dict(bank.attributes or {}) == {"error.type": "ValueError"} and not bank.events


def test_without_an_endpoint_nothing_is_traced() -> None:
    assert open_tracing("", 1.0) is OFF
    trace = OFF.call("id", "text")
    trace.turn("spoken", 100, "whisper")
    with trace.step("nlu"):
        pass
    trace.end("resolved", "served")
    OFF.close()


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(MissingError, match=r"ivrbot\[tracing\]"):
        open_tracing("http://127.0.0.1:4318/v1/traces", 1.0)


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """A collector that keeps what it is sent."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", bodies
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_spans_reach_a_collector() -> None:
    with collector() as (endpoint, bodies):
        tracing = open_tracing(endpoint, 1.0)
        tracing.call("0b7c2a4e", "audiosocket").end("resolved", "served")
        tracing.close()
        assert any(b"0b7c2a4e" in body and b"ivrbot" in body for body in bodies)
