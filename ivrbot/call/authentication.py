"""Drives the authentication ladder of one call: numbers, counters and keyed hashes around the pure core.

What the caller answered stays in here; events and logs get names of facts and outcomes only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from ivrbot.call.attempts import number_subject
from ivrbot.call.proving import CustomerLocks
from ivrbot.call.second_factors import CODE, DIGITS, VOICE, SecondFactors
from ivrbot.identity import ladder
from ivrbot.identity.one_time import purpose_of
from ivrbot.identity.policy import SecondFactor
from ivrbot.identity.state import Attempt, Refusal
from ivrbot.model.bank import Fact
from ivrbot.model.dialogue import Authenticate, AuthReply, Value
from ivrbot.model.events import JsonValue
from ivrbot.model.speech import Language

__all__ = ["Authenticator", "CustomerLocks", "number_subject"]


_SOMEBODY = "somebody"
"""Stands for the customer of a calling number whom the bank has not been asked for."""


class Authenticator(SecondFactors):
    """The ladder of one call, from the first fact to the second factor; made like `Proving`."""

    async def run(self, act: Authenticate, language: Language) -> AuthReply:
        """Answer an `Authenticate` act.

        Raises:
            BankUnavailable: the bank could not be asked.
            StorageUnavailable: counters could not be read or written; nobody is let in without them.
        """
        proven_before = self.state.card
        if await self._counter.under_attack(act.operation):
            self.state, reply = ladder.refuse(self.state, Refusal.SPRAYING)
        elif act.begin:
            reply = await self._start(act)
            volunteered = act.answers and reply.fact in tuple(Fact) and Fact.LAST_FOUR not in self.state.facts
            if volunteered and reply.status == "ask" and self.state.how:
                reply = await self._judge_locked(act, language)
        else:
            reply = await self._answered(act, language)
        if reply.fact == CODE and not self._codes.waits_for(self.state.purpose):
            reply = await self._send_code(act.operation, reply, language)
        elif reply.fact == VOICE and reply.status != "beside":
            reply = replace(reply, values={DIGITS: self._voice.challenge()})
        if reply.status == "granted" and ladder.tells_cards(self.state):
            await self._counter.tell_cards(self.state.customer_id or "")
            self.state = ladder.cards_told(self.state)
        # A card proven for an earlier topic is not the one that this topic is about.
        fresh = self.state.card if self.state.card != proven_before else ""
        slots: dict[str, Value] = {"card": fresh} if fresh else {}
        return replace(reply, slots=slots)

    async def _answered(self, act: Authenticate, language: Language) -> AuthReply:
        """What comes of the answer to the question on the table."""
        beside_possible = not self.state.how or act.fact in {CODE, VOICE}
        if beside_possible and (said := await self._no_answer(act, language)):
            return said
        if not self.state.how:
            return await self._named(act, language)
        if act.fact == CODE:
            return await self._code_answered(act, language)
        if act.fact == VOICE:
            return await self._voice_answered(act, language)
        return await self._judge_locked(act, language)

    def allows(self, operation: str, arguments: Mapping[str, Value] = MappingProxyType({})) -> bool:
        """Whether the operation may be done now; asked again right before the bank is.

        Args:
            operation: key of assurance.yml.
            arguments: what it is to be done with: a code is good for what it was sent for and nothing else.
        """
        return ladder.allows(self.state, self._policy, operation, purpose_of(operation, arguments))

    def likely(self, act: Authenticate) -> AuthReply | None:
        """What would be asked next if all goes well: for sound made ahead. Asks nobody and changes nothing.

        Returns:
            None where the next question depends on more than the ladder knows by now.
        """
        known = self.state.customer_id or (_SOMEBODY if self._caller else None)
        if act.begin:
            purpose = purpose_of(act.operation, act.details)
            _, reply = ladder.start(
                self.state, self._policy, act.operation, known, self.state.counts, purpose=purpose
            )
        elif self.state.how and act.fact in tuple(Fact):
            proven = Attempt(matched=frozenset({Fact(act.fact)}))
            _, reply = ladder.answer(self.state, self._policy, act.operation, act.fact, proven)
        else:
            return None
        return reply if reply.status == "ask" and reply.fact in tuple(Fact) else None

    def used(self, operation: str) -> None:
        """The bank was asked for the operation, whatever came of it: the code that opened it is used up."""
        if SecondFactor.ONE_TIME_CODE in self.state.second and self._needs_second(operation):
            self.state = ladder.spent(self.state)

    def decision(self, operation: str, reply: AuthReply) -> dict[str, JsonValue]:
        """One step of the ladder as an event tells it: names and reasons, never what was said."""
        state = self.state
        second: list[JsonValue] = [*sorted(factor.value for factor in state.second)]
        return {
            "operation": operation,
            "status": reply.status,
            "level": state.level.value,
            "facts": [fact.value for fact in state.facts],
            "second": second,
            "asked": reply.fact,
            "reason": state.refusal.value if state.refusal else "",
            "failures": state.failures,
        }

    def _needs_second(self, operation: str) -> bool:
        return bool(self._policy.requirement(operation).second)

    async def _start(self, act: Authenticate) -> AuthReply:
        customer = await self._bank.find_customer(self._caller) if self._caller else None
        if customer and not self.state.how:
            self._account_is(customer)
        customer_id = self.state.customer_id or (customer.customer_id if customer else None)
        counts, *_ = await asyncio.gather(
            self._counter.counts(customer_id),
            self._look_what_was_told(customer_id),
            self._may_compare(act.operation, customer_id),
        )
        self._details, purpose = act.details, purpose_of(act.operation, act.details)
        self.state, reply = ladder.start(
            self.state, self._policy, act.operation, customer_id, counts, purpose=purpose
        )
        return reply
