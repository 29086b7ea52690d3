"""Counts one call's wrong answers where every process sees them, and notices an attack on all customers.

A failure is counted before an answer is judged and taken back where it was none (`AttemptCounter.judging`): how
many calls soever guess at once, in whatever processes, none gets a guess beyond the limit; hanging up helps none.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ivrbot import metrics
from ivrbot.errors import IvrbotError
from ivrbot.identity.policy import Policy
from ivrbot.identity.spraying import USUAL_OVER_S, is_sprayed
from ivrbot.identity.state import Failures
from ivrbot.model.attempts import Tally
from ivrbot.model.call import CallId
from ivrbot.ports import AttemptStore

log = logging.getLogger(__name__)

COUNTED_FOR: Final = timedelta(hours=24)
ALL: Final = "all"
ALARM: Final = "alarm:spraying"

Alarm = Callable[[Tally], Awaitable[None]]
"""Tells people of an attack: given the wrong answers of the window."""


@dataclass(slots=True)
class Judgement:
    """One answer being judged.

    Attributes:
        before: counts of the last 24 hours without it.
        failed: it was wrong; True until somebody has looked, so that who hangs up in between has failed.
        guessed: it held a guess beside the question that was compared in vain.
    """

    before: Failures
    failed: bool = True
    guessed: bool = True


class AttemptCounter:
    """Counts the wrong answers of one call.

    Args:
        store: counters of all processes.
        policy: `flows/assurance.yml`.
        key: hides calling numbers in the counters.
        call_id: of this call.
        caller: E.164 as signalled, "" when withheld: wrong answers are counted for no number then, guesses beside
            the question for all withheld ones together.
        now: aware UTC clock.
        alarm: tells people of an attack; called by the one call of all processes that notices it.
    """

    def __init__(
        self,
        store: AttemptStore,
        policy: Policy,
        key: bytes,
        call_id: CallId,
        caller: str,
        now: Callable[[], datetime],
        alarm: Alarm,
    ) -> None:
        self._store = store
        self._policy = policy
        self._call_id = call_id
        self._number = number_subject(key, caller) if caller else ""
        self._number_side = side_subject(key, caller)
        self._now = now
        self._alarm = alarm

    async def counts(self, customer_id: str | None) -> Failures:
        """The last 24 hours as they stand now, for showing and refusing only.

        Raises:
            StorageUnavailable: not known.
        """
        since = self._now() - COUNTED_FOR

        async def count(subject: str) -> int:
            return await self._store.failures_since(subject, since) if subject else 0

        # side by side: the caller waits for all of them
        return Failures(
            *await asyncio.gather(
                count(f"customer:{customer_id}" if customer_id else ""),
                count(self._number),
                count(f"side:{customer_id}" if customer_id else ""),
                count(self._number_side),
            )
        )

    @asynccontextmanager
    async def judging(self, customer_id: str | None) -> AsyncIterator[Judgement]:
        """Reserve a failure and a guess for the customer and the calling number while an answer is judged.

        Who judges sets `failed` and `guessed`; what did not happen is taken back. A bank or store that fails in
        between has judged nothing, and nothing is counted; who is cancelled in between has failed.

        Raises:
            StorageUnavailable: not counted: nothing may be judged.
        """
        owners = [("customer", f"customer:{customer_id}"), ("side", f"side:{customer_id}")] if customer_id else []
        owners += [("number", self._number)] if self._number else []
        owners += [("number_side", self._number_side)]
        at = self._now()
        reserved = await self._store.reserve([name for _, name in owners], self._call_id, at, at - COUNTED_FOR)
        before = dict(zip((kind for kind, _ in owners), reserved.before, strict=True))
        judged = Judgement(Failures(**before))
        try:
            yield judged
        except IvrbotError:
            judged.failed = judged.guessed = False
            raise
        finally:
            kept = dict.fromkeys(("customer", "number"), judged.failed)
            kept |= dict.fromkeys(("side", "number_side"), judged.guessed)
            rows = [row for (kind, _), row in zip(owners, reserved.rows, strict=True) if not kept[kind]]
            if rows:
                await self._store.release(rows)
        if judged.failed or judged.guessed:
            await self._count_for_all(at)

    async def tell_cards(self, customer_id: str) -> None:
        """Remember for a day that the last digits of a customer's cards were told to a caller.

        Raises:
            StorageUnavailable: not remembered: nothing may be told.
        """
        await self._store.add_failure(f"told:{customer_id}", self._call_id, self._now())

    async def cards_told(self, customer_id: str) -> bool:
        """Whether they were told within the last day.

        Raises:
            StorageUnavailable: not known.
        """
        return await self._store.failures_since(f"told:{customer_id}", self._now() - COUNTED_FOR) > 0

    async def under_attack(self, operation: str) -> bool:
        """Whether an alarm sends this operation to operators; emergencies go on.

        Raises:
            StorageUnavailable: not known.
            ConfigError: the policy does not know the operation.
        """
        need = self._policy.requirement(operation)
        if need.emergency or need.level.rank == 0:
            return False
        since = self._now() - timedelta(seconds=self._policy.spraying.hold_s)
        return await self._store.failures_since(ALARM, since) > 0

    async def may_send(self, customer_id: str) -> bool:
        """Count one more short message to a customer; False when he has had enough for a day.

        Raises:
            StorageUnavailable: not counted: nothing may be sent.
        """
        at = self._now()
        reserved = await self._store.reserve([f"sms:{customer_id}"], self._call_id, at, at - COUNTED_FOR)
        if reserved.before[0] < self._policy.one_time_code.sends_per_day:
            return True
        await self._store.release(reserved.rows)
        return False

    async def _count_for_all(self, at: datetime) -> None:
        """One more wrong answer or side guess of all; the first call that sees too many raises the alarm."""
        rules, store = self._policy.spraying, self._store
        await store.add_failure(ALL, self._call_id, at)
        began = at - timedelta(seconds=rules.window_s)
        window = await store.tally(ALL, began, at + timedelta(microseconds=1))
        if window.failures < rules.failures:
            return
        day = await store.tally(ALL, began - timedelta(seconds=USUAL_OVER_S), began)
        if not is_sprayed(window, day, rules):
            return
        if await store.raise_once(ALARM, self._call_id, at, at - timedelta(seconds=rules.hold_s)):
            metrics.AUTHENTICATION_ALARMS.labels("spraying").inc()
            log.error("attack on callers' proofs: %d wrong answers in %d calls", window.failures, window.calls)
            await self._alarm(window)


def number_subject(key: bytes, caller: str) -> str:
    """Whom failures of a calling number are counted under; the number cannot be read from it."""
    digest = hmac.new(key, caller.encode(), hashlib.sha256).hexdigest()
    return f"number:{digest[:32]}"


def side_subject(key: bytes, caller: str) -> str:
    """Whom guesses beside the question from a calling number are counted under; all withheld ones, "", are one."""
    return f"side_{number_subject(key, caller)}" if caller else "side_number:withheld"
