"""Passwords: hashed by argon2id off the event loop, refused when they can be guessed, made where nobody chose one.

Sources: RFC 9106 (argon2; parameters of its second recommended option, by argon2-cffi), NIST SP 800-63B-4 section
3.1.1 (length instead of composition rules, no hints, no forced changes).
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_CHARS: Final = 12
MAX_CHARS: Final = 256
"""A longer one would only cost the server time."""
MIN_DIFFERENT: Final = 5
HASHING_AT_ONCE: Final = 2
"""Each takes 64 MiB for some 50 ms of a core; calls go on beside it."""
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Nothing that looks like something else on a screen."""


def new_password() -> str:
    """Four groups of four characters, 79 bits."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))


def fault_of(password: str, name: str) -> str | None:
    """Why a password cannot be taken, as a code; None when it can.

    Args:
        password: as typed.
        name: of the account.
    """
    if len(password) < MIN_CHARS:
        return "password_short"
    if len(password) > MAX_CHARS:
        return "password_long"
    if len(set(password)) < MIN_DIFFERENT or password.lower().replace(name.lower(), "").strip("0123456789") == "":
        return "password_weak"
    return None


class Passwords:
    """Hashes and verifies, a few at a time.

    Args:
        hasher: its parameters.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = asyncio.Semaphore(HASHING_AT_ONCE)
        self._nobodys = ""

    def hash_now(self, password: str) -> str:
        """Hash in this thread, for commands."""
        return self._hasher.hash(password)

    async def hash(self, password: str) -> str:
        """Hash a password."""
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def fits(self, password_hash: str, password: str) -> bool:
        """Whether a password is the one that was hashed; without a hash the answer is no and takes as long."""
        async with self._turn:
            if not password_hash and not self._nobodys:
                self._nobodys = await asyncio.to_thread(self._hasher.hash, secrets.token_hex(16))
            known = await asyncio.to_thread(self._verify, password_hash or self._nobodys, password)
        return known and bool(password_hash)

    def is_outdated(self, password_hash: str) -> bool:
        """Whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password[: MAX_CHARS + 1])
        except (VerificationError, InvalidHashError):
            return False
