"""The ladder: what is asked, what is enough, what locks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ivrbot.config import PROJECT_ROOT
from ivrbot.identity.ladder import (
    allows,
    answer,
    cards_told,
    code_keyed,
    found,
    hold,
    may_compare_unasked_words,
    named,
    spent,
    start,
    tells_cards,
    voice_compared,
)
from ivrbot.identity.policy import Policy, SecondFactor, load_policy
from ivrbot.identity.state import (
    FINDING,
    NAME_AND_BIRTH,
    PHONE,
    Attempt,
    CodeOutcome,
    Failures,
    LadderState,
    Refusal,
)
from ivrbot.model.bank import Fact
from ivrbot.model.call import AssuranceLevel
from ivrbot.model.dialogue import AuthReply
from ivrbot.model.voiceprint import VoiceVerdict

POLICY = load_policy(PROJECT_ROOT / "flows" / "assurance.yml")
WRONG = Attempt(wrong=True)
UNREADABLE = Attempt()
DECLINED = Attempt(declined=True)
NONE = Failures()


def right(*facts: Fact, card: str = "") -> Attempt:
    return Attempt(matched=frozenset(facts), card=card)


def begin(
    operation: str = "block_card", customer: str | None = "c", failures: Failures = NONE
) -> tuple[LadderState, AuthReply]:
    return start(LadderState(), POLICY, operation, customer, failures)


def test_one_fact_from_the_own_telephone_opens_blocking_and_names_the_card() -> None:
    state, reply = begin()
    assert reply == AuthReply("ask", "last_four")
    assert not allows(state, POLICY, "block_card")
    state, reply = answer(state, POLICY, "block_card", reply.fact, right(Fact.LAST_FOUR, card="4271"))
    assert reply == AuthReply("granted", slots={"card": "4271"})
    assert state.level is AssuranceLevel.IDENTIFIED
    assert allows(state, POLICY, "block_card")
    assert not allows(state, POLICY, "get_balance")


def test_two_facts_open_the_balance() -> None:
    state, reply = begin("get_balance")
    state, reply = answer(state, POLICY, "get_balance", reply.fact, right(Fact.LAST_FOUR))
    assert reply == AuthReply("ask", "code_word")
    state, reply = answer(state, POLICY, "get_balance", reply.fact, right(Fact.CODE_WORD))
    assert reply.status == "granted"
    assert state.level is AssuranceLevel.VERIFIED
    assert state.facts == (Fact.LAST_FOUR, Fact.CODE_WORD)


def test_two_facts_in_one_breath_are_enough() -> None:
    state, reply = begin("get_balance")
    _, reply = answer(state, POLICY, "get_balance", reply.fact, right(Fact.LAST_FOUR, Fact.CODE_WORD))
    assert reply.status == "granted"


def test_another_fact_than_the_asked_one_counts() -> None:
    state, reply = begin()
    _, reply = answer(state, POLICY, "block_card", "last_four", right(Fact.DATE_OF_BIRTH))
    assert reply.status == "granted"


def test_the_same_fact_twice_is_one_fact() -> None:
    state, reply = begin("get_balance")
    state, reply = answer(state, POLICY, "get_balance", reply.fact, right(Fact.LAST_FOUR))
    state, reply = answer(state, POLICY, "get_balance", reply.fact, right(Fact.LAST_FOUR))
    assert reply == AuthReply("ask", "code_word")
    assert state.failures == 0
    assert not allows(state, POLICY, "get_balance")


def test_proven_facts_count_for_a_later_operation_of_the_call() -> None:
    state, reply = begin()
    state, _ = answer(state, POLICY, "block_card", reply.fact, right(Fact.LAST_FOUR))
    state, reply = start(state, POLICY, "get_balance", "c", NONE)
    assert reply == AuthReply("ask", "code_word")
    state, reply = answer(state, POLICY, "get_balance", reply.fact, right(Fact.CODE_WORD))
    assert reply.status == "granted"
    _, reply = start(state, POLICY, "get_loan", "c", NONE)
    assert reply.status == "granted"


def test_three_wrong_answers_end_the_call_even_for_a_right_fourth() -> None:
    state, reply = begin()
    replies = []
    for _ in range(3):
        state, reply = answer(state, POLICY, "block_card", reply.fact, WRONG)
        replies.append(reply)
    assert [item.status for item in replies] == ["wrong", "wrong", "refused"]
    assert [item.fact for item in replies] == ["last_four", "code_word", ""]
    assert state.refusal is Refusal.FAILURES_IN_CALL
    state, reply = answer(state, POLICY, "block_card", "code_word", right(Fact.CODE_WORD))
    assert reply.status == "refused"
    assert state.facts == ()
    assert not allows(state, POLICY, "block_card")
    assert start(state, POLICY, "get_balance", "c", NONE)[1].status == "refused"


@pytest.mark.parametrize(
    ("failures", "refusal"),
    [(Failures(customer=5), Refusal.LOCKED), (Failures(number=10), Refusal.NUMBER_LOCKED)],
)
def test_a_locked_customer_or_number_is_refused_at_once(failures: Failures, refusal: Refusal) -> None:
    state, reply = begin(failures=failures)
    assert reply == AuthReply("refused")
    assert state.refusal is refusal


def test_the_fifth_failure_in_a_day_locks_in_the_middle_of_a_call() -> None:
    state, reply = begin(failures=Failures(customer=4))
    state, reply = answer(state, POLICY, "block_card", reply.fact, WRONG, Failures(customer=4))
    assert reply == AuthReply("refused")
    assert state.refusal is Refusal.LOCKED


def test_a_lock_set_by_a_parallel_call_holds_for_a_right_answer() -> None:
    state, reply = begin()
    state, reply = answer(state, POLICY, "block_card", reply.fact, right(Fact.LAST_FOUR), Failures(customer=5))
    assert reply == AuthReply("refused")
    assert not allows(state, POLICY, "block_card")


def test_a_lock_takes_away_what_was_proven_before() -> None:
    state, reply = begin()
    state, _ = answer(state, POLICY, "block_card", reply.fact, right(Fact.LAST_FOUR))
    for _ in range(3):
        state, reply = answer(state, POLICY, "get_balance", "code_word", WRONG)
    assert reply.status == "refused"
    assert not allows(state, POLICY, "block_card")


def test_unreadable_answers_are_no_failures_but_are_limited() -> None:
    state, reply = begin()
    statuses = []
    for _ in range(POLICY.limits.unreadable_per_call):
        state, reply = answer(state, POLICY, "block_card", reply.fact, UNREADABLE)
        statuses.append(reply.status)
    assert statuses == ["ask", "ask", "ask", "refused"]
    assert state.failures == 0
    assert state.refusal is Refusal.UNREADABLE


def test_who_does_not_know_a_fact_is_asked_for_the_next_one() -> None:
    state, reply = begin()
    asked = [reply.fact]
    while reply.status != "refused":
        state, reply = answer(state, POLICY, "block_card", reply.fact, DECLINED)
        asked.append(reply.fact)
    assert asked == ["last_four", "code_word", "date_of_birth", "full_name", ""]
    assert state.refusal is Refusal.NOTHING_LEFT
    assert (state.failures, state.unreadable) == (0, 0)


def test_when_too_few_facts_are_left_the_caller_is_not_led_on() -> None:
    state, reply = begin("get_balance")
    for _ in range(3):
        state, reply = answer(state, POLICY, "get_balance", reply.fact, DECLINED)
    assert reply.status == "refused"


def test_a_foreign_telephone_names_the_account_and_proves_two_facts() -> None:
    state, reply = begin(customer=None)
    assert reply == AuthReply("ask", NAME_AND_BIRTH)  # a number keyed instead is as good
    state, reply = named(state, POLICY, "block_card", "c", NONE)
    assert reply == AuthReply("ask", "full_name")
    state, reply = answer(state, POLICY, "block_card", reply.fact, right(Fact.FULL_NAME))
    assert reply == AuthReply("ask", "date_of_birth")
    assert state.level is AssuranceLevel.NONE
    state, reply = answer(state, POLICY, "block_card", reply.fact, right(Fact.DATE_OF_BIRTH))
    assert reply.status == "granted"
    assert state.level is AssuranceLevel.VERIFIED


def test_an_unknown_account_meets_the_same_questions_and_nothing_opens_it() -> None:
    known, reply_known = named(begin(customer=None)[0], POLICY, "block_card", "c", NONE)
    unknown, reply_unknown = named(begin(customer=None)[0], POLICY, "block_card", None, NONE)
    assert reply_known == reply_unknown
    while reply_unknown.status != "refused":
        known, reply_known = answer(known, POLICY, "block_card", reply_known.fact, WRONG)
        unknown, reply_unknown = answer(unknown, POLICY, "block_card", reply_unknown.fact, WRONG)
        assert reply_known == reply_unknown
    unknown, reply = named(begin(customer=None)[0], POLICY, "block_card", None, NONE)
    unknown, reply = answer(unknown, POLICY, "block_card", reply.fact, right(*Fact))
    assert reply.status != "granted"


def test_a_caller_who_cannot_name_his_number_is_refused_where_money_is_told() -> None:
    state, reply = begin("get_balance", customer=None)
    state, reply = answer(state, POLICY, "get_balance", PHONE, UNREADABLE)
    assert reply == AuthReply("ask", PHONE)
    state, reply = answer(state, POLICY, "get_balance", PHONE, UNREADABLE)
    assert reply == AuthReply("refused")


def without_telephone() -> LadderState:
    state, reply = begin(customer=None)
    assert reply == AuthReply("ask", NAME_AND_BIRTH)
    return hold(state, POLICY, "block_card", frozenset(FINDING))[0]


def test_half_of_name_and_birth_asks_for_the_other_half() -> None:
    state, _ = begin(customer=None)
    state, reply = hold(state, POLICY, "block_card", frozenset({Fact.FULL_NAME}))
    assert reply == AuthReply("ask", "date_of_birth")
    state, reply = begin(customer=None)
    state, reply = hold(state, POLICY, "block_card", frozenset({Fact.DATE_OF_BIRTH}))
    assert reply == AuthReply("ask", "full_name")


def test_what_could_not_be_read_in_one_breath_is_asked_in_two() -> None:
    state, _ = begin(customer=None)
    _, reply = hold(state, POLICY, "block_card", frozenset())
    assert reply == AuthReply("ask", "full_name")


def test_where_name_and_birth_open_nothing_the_number_is_asked_for() -> None:
    assert begin("get_balance", customer=None)[1] == AuthReply("ask", PHONE)


def test_name_and_birth_find_the_customer_of_a_stolen_bag() -> None:
    state, reply = found(without_telephone(), POLICY, "block_card", "c-1", NONE)
    assert reply.status == "granted"
    assert state.level is AssuranceLevel.IDENTIFIED
    assert allows(state, POLICY, "block_card")
    assert not allows(state, POLICY, "get_balance")


def test_what_found_the_account_opens_no_money() -> None:
    state, _ = found(without_telephone(), POLICY, "block_card", "c-1", NONE)
    state, reply = start(state, POLICY, "get_balance", None, NONE)
    assert reply == AuthReply("ask", "code_word")
    state, reply = answer(state, POLICY, "get_balance", "code_word", right(Fact.CODE_WORD))
    assert reply == AuthReply("ask", "last_four")
    state, reply = answer(state, POLICY, "get_balance", "last_four", right(Fact.LAST_FOUR))
    assert reply.status == "granted"
    assert state.level is AssuranceLevel.VERIFIED


def test_nobody_or_more_than_one_of_that_name_must_name_the_number_of_the_account() -> None:
    state, reply = found(without_telephone(), POLICY, "block_card", None, NONE)
    assert (reply, state.failures) == (AuthReply("wrong", PHONE), 1)
    assert not allows(state, POLICY, "block_card")
    refused, reply = hold(state, POLICY, "block_card", frozenset(), declined=PHONE)
    assert (reply.status, refused.refusal) == ("refused", Refusal.NOT_FOUND)
    state, reply = named(state, POLICY, "block_card", "c-1", NONE)
    assert reply == AuthReply("ask", "full_name")
    state, reply = answer(state, POLICY, "block_card", reply.fact, right(*FINDING))
    assert reply.status == "granted"


def test_a_miss_by_name_is_one_of_the_wrong_answers_of_a_call() -> None:
    state, _ = found(without_telephone(), POLICY, "block_card", None, NONE)
    state, reply = named(state, POLICY, "block_card", "c-1", NONE)
    state, reply = answer(state, POLICY, "block_card", reply.fact, WRONG)
    state, reply = answer(state, POLICY, "block_card", reply.fact, WRONG)
    assert (reply.status, state.refusal) == ("refused", Refusal.FAILURES_IN_CALL)


def test_who_knows_neither_number_nor_name_is_refused() -> None:
    state, _ = begin(customer=None)
    state, reply = hold(state, POLICY, "block_card", frozenset(), declined=NAME_AND_BIRTH)
    assert reply == AuthReply("ask", PHONE)
    state, reply = hold(state, POLICY, "block_card", frozenset(), declined=PHONE)
    assert reply == AuthReply("refused")


def test_the_account_of_a_call_cannot_be_changed_by_naming_another_number() -> None:
    state, _ = begin()
    state, _ = named(state, POLICY, "block_card", "other", NONE)
    assert state.customer_id == "c"


CODE = frozenset({SecondFactor.ONE_TIME_CODE})
BOTH = CODE | {SecondFactor.VOICE}


VOICED = POLICY.model_copy(
    update={
        "profiles": {
            **POLICY.profiles,
            "change": POLICY.profiles["change"].model_copy(
                update={"second": (SecondFactor.VOICE, SecondFactor.ONE_TIME_CODE)}
            ),
        }
    }
)
"""What ships, and the bank takes voices."""


def verified(
    available: frozenset[SecondFactor] = CODE, purpose: str = "", policy: Policy = POLICY
) -> tuple[LadderState, AuthReply]:
    """A caller who has proven both facts for a change of limits."""
    state = LadderState(available=available)
    state, _ = start(state, policy, "change_limits", "c", NONE, purpose=purpose)
    return answer(state, policy, "change_limits", "code_word", right(Fact.CODE_WORD, Fact.LAST_FOUR))


@pytest.mark.parametrize(
    ("customer", "refusal"), [("c", Refusal.STRONG_UNAVAILABLE), (None, Refusal.NOT_SERVED_HERE)]
)
def test_where_nothing_can_make_strong_nobody_is_asked_anything(customer: str | None, refusal: Refusal) -> None:
    state, reply = begin("change_limits", customer)
    assert reply == AuthReply("refused", reason="by_operator")
    assert state.refusal is refusal
    assert state.asked == ()
    assert start(state, POLICY, "block_card", customer, NONE)[1].status == "ask"


def test_a_code_is_asked_for_once_both_facts_are_proven_and_makes_strong() -> None:
    state, reply = verified()
    assert reply == AuthReply("ask", "one_time_code")
    assert state.level is AssuranceLevel.VERIFIED
    assert not allows(state, POLICY, "change_limits")
    state, reply = code_keyed(state, POLICY, "change_limits", CodeOutcome.RIGHT)
    assert reply.status == "granted"
    assert state.level is AssuranceLevel.STRONG
    assert allows(state, POLICY, "change_limits")


def test_a_code_is_good_for_one_operation_only() -> None:
    state, _ = verified(purpose="change_limits card=4271")
    state, _ = code_keyed(state, POLICY, "change_limits", CodeOutcome.RIGHT)
    assert allows(state, POLICY, "change_limits", "change_limits card=4271")
    assert not allows(state, POLICY, "change_limits", "change_limits card=9030")
    assert not allows(spent(state), POLICY, "change_limits", "change_limits card=4271")
    assert spent(state).level is AssuranceLevel.VERIFIED
    state, reply = start(state, POLICY, "change_limits", "c", NONE, purpose="change_limits card=9030")
    assert reply == AuthReply("ask", "one_time_code")
    assert state.level is AssuranceLevel.VERIFIED


def test_wrong_codes_count_as_wrong_answers_everywhere() -> None:
    state, reply = verified()
    for count in (1, 2):
        state, reply = code_keyed(state, POLICY, "change_limits", CodeOutcome.WRONG)
        assert reply == AuthReply("wrong", "one_time_code")
        assert (state.failures, state.counts.customer, state.counts.number) == (count, count, count)
    state, reply = code_keyed(state, POLICY, "change_limits", CodeOutcome.WRONG)
    assert reply == AuthReply("refused")
    assert code_keyed(state, POLICY, "change_limits", CodeOutcome.RIGHT)[1].status == "refused"


def test_what_is_no_code_is_asked_again_and_not_for_ever() -> None:
    state, reply = verified()
    seen = []
    while reply.status != "refused":
        state, reply = code_keyed(state, POLICY, "change_limits", CodeOutcome.UNREADABLE)
        seen.append(reply.status)
    assert seen == ["unclear", "unclear", "unclear", "refused"]
    assert state.failures == 0


def test_a_code_that_is_over_is_asked_for_anew() -> None:
    state, _ = verified()
    state, reply = code_keyed(state, POLICY, "change_limits", CodeOutcome.OVER)
    assert reply == AuthReply("ask", "one_time_code")
    assert state.failures == 0


def test_a_caller_without_his_telephone_at_hand_goes_to_an_operator() -> None:
    state, _ = verified()
    state, reply = answer(state, POLICY, "change_limits", "one_time_code", DECLINED)
    assert (reply.status, reply.reason) == ("refused", "by_operator")


def test_a_voice_is_not_even_asked_for_where_the_policy_does_not_name_it() -> None:
    state, reply = verified(BOTH)
    assert reply == AuthReply("ask", "one_time_code")
    state, reply = voice_compared(state, POLICY, "change_limits", VoiceVerdict.ACCEPT)
    assert reply == AuthReply("ask", "one_time_code")
    assert not allows(state, POLICY, "change_limits")


def test_an_accepted_voice_makes_strong_of_verified_for_the_whole_call() -> None:
    state, reply = verified(BOTH, policy=VOICED)
    assert reply == AuthReply("ask", "voice")
    state, reply = voice_compared(state, VOICED, "change_limits", VoiceVerdict.ACCEPT)
    assert (reply.status, state.level) == ("granted", AssuranceLevel.STRONG)
    assert allows(spent(state), VOICED, "change_limits", "another purpose")


@pytest.mark.parametrize("verdict", [VoiceVerdict.STEP_UP, VoiceVerdict.INDETERMINATE])
def test_a_doubtful_voice_leads_to_the_code(verdict: VoiceVerdict) -> None:
    state, _ = verified(BOTH, policy=VOICED)
    state, reply = voice_compared(state, VOICED, "change_limits", verdict)
    assert reply == AuthReply("ask", "one_time_code")
    assert state.level is AssuranceLevel.VERIFIED
    assert state.failures == 0
    _, reply = code_keyed(state, VOICED, "change_limits", CodeOutcome.RIGHT)
    assert reply.status == "granted"


def test_anothers_voice_ends_the_call_at_the_fraud_desk_in_the_words_of_any_refusal() -> None:
    state, _ = verified(BOTH, policy=VOICED)
    state, reply = voice_compared(state, VOICED, "change_limits", VoiceVerdict.FLAG)
    assert reply == AuthReply("refused", reason="fraud")
    assert state.refusal is Refusal.VOICE_FLAGGED
    assert not allows(state, VOICED, "block_card")
    assert start(state, VOICED, "get_balance", "c", NONE)[1] == AuthReply("refused", reason="fraud")


def test_a_voice_alone_opens_nothing() -> None:
    state, reply = start(LadderState(available=BOTH), VOICED, "change_limits", "c", NONE)
    assert reply == AuthReply("ask", "code_word")
    state, reply = voice_compared(state, VOICED, "change_limits", VoiceVerdict.ACCEPT)
    assert (reply.status, reply.fact) == ("ask", "code_word")
    assert state.level is AssuranceLevel.IDENTIFIED
    assert not state.second


def test_a_second_factor_does_not_stand_for_a_fact() -> None:
    state, _ = verified(BOTH, policy=VOICED)
    state, _ = voice_compared(state, VOICED, "change_limits", VoiceVerdict.ACCEPT)
    assert len(state.facts) == 2
    assert not allows(replace(state, facts=state.facts[:1]), VOICED, "change_limits")


def test_general_information_needs_nothing_even_when_locked() -> None:
    state, reply = begin("general", None, Failures(customer=9, number=99))
    assert reply.status == "granted"
    assert allows(state, POLICY, "general")


def test_side_guesses_are_counted_and_end_the_comparison_of_unasked_words() -> None:
    state, reply = begin()
    state, _ = answer(state, POLICY, "block_card", reply.fact, Attempt(side_guess=True), Failures(side=4))
    assert (state.counts.side, state.counts.number_side) == (5, 1)
    assert not may_compare_unasked_words(state, POLICY)
    assert state.failures == 0


def test_side_guesses_of_a_calling_number_end_the_comparison_of_unasked_words_and_nothing_else() -> None:
    limit = POLICY.limits.side_guesses_per_number
    state, reply = begin(failures=Failures(number_side=limit - 1))
    assert may_compare_unasked_words(state, POLICY)
    state, reply = answer(state, POLICY, "block_card", reply.fact, Attempt(side_guess=True))
    assert not may_compare_unasked_words(state, POLICY)
    assert (reply.status, state.refusal, state.failures) == ("ask", None, 0)
    state, _ = begin(failures=Failures(number_side=100 * limit))
    assert (state.refusal, may_compare_unasked_words(state, POLICY)) == (None, False)


def test_a_wrong_item_beside_a_right_one_still_counts() -> None:
    state, reply = begin("get_balance")
    mixed = Attempt(matched=frozenset({Fact.CODE_WORD}), wrong=True)
    state, reply = answer(state, POLICY, "get_balance", reply.fact, mixed)
    assert (state.failures, state.counts.customer, state.counts.number) == (1, 1, 1)
    assert reply.status == "ask"


def test_the_proven_card_does_not_show_in_the_state() -> None:
    state, reply = begin()
    state, _ = answer(state, POLICY, "block_card", reply.fact, right(Fact.LAST_FOUR, card="4271"))
    assert state.card == "4271"
    assert "4271" not in repr(state) + repr(right(Fact.LAST_FOUR, card="4271"))


def test_digits_that_the_bot_has_told_prove_nothing_and_are_not_asked_for() -> None:
    state, reply = begin()
    state, reply = answer(state, POLICY, "block_card", reply.fact, right(Fact.CODE_WORD))
    assert reply.status == "granted" and tells_cards(state)
    state = cards_told(state)
    assert not tells_cards(state)
    state, reply = start(state, POLICY, "get_balance", "c", NONE)
    assert reply == AuthReply("ask", "date_of_birth")
    state, reply = answer(state, POLICY, "get_balance", reply.fact, right(Fact.LAST_FOUR, card="4271"))
    assert state.facts == (Fact.CODE_WORD,) and reply == AuthReply("ask", "date_of_birth")
    assert not allows(state, POLICY, "get_balance")
    state, reply = answer(state, POLICY, "get_balance", reply.fact, right(Fact.DATE_OF_BIRTH))
    assert reply.status == "granted"


def test_digits_proven_before_they_are_told_count() -> None:
    state, reply = begin()
    state, _ = answer(state, POLICY, "block_card", reply.fact, right(Fact.LAST_FOUR, card="4271"))
    assert not tells_cards(state)
    assert cards_told(state) == state
