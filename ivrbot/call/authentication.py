"""Drives the authentication ladder of one call: numbers, counters and keyed hashes around the pure core.

What the caller answered stays in here; events and logs get names of facts and outcomes only.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from ivrbot.identity import ladder
from ivrbot.identity.facts import assess, declines, match, readings
from ivrbot.identity.ladder import Failures, LadderState
from ivrbot.identity.policy import Policy
from ivrbot.language.codes import parse_phone
from ivrbot.model.bank import Fact
from ivrbot.model.call import CallId
from ivrbot.model.dialogue import Authenticate, AuthReply, Value
from ivrbot.model.speech import Language
from ivrbot.ports import AttemptStore, Bank
from ivrbot.rollout.drawing.assignment import normalise_caller

COUNTED_FOR = timedelta(hours=24)


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


class Authenticator:
    """The ladder of one call.

    Args:
        bank: knows customers and the hashes of their facts.
        attempts: failures of the last 24 hours.
        policy: `flows/assurance.yml`.
        key: secret key of the fact hashes; also hides calling numbers in the counters.
        locks: shared by all calls of the process.
        call_id: of this call.
        caller: number as signalled.
        now: aware UTC clock.
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
    ) -> None:
        self._bank = bank
        self._attempts = attempts
        self._policy = policy
        self._key = key
        self._locks = locks
        self._call_id = call_id
        self._caller = normalise_caller(caller) or ""
        self._now = now
        self.state = LadderState()
        self.customer_name = ""
        self._said: dict[Fact, tuple[str, ...]] = {}  # name and birth of somebody not yet found
        self._missed: dict[Fact, tuple[str, ...]] = {}  # the same, when they fitted nobody

    async def run(self, act: Authenticate, language: Language) -> AuthReply:
        """Answer an `Authenticate` act.

        Raises:
            BankUnavailable: the bank could not be asked.
            StorageUnavailable: counters could not be read or written; nobody is let in without them.
        """
        proven_before = self.state.card
        if act.begin:
            reply = await self._start(act.operation)
            if act.answers and reply.status == "ask" and Fact.LAST_FOUR not in self.state.facts and self.state.how:
                reply = await self._judge_locked(act, language)
        elif not self.state.how:
            reply = await self._named(act, language)
        else:
            reply = await self._judge_locked(act, language)
        # A card proven for an earlier topic is not the one that this topic is about.
        fresh = self.state.card if self.state.card != proven_before else ""
        slots: dict[str, Value] = {"card": fresh} if fresh else {}
        return AuthReply(reply.status, reply.fact, slots)

    def allows(self, operation: str) -> bool:
        """Whether the operation may be done now; asked again right before the bank is."""
        return ladder.allows(self.state, self._policy, operation)

    async def _start(self, operation: str) -> AuthReply:
        customer = await self._bank.find_customer(self._caller) if self._caller else None
        if customer and not self.state.how:
            self.customer_name = customer.name
        customer_id = self.state.customer_id or (customer.customer_id if customer else None)
        counts = await self._counts(customer_id)
        self.state, reply = ladder.start(self.state, self._policy, operation, customer_id, counts)
        return reply

    async def _judge_locked(self, act: Authenticate, language: Language) -> AuthReply:
        async with self._locks.of(f"customer:{self.state.customer_id}"):
            return await self._judge(act, language)

    async def _named(self, act: Authenticate, language: Language) -> AuthReply:
        """Whose account it is, from a telephone that the bank does not know: by number, else by name and birth."""
        number = self._number_in(act, language)
        if number is not None:
            return await self._named_number(act.operation, number)
        if ladder.may_find_by_name(self.state, self._policy, act.operation):
            return await self._named_himself(act, language)
        attempt = ladder.Attempt(declined=declines(act.answers, language))
        self.state, reply = ladder.answer(self.state, self._policy, act.operation, act.fact, attempt)
        return reply if attempt.declined else _unless_over(reply)

    def _number_in(self, act: Authenticate, language: Language) -> str | None:
        """The number of an account: what was asked for, or keyed instead of a name and a birth."""
        if act.fact == ladder.PHONE:
            found = (normalise_caller(one) if act.keyed else parse_phone(one, language) for one in act.answers)
        else:
            found = (parse_phone(one, language) if act.keyed else None for one in act.answers)
        return next((number for number in found if number is not None), None)

    async def _named_number(self, operation: str, number: str) -> AuthReply:
        customer = await self._bank.find_customer(number)
        if customer:
            self.customer_name = customer.name
        customer_id = customer.customer_id if customer else None
        counts = await self._counts(customer_id)
        self.state, reply = ladder.named(self.state, self._policy, operation, customer_id, counts)
        said, self._said, self._missed = self._missed or self._said, {}, {}
        if not said or reply.status != "ask":
            return reply
        async with self._locks.of(f"customer:{customer_id}"):
            return await self._said_before(operation, reply, said)

    async def _said_before(self, operation: str, reply: AuthReply, said: dict[Fact, tuple[str, ...]]) -> AuthReply:
        """Hold what he said of himself, and what led nowhere, against the account that he has named now."""
        customer_id = self.state.customer_id
        if not ladder.may_compare_unasked_words(self.state, self._policy):
            return reply
        hashes = await self._bank.fact_hashes(customer_id) if customer_id else None
        matched = frozenset(match(hashes, self._key, said))
        if matched:
            attempt = ladder.Attempt(matched=matched, side_guess=len(matched) < len(said))
            return await self._weighed(operation, reply.fact, attempt)
        self.state = ladder.guessed_beside(self.state)
        if customer_id:
            await self._attempts.add_failure(f"side:{customer_id}", self._call_id, self._now())
        return reply

    async def _named_himself(self, act: Authenticate, language: Language) -> AuthReply:
        """Keep name and birth until both are there, then ask the bank whose they are."""
        today = self._now().date()
        said = {fact: readings(fact, act.answers, act.keyed, language, today) for fact in ladder.FINDING}
        if act.fact == ladder.PHONE and not said[Fact.DATE_OF_BIRTH]:
            said = {}  # words instead of a number are no name yet: "я звоню с чужого"
        now = {fact: found for fact, found in said.items() if found and fact not in self._said}
        self._said |= now
        unable = not now and declines(act.answers, language)
        facts, declined = frozenset(now), act.fact if unable else ""
        self.state, reply = ladder.hold(self.state, self._policy, act.operation, facts, declined=declined)
        if len(self._said) < len(ladder.FINDING):
            return reply if now or unable else _unless_over(reply)
        names, births = (self._said[fact] for fact in ladder.FINDING)
        found = await self._bank.find_by_name(names, births)
        self._said, self._missed = {}, self._said if len(found) != 1 else {}
        customer = found[0] if len(found) == 1 else None
        counts = await self._counts(customer.customer_id if customer else None)
        before = self.state
        self.state, reply = ladder.found(
            self.state, self._policy, act.operation, customer.customer_id if customer else None, counts
        )
        if customer and self.state.how:
            self.customer_name = customer.name
        if self.state.failures > before.failures:
            await self._count_failure(None)
        return reply

    async def _judge(self, act: Authenticate, language: Language) -> AuthReply:
        customer_id = self.state.customer_id
        hashes = await self._bank.fact_hashes(customer_id) if customer_id else None
        counts = await self._counts(customer_id)
        self.state = replace(self.state, counts=counts)
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
        return await self._weighed(act.operation, act.fact, attempt)

    async def _weighed(self, operation: str, fact: str, attempt: ladder.Attempt) -> AuthReply:
        """Give an answer's worth to the ladder and store what it counts; the customer's lock is held."""
        before, customer_id = self.state, self.state.customer_id
        self.state, reply = ladder.answer(before, self._policy, operation, fact, attempt)
        if self.state.failures > before.failures:
            await self._count_failure(customer_id)
        elif self.state.counts.side > before.counts.side and customer_id:
            await self._attempts.add_failure(f"side:{customer_id}", self._call_id, self._now())
        if self.state.unreadable > before.unreadable:
            reply = _unless_over(reply)
        return reply

    async def _counts(self, customer_id: str | None) -> Failures:
        since = self._now() - COUNTED_FOR
        count = self._attempts.failures_since
        return Failures(
            await count(f"customer:{customer_id}", since) if customer_id else 0,
            await count(self._number_subject(), since) if self._caller else 0,
            await count(f"side:{customer_id}", since) if customer_id else 0,
        )

    async def _count_failure(self, customer_id: str | None) -> None:
        at = self._now()
        if customer_id:
            await self._attempts.add_failure(f"customer:{customer_id}", self._call_id, at)
        if self._caller:
            await self._attempts.add_failure(self._number_subject(), self._call_id, at)

    def _number_subject(self) -> str:
        return number_subject(self._key, self._caller)


def number_subject(key: bytes, caller: str) -> str:
    """Whom failures of a calling number are counted under; the number cannot be read from it."""
    digest = hmac.new(key, caller.encode(), hashlib.sha256).hexdigest()
    return f"number:{digest[:32]}"


def _unless_over(reply: AuthReply) -> AuthReply:
    """An answer that could not be read is asked for again, not counted as wrong."""
    return AuthReply("unclear", reply.fact) if reply.status == "ask" else reply
