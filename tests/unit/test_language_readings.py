"""Several readings of a turn become one meaning; two near topics are named, a clear one is not."""

from __future__ import annotations

import pytest

from ivrbot.language.readings import CLEAR_FROM, NEAR_FROM, combine, near_topics
from ivrbot.model.speech import OUT_OF_SCOPE, IntentScore, NluResult


def result(text: str = "", intent: str = "", confidence: float = 0.0, **shares: float) -> NluResult:
    ranking = tuple(IntentScore(name, share) for name, share in sorted(shares.items(), key=lambda pair: -pair[1]))
    top = ranking[0] if ranking else IntentScore(OUT_OF_SCOPE, 0.0)
    return NluResult(text, intent or top.name, confidence or top.confidence, ranking, engine="e")


def test_readings_outvote_the_likeliest_one() -> None:
    first = result("баланс карт", check_balance=0.4, card_limits=0.35, block_card=0.25)
    second = result("лимит карт", card_limits=0.9, check_balance=0.1, block_card=0.0)
    assert combine([first], [0.7]).intent == "check_balance"
    both = combine([first, second], [0.6, 0.4])
    assert (both.text, both.intent, both.engine) == ("баланс карт", "card_limits", "e")
    assert both.confidence == pytest.approx(0.6 * 0.35 + 0.4 * 0.9)
    assert [score.name for score in both.ranking] == ["card_limits", "check_balance", "block_card"]
    assert sum(score.confidence for score in both.ranking) == pytest.approx(1.0)
    assert combine([first, second], [0.95, 0.05]).intent == "check_balance"


def test_one_reading_is_left_as_it_is() -> None:
    only = result("x", check_balance=0.7, card_limits=0.2, block_card=0.1)
    again = combine([only], [0.3])
    assert (again.intent, again.confidence) == ("check_balance", pytest.approx(0.7))


def test_a_refusal_in_one_reading_counts() -> None:
    refused = result("не блокируйте", OUT_OF_SCOPE, 0.95, block_card=0.9, out_of_scope=0.1)
    heard = result("блокируйте", block_card=0.9, out_of_scope=0.1)
    assert combine([refused, heard], [0.6, 0.4]).intent == OUT_OF_SCOPE


def test_unintelligible_readings_do_not_count() -> None:
    nothing = result("")
    heard = result("баланс", check_balance=0.8, block_card=0.2)
    assert combine([nothing, heard], [0.9, 0.1]).intent == "check_balance"
    assert combine([nothing, nothing], [0.5, 0.5]) == nothing
    with pytest.raises(ValueError, match="as many weights"):
        combine([heard], [])


def test_near_topics() -> None:
    assert near_topics(result(check_balance=0.5, card_limits=0.4, block_card=0.1)) == (
        "check_balance",
        "card_limits",
    )
    unsure = result("", OUT_OF_SCOPE, 0.72, check_balance=0.28, card_limits=0.26, block_card=0.24)
    assert near_topics(unsure) == ("check_balance", "card_limits")


@pytest.mark.parametrize(
    "one",
    [
        result(check_balance=CLEAR_FROM, card_limits=1 - CLEAR_FROM),
        result(check_balance=0.55, card_limits=NEAR_FROM - 0.01, block_card=0.2),
        result(check_balance=0.5, operator=0.4),
        result(affirm=0.5, check_balance=0.4),
        result(out_of_scope=0.5, check_balance=0.4),
        result("", OUT_OF_SCOPE, 0.95, block_card=0.55, card_reissue=0.4, out_of_scope=0.05),
        result(""),
    ],
)
def test_no_near_topics(one) -> None:
    assert near_topics(one) is None
