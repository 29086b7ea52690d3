"""The secret key that turns callers' numbers into units, kept in a file of the data folder.

Takes the folder, gives 32 bytes. Losing the file makes every caller a new unit; whoever reads it can try
numbers out.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ivrbot.config import make_data_dir
from ivrbot.errors import ConfigError, Problem

KEY_BYTES = 32


def load_caller_key(data_dir: Path) -> bytes:
    """Read `caller.key`, making it (readable by its owner only) where there is none.

    Raises:
        ConfigError: unreadable, or not 64 hex characters.
        MissingError: the folder cannot be made.
    """
    path = make_data_dir(data_dir) / "caller.key"
    try:
        _create(path)
        key = bytes.fromhex(path.read_text("ascii").strip())
    except OSError as error:
        raise ConfigError([Problem(str(path), None, "", "", f"cannot be read: {error.strerror}")]) from error
    except ValueError as error:
        raise ConfigError([Problem(str(path), None, "", "", "is not a key", "64 hex characters")]) from error
    if len(key) != KEY_BYTES:
        raise ConfigError([Problem(str(path), None, "", "", "has the wrong length", "64 hex characters")])
    return key


def _create(path: Path) -> None:
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    draft.touch(0o600)
    draft.write_text(secrets.token_hex(KEY_BYTES) + "\n", "ascii")
    try:
        os.link(draft, path)  # whole or not at all, and never over a key that another process has just made
    except FileExistsError:
        pass
    finally:
        draft.unlink()
