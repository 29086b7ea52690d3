"""The error tree: everything that ivrbot raises on purpose.

    IvrbotError                 code, retryable
    ├── ConfigError             problems: every one of them, with file, line, path, value and what is allowed
    ├── MissingError            something outside is missing: says what to install or start
    ├── ProtocolError           a peer broke its wire protocol; closes that leg only
    ├── LegClosed               normal hang-up; never logged as an error
    ├── LegRefused              a media connection that may not come in
    ├── EngineError             speech or language engine
    │   ├── EngineTimeout
    │   ├── EngineUnavailable
    │   └── EngineBadOutput
    ├── BankError               the bank's back end
    │   ├── BankUnavailable     nothing happened there
    │   ├── BankRejected        it said no
    │   └── BankOutcomeUnknown  it may have happened; only to be asked again with the same idempotency key
    └── StorageError
        ├── StorageUnavailable
        ├── StorageConflict
        └── StorageDamaged      what stands there cannot be read: changed, or sealed with another key

Expected outcomes (no-match, refused authentication, inconclusive evidence) are values, not errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


class IvrbotError(Exception):
    """Root of the tree.

    Attributes:
        code: stable, machine-readable name, used as event and metric label.
        retryable: whether the same request may be sent again unchanged.
    """

    code: ClassVar[str] = "ivrbot"
    retryable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input file or setting.

    Attributes:
        file: where it stands, as the user named it ("" for settings from the environment).
        line: 1-based line, or None where there is none.
        path: the field, dotted ("branches.balance.start").
        value: what was found, shortened for display.
        message: what is wrong, in one clause.
        allowed: what would be accepted, or "".
    """

    file: str
    line: int | None
    path: str
    value: str
    message: str
    allowed: str = ""

    def __str__(self) -> str:
        where = self.file + (f":{self.line}" if self.line is not None else "")
        parts = [part for part in (where, self.path) if part]
        text = ": ".join([*parts, self.message])
        if self.value:
            text += f" (found {self.value})"
        if self.allowed:
            text += f"; allowed: {self.allowed}"
        return text


class ConfigError(IvrbotError):
    """Invalid files or settings; carries every problem at once."""

    code = "config"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class MissingError(IvrbotError):
    """Something outside is missing (library, model, service); `fix` says what to install or start."""

    code = "missing"

    def __init__(self, what: str, fix: str) -> None:
        self.what = what
        self.fix = fix
        super().__init__(f"{what}. {fix}")


class ProtocolError(IvrbotError):
    """A peer broke its wire protocol."""

    code = "protocol"


class LegClosed(IvrbotError):
    """The other side hung up."""

    code = "leg_closed"


class LegRefused(IvrbotError):
    """A media connection that may not come in (address, unknown or reused call id, full)."""

    code = "leg_refused"


class EngineError(IvrbotError):
    """A speech or language engine failed."""

    code = "engine"


class EngineTimeout(EngineError):
    """The engine did not answer before its deadline."""

    code = "engine_timeout"
    retryable = True


class EngineUnavailable(EngineError):
    """The engine cannot be reached or loaded."""

    code = "engine_unavailable"


class EngineBadOutput(EngineError):
    """The engine answered with something unusable (empty sound, invented text)."""

    code = "engine_bad_output"


class BankError(IvrbotError):
    """The bank's back end."""

    code = "bank"


class BankUnavailable(BankError):
    """The back end could not be reached; nothing happened there."""

    code = "bank_unavailable"
    retryable = True


class BankRejected(BankError):
    """The back end refused the operation."""

    code = "bank_rejected"


class BankOutcomeUnknown(BankError):
    """The operation may or may not have happened; ask again only with the same idempotency key."""

    code = "bank_outcome_unknown"


class SmsUnavailable(IvrbotError):
    """A short message was not handed over, or nobody knows whether it was."""

    code = "sms_unavailable"
    retryable = True


class StorageError(IvrbotError):
    """The store."""

    code = "storage"


class StorageUnavailable(StorageError):
    """The store cannot be reached or written."""

    code = "storage_unavailable"
    retryable = True


class StorageConflict(StorageError):
    """The row exists already with other contents."""

    code = "storage_conflict"


class StorageDamaged(StorageError):
    """What stands there cannot be read: it was changed, moved to another row, or sealed with another key."""

    code = "storage_damaged"
