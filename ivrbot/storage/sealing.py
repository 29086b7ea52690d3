"""Envelope encryption for what must be erasable for good: a random key a customer, wrapped by one master key.

Takes bytes and what they belong to, gives them sealed. AES-256-GCM (NIST SP 800-38D) with a fresh 96-bit nonce for
each sealing; data keys are wrapped with AES key wrap (RFC 3394). Whoever destroys a wrapped key destroys what it
opens, in every copy of the rows. Needs `cryptography` (extra `voiceprint`), loaded when it is first used.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ivrbot.config import MASTER_KEY_VARIABLE
from ivrbot.errors import ConfigError, MissingError, Problem, StorageDamaged

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
MASTER_SETTING: Final = "voiceprint.master_key_file"
HOW_TO_MAKE: Final = "32 bytes in base64, as `openssl rand -base64 32` makes them"


@dataclass(frozen=True, slots=True)
class MasterKey:
    """Wraps the keys of customers.

    Attributes:
        key: 32 bytes.
    """

    key: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """Tells master keys apart; the key cannot be found from it."""
        return hmac.new(self.key, b"ivrbot master key", hashlib.sha256).hexdigest()[:12]

    def new_data_key(self) -> tuple[bytes, bytes]:
        """A random data key: as it is, and wrapped (40 bytes)."""
        data_key = os.urandom(KEY_BYTES)
        return data_key, self.wrap(data_key)

    def wrap(self, data_key: bytes) -> bytes:
        """Wrap a data key."""
        try:
            from cryptography.hazmat.primitives.keywrap import aes_key_wrap
        except ImportError as error:
            raise _no_cryptography() from error
        return aes_key_wrap(self.key, data_key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """The data key.

        Raises:
            StorageDamaged: it was wrapped by another master key, or has been changed.
        """
        try:
            from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap
        except ImportError as error:
            raise _no_cryptography() from error
        try:
            return aes_key_unwrap(self.key, wrapped)
        except InvalidUnwrap as error:
            raise StorageDamaged("a customer's key does not open with this master key") from error


@dataclass(frozen=True, slots=True)
class Sealed:
    """Encrypted bytes with the nonce that they were encrypted with."""

    nonce: bytes
    content: bytes


def seal(data_key: bytes, content: bytes, belongs_to: tuple[str | int, ...]) -> Sealed:
    """Encrypt.

    Args:
        data_key: 32 bytes.
        content: to be kept.
        belongs_to: whatever the row says of itself; opened with anything else, it does not open.
    """
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise _no_cryptography() from error
    nonce = os.urandom(NONCE_BYTES)
    return Sealed(nonce, AESGCM(data_key).encrypt(nonce, content, _bound(belongs_to)))


def unseal(data_key: bytes, sealed: Sealed, belongs_to: tuple[str | int, ...]) -> bytes:
    """Decrypt.

    Raises:
        StorageDamaged: changed, or put into another row than the one it was sealed for.
    """
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise _no_cryptography() from error
    try:
        return AESGCM(data_key).decrypt(sealed.nonce, sealed.content, _bound(belongs_to))
    except (InvalidTag, ValueError) as error:
        raise StorageDamaged("a sealed row was changed, or belongs to another customer or model") from error


def _bound(belongs_to: tuple[str | int, ...]) -> bytes:
    """Unambiguous bytes: a list in JSON, so that no two different lists read the same."""
    return json.dumps(list(belongs_to), ensure_ascii=True, separators=(",", ":")).encode()


def load_master_key(file: Path | None, environ: Mapping[str, str] | None = None) -> MasterKey:
    """The master key of the environment, else of a file.

    Args:
        file: `voiceprint.master_key_file`.
        environ: environment to read; the process's own by default.

    Raises:
        ConfigError: not 32 bytes in base64, or the file cannot be read; never shows what was found.
        MissingError: neither is there.
    """
    text = (os.environ if environ is None else environ).get(MASTER_KEY_VARIABLE, "")
    if text:
        return read_master_key(text, MASTER_KEY_VARIABLE)
    if file is None:
        fix = f"Put {HOW_TO_MAKE}, into {MASTER_KEY_VARIABLE} or into the file of {MASTER_SETTING}; keep a copy."
        raise MissingError("voiceprints need a master key, and there is none", fix)
    try:
        return read_master_key(file.read_text("ascii"), str(file))
    except OSError as error:
        problem = Problem("", None, MASTER_SETTING, str(file), f"cannot be read: {error.strerror}", HOW_TO_MAKE)
        raise ConfigError([problem]) from None
    except UnicodeDecodeError:
        raise _wrong_key(str(file), "is not base64") from None


def read_master_key(text: str, where: str) -> MasterKey:
    """A master key from its text.

    Args:
        text: base64.
        where: it stands, for the error.

    Raises:
        ConfigError: not 32 bytes in base64.
    """
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise _wrong_key(where, "is not base64") from None
    if len(key) != KEY_BYTES:
        raise _wrong_key(where, f"holds {len(key)} bytes")
    return MasterKey(key)


def _wrong_key(where: str, message: str) -> ConfigError:
    return ConfigError([Problem("", None, where, "", f"the master key {message}", HOW_TO_MAKE)])


def _no_cryptography() -> MissingError:
    return MissingError(
        "the package cryptography is not installed", 'Install it: pip install "ivrbot[voiceprint]"'
    )
