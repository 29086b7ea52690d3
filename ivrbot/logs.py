"""JSON logs with the call id on every line, and masking of personal data.

Takes log records, gives one JSON object per line on standard error. Masking happens where a value enters; the
formatter here is the last net (long digit runs and e-mail addresses never reach a log).
"""

from __future__ import annotations

import json
import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

call_id_var: ContextVar[str] = ContextVar("call_id", default="")

_LONG_DIGITS = re.compile(r"(?<![\w-])\+?\d(?:[ \u00a0()-]{0,3}\d){9,}(?![\w-])")

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def mask_long_digits(text: str) -> str:
    """Replace runs of ten or more digits (card and telephone numbers) by asterisks, whatever separates them."""
    return _LONG_DIGITS.sub("***", text)


def mask_line(text: str) -> str:
    """What may stand in a log: no long number and no e-mail address, whoever wrote the line."""
    return _EMAIL.sub("***", mask_long_digits(text))


class JsonFormatter(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record; exceptions become one string with escaped line breaks."""
        entry: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": mask_line(record.getMessage()),
        }
        if call_id := call_id_var.get():
            entry["call_id"] = call_id
        if record.exc_info:
            entry["exception"] = mask_line(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


class PlainNotices(logging.Handler):
    """What takes long, told in plain words to whoever waits for a command; warnings go their usual way."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.addFilter(lambda record: record.levelno == logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        """One line on standard error."""
        sys.stderr.write(f"{mask_line(record.getMessage())}\n")


def tell_plainly(*loggers: str) -> None:
    """Notices of these loggers are told as `PlainNotices`, whatever level logs begin at."""
    for name in loggers:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.handlers[:] = [PlainNotices()]


def set_up_logging(level: str) -> None:
    """Send everything of at least `level` to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(level.upper())
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
