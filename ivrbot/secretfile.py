"""A secret that the settings name by its file: passwords, tokens, keys of providers."""

from __future__ import annotations

from pathlib import Path

from ivrbot.errors import ConfigError, Problem


def read_secret(file: Path, setting: str) -> str:
    """A secret kept in a file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError([Problem("", None, setting, str(file), f"cannot be read: {reason}")]) from error
