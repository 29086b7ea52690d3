"""The one-time codes of one call: made, sent to the number on file, compared with what was keyed.

The digits exist here between being drawn and being handed to the gateway, and nowhere else.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum

from ivrbot import metrics
from ivrbot.errors import SmsUnavailable
from ivrbot.identity.one_time import Binding, SentCode, check, issue, range_of
from ivrbot.identity.policy import OneTimeCode
from ivrbot.identity.state import CodeOutcome
from ivrbot.language.money import written_money
from ivrbot.model.call import CallId
from ivrbot.model.dialogue import Value
from ivrbot.model.speech import Language
from ivrbot.ports import SmsGateway

log = logging.getLogger(__name__)


class Sending(StrEnum):
    """What became of a code."""

    SENT = "sent"
    FAILED = "failed"
    USED_UP = "used_up"


class OneTimeCodes:
    """Sends and compares the codes of one call; one is good at a time.

    Args:
        gateway: sends short messages; None: none can be sent.
        rules: of assurance.yml.
        key: secret of the installation; the hash of a code is bound to the call besides.
        call_id: of the call.
        may_send: counts a message to a customer over all calls; False: he has had enough for a day.
        clock_s: monotonic.
        random_below: a number from 0 to below its argument that cannot be foreseen.
    """

    def __init__(
        self,
        gateway: SmsGateway | None,
        rules: OneTimeCode,
        key: bytes,
        call_id: CallId,
        may_send: Callable[[str], Awaitable[bool]],
        *,
        clock_s: Callable[[], float] = time.monotonic,
        random_below: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self._gateway = gateway
        self._rules = rules
        self._key = key
        self._call_id = call_id
        self._may_send = may_send
        self._clock_s = clock_s
        self._random_below = random_below
        self._sent: SentCode | None = None
        self._purpose = ""
        self._sends = 0

    def can_reach(self, number: str) -> bool:
        """Whether a code could be sent to a number on file."""
        return self._gateway is not None and bool(number)

    def waits_for(self, purpose: str) -> bool:
        """Whether a code for a purpose is on its way or has arrived."""
        return self._sent is not None and self._purpose == purpose

    async def send(
        self,
        customer_id: str,
        number: str,
        purpose: str,
        *,
        operation: str,
        details: Mapping[str, Value],
        language: Language,
    ) -> Sending:
        """Make a code, in place of the one before, and hand it to the gateway.

        Args:
            customer_id: whose telephone it goes to.
            number: on file at the bank, E.164.
            purpose: what it is to be good for.
            operation: names what the message says that it confirms.
            details: what is confirmed; its card and its amount may be shown in the message.
            language: of the message.

        Raises:
            StorageUnavailable: not counted: nothing was sent.
        """
        if self._gateway is None or not number:
            return Sending.FAILED
        if self._sends >= self._rules.sends_per_call or not await self._may_send(customer_id):
            return Sending.USED_UP
        self._sends += 1
        binding = Binding(self._call_id, customer_id, purpose)
        number_drawn = self._random_below(range_of(self._rules))
        digits, self._sent = issue(number_drawn, self._rules, self._key, binding, self._clock_s())
        self._purpose = purpose
        what = self._rules.confirms[operation][language]
        for name, value in _shown(details, language).items():
            what = what.replace(f"{{{name}}}", value)
        text = self._rules.message[language].replace("{what}", " ".join(what.split())).replace("{code}", digits)
        try:
            await self._gateway.send(number, text)
        except SmsUnavailable as error:
            self._sent = None  # it may have arrived all the same; nobody is asked for it
            metrics.SMS.labels("failed").inc()
            log.warning("a one-time code was not sent: %s", error.code)
            return Sending.FAILED
        metrics.SMS.labels("sent").inc()
        return Sending.SENT

    def keyed(self, customer_id: str, purpose: str, keys: str) -> CodeOutcome:
        """Compare keys with the code; a right one is used up by that."""
        binding = Binding(self._call_id, customer_id, purpose)
        self._sent, outcome = check(self._sent, keys, self._rules, self._key, binding, self._clock_s())
        return outcome


def _shown(details: Mapping[str, Value], language: Language) -> dict[str, str]:
    """What a message may show of the thing confirmed: whoever is talked into keying the code can see for what."""
    amount = next((value for name, value in details.items() if name.endswith("_minor")), None)
    shown = written_money(amount, language) if isinstance(amount, int) else ""
    return {"card": str(details.get("card") or ""), "amount": shown}
