"""Callers with an errand: what they say, how they answer questions, and how their call went.

Facts are keyed, as the bot offers; everything else that is asked is answered by voice or by a key. Who is not
understood says his sentence once more, as people do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.caller_speech import ENGLISH, CallerVoice
from tests.integration.asterisk.stage import KIM, ORLOV, SOKOLOVA, Call, Event, Stage

CALL_S = 400.0
TURNS = 14

FACTS: Mapping[str, tuple[str, str]] = {
    SOKOLOVA: ("4271", "05031989#"),
    ORLOV: ("1188", "21111975#"),
    KIM: ("7719", "30072001#"),
}
FIRST_KEY = frozenset({"utter_ask_confirm_dispute", "utter_ask_confirm_fraud", "utter_ask_deposit_wish"})
"""What is confirmed, and whose own deposit it is about; all else is declined."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What somebody rings for.

    Attributes:
        says: his first sentence.
        does: the bank's operation that serves it, "" where nothing is asked of the bank.
        tells: what the bot says when it is served.
        answers: what he says to questions of this topic.
        again: his first sentence when he was taken wrong and rings once more.
        voice: somebody else speaks from his telephone; None: he does.
    """

    topic: str
    says: str
    does: str
    tells: str
    answers: Mapping[str, str] = field(default_factory=dict)
    again: str = ""
    voice: CallerVoice | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """How a call went."""

    events: tuple[Event, ...]
    error: str = ""

    def said(self) -> list[str]:
        return [event["response"] for event in self.events if event["type"] == "bot_said"]

    def bank(self) -> dict[str, str]:
        return {event["action"]: event["status"] for event in self.events if event["type"] == "bank_replied"}


async def answer(call: Call, question: str, errand: Errand, number: str, voice: CallerVoice) -> None:
    last_four, born = FACTS[number]
    if question in errand.answers:
        await call.say(errand.answers[question], voice)
    elif question in {"utter_ask_topic", "utter_ask_topic_keys"}:
        await call.say(errand.says, voice)
    elif question == "utter_ask_fact_last_four":
        await call.press(last_four)
    elif question in {"utter_ask_fact_code_word", "utter_ask_fact_date_of_birth"}:
        await call.press(born)
    else:
        await call.press("1" if question in FIRST_KEY else "2")


async def choose_language(call: Call, voice: CallerVoice) -> int:
    """Key 9, when the caller speaks English; gives the event after which the bot's questions count."""
    if voice not in ENGLISH:
        return -1
    first = await call.story.until(lambda event: event["type"] == "bot_said")
    await call.press("9")
    pressed = await call.story.until(lambda event: event["type"] == "keys_pressed", after_seq=first["seq"])
    return int(pressed["seq"])


async def ring(line: Stage, number: str, voice: CallerVoice, errand: Errand) -> Told:
    """One call, until the bot asks whether there is more, or hands over, or the errand's patience is over."""
    async with line.call(number) as call:
        try:
            async with asyncio.timeout(CALL_S):
                seen = await choose_language(call, voice)
                for _ in range(TURNS):
                    event = await call.story.until(
                        lambda e: (
                            e["type"] == "call_ended"
                            or (e["type"] == "bot_said" and e["response"].startswith("utter_ask_"))
                        ),
                        after_seq=seen,
                    )
                    seen = event["seq"]
                    if event["type"] == "call_ended" or event["response"] == "utter_ask_more":
                        break
                    await call.asked(event["response"])
                    await answer(call, event["response"], errand, number, voice)
        except TimeoutError as error:
            return Told(tuple(call.story.events), f"no answer in time: {error}")
        return Told(tuple(call.story.events))


def shortcomings(told: Told, errand: Errand) -> list[str]:
    """What is missing for the topic to have been served; none when it was."""
    stated = [event["topic"] for event in told.events if event["type"] == "topic_stated"]
    found = [told.error] if told.error else []
    if stated[:1] != [errand.topic]:
        found.append(f"understood as {stated}")
    if errand.does and told.bank().get(errand.does) != "ok":
        found.append(f"the bank was asked {told.bank()}")
    if errand.tells not in told.said():
        found.append(f"{errand.tells} was not said")
    secrets = [born.rstrip("#") for _, born in FACTS.values()]
    if any(secret in str(event) for event in told.events for secret in secrets):
        found.append("a secret stands in the events")
    return found


async def ring_until_served(line: Stage, number: str, voice: CallerVoice, errand: Errand) -> Told:
    """Ring, and once more in other words where the bot took him wrong, as people do; gives the last call."""
    told = await ring(line, number, voice, errand)
    if missing := shortcomings(told, errand):
        print(f"\n{errand.topic} rings again: {missing}\n{story(told)}")
        told = await ring(line, number, voice, replace(errand, says=errand.again))
    return told


def story(told: Told) -> str:
    """The events of a call, a line each."""
    return "\n".join(str(event) for event in told.events)
