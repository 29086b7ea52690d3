"""Before a caller is queued: how long it will take, said honestly, and whether he would rather be called back.

Takes the queue's state and its opening hours, gives `CallbackAsked` or None (he waits). Nothing is asked in an
emergency, after a failure of our own, or while an operator is free. A question without its text in the flows is
not asked: the caller is queued as if there were no call-backs.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from ivrbot.call.channel import Completes, Heard, Keyed, Silence, Spoken
from ivrbot.config import OperatorSettings
from ivrbot.errors import EngineError
from ivrbot.escalation.policy import FRONT_OF_QUEUE
from ivrbot.language.answers import parse_yes_no
from ivrbot.language.asides import wants_meanwhile
from ivrbot.language.codes import parse_phone
from ivrbot.language.negation import verb_polarities
from ivrbot.language.tokens import tokenise
from ivrbot.model.call import EMERGENCY_QUEUE, EscalationReason
from ivrbot.model.dialogue import Collect, Say
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.operators import CallbackAsked, QueueState
from ivrbot.model.speech import Expect, Language

WAIT: Final = "utter_wait_or_callback"
CLOSED: Final = "utter_closed_callback"
NOBODY: Final = "utter_nobody_callback"
OWN_NUMBER: Final = "utter_callback_own_number"
ASK_NUMBER: Final = "utter_ask_callback_number"
CONFIRM_NUMBER: Final = "utter_callback_number_confirm"
MEANWHILE: Final = "utter_or_meanwhile"
PLACE_KEPT: Final = "utter_place_kept"
AGREED: Final = "utter_callback_agreed"
QUEUED: Final = "utter_stay_in_queue"
TEXTS: Final = frozenset(
    {WAIT, CLOSED, NOBODY, OWN_NUMBER, ASK_NUMBER, CONFIRM_NUMBER, AGREED, QUEUED, MEANWHILE, PLACE_KEPT}
)
"""Responses of flows/<lang>.yml that are spoken here; WAIT has {wait_minutes:minute}, CONFIRM_NUMBER {phone}."""

MAX_QUESTIONS: Final = 2
ANSWER_MS: Final = 6000
KEYS_MS: Final = 10_000
MAX_DIGITS: Final = 15
NOBODY_PAUSE: Final = timedelta(minutes=10)
"""A call-back for a queue without operators is tried so much later."""

_WANTS: Final[dict[Language, tuple[str, ...]]] = {
    "ru": ("перезвон", "позвон", "перезванив"),
    "en": ("call", "ring", "phone"),
}
_STAYS: Final[dict[Language, tuple[str, ...]]] = {
    "ru": ("подожд", "ждать", "жду", "остан"),
    "en": ("wait", "hold", "stay"),
}
_AT_ONCE: Final = frozenset(
    {
        EscalationReason.FRAUD,
        EscalationReason.ASR_FAILURE,
        EscalationReason.TTS_FAILURE,
        EscalationReason.NLU_FAILURE,
        EscalationReason.STORAGE_FAILURE,
        EscalationReason.INTERNAL_ERROR,
        EscalationReason.TIME_LIMIT,
    }
)
"""With these the bot itself is not well: nothing more is asked of the caller."""


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """The caller waits, and wants to be served by the bot until it is his turn.

    Attributes:
        queue: where his place is kept.
        heard: what he said, when it may name what he wants; None when he only pressed the key.
    """

    queue: str
    heard: Spoken | None = None


class Queues(Protocol):
    """The part of `ivrbot.ports.OperatorQueue` that is asked here."""

    async def state(self, queue: str) -> QueueState | None:
        """How a queue stands; None when that is not known."""
        ...


@dataclass(frozen=True, slots=True)
class Talk:
    """The call as far as these questions need it.

    Attributes:
        has: whether a response is written in the call's language.
        say: speaks one.
        listen: waits for the caller and keeps what he said; masked in the transcript when the collect is secret.
        emit: the recorder's entrance.
    """

    has: Callable[[str], bool]
    say: Callable[[Say], Awaitable[None]]
    listen: Callable[[Collect, Completes], Awaitable[Heard]]
    emit: Callable[[EventType, dict[str, JsonValue]], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """Where a caller is about to go.

    Attributes:
        caller: number as signalled, "" when withheld.
        hold: keeps his place in the queue from now on, False where that cannot be; None: nothing can be done for
            him meanwhile.
    """

    reason: EscalationReason
    queue: str
    priority: int
    language: Language
    caller: str = field(repr=False)
    hold: Callable[[], Awaitable[bool]] | None = field(default=None, repr=False)


class CallbackOffer:
    """Decides about one call, and talks to its caller.

    Args:
        queues: states of queues.
        settings: hours, threshold, numbers that may be dialled.
        now: aware UTC clock.
    """

    def __init__(self, queues: Queues, settings: OperatorSettings, now: Callable[[], datetime]) -> None:
        self._queues = queues
        self._settings = settings
        self._now = now

    async def ask(self, wish: Wish, talk: Talk) -> CallbackAsked | Meanwhile | None:
        """Tell what the queue is like and ask for a choice, where there is anything to choose.

        Returns:
            What was agreed, number confirmed; `Meanwhile`: his place is kept and he wants the bot; None: the
            caller goes to the queue.

        Raises:
            LegClosed: the caller has hung up.
        """
        if not self._may_ask(wish):
            return None
        now = self._now()
        state = await self._queues.state(wish.queue)
        offer = self._offer(wish.queue, state, now)
        if offer is None or not all(talk.has(text) for text in (offer.say.response, AGREED)):
            return None
        try:
            agreed = await self._choose(wish, offer, talk)
        except EngineError:
            agreed = None  # a bot that cannot speak or hear does not hold anybody up with questions
        talk.emit(EventType.WAIT_TOLD, _told(wish.queue, state, offer, agreed))
        return agreed

    def _may_ask(self, wish: Wish) -> bool:
        emergency = wish.queue == EMERGENCY_QUEUE or wish.priority >= FRONT_OF_QUEUE
        return self._settings.callbacks != "off" and not emergency and wish.reason not in _AT_ONCE

    def _offer(self, queue: str, state: QueueState | None, now: datetime) -> _Offer | None:
        """What the caller is told, None when there is nothing to choose."""
        if not self._settings.is_open(queue, now):
            return _Offer(Say(CLOSED), self._settings.next_open(queue, now), is_open=False)
        if state is None:
            return None
        if state.operators == 0:
            return _Offer(Say(NOBODY), self._settings.next_open(queue, now + NOBODY_PAUSE))
        wait_s = state.expected_wait_s
        if state.serves_at_once or wait_s is None or wait_s <= self._settings.tell_wait_above_s:
            return None
        minutes = max(1, math.floor(wait_s / 60 + 0.5))
        # He keeps his place: his turn comes when it would have come in the queue.
        due_at = self._settings.next_open(queue, now + timedelta(seconds=wait_s))
        return _Offer(Say(WAIT, {"wait_minutes": minutes}), due_at, wait_s=wait_s)

    async def _choose(self, wish: Wish, offer: _Offer, talk: Talk) -> CallbackAsked | Meanwhile | None:
        texts = all(talk.has(text) for text in (MEANWHILE, PLACE_KEPT))
        held = texts and offer.wait_s is not None and wish.hold is not None and await wish.hold()
        chosen = await self._chosen(offer.say, wish, talk, meanwhile=held)
        if isinstance(chosen, Meanwhile):
            return chosen
        if chosen:
            number = await self._number(wish, talk)
            if number:
                return CallbackAsked(offer.due_at, number)
        if talk.has(QUEUED):
            await talk.say(Say(QUEUED))
        return None

    async def _number(self, wish: Wish, talk: Talk) -> str:
        """Number to be dialled, confirmed; "" when none was given."""
        own = self._diallable(wish.caller)
        if own and talk.has(OWN_NUMBER):
            # Silence, or yes, is consent to the number that the call came from; keys name another.
            await talk.say(Say(OWN_NUMBER))
            heard = await talk.listen(_keyed(ANSWER_MS), _never)
            if isinstance(heard, Silence) or _means_yes(heard, wish.language):
                return own
            number = await self._confirmed(heard, wish, talk) if isinstance(heard, Keyed) else ""
            if number:
                return number
        if not talk.has(ASK_NUMBER):
            return ""
        for _ in range(MAX_QUESTIONS):
            await talk.say(Say(ASK_NUMBER))
            if number := await self._confirmed(await talk.listen(_keyed(KEYS_MS), _never), wish, talk):
                return number
        return ""

    async def _confirmed(self, heard: Heard, wish: Wish, talk: Talk) -> str:
        """A number that was keyed or said, read back and affirmed; "" when it is none."""
        if isinstance(heard, Keyed):
            text = heard.digits.rstrip("#*")
        elif isinstance(heard, Spoken):
            text = heard.hypotheses[0].text
        else:
            return ""
        number = self._diallable(parse_phone(text, wish.language) or "")
        if not number or not talk.has(CONFIRM_NUMBER):
            return ""
        confirm = Say(CONFIRM_NUMBER, {"callback_phone": number.removeprefix("+")})
        return number if await self._yes(confirm, "callback_confirm", wish.language, talk) else ""

    def _diallable(self, number: str) -> str:
        """E.164 form of a number that may be dialled, else ""."""
        parsed = parse_phone(number, "ru") if number else None
        return parsed if parsed and parsed.startswith(self._settings.callback_prefixes) else ""

    async def _chosen(self, question: Say, wish: Wish, talk: Talk, *, meanwhile: bool) -> bool | Meanwhile:
        """A call-back, or not, or the bot while his place is kept; what is unclear twice is no."""
        if not meanwhile:
            return await self._yes(question, "callback", wish.language, talk)
        for _ in range(MAX_QUESTIONS):
            await talk.say(question)
            await talk.say(Say(MEANWHILE))
            collect = Collect("callback", Expect.YES_NO, max_digits=1, timeout_ms=ANSWER_MS)
            heard = await talk.listen(collect, lambda text: _settles(text, wish.language))
            if isinstance(heard, Keyed) and heard.digits[:1] == "3":
                return Meanwhile(wish.queue)
            if isinstance(heard, Spoken) and wants_meanwhile(heard.hypotheses[0].text, wish.language):
                return Meanwhile(wish.queue, heard)
            answer = _reading(heard, wish.language)
            if answer is not None:
                return answer
        return False

    async def _yes(self, question: Say, slot: str, language: Language, talk: Talk) -> bool:
        """Key 1 or yes; anything unclear is asked once more, then it is no."""
        for _ in range(MAX_QUESTIONS):
            await talk.say(question)
            collect = Collect(slot, Expect.YES_NO, max_digits=1, timeout_ms=ANSWER_MS)
            heard = await talk.listen(collect, lambda text: _settles(text, language))
            answer = _reading(heard, language)
            if answer is not None:
                return answer
        return False


@dataclass(frozen=True, slots=True)
class _Offer:
    say: Say
    due_at: datetime
    is_open: bool = True
    wait_s: float | None = None


async def _never(_text: str) -> bool:
    """A number is complete when nothing more comes."""
    return False


async def _settles(text: str, language: Language) -> bool:
    return _spoken(text, language) is not None


def _keyed(timeout_ms: int) -> Collect:
    return Collect("callback_phone", Expect.DIGITS, max_digits=MAX_DIGITS, secret=True, timeout_ms=timeout_ms)


def _reading(heard: Heard, language: Language) -> bool | None:
    match heard:
        case Keyed(digits):
            return {"1": True, "2": False, "0": False}.get(digits[:1])
        case Spoken(hypotheses):
            return _spoken(hypotheses[0].text, language)
        case _:
            return None


def _spoken(text: str, language: Language) -> bool | None:
    """Yes to a call-back; "I'll wait" is a no, unless a call-back is asked for in the same breath."""
    tokens = tokenise(text, language)
    called = verb_polarities(tokens, language, _WANTS[language])
    waits = verb_polarities(tokens, language, _STAYS[language])
    if not called and waits:
        return not all(waits)
    if called and (not waits or set(waits) == {False}):
        return all(called) if len(set(called)) == 1 else None
    return parse_yes_no(text, language, _WANTS[language])


def _means_yes(heard: Heard, language: Language) -> bool:
    """A single key, or words; a whole number keyed is no answer to yes or no."""
    return not (isinstance(heard, Keyed) and len(heard.digits.rstrip("#*")) > 1) and bool(
        _reading(heard, language)
    )


def _told(
    queue: str, state: QueueState | None, offer: _Offer, agreed: CallbackAsked | Meanwhile | None
) -> dict[str, JsonValue]:
    return {
        "queue": queue,
        "open": offer.is_open,
        "operators": state.operators if state else None,
        "waiting": state.waiting if state else None,
        "wait_s": None if offer.wait_s is None else round(offer.wait_s),
        "choice": "wait" if agreed is None else "meanwhile" if isinstance(agreed, Meanwhile) else "callback",
    }
