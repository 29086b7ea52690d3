"""What the bot would have done: predictions from events, the operators' file, the report, the tables."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbot.config import PROJECT_ROOT
from ivrbot.dialogue.loader import load_flows
from ivrbot.dialogue.schema import Branches
from ivrbot.errors import ConfigError
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.events import CallEvent, EventType, JsonValue
from ivrbot.model.evidence import ShadowEvidence
from ivrbot.model.shadow import (
    CallDisposition,
    Expected,
    Outcome,
    Prediction,
    ShadowCall,
    live_prediction,
    shadow_evidence,
)
from ivrbot.rollout.shadow import (
    Confusion,
    Interval,
    OperatorRow,
    branch_report,
    predict,
    read_dispositions,
    recording_name,
    shadow_report,
    wilson,
)
from ivrbot.storage.shadow import Added, DispositionBook, ShadowBook
from ivrbot.storage.store import Store

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LONG_AGO = AT - timedelta(days=30)
TOPICS = ("check_balance", "loan_info", "operator")


@cache
def branches() -> Branches:
    return load_flows(PROJECT_ROOT / "flows").branches


# --- predictions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic", "asked", "spoken", "branch", "expected"),
    [
        ("check_balance", False, True, "balance", Expected.SERVED),
        ("check_balance", True, True, "balance", Expected.CALLER_ASKED),
        ("complaint", False, True, "other", None),
        ("operator", True, True, "other", Expected.CALLER_ASKED),
        ("", False, True, "", Expected.NO_TOPIC),
        ("", False, False, "", Expected.NO_SPEECH),
        ("no such topic", False, True, "", Expected.NO_TOPIC),
    ],
)
def test_what_would_have_become_of_a_call(
    topic: str, asked: bool, spoken: bool, branch: str, expected: Expected | None
) -> None:
    entry = branches().topic(topic)
    if expected is None:
        assert entry
        expected = Expected.SERVED if entry.flow else Expected.NOT_SERVED
    prediction = predict(topic, 0.9, asked=asked, spoken=spoken, branches=branches())
    assert (prediction.branch, prediction.expected) == (branch, expected)
    assert prediction.would_resolve == (expected is Expected.SERVED)
    assert prediction.confidence == (0.9 if branch else 0.0)


def story(*facts: tuple[EventType, dict[str, JsonValue]], call_id: str = "c") -> list[CallEvent]:
    return [
        CallEvent(CallId(call_id), seq, type_, seq * 1000, AT + timedelta(seconds=seq), data)
        for seq, (type_, data) in enumerate(facts)
    ]


def stated(topic: str, branch: str, reason: str) -> list[tuple[EventType, dict[str, JsonValue]]]:
    return [
        (EventType.CALL_STARTED, {"language": "ru"}),
        (EventType.CALLER_SAID, {"text": "какой баланс", "intent": topic, "intent_confidence": 0.93}),
        (EventType.TOPIC_STATED, {"topic": topic, "branch": branch}),
        (EventType.ASSIGNED, {"branch": branch, "route": "operator", "arm": None, "reason": reason}),
        (EventType.ESCALATED, {"reason": "not_eligible", "queue": branch, "topic": topic}),
    ]


def test_a_live_call_in_shadow_is_a_prediction() -> None:
    events = story(*stated("check_balance", "balance", "shadow"))
    assert live_prediction(events) == Prediction("check_balance", "balance", 0.93, Expected.SERVED)


def test_a_live_call_of_a_topic_without_a_flow_would_have_gone_to_an_operator() -> None:
    events = story(*stated("card_limits", "balance", "not_served"))
    assert live_prediction(events) == Prediction("card_limits", "balance", 0.93, Expected.NOT_SERVED)


@pytest.mark.parametrize(
    "reason", ["drawn", "control", "killed", "override", "not_started", "storage_unavailable"]
)
def test_other_calls_are_none_of_the_shadow_stages(reason: str) -> None:
    assert live_prediction(story(*stated("check_balance", "balance", reason))) is None


def test_a_key_states_a_topic_surely() -> None:
    facts = stated("check_balance", "balance", "shadow")
    facts[1] = (EventType.KEYS_PRESSED, {"text": "2"})
    assert live_prediction(story(*facts)) == Prediction("check_balance", "balance", 1.0, Expected.SERVED, "keys")


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("caller_asked", Expected.CALLER_ASKED),
        ("no_match", Expected.NO_TOPIC),
        ("no_input", Expected.NO_SPEECH),
        ("asr_failure", None),
    ],
)
def test_calls_that_stated_nothing(reason: str, expected: Expected | None) -> None:
    prediction = live_prediction(story((EventType.ESCALATED, {"reason": reason, "topic": ""})))
    assert (prediction.expected if prediction else None) == expected


# --- the operators' file --------------------------------------------------------------------------------


def test_names_join_recordings_and_rows() -> None:
    assert recording_name("/records/2026/A17.WAV") == recording_name("a17") == recording_name(r"d:\x\a17.wav")


def test_a_file_in_order() -> None:
    text = (
        "\ufefffile;topic;outcome;kind;agent\n"
        "a.wav;check_balance;resolved;;7\n"
        "b.wav;out_of_scope;Unknown;synthetic;8\n"
    )
    assert read_dispositions(text, "d.csv", TOPICS) == (
        OperatorRow(2, "a", "check_balance", Outcome.RESOLVED, None),
        OperatorRow(3, "b", "out_of_scope", Outcome.UNKNOWN, True),
    )


def test_every_problem_of_the_file_is_told_at_once_with_its_line() -> None:
    text = (
        "call_id,topic,outcome,kind\n"
        "a,balance,resolved,real\n"
        ",loan_info,solved,\n"
        "b,loan_info,resolved,maybe\n"
        "c,loan_info,resolved,real\n"
        "C.wav,loan_info,resolved,real\n"
        "d,loan_info,resolved,real,more\n"
    )
    with pytest.raises(ConfigError) as raised:
        read_dispositions(text, "d.csv", TOPICS)
    assert [(problem.line, problem.path) for problem in raised.value.problems] == [
        (2, "topic"),
        (3, "file"),
        (3, "outcome"),
        (4, "kind"),
        (6, "file"),
        (7, ""),
    ]


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("", ["topic", "outcome", "file"]),
        ("file,topic\n", ["outcome"]),
        ("file,topic,outcome,topic\n", ["topic"]),
        ("file,topic,outcome\n", [""]),
        ("file,topic,outcome\n" + "a" * 200_000, [""]),
    ],
)
def test_a_file_without_what_it_needs(text: str, paths: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        read_dispositions(text, "d.csv", TOPICS)
    assert [problem.path for problem in raised.value.problems] == paths


# --- the report -----------------------------------------------------------------------------------------


def test_wilson_against_newcombe() -> None:
    """Newcombe 1998 ("Two-sided confidence intervals for the single proportion", table I), method 3."""
    for successes, n, lower, upper in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)]:
        interval = wilson(successes, n)
        assert interval.lower == pytest.approx(lower, abs=5e-5)
        assert interval.upper == pytest.approx(upper, abs=5e-5)


@given(st.integers(0, 5000), st.data())
def test_wilson_holds_the_share(n: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    interval = wilson(successes, n)
    assert 0.0 <= interval.lower <= interval.upper <= 1.0
    if n:
        assert interval.lower <= successes / n <= interval.upper


def a_call(
    call_id: str,
    heard: str,
    said: str,
    *,
    expected: Expected = Expected.SERVED,
    synthetic: bool = False,
    by: str = "speech",
) -> ShadowCall:
    def branch(topic: str) -> str:
        return branches().branch_of(topic) or ""

    prediction = Prediction(heard, branch(heard), 0.9, expected, "keys" if by == "keys" else "speech")
    return ShadowCall(
        call_id,
        "recording",
        f"hash of {call_id}",
        AT,
        prediction,
        synthetic,
        said,
        branch(said),
        Outcome.RESOLVED if said else None,
    )


CALLS = (
    a_call("right 1", "check_balance", "check_balance"),
    a_call("right 2", "check_balance", "check_balance"),
    a_call("right, not served", "card_limits", "card_limits", expected=Expected.NOT_SERVED),
    a_call("right, wants a person", "check_balance", "check_balance", expected=Expected.CALLER_ASKED),
    a_call("missed", "loan_info", "check_balance", expected=Expected.NOT_SERVED),
    a_call("nothing heard", "", "check_balance", expected=Expected.NO_TOPIC),
    a_call("taken wrongly", "check_balance", "deposit_info"),
    a_call("only a person", "operator", "check_balance", expected=Expected.CALLER_ASKED),
    a_call("silence", "", "check_balance", expected=Expected.NO_SPEECH),
    a_call("made", "check_balance", "check_balance", synthetic=True),
    a_call("made, wrong", "check_balance", "loan_info", synthetic=True),
    a_call("waiting", "check_balance", ""),
    a_call("another branch", "deposit_info", "deposit_info", expected=Expected.NOT_SERVED),
)


def test_a_branch_counts_what_it_would_have_missed_and_what_it_would_have_taken_wrongly() -> None:
    report = branch_report("balance", CALLS, waiting=2)
    assert report.evidence == ShadowEvidence(n=7, correct=4, synthetic=2, would_resolve=2, would_escalate=4)
    assert report.accuracy == wilson(4, 7)
    assert report.misrouted == 1
    assert (report.asked_for_person, report.no_speech, report.waiting) == (1, 1, 3)
    assert report.confusions == (
        Confusion("check_balance", "", 1),
        Confusion("check_balance", "loan_info", 1),
        Confusion("deposit_info", "check_balance", 1),
    )


def test_made_calls_never_count() -> None:
    made = [replace(call, synthetic=True) for call in CALLS]
    evidence = shadow_evidence("balance", made)
    assert (evidence.n, evidence.correct, evidence.accuracy) == (0, 0, None)
    assert evidence.synthetic == 11 + 1


def test_the_front_answers_for_every_topic_stated_in_words() -> None:
    evidence = shadow_evidence("front", [*CALLS, a_call("keyed", "loan_info", "deposit_info", by="keys")])
    assert (evidence.n, evidence.correct) == (8, 5)


def test_branches_without_calls_are_left_out() -> None:
    rows = shadow_report(("front", *branches().branches), CALLS)
    assert [row.branch for row in rows] == ["front", "balance", "loans", "deposits", "other"]
    assert shadow_report(branches().branches, []) == ()
    assert wilson(0, 0) == Interval(0.0, 1.0)


# --- the tables -----------------------------------------------------------------------------------------


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(tmp_path / "test.sqlite") as store:
        yield store


def said(
    call_id: str, topic: str, branch: str, outcome: Outcome = Outcome.RESOLVED, minute: int = 5
) -> CallDisposition:
    return CallDisposition(CallId(call_id), AT + timedelta(minutes=minute), "desk", topic, branch, outcome)


async def live_call(store: Store, call_id: str, reason: str = "shadow", gateway: str = "audiosocket") -> None:
    await store.register(CallRegistration(CallId(call_id), gateway=gateway), AT)
    await store.append(story(*stated("check_balance", "balance", reason), call_id=call_id))


async def test_the_last_disposition_counts_and_the_others_stay(store: Store) -> None:
    book = DispositionBook(store)
    first = said("c", "check_balance", "balance")
    assert await book.add(first)
    assert not await book.add(replace(first, at=AT + timedelta(minutes=6), who="api"))
    second = said("c", "loan_info", "loans", Outcome.UNRESOLVED, minute=7)
    assert await book.add(second)
    assert await book.add(replace(first, at=AT + timedelta(minutes=8)))
    assert [one.topic for one in await book.history(CallId("c"))] == [
        "check_balance",
        "loan_info",
        "check_balance",
    ]
    latest = await book.latest(CallId("c"))
    assert latest == replace(first, at=AT + timedelta(minutes=8))
    assert await book.latest(CallId("d")) is None


async def test_a_live_call_counts_once_its_operator_has_spoken(store: Store) -> None:
    await live_call(store, "c")
    shadow, book = ShadowBook(store), DispositionBook(store)
    assert await shadow.evidence("balance", LONG_AGO) == ShadowEvidence()
    assert await shadow.waiting(LONG_AGO) == {"balance": 1}
    await book.add(said("c", "check_balance", "balance"))
    assert await shadow.waiting(LONG_AGO) == {}
    assert await shadow.evidence("balance", LONG_AGO) == ShadowEvidence(n=1, correct=1, would_resolve=1)
    await book.add(said("c", "loan_info", "loans", minute=9))
    assert await shadow.evidence("balance", LONG_AGO) == ShadowEvidence(n=1)
    assert await shadow.evidence("loans", LONG_AGO) == ShadowEvidence(n=1)
    assert await shadow.evidence("balance", AT + timedelta(hours=1)) == ShadowEvidence()


async def test_events_that_come_after_the_disposition_are_found(store: Store) -> None:
    await DispositionBook(store).add(said("c", "check_balance", "balance"))
    shadow = ShadowBook(store)
    assert (await shadow.evidence("balance", LONG_AGO)).n == 0
    await live_call(store, "c")
    assert (await shadow.evidence("balance", LONG_AGO)).n == 1


async def test_calls_that_the_draw_sent_to_operators_are_no_shadow_calls(store: Store) -> None:
    await live_call(store, "c", "control")
    await DispositionBook(store).add(said("c", "check_balance", "balance"))
    assert await ShadowBook(store).calls(LONG_AGO) == ()


@pytest.mark.parametrize("gateway", ["softphone", "microphone", "text", "demo"])
async def test_calls_that_no_telephone_carried_are_synthetic(store: Store, gateway: str) -> None:
    await live_call(store, "c", gateway=gateway)
    await DispositionBook(store).add(said("c", "check_balance", "balance"))
    assert await ShadowBook(store).evidence("balance", LONG_AGO) == ShadowEvidence(synthetic=1)


async def test_a_recording_is_stored_once(store: Store) -> None:
    shadow = ShadowBook(store)
    first = a_call("a", "loan_info", "check_balance")
    assert await shadow.add(first) is Added.NEW
    better = a_call("a", "check_balance", "check_balance")
    assert await shadow.add(better) is Added.AGAIN
    assert await shadow.calls(LONG_AGO) == (better,)
    assert await shadow.add(replace(better, call_id="b")) is Added.SAME_SOUND
    assert await shadow.add(replace(better, content_hash="another")) is Added.OTHER_SOUND
    await live_call(store, "c")
    await DispositionBook(store).add(said("c", "check_balance", "balance"))
    assert await shadow.add(a_call("c", "loan_info", "loan_info")) is Added.LIVE
    assert {call.call_id for call in await shadow.calls(LONG_AGO)} == {"a", "c"}


async def test_the_desks_word_stands_above_the_files(store: Store) -> None:
    shadow = ShadowBook(store)
    await shadow.add(a_call("a", "check_balance", "check_balance"))
    await DispositionBook(store).add(said("a", "deposit_info", "deposits", Outcome.UNRESOLVED))
    (call,) = await shadow.calls(LONG_AGO)
    assert (call.operator_topic, call.operator_branch, call.outcome) == (
        "deposit_info",
        "deposits",
        Outcome.UNRESOLVED,
    )
