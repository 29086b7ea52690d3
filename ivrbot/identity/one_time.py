"""One-time codes: made of a random number, kept as a keyed hash, worth something once and for one purpose. Pure.

Takes the random number, the clock's reading and what the code is to confirm; gives the digits to be sent and a
`SentCode` that knows them only as a hash. The hash is bound to the call, the customer and the purpose (RFC 4226
and 6238 bind a code to a counter or the time; here nothing has to be agreed on beforehand, so the code is random).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ivrbot.identity.policy import OneTimeCode
from ivrbot.identity.state import CodeOutcome


@dataclass(frozen=True, slots=True)
class Binding:
    """What a code is good for.

    Attributes:
        call_id: the call in which it was asked for.
        customer_id: whose telephone it was sent to.
        purpose: the operation with everything that it confirms ("change_limits card=4271 payments_minor=5000000").
    """

    call_id: str
    customer_id: str
    purpose: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SentCode:
    """A code that is on its way to its owner.

    Attributes:
        digest: HMAC-SHA256 over the binding and the digits, as hex.
        expires_s: reading of the monotonic clock from which on it is worth nothing.
        tries_left: wrong entries that are still put up with; 0: worth nothing.
    """

    digest: str = field(repr=False)
    expires_s: float
    tries_left: int


def range_of(rules: OneTimeCode) -> int:
    """How many codes there are: the random number that `issue` takes is below it."""
    return int(10**rules.digits)


def issue(number: int, rules: OneTimeCode, key: bytes, binding: Binding, now_s: float) -> tuple[str, SentCode]:
    """Make a code.

    Args:
        number: from 0 to below `range_of(rules)`, of a source that cannot be foreseen (`secrets.randbelow`).
        rules: digits, lifetime and tries.
        key: secret of the process or installation, at least 16 bytes.
        binding: what it is to be good for.
        now_s: monotonic clock.

    Returns:
        The digits, to be sent and forgotten, and what is kept of them.

    Raises:
        ValueError: the number is out of range.
    """
    if not 0 <= number < range_of(rules):
        raise ValueError("the number of a one-time code is out of range")
    digits = f"{number:0{rules.digits}d}"
    return digits, SentCode(_digest(key, binding, digits), now_s + rules.lifetime_s, rules.tries)


def check(
    sent: SentCode | None, keys: str, rules: OneTimeCode, key: bytes, binding: Binding, now_s: float
) -> tuple[SentCode | None, CodeOutcome]:
    """Compare keys with the code that was sent, in constant time.

    Args:
        sent: the code; None when there is none.
        keys: as pressed, with or without the `#` at the end.
        rules: in force.
        key: as at `issue`.
        binding: what the code is wanted for now.
        now_s: monotonic clock.

    Returns:
        What is left of the code (None: used, used up or expired) and what the keys were worth. Keys that are no
        code at all cost no try; whether a code that is over was right is not even looked at.
    """
    if sent is None or now_s >= sent.expires_s or sent.tries_left < 1:
        return None, CodeOutcome.OVER
    digits = keys.removesuffix("#")
    if len(digits) != rules.digits or not (digits.isascii() and digits.isdecimal()):
        return sent, CodeOutcome.UNREADABLE
    if hmac.compare_digest(_digest(key, binding, digits), sent.digest):
        return None, CodeOutcome.RIGHT
    left = replace(sent, tries_left=sent.tries_left - 1)
    return left if left.tries_left else None, CodeOutcome.WRONG


def purpose_of(operation: str, details: Mapping[str, object] = MappingProxyType({})) -> str:
    """The operation and what it is to be done with, as one text: the same wish gives the same text.

    Args:
        operation: key of assurance.yml.
        details: arguments of the operation by name; None values do not count.
    """
    pairs = sorted(details.items())
    return " ".join([operation, *(f"{name}={value}" for name, value in pairs if value is not None)])


def _digest(key: bytes, binding: Binding, digits: str) -> str:
    message = "\x1f".join(("one-time code", binding.call_id, binding.customer_id, binding.purpose, digits))
    return hmac.new(key, message.encode(), hashlib.sha256).hexdigest()
