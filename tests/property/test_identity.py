"""What must hold for every sequence of answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbot.config import PROJECT_ROOT
from ivrbot.escalation.dossier import as_json, seal
from ivrbot.identity.facts import MAX_HYPOTHESES, MAX_READINGS_PER_HYPOTHESIS, assess, readings
from ivrbot.identity.ladder import (
    allows,
    answer,
    code_keyed,
    named,
    spent,
    start,
    voice_compared,
)
from ivrbot.identity.policy import SecondFactor, load_policy
from ivrbot.identity.state import Attempt, CodeOutcome, Failures, LadderState
from ivrbot.language.phonetic import phonetic_key
from ivrbot.model.bank import Fact, FactHashes, fact_hash
from ivrbot.model.call import AssuranceLevel, CallId, Dossier, EscalationReason, QueueName, TranscriptLine
from ivrbot.model.dialogue import AuthReply
from ivrbot.model.speech import Language
from ivrbot.model.voiceprint import VoiceVerdict

POLICY = load_policy(PROJECT_ROOT / "flows" / "assurance.yml")
GUARDED = [name for name in POLICY.operations if POLICY.requirement(name).level.rank > 0]
KEY = b"key of the property tests"
TODAY = date(2026, 3, 9)

fruitless = st.builds(
    Attempt, matched=st.just(frozenset()), wrong=st.booleans(), declined=st.booleans(), side_guess=st.booleans()
)
any_attempt = st.builds(
    Attempt,
    matched=st.frozensets(st.sampled_from(list(Fact))),
    wrong=st.booleans(),
    declined=st.booleans(),
    side_guess=st.booleans(),
)
operations = st.sampled_from(GUARDED)
customers = st.sampled_from(["c", None])


def begin(operation: str, own: bool, customer: str | None) -> tuple[LadderState, AuthReply]:
    if own and customer is not None:
        return start(LadderState(), POLICY, operation, customer, Failures())
    state, reply = start(LadderState(), POLICY, operation, None, Failures())
    if reply.fact not in {"phone", "name_and_birth"}:
        return state, reply
    return named(state, POLICY, operation, customer, Failures())


@settings(deadline=None)
@given(operations, st.booleans(), customers, st.lists(fruitless, max_size=12))
def test_no_sequence_of_fruitless_answers_is_ever_granted(
    operation: str, own: bool, customer: str | None, attempts: list[Attempt]
) -> None:
    state, reply = begin(operation, own, customer)
    for attempt in attempts:
        assert reply.status != "granted"
        assert not allows(state, POLICY, operation)
        state, reply = answer(state, POLICY, operation, reply.fact, attempt)
    assert reply.status != "granted"


@settings(deadline=None)
@given(operations, st.booleans(), customers, st.lists(any_attempt, max_size=12))
def test_a_call_ends_after_three_wrong_answers_whatever_else_is_said(
    operation: str, own: bool, customer: str | None, attempts: list[Attempt]
) -> None:
    state, reply = begin(operation, own, customer)
    wrong = 0
    for attempt in attempts:
        if wrong == POLICY.limits.failures_per_call:
            assert reply.status == "refused"
            assert not allows(state, POLICY, operation)
        before = state
        state, reply = answer(state, POLICY, operation, reply.fact, attempt)
        wrong += state.failures - before.failures
    assert state.failures <= POLICY.limits.failures_per_call


@settings(deadline=None)
@given(operations, st.booleans(), st.lists(any_attempt, max_size=12))
def test_nothing_opens_an_account_that_does_not_exist(operation: str, own: bool, attempts: list[Attempt]) -> None:
    state, reply = begin(operation, own, None)
    for attempt in attempts:
        state, reply = answer(state, POLICY, operation, reply.fact, attempt)
        assert reply.status != "granted"
        assert not state.facts


@settings(deadline=None)
@given(operations, st.booleans(), st.lists(any_attempt, max_size=12))
def test_granted_is_exactly_what_allows_says(operation: str, own: bool, attempts: list[Attempt]) -> None:
    state, reply = begin(operation, own, "c")
    for attempt in attempts:
        state, reply = answer(state, POLICY, operation, reply.fact, attempt)
        assert (reply.status == "granted") == allows(state, POLICY, operation)


@settings(deadline=None)
@given(
    st.sampled_from(["block_card", "get_balance"]), st.booleans(), st.permutations(list(Fact)), st.integers(0, 4)
)
def test_the_order_of_facts_does_not_matter(operation: str, own: bool, order: list[Fact], count: int) -> None:
    def end(facts: list[Fact]) -> bool:
        state, reply = begin(operation, own, "c")
        for fact in facts:
            state, reply = answer(state, POLICY, operation, reply.fact, Attempt(matched=frozenset({fact})))
        return reply.status == "granted"

    proven = order[:count]
    assert end(proven) == end(proven[::-1]) == end(sorted(proven))


@settings(deadline=None)
@given(operations, st.booleans(), customers, st.lists(any_attempt, min_size=30, max_size=40))
def test_no_call_is_asked_for_ever(
    operation: str, own: bool, customer: str | None, attempts: list[Attempt]
) -> None:
    state, reply = begin(operation, own, customer)
    for attempt in attempts:
        if reply.status in ("granted", "refused"):
            return
        state, reply = answer(state, POLICY, operation, reply.fact, replace(attempt, matched=frozenset()))
    raise AssertionError(f"still asking after {len(attempts)} answers: {state!r}")


steps = st.lists(
    st.one_of(any_attempt, st.sampled_from(list(CodeOutcome)), st.sampled_from(list(VoiceVerdict))), max_size=14
)
factors = st.frozensets(st.sampled_from(list(SecondFactor)))


@settings(deadline=None)
@given(factors, steps)
def test_nothing_is_strong_without_two_facts_and_a_second_factor_that_was_right(
    available: frozenset[SecondFactor], answers: list[Attempt | CodeOutcome | VoiceVerdict]
) -> None:
    """Whatever is answered, in whatever order, also before it was asked for."""
    state, reply = start(LadderState(available=available), POLICY, "change_limits", "c", Failures(), purpose="p")
    right: set[SecondFactor] = set()
    for given_now in answers:
        verified = state.level.rank >= AssuranceLevel.VERIFIED.rank
        if isinstance(given_now, Attempt):
            state, reply = answer(state, POLICY, "change_limits", reply.fact, given_now)
        elif isinstance(given_now, CodeOutcome):
            if SecondFactor.ONE_TIME_CODE.value != reply.fact:
                continue  # keys are taken as a code only where one was asked for
            state, reply = code_keyed(state, POLICY, "change_limits", given_now)
            right |= {SecondFactor.ONE_TIME_CODE} if given_now is CodeOutcome.RIGHT else set()
        else:
            state, reply = voice_compared(state, POLICY, "change_limits", given_now)
            right |= {SecondFactor.VOICE} if given_now is VoiceVerdict.ACCEPT and verified else set()
        opened = allows(state, POLICY, "change_limits", "p")
        assert opened == (reply.status == "granted")
        if opened:
            assert len(state.facts) >= POLICY.verified_facts
            assert state.second <= right
            assert state.second
        if given_now is VoiceVerdict.FLAG:
            assert reply.status == "refused"
        assert not allows(spent(state), POLICY, "change_limits", "q") or SecondFactor.VOICE in state.second


@settings(deadline=None)
@given(operations, st.integers(0, 20), st.integers(0, 20))
def test_locks_hold_from_the_first_moment(operation: str, customer: int, number: int) -> None:
    state, reply = start(LadderState(), POLICY, operation, "c", Failures(customer, number))
    limits = POLICY.limits
    if customer >= limits.failures_per_day or number >= limits.failures_per_number:
        assert reply.status == "refused"
        assert not allows(state, POLICY, operation)


@settings(deadline=None)
@given(
    st.lists(st.text(max_size=400), max_size=8),
    st.sampled_from(list(Fact)),
    st.booleans(),
    st.sampled_from(["ru", "en"]),
    st.booleans(),
)
def test_any_text_can_be_judged_and_opens_nothing(
    said: list[str], asked: Fact, keyed: bool, language: Language, unasked: bool
) -> None:
    hashes = FactHashes("c-9", {fact: frozenset({fact_hash(KEY, "c-9", fact, "never said")}) for fact in Fact})
    attempt = assess(hashes, KEY, asked, said, keyed=keyed, language=language, today=TODAY, unasked_words=unasked)
    assert not attempt.matched
    assert not (attempt.wrong and attempt.side_guess)
    assert unasked or not attempt.side_guess
    for fact in Fact:
        bound = MAX_HYPOTHESES * MAX_READINGS_PER_HYPOTHESIS
        assert len(readings(fact, said, keyed, language, TODAY)) <= bound


secret_words = st.text("абвгдежзиклмнопрстуфхцчшэюя", min_size=5, max_size=12)
talk = st.text("абвгдежзиклмнопрстуфхцчшэюя ", max_size=30)


@settings(deadline=None)
@given(secret_words, st.text("0123456789", min_size=4, max_size=4), st.sampled_from(list(Fact)))
def test_planted_secrets_show_in_no_state(word: str, digits: str, asked: Fact) -> None:
    hashes = FactHashes(
        "c-9",
        {
            Fact.CODE_WORD: frozenset({fact_hash(KEY, "c-9", Fact.CODE_WORD, phonetic_key(word, "ru"))}),
            Fact.LAST_FOUR: frozenset({fact_hash(KEY, "c-9", Fact.LAST_FOUR, digits)}),
        },
    )
    said = [f"{digits}, {word}", word, digits]
    attempt = assess(hashes, KEY, asked, said, keyed=False, language="ru", today=TODAY)
    state, reply = start(LadderState(), POLICY, "get_balance", "c-9", Failures())
    state, reply = answer(state, POLICY, "get_balance", asked.value, attempt)
    shown = repr(attempt) + repr(state) + reply.status + reply.fact
    assert word not in shown
    assert digits not in shown
    assert phonetic_key(word, "ru") not in shown or phonetic_key(word, "ru") == ""


@settings(deadline=None)
@given(secret_words, st.integers(10**15, 10**16 - 1), talk, talk)
def test_planted_secrets_show_in_no_dossier(word: str, card: int, before: str, after: str) -> None:
    text = f"{before} {word} {after} {card} {before}"
    made = Dossier(
        dossier_id="d",
        call_id=CallId("c"),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        queue=QueueName("other"),
        reason=EscalationReason.CALLER_ASKED,
        topic="",
        language="ru",
        slots={"name": text},
        tried=(text,),
        transcript=(TranscriptLine("caller", text, 0), TranscriptLine("bot", text, 1)),
    )
    sealed = seal(made, [word])
    shown = repr(sealed) + str(as_json(sealed))
    assert word not in shown
    assert str(card) not in shown
