"""Who calls and how he talks: everything about a call is drawn from its number and the seed, whatever answers it.

In 15 % of turns a caller hesitates for 300 to 900 ms inside his sentence; one prompt in five he does not let end.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from benchmarks.turns.sentences import CUSTOMERS, PLAIN, TOPICS
from benchmarks.turns.sound import VOICES, halves
from ivrbot.model.speech import Language

HESITATES: Final = 0.15
HESITATION_MS: Final = (300, 900)
INTERRUPTS: Final = 0.2
UNCLEAR: Final = 0.15
"""Share of calls that begin with something unclear."""
FOREIGN: Final = 0.25
"""Share of calls from a telephone that the bank does not know: names and dates are asked for there."""
ASKED_S: Final = 12.0

_FACTS: Final = {
    "utter_ask_fact_last_four": "digits",
    "utter_ask_fact_date_of_birth": "date",
    "utter_ask_fact_full_name": "name",
    "utter_ask_fact_name_and_birth": "name",
    "utter_ask_fact_code_word": "code word",
}
_NO_ANSWER: Final = frozenset(("utter_ask_fact_phone", "utter_ask_fact_one_time_code", "utter_goodbye"))
"""Answered by keys, or not at all."""
_OVER: Final = frozenset(("call_ended", "escalated"))
"""The bot has gone; what a question before it wanted is nobody's to hear, least of all the operator's."""
_NEXT_WISH: Final = frozenset(("utter_ask_topic", "utter_ask_topic_keys", "utter_ask_more"))

Event = Mapping[str, Any]
Until = Callable[[Callable[[Event], bool], float], Awaitable[Event]]
"""Waits for an event, so many seconds; raises TimeoutError."""


@dataclass(frozen=True, slots=True)
class Saying:
    """What is said next.

    Attributes:
        kind: of turn, one of `sentences.KINDS`.
        sentence: with the bar where a hesitation may be.
        question: what it answers, as the system calls it.
        pause_ms: hesitation inside the sentence, 0 for none.
        whole_clause: what he said before it could have been all.
        interrupts: it is said over the question.
    """

    kind: str
    sentence: str
    question: str
    pause_ms: int
    whole_clause: bool
    interrupts: bool


@dataclass(slots=True)
class Person:
    """A caller.

    Attributes:
        number: his telephone.
        voice: one of the synthetic ones.
        wishes: what he rings for, in order: topics, "operator" or "unclear".
    """

    language: Language
    number: str
    voice: str
    rng: random.Random = field(repr=False)
    customer: int
    wishes: list[str]

    def says(self, kind: str, question: str, topic: str = "") -> Saying:
        """A sentence of a kind, with or without hesitation."""
        facts = CUSTOMERS[self.customer].facts[self.language]
        pools = TOPICS[self.language] if topic else facts if kind in facts else PLAIN[self.language]
        pool = pools[topic or kind]
        sentence = self.rng.choice(pool)
        hesitates, interrupts = self.rng.random() < HESITATES, self.rng.random() < INTERRUPTS
        pause_ms = self.rng.randrange(*HESITATION_MS)
        if hesitates:  # the share holds over all turns, so a sentence that has a place for it is taken
            sentence = self.rng.choice([other for other in pool if len(halves(other)) > 1] or [sentence])
        if len(halves(sentence)) == 1:
            hesitates = False
        name = {"city": "name", "yes": "yes/no", "no": "yes/no"}.get(kind, kind)
        pause_ms *= hesitates
        return Saying(name, sentence, question, pause_ms, bool(pause_ms) and "/" in sentence, interrupts)

    def wish(self, question: str) -> Saying:
        """The next of his wishes; he thanks and declines when there is none."""
        if not self.wishes:
            return self.says("no", question)
        wish = self.wishes.pop(0)
        return self.says(wish, question) if wish in {"operator", "unclear"} else self.says("topic", question, wish)


def person(seed: int, call: int) -> Person:
    """The caller of a call; Russian and English in turn."""
    rng = random.Random(f"{seed}/{call}")
    language: Language = "en" if call % 2 else "ru"
    customer = call // 2 % len(CUSTOMERS)
    number = f"+7999{call:07d}" if rng.random() < FOREIGN else CUSTOMERS[customer].number
    first = "block_card" if rng.random() < 0.4 else "check_balance"
    others = rng.sample(["find_office", "online_bank", "salary", "loan"], 2)
    wishes = rng.sample([first, *others[:1]], 2) + others[1:]
    if rng.random() < UNCLEAR:
        wishes.insert(0, "unclear")
    if rng.random() < 0.3:
        wishes[2:] = ["operator"]
    return Person(language, number, rng.choice(VOICES[language]), rng, customer, wishes)


class Guide(Protocol):
    """Knows what the system asks."""

    async def first(self) -> Saying | None:
        """What to say to the greeting."""

    async def next(self) -> Saying | None:
        """What to say to the next question; None: there is none."""

    def spoke(self) -> None:
        """The caller begins to speak: only what is asked from now on counts."""

    @property
    def answer(self) -> str:
        """What was answered since, in the system's own terms; "" where it does not tell."""


class ProductGuide:
    """Follows the product's events: his own questions are answered."""

    def __init__(self, caller: Person, until: Until, events: Sequence[Event]) -> None:
        """Takes the caller, a way to wait for an event, and the growing list of all."""
        self._caller = caller
        self._until = until
        self._events = events
        self._seen = -1

    async def first(self) -> Saying | None:
        return self._caller.wish("utter_ask_topic")

    async def next(self) -> Saying | None:
        seen = self._seen

        def asks_or_ends(event: Event) -> bool:
            said = str(event.get("response", "")) if event["type"] == "bot_said" else ""
            ends = event["type"] in _OVER or said == "utter_goodbye"
            return bool(event["seq"] > seen) and (ends or said.startswith("utter_ask_"))

        try:
            await self._until(asks_or_ends, ASKED_S)
        except TimeoutError:
            return None
        event = [event for event in self._events if asks_or_ends(event)][-1]
        if event["type"] in _OVER or event["response"] in _NO_ANSWER:
            return None
        return self._answer(event["response"])

    def spoke(self) -> None:
        self._seen = int(self._events[-1]["seq"]) if self._events else -1

    @property
    def answer(self) -> str:
        told = (str(event.get("response", event["type"])) for event in self._events if event["seq"] > self._seen)
        return " ".join(told)

    def _answer(self, question: str) -> Saying:
        if question in _NEXT_WISH:
            return self._caller.wish(question)
        if question in _FACTS:
            return self._caller.says(_FACTS[question], question)
        if question.startswith("utter_ask_card"):
            return self._caller.says("digits", question)
        if question == "utter_ask_city":
            return self._caller.says("city", question)
        yes = question in {"utter_ask_check_sms", "utter_ask_more_operations"}
        return self._caller.says("yes" if yes else "no", question)


class ScriptGuide:
    """For a system that only answers: the questions that a bank's bot would ask on such wishes, in its order."""

    def __init__(self, caller: Person) -> None:
        self._caller = caller
        self._ahead: list[str] = []

    async def first(self) -> Saying | None:
        return await self.next()

    async def next(self) -> Saying | None:
        if self._ahead:
            kind = self._ahead.pop(0)
            return self._caller.says(kind, kind)
        if not self._caller.wishes:
            return None
        wish = self._caller.wishes[0]
        foreign = self._caller.number.startswith("+7999")
        self._ahead = {
            "block_card": ["name", "date", "no"] if foreign else ["digits", "no", "no"],
            "check_balance": ["code word", "date"] if foreign else ["digits", "code word"],
            "find_office": ["city"],
            "online_bank": ["yes"],
        }.get(wish, [] if wish in {"operator", "unclear"} else ["no"])  # fmt: skip
        return self._caller.wish("topic")

    def spoke(self) -> None:
        """Its questions are known beforehand."""

    @property
    def answer(self) -> str:
        return ""
