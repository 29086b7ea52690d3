"""One caller proves facts: whose account it is, and answers compared with keyed hashes; every failure counted.

Takes what was asked and what was said, gives what the ladder makes of it. What the caller answered stays in here.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from weakref import WeakValueDictionary

from ivrbot.call.attempts import Alarm, AttemptCounter, Judgement
from ivrbot.call.beside import LEAST_WORDS, Meaning, beside, nobody_looks
from ivrbot.call.one_time_codes import OneTimeCodes
from ivrbot.call.voice import CallVoice
from ivrbot.identity import ladder
from ivrbot.identity.facts import assess, declines, match, readings
from ivrbot.identity.policy import Policy, SecondFactor
from ivrbot.identity.state import FINDING, PHONE, Attempt, LadderState
from ivrbot.language.codes import parse_phone
from ivrbot.language.tokens import words
from ivrbot.model.attempts import Tally
from ivrbot.model.bank import Customer, Fact
from ivrbot.model.call import CallId
from ivrbot.model.dialogue import Authenticate, AuthReply, Value
from ivrbot.model.speech import Language, NluResult
from ivrbot.ports import AttemptStore, Bank, SmsGateway
from ivrbot.rollout.drawing.assignment import normalise_caller


async def _no_alarm(_window: Tally) -> None:
    """Nobody is told."""


class CustomerLocks:
    """One lock a customer, so that parallel calls are judged one after another."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, subject: str) -> asyncio.Lock:
        """The lock of a subject; kept while anybody holds it."""
        lock = self._locks.get(subject)
        if lock is None:
            lock = self._locks[subject] = asyncio.Lock()
        return lock


class Proving:
    """The facts of one call; `Authenticator` is the whole of it.

    Args:
        bank: knows customers and the hashes of their facts.
        attempts: failures of the last 24 hours.
        policy: `flows/assurance.yml`.
        key: secret key of the fact hashes; also hides calling numbers in the counters.
        locks: shared by all calls of the process.
        call_id: of this call.
        caller: number as signalled.
        now: aware UTC clock.
        sms: sends one-time codes; None: there are none.
        alarm: tells people of an attack on all customers.
        clock_s: monotonic, for the lifetime of codes.
        random_below: draws codes.
        voice: of the call; None: voices are not compared.
        meaning: of words that were said where a secret was asked for and have proven nothing.
    """

    def __init__(
        self,
        *,
        bank: Bank,
        attempts: AttemptStore,
        policy: Policy,
        key: bytes,
        locks: CustomerLocks,
        call_id: CallId,
        caller: str,
        now: Callable[[], datetime],
        sms: SmsGateway | None = None,
        alarm: Alarm = _no_alarm,
        clock_s: Callable[[], float] = time.monotonic,
        random_below: Callable[[int], int] = secrets.randbelow,
        meaning: Meaning = nobody_looks,
        voice: CallVoice | None = None,
    ) -> None:
        self._bank = bank
        self._policy = policy
        self._key = key
        self._locks = locks
        self._meaning = meaning
        self._voice = voice or CallVoice(None, call_id, lambda *_: None, now)
        self._call_id = call_id
        self._caller = normalise_caller(caller) or ""
        self._now = now
        self._counter = AttemptCounter(attempts, policy, key, call_id, self._caller, now, alarm)
        self._codes = OneTimeCodes(
            sms,
            policy.one_time_code,
            key,
            call_id,
            self._counter.may_send,
            clock_s=clock_s,
            random_below=random_below,
        )
        self.state = LadderState()
        self.customer_name = ""
        self._phone = ""  # on file at the bank, where codes go
        self._details: Mapping[str, Value] = {}
        self._said: dict[Fact, tuple[str, ...]] = {}  # name and birth of somebody not yet found
        self._missed: dict[Fact, tuple[str, ...]] = {}  # the same, when they fitted nobody

    def _account_is(self, customer: Customer) -> None:
        """Whose account it is about, and how he can be reached."""
        self.customer_name, self._phone = customer.name, customer.phone
        available = {SecondFactor.ONE_TIME_CODE} if self._codes.can_reach(customer.phone) else set()
        self.state = replace(self.state, available=self.state.available | available)

    async def _may_compare(self, operation: str, customer_id: str | None) -> None:
        """Whether his voice can be asked for, where the operation takes it."""
        wanted = SecondFactor.VOICE in self._policy.requirement(operation).second
        if wanted and customer_id is not None and await self._voice.can_compare(customer_id):
            self.state = replace(self.state, available=self.state.available | {SecondFactor.VOICE})

    def _beside(self, act: Authenticate, said: NluResult) -> AuthReply:
        if act.wish:
            self.state, reply = ladder.prefer(self.state, self._policy, act.operation, act.fact, act.wish)
            return reply
        return AuthReply("beside", act.fact, meaning=said)

    # --- facts --------------------------------------------------------------------------------------

    async def _judge_locked(self, act: Authenticate, language: Language) -> AuthReply:
        await self._look_what_was_told(self.state.customer_id)
        async with self._locks.of(f"customer:{self.state.customer_id}"):
            return await self._judge(act, language)

    async def _look_what_was_told(self, customer_id: str | None) -> None:
        """What the bot has told, in this call or another, is no proof."""
        if customer_id and not self.state.told and await self._counter.cards_told(customer_id):
            self.state = ladder.cards_told(self.state)

    async def _named(self, act: Authenticate, language: Language) -> AuthReply:
        """Whose account it is, from a telephone that the bank does not know: by number, else by name and birth."""
        number = self._number_in(act, language)
        if number is not None:
            return await self._named_number(act.operation, number)
        if ladder.may_find_by_name(self.state, self._policy, act.operation):
            return await self._named_himself(act, language)
        attempt = Attempt(declined=declines(act.answers, language))
        self.state, reply = ladder.answer(self.state, self._policy, act.operation, act.fact, attempt)
        return reply if attempt.declined else _unless_over(reply)

    def _number_in(self, act: Authenticate, language: Language) -> str | None:
        """The number of an account: what was asked for, or keyed instead of a name and a birth."""
        if act.fact == PHONE:
            found = (normalise_caller(one) if act.keyed else parse_phone(one, language) for one in act.answers)
        else:
            found = (parse_phone(one, language) if act.keyed else None for one in act.answers)
        return next((number for number in found if number is not None), None)

    async def _named_number(self, operation: str, number: str) -> AuthReply:
        customer = await self._bank.find_customer(number)
        if customer:
            self._account_is(customer)
        customer_id = customer.customer_id if customer else None
        counts = await self._counter.counts(customer_id)
        await self._may_compare(operation, customer_id)
        self.state, reply = ladder.named(self.state, self._policy, operation, customer_id, counts)
        said, self._said, self._missed = self._missed or self._said, {}, {}
        if not said or reply.status != "ask":
            return reply
        async with self._locks.of(f"customer:{customer_id}"):
            return await self._said_before(operation, reply, said)

    async def _said_before(self, operation: str, reply: AuthReply, said: dict[Fact, tuple[str, ...]]) -> AuthReply:
        """Hold what he said of himself, and what led nowhere, against the account that he has named now."""
        customer_id = self.state.customer_id
        hashes = await self._bank.fact_hashes(customer_id) if customer_id else None
        async with self._counter.judging(customer_id) as judged:
            self.state = replace(self.state, counts=judged.before)
            judged.failed = False
            judged.guessed = ladder.may_compare_unasked_words(self.state, self._policy)
            matched = frozenset(match(hashes, self._key, said)) if judged.guessed else frozenset()
            if matched:
                attempt = Attempt(matched=matched, side_guess=len(matched) < len(said))
                return self._weighed(operation, reply.fact, attempt, judged)
            if judged.guessed:
                self.state = ladder.guessed_beside(self.state)
        return reply

    async def _named_himself(self, act: Authenticate, language: Language) -> AuthReply:
        """Keep name and birth until both are there, then ask the bank whose they are."""
        today = self._now().date()
        said = {fact: readings(fact, act.answers, act.keyed, language, today) for fact in FINDING}
        if act.fact == PHONE and not said[Fact.DATE_OF_BIRTH]:
            said = {}  # words instead of a number are no name yet: "я звоню с чужого"
        now = {fact: found for fact, found in said.items() if found and fact not in self._said}
        self._said |= now
        unable = not now and declines(act.answers, language)
        facts, declined = frozenset(now), act.fact if unable else ""
        self.state, reply = ladder.hold(self.state, self._policy, act.operation, facts, declined=declined)
        if len(self._said) < len(FINDING):
            return reply if now or unable else _unless_over(reply)
        return await self._found_by_name(act.operation)

    async def _found_by_name(self, operation: str) -> AuthReply:
        """Ask the bank whose name and birth these are; a miss counts against the calling number."""
        said, self._said = self._said, {}
        async with self._counter.judging(None) as judged:
            found = await self._bank.find_by_name(*(said[fact] for fact in FINDING))
            customer = found[0] if len(found) == 1 else None
            self._missed = {} if customer else said
            customer_id = customer.customer_id if customer else None
            before = judged.before
            counts = await self._counter.counts(customer_id)
            counts = replace(counts, number=before.number, number_side=before.number_side)
            failures = self.state.failures
            await self._may_compare(operation, customer_id)
            self.state, reply = ladder.found(self.state, self._policy, operation, customer_id, counts)
            if customer and self.state.how:
                self._account_is(customer)
            judged.failed, judged.guessed = self.state.failures > failures, False
        return reply

    async def _judge(self, act: Authenticate, language: Language) -> AuthReply:
        customer_id = self.state.customer_id
        hashes = await self._bank.fact_hashes(customer_id) if customer_id else None
        async with self._counter.judging(customer_id) as judged:
            self.state = replace(self.state, counts=judged.before)
            if (said := await self._uncompared(act, language)) is not None:
                judged.failed = judged.guessed = False
                return self._beside(act, said)
            attempt = assess(
                hashes,
                self._key,
                Fact(act.fact),
                act.answers,
                keyed=act.keyed,
                language=language,
                today=self._now().date(),
                unasked_words=ladder.may_compare_unasked_words(self.state, self._policy),
            )
            if (said := await self._said_beside(act, attempt, language)) is not None:
                judged.failed, judged.guessed = False, attempt.wrong or attempt.side_guess
                if judged.guessed:
                    self.state = ladder.guessed_beside(self.state)
                return self._beside(act, said)
            return self._weighed(act.operation, act.fact, attempt, judged)

    async def _uncompared(self, act: Authenticate, language: Language) -> NluResult | None:
        """A remark from a number that has guessed enough beside questions; None: its words are compared.

        Compared, it would be one more free guess; taken for a wrong answer, it would cost the people who share the
        number their tries. So it is known for a remark first, and proves nothing.
        """
        spent = ladder.number_is_spent(self.state, self._policy)
        if not spent or not act.answers or ladder.is_blocked(self.state, self._policy):
            return None
        remark = act.beside or act.wish or len(words(act.answers[0], language)) >= LEAST_WORDS
        unable = declines(act.answers, language) and not act.wish
        if not remark or unable or self._holds_figures(act, language):
            return None
        return await beside(act, language, self._meaning)

    def _holds_figures(self, act: Authenticate, language: Language) -> bool:
        today = self._now().date()
        return any(
            readings(fact, act.answers, act.keyed, language, today)
            for fact in (Fact.LAST_FOUR, Fact.DATE_OF_BIRTH)
        )

    async def _said_beside(self, act: Authenticate, attempt: Attempt, language: Language) -> NluResult | None:
        """What was said instead of the secret; None where it counts as an answer.

        It does when figures were given, and when so much has been tried in vain beside questions that words are no
        longer compared freely: else a guess with a question mark would cost nothing.
        """
        figures = self._holds_figures(act, language)
        spent = attempt.wrong and not ladder.may_compare_unasked_words(self.state, self._policy)
        unable = attempt.declined and not act.wish
        if attempt.matched or unable or figures or spent or ladder.is_blocked(self.state, self._policy):
            return None
        return await beside(act, language, self._meaning)

    def _weighed(self, operation: str, fact: str, attempt: Attempt, judged: Judgement) -> AuthReply:
        """Give an answer's worth to the ladder, and say what of its failure stays counted."""
        before = self.state
        self.state, reply = ladder.answer(before, self._policy, operation, fact, attempt)
        judged.failed = self.state.failures > before.failures
        judged.guessed = self.state.counts.side > before.counts.side
        if self.state.unreadable > before.unreadable:
            reply = _unless_over(reply)
        return reply


def _unless_over(reply: AuthReply) -> AuthReply:
    """An answer that could not be read is asked for again, not counted as wrong."""
    return AuthReply("unclear", reply.fact) if reply.status == "ask" else reply
