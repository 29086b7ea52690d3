"""What an operator reads of figures that a caller has said without being asked."""

from __future__ import annotations

import pytest

from ivrbot.call.dossier_context import SlotConfidence, asked_for, slots_for_operator
from ivrbot.dialogue.schema import SlotSpec
from ivrbot.model.dialogue import DialogueInput, Keys, UserTurn, Value
from ivrbot.model.speech import Hypothesis, NluResult

SPECS = {
    "card": SlotSpec(kind="digits", length=4, personal=True, fill_from_topic=True),
    "card_kind": SlotSpec(kind="choice", stands_for="card", among="cards"),
    "city": SlotSpec(kind="words"),
    "cards": SlotSpec(kind="list", personal=True),
}
SAID = "мой пинк от 4829"
WORDS = UserTurn((Hypothesis(SAID, 0.454),), NluResult(SAID, "pin_change", 0.9))
LISTED: dict[str, Value] = {"cards": ({"last4": "4829", "status": "active"},)}


def told(heard: DialogueInput, asked: str, slots: dict[str, Value]) -> dict[str, str]:
    sure = SlotConfidence()
    sure.note({}, slots, heard, asked_for(asked, SPECS))
    return slots_for_operator(slots, SPECS, sure)


def test_figures_said_in_passing_are_masked() -> None:
    assert told(WORDS, "topic", {"card": "4829", "city": "Казань", "topic": "pin_change"}) == {
        "card": "***",
        "city": "Казань",
    }


@pytest.mark.parametrize(
    ("heard", "asked", "more"),
    [(WORDS, "card", {}), (WORDS, "card_kind", {}), (Keys("4829"), "topic", {}), (WORDS, "topic", LISTED)],
)
def test_figures_that_were_asked_for_or_that_the_bank_knows_are_told(
    heard: DialogueInput, asked: str, more: dict[str, Value]
) -> None:
    assert told(heard, asked, {"card": "4829", **more})["card"] == "4829"


def test_asked_later_the_same_figures_are_told() -> None:
    sure = SlotConfidence()
    sure.note({}, {"card": "4829"}, WORDS, asked_for("topic", SPECS))
    sure.note({"card": "4829"}, {}, WORDS)
    sure.note({}, {"card": "4829"}, WORDS, asked_for("card", SPECS))
    assert slots_for_operator({"card": "4829"}, SPECS, sure) == {"card": "4829"}
