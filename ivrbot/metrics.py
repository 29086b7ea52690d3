"""Prometheus metrics, all in one place; labels never carry personal data.

Several workers of one `serve` count in files that they share, by their numbers: whoever is asked tells the figures
of all, and a worker that ends takes no count with it. `multiprocess_mode` says what becomes of a gauge then.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

from ivrbot.seat import seat_here

REGISTRY = CollectorRegistry()

if (_seat := seat_here()) is not None:
    # By number, not by process: who replaces a worker goes on counting where that one stopped.
    values.ValueClass = values.MultiProcessValue(lambda: _seat.number)  # type: ignore[no-untyped-call]

CALLS = Counter("ivrbot_calls", "Calls by how the bot's part closed", ["disposition"], registry=REGISTRY)
CALLS_EXPECTED = Gauge(
    "ivrbot_calls_expected",
    "Calls announced whose leg has not come",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
CALLS_ACTIVE = Gauge(
    "ivrbot_calls_active", "Calls with an open leg", registry=REGISTRY, multiprocess_mode="livesum"
)
LEGS_REFUSED = Counter("ivrbot_legs_refused", "Media connections refused", ["cause"], registry=REGISTRY)
CALLS_REFUSED = Counter(
    "ivrbot_calls_refused",
    "Calls sent to operators before the bot answered them",
    ["reason"],
    registry=REGISTRY,
)
NO_HEADROOM = Gauge(
    "ivrbot_no_headroom",
    "1 while one more call would not be taken for this reason",
    ["reason"],
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
WORK_LEFT_OUT = Gauge(
    "ivrbot_work_left_out",
    "1 while recognisers leave this out under load",
    ["work"],
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
EASE_CHANGES = Counter(
    "ivrbot_ease_changes", "Work left out under load, and taken up again", ["work", "change"], registry=REGISTRY
)
PROCESSOR_SHARE = Gauge(
    "ivrbot_processor_share",
    "Share of the processors that this process uses, as of the last half second",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
LEGS_CLOSED = Counter("ivrbot_legs_closed", "Media connections closed", ["cause"], registry=REGISTRY)
PLAYOUT_SUSPENSIONS = Counter(
    "ivrbot_playout_suspensions",
    "Prompts held for a sixth of a second by what might have been the beginning of speech",
    registry=REGISTRY,
)
FRAMES_DROPPED = Counter("ivrbot_frames_dropped", "Frames dropped by policy", ["queue"], registry=REGISTRY)
ENGINE_FAILURES = Counter(
    "ivrbot_engine_failures", "Failed engine requests", ["engine", "code"], registry=REGISTRY
)
VOICE_VERDICTS = Counter(
    "ivrbot_voice_verdicts",
    "Voices compared, by verdict and what was doubted",
    ["verdict", "doubt"],
    registry=REGISTRY,
)
RESPONSE_GAP_S = Histogram(
    "ivrbot_response_gap_seconds",
    "End of the caller's speech to the first sample of the answer, by recogniser",
    ["engine"],
    buckets=(0.2, 0.35, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0),
    registry=REGISTRY,
)
TURNS_PREPARED = Counter(
    "ivrbot_turns_prepared",
    "Spoken turns by whether the answer was prepared before their end: hit, miss (a late word), none",
    ["result"],
    registry=REGISTRY,
)
TURNS_RESUMED = Counter(
    "ivrbot_turns_resumed",
    "Turns taken as over in which the caller went on, by what became of his words",
    ["result"],
    registry=REGISTRY,
)
STEP_S = Histogram(
    "ivrbot_step_seconds",
    "Work in a turn: asr (after its end), nlu, dialogue, route, authentication, bank, tts (to its first sound)",
    ["step", "engine"],
    buckets=(0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0),
    registry=REGISTRY,
)
ASR_QUEUE_S = Histogram(
    "ivrbot_asr_queue_seconds",
    "How long an utterance waited for an idle recogniser",
    buckets=(0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0),
    registry=REGISTRY,
)
PACING_LATE_S = Histogram(
    "ivrbot_pacing_late_seconds",
    "How late 20 ms ticks of the outbound clock came",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5),
    registry=REGISTRY,
)
RECORDING_FAILURES = Counter(
    "ivrbot_recording_failures", "Recordings given up or not begun", ["cause"], registry=REGISTRY
)
RECORDING_FRAMES_LOST = Counter(
    "ivrbot_recording_frames_lost", "Frames that a slow disk cost recordings", registry=REGISTRY
)
RECORDING_QUEUE = Gauge(
    "ivrbot_recording_queue_blocks",
    "Seconds of sound waiting to be written into recordings",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
EVENTS_WAITING = Gauge(
    "ivrbot_events_waiting", "Events that are on no disk yet", registry=REGISTRY, multiprocess_mode="livesum"
)
EVENTS_LOST = Counter(
    "ivrbot_events_lost",
    "Events that neither store nor journal took (dropped), or that the store refused (rejected)",
    ["cause"],
    registry=REGISTRY,
)
JOURNAL_BYTES = Gauge(
    "ivrbot_journal_bytes",
    "Events waiting in the local journal for the database",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
DATABASE_UP = Gauge(
    "ivrbot_database_up", "1 while the database takes events", registry=REGISTRY, multiprocess_mode="livemin"
)
READY = Gauge("ivrbot_ready", "1 while new calls are taken", registry=REGISTRY, multiprocess_mode="livemax")
LOOP_LAG_S = Histogram(
    "ivrbot_loop_lag_seconds",
    "How late the event loop comes back to a task that slept",
    buckets=(0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0),
    registry=REGISTRY,
)
TASKS = Gauge(
    "ivrbot_tasks",
    "Tasks of the event loop: a few a call, some beside",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
ROLLOUT_LOOKED_AT = Gauge(
    "ivrbot_rollout_looked_at_seconds",
    "When the controller of this process last looked at a branch, seconds since 1970",
    ["branch"],
    registry=REGISTRY,
    multiprocess_mode="max",
)
PBX_FAILURES = Counter(
    "ivrbot_pbx_failures", "Requests to the PBX's manager that failed", ["cause"], registry=REGISTRY
)
CALLBACKS = Counter("ivrbot_callbacks", "Attempts to call back that ended", ["result"], registry=REGISTRY)
ROLLOUT_INELIGIBLE = Counter(
    "ivrbot_rollout_ineligible",
    "Calls kept out before the draw",
    ["branch", "reason"],
    registry=REGISTRY,
)
SMS = Counter(
    "ivrbot_sms",
    "Short messages with one-time codes, by whether they were handed over",
    ["result"],
    registry=REGISTRY,
)
AUTHENTICATION_ALARMS = Counter(
    "ivrbot_authentication_alarms",
    "Attacks on the proving of callers that were noticed",
    ["kind"],
    registry=REGISTRY,
)
ESCALATIONS = Counter("ivrbot_escalations", "Calls handed to operators", ["reason", "queue"], registry=REGISTRY)


def exposition() -> bytes:
    """All figures in Prometheus' text format: of all workers where there are several."""
    if _seat is None:
        return generate_latest(REGISTRY)
    every = CollectorRegistry()
    MultiProcessCollector(every, str(_seat.metrics))  # type: ignore[no-untyped-call]
    return generate_latest(every)
