"""Whose code words a call must not keep, wherever they are said: those of the customers whom it may be about.

Takes the calling number at the call's beginning and the account that is named later, asks the bank for their
keyed hashes beside the conversation, and finds code words in turns. It proves nothing, counts nothing and changes
nothing that the caller could notice. A bank that is slow or away costs a moment at most: then nothing can be
compared.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from ivrbot.call.banking import GIVE_UP_S, BankDeadlines
from ivrbot.errors import BankError
from ivrbot.identity.state import LadderState
from ivrbot.identity.unasked import code_words_in
from ivrbot.language.masking import Span
from ivrbot.model.bank import FactHashes
from ivrbot.model.speech import Language
from ivrbot.ports import Bank
from ivrbot.rollout.drawing.assignment import normalise_caller

log = logging.getLogger(__name__)

NOBODY: Final = ""
"""Stands for the account of somebody who has named none that exists."""


class KnownCodeWords:
    """The code words of one call's customers, as keyed hashes.

    Args:
        bank: knows customers and the hashes of their facts.
        key: of the fact hashes.
        deadlines: a turn waits for the bank until `slow_ms` after the question; `deadline_ms` end the waiting.

    Attributes:
        on_news: called when words can be compared with one more customer's.
    """

    def __init__(self, bank: Bank, key: bytes, deadlines: BankDeadlines) -> None:
        self._bank = bank
        self._key = key
        self._deadlines = deadlines
        self._known: dict[str, FactHashes | None] = {}
        self._asked: dict[str, asyncio.Task[None]] = {}
        self._wait_until_s = 0.0
        self.on_news: Callable[[], None] = lambda: None

    def watch_number(self, caller: str) -> None:
        """Ask whose the calling number is; at once, so that it is known before the caller has said anything."""
        if number := normalise_caller(caller):
            self._ask(number, self._of_number)

    def watch_account(self, ladder: LadderState) -> None:
        """Ask for the account that the ladder has come to, unless it is known."""
        customer_id = ladder.customer_id
        if customer_id is not None:
            self._ask(customer_id, self._of_customer)
        elif ladder.how:
            # Nobody's words are compared, too: how long it takes must not tell whether the account exists.
            self._known.setdefault(NOBODY, None)

    async def settled(self) -> None:
        """Wait for the bank as long as it may take without a word to the caller; mostly it has answered."""
        pending = {task for task in self._asked.values() if not task.done()}
        left_s = self._wait_until_s - asyncio.get_running_loop().time()
        if pending and left_s > 0:
            await asyncio.wait(pending, timeout=left_s)

    async def close(self) -> None:
        """The call is over: ask no more, and forget. Idempotent."""
        tasks, self._asked = set(self._asked.values()), {}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=GIVE_UP_S)
        self._known.clear()

    def spans(self, hypotheses: Sequence[str], language: Language) -> list[Span]:
        """Where a code word stands in the first reading, see `code_words_in`; nowhere while nobody is known."""
        if not self._known:
            return []
        return code_words_in(hypotheses, self._known.values(), self._key, language)

    def _ask(self, who: str, work: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        asked = self._asked.get(who)
        if who in self._known or (asked is not None and not asked.done()):
            return
        loop = asyncio.get_running_loop()
        self._wait_until_s = loop.time() + self._deadlines.slow_ms / 1000
        self._asked[who] = loop.create_task(self._without_harm(who, work))

    async def _without_harm(self, who: str, work: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        try:
            async with asyncio.timeout(self._deadlines.deadline_ms / 1000):
                await work(who)
        except (BankError, TimeoutError) as error:
            log.info("code words cannot be known in what is said: %s", type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a bank's client may fail in any way, and no call for it
            log.error("code words cannot be known in what is said: %s", type(error).__name__)

    async def _of_number(self, number: str) -> None:
        customer = await self._bank.find_customer(number)
        if customer is not None and customer.customer_id not in self._known:
            await self._of_customer(customer.customer_id)

    async def _of_customer(self, customer_id: str) -> None:
        self._known[customer_id] = await self._bank.fact_hashes(customer_id)
        self.on_news()
