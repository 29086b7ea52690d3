"""Fraud in Russian and a payment disputed in English, as calls in sound at the same time, to the bank's answer.

A blocked card and a balance stand in `test_calls_served`; every other topic in `test_every_topic` (make bench).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.caller_speech import CallerVoice
from tests.integration.asterisk.stage import ORLOV, SOKOLOVA, Stage
from tests.integration.errands import Errand, ring, shortcomings, story

pytestmark = [pytest.mark.integration, pytest.mark.models, pytest.mark.asyncio(loop_scope="session")]

FRAUD = Errand(
    "report_fraud",
    "мне звонили мошенники и я сказал им код из сообщения",
    "bank_block_all_cards",
    "utter_fraud_secured",
)
DISPUTE = Errand(
    "dispute_transaction",
    "I want to dispute a payment that I did not make",
    "bank_register_claim",
    "utter_claim_registered",
    {"utter_ask_dispute": "five thousand rubles"},
)
AGAIN = {
    "report_fraud": "меня обманули мошенники я продиктовал им код",
    "dispute_transaction": "I do not recognise a payment, I dispute it",
}
"""What the same person says when he was taken wrong the first time, and rings again."""


async def served(line: Stage, number: str, voice: CallerVoice, errand: Errand) -> str:
    """Ring, and once again in other words; gives the story of the last call when it did not help, else ""."""
    told = await ring(line, number, voice, errand)
    if shortcomings(told, errand):
        print(f"\n{errand.topic} rings again: {shortcomings(told, errand)}")
        told = await ring(line, number, voice, replace(errand, says=AGAIN[errand.topic]))
    missing = shortcomings(told, errand)
    return f"{missing}\n{story(told)}" if missing else ""


async def test_fraud_in_russian_and_a_dispute_in_english_at_the_same_time(fresh_line: Stage) -> None:
    failures = await asyncio.gather(
        served(fresh_line, ORLOV, "elena", FRAUD), served(fresh_line, SOKOLOVA, "alan", DISPUTE)
    )
    assert not any(failures), "\n\n".join(failures)
