"""Traces of calls for OpenTelemetry: call > turn > asr, nlu, dialogue, authentication, bank, tts.

Takes names and durations, gives spans to a collector, or nothing at all while tracing is off. No text, number or
name of a person is ever an attribute: what there is, is a call's id and names of the product's own things.

Source: OpenTelemetry specification 1.x, tracing API.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ivrbot.errors import MissingError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

EXTRA: Final = "Install the extra: pip install 'ivrbot[tracing]', or leave tracing.endpoint empty."
SERVICE: Final = "ivrbot"

log = logging.getLogger(__name__)


class Tracing:
    """The way to a collector; one per process.

    Args:
        provider: of the SDK; None: nothing is traced.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._provider = provider
        self._tracer: Tracer | None = provider.get_tracer(SERVICE) if provider else None

    def call(self, call_id: str, gateway: str) -> CallTrace:
        """The trace of a call, begun now."""
        return CallTrace(self._tracer, call_id, gateway)

    def close(self) -> None:
        """Send what waits. Blocks: run it in a thread."""
        if self._provider is not None:
            self._provider.shutdown()


class CallTrace:
    """Spans of one call. A turn lasts from the caller's last word to our next question."""

    def __init__(self, tracer: Tracer | None, call_id: str, gateway: str) -> None:
        self._tracer = tracer
        self._call = self._begin("call", None, {"call.id": call_id, "call.gateway": gateway})
        self._turn: Span | None = None
        self._turns = 0

    def turn(self, kind: str, asr_ms: int = 0, engine: str = "") -> None:
        """The caller has had his turn: "spoken", "keyed", "silence" or "unclear"; reading it took `asr_ms`."""
        self.turn_over()
        self._turns += 1
        if self._tracer is None:
            return
        now_ns = time.time_ns()
        began_ns = now_ns - asr_ms * 1_000_000
        self._turn = self._begin("turn", self._call, {"turn.number": self._turns, "turn.kind": kind}, began_ns)
        if engine:
            reading = self._begin("asr", self._turn, {"engine": engine}, began_ns)
            if reading is not None:
                reading.end(now_ns)

    def turn_over(self) -> None:
        """We have said what there was to say, and listen again."""
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.end()

    @contextmanager
    def step(self, name: str, **attributes: str) -> Iterator[None]:
        """A piece of work within the turn; one that raises is marked with the error's kind, not its words."""
        span = self._begin(name, self._turn or self._call, attributes)
        try:
            yield
        except BaseException as error:
            if span is not None:
                span.set_attribute("error.type", getattr(error, "code", type(error).__name__))
            raise
        finally:
            if span is not None:
                span.end()

    def end(self, disposition: str, reason: str) -> None:
        """The bot's part is over."""
        self.turn_over()
        if self._call is not None:
            self._call.set_attribute("call.disposition", disposition)
            self._call.set_attribute("call.reason", reason)
            self._call.end()

    def _begin(
        self, name: str, parent: Span | None, attributes: dict[str, Any], start_ns: int | None = None
    ) -> Span | None:
        if self._tracer is None:
            return None
        from opentelemetry.context import Context
        from opentelemetry.trace import set_span_in_context

        context = set_span_in_context(parent, Context()) if parent is not None else Context()
        return self._tracer.start_span(name, context, attributes=attributes, start_time=start_ns)


OFF: Final = Tracing()


def open_tracing(endpoint: str, share: float) -> Tracing:
    """Tracing to a collector, `OFF` without one.

    Args:
        endpoint: OTLP over HTTP, as in `http://collector:4318/v1/traces`.
        share: of calls that are traced, 0..1.

    Raises:
        MissingError: the extra is not installed.
    """
    if not endpoint:
        return OFF
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ImportError as error:
        raise MissingError("tracing.endpoint is set, but OpenTelemetry is not installed", EXTRA) from error
    resource = Resource.create({"service.name": SERVICE})
    provider = TracerProvider(
        resource=resource, sampler=ParentBased(TraceIdRatioBased(share)), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    log.info("traces go to %s", endpoint)
    return Tracing(provider)
