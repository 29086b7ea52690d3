"""Misheard words put right: what is near becomes a known word, what is far or known stays as it is."""

from __future__ import annotations

import pytest

from ivrbot.nlu.classifier import TextClassifier
from ivrbot.nlu.repair import WordRepair, _cost

KNOWN = WordRepair.of(
    ["заблокируйте мою карту", "какой баланс на карте", "потеряла кошелек", "what is my balance", "stolen purse"]
)


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("заблакируйте", "заблокируйте"),
        ("заблокируйтэ карту", "заблокируйте карту"),
        ("какой паланс", "какой баланс"),
        ("балансом", "баланс"),
        ("кошелиг", "кошелек"),
        ("palance", "balance"),
        ("stolin purce", "stolen purse"),
    ],
)
def test_misheard_words(heard: str, meant: str) -> None:
    assert KNOWN(heard) == meant


@pytest.mark.parametrize("text", ["карту", "паровоз", "как", "4271", "weather", "", "мама мыла раму"])
def test_words_that_stay(text: str) -> None:
    assert KNOWN(text) == text


def test_nothing_known_changes_nothing() -> None:
    assert WordRepair({})("заблакируйте карту") == "заблакируйте карту"


def test_the_more_usual_of_two_equally_near_words() -> None:
    repair = WordRepair.of(["платеж"] * 9 + ["плотеж"])
    assert repair("плутеж") == "платеж"


def test_the_words_beside_it_choose_between_near_words() -> None:
    repair = WordRepair.of(["my pin number", "pin number please", "an ink pen", "a fountain pen"] * 3)
    assert repair("my pen number") == "my pin number"
    assert repair("an ink pen") == "an ink pen"


def test_both_readings_count() -> None:
    """A garbled word alone says nothing; put right it does, and the kept classifier reads it the same."""
    classifier = TextClassifier(None)
    blocks = ["заблокируйте карту", "заблокируйте пожалуйста", "карту заблокируйте"]
    asks = ["какой баланс", "скажите баланс", "баланс какой"]
    classifier.fit({"ru": (blocks + asks, ["block"] * 3 + ["ask"] * 3)}, copies=0)
    assert classifier.scores("паланс")["ask"] > 0.6
    restored = TextClassifier.restored(None, *classifier.state())
    assert restored.scores("паланс") == classifier.scores("паланс")


@pytest.mark.parametrize(
    ("heard", "meant"), [("palance", "balance"), ("кошелиг", "кошелек"), ("stolin", "balance")]
)
def test_a_cost_is_counted_to_its_end_only_within_the_limit(heard: str, meant: str) -> None:
    cost = _cost(heard, meant, 100.0)
    assert 0.0 < cost < 100.0
    assert _cost(heard, meant, cost) == cost
    assert _cost(heard, meant, cost - 0.01) > cost - 0.01
