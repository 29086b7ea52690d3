"""What people and machines did in the product, as rows of a hash chain: who, when, what, to which thing.

Takes nothing, gives a frozen row and pure functions. The rollout's audit is a chain of its own; this one keeps
log-ins, changes of people and every view of a dossier, a recording or a transcript.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

from ivrbot.model.events import JsonValue
from ivrbot.model.rollout import GENESIS_HASH


@dataclass(frozen=True, slots=True)
class Activity:
    """One link of the chain.

    Attributes:
        seq: counts from 1 without gaps.
        at: aware UTC.
        who: log-in name, "token:NAME", or "user:NAME" of the operating system's user.
        action: a verb ("view", "log_in", "unblock_card").
        kind: of thing ("call", "dossier", "recording", "person", "token").
        ref: its id.
        branch: whose thing it is, "" for none.
        detail: more, without personal values.
        previous_hash: `hash` of row seq - 1, `GENESIS_HASH` for the first.
        hash: hex SHA-256 over everything else in the row.
    """

    seq: int
    at: datetime
    who: str
    action: str
    kind: str
    ref: str
    branch: str = ""
    detail: Mapping[str, JsonValue] = field(default_factory=dict)
    previous_hash: str = GENESIS_HASH
    hash: str = ""

    def computed_hash(self) -> str:
        """What `hash` must be."""
        body = asdict(self) | {"at": self.at.astimezone(UTC).isoformat(timespec="microseconds")}
        del body["hash"]
        text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def sealed(self) -> Activity:
        """This row with its hash."""
        return replace(self, hash=self.computed_hash())


def first_broken_activity(rows: Iterable[Activity]) -> tuple[int, str] | None:
    """Seq and reason of the first row that does not fit the chain, oldest first; None when all do."""
    previous = GENESIS_HASH
    for seq, row in enumerate(rows, start=1):
        if row.seq != seq:
            return seq, f"row {seq} is missing"
        if row.previous_hash != previous:
            return seq, f"row {seq} does not follow row {seq - 1}"
        if row.hash != row.computed_hash():
            return seq, f"row {seq} was changed"
        previous = row.hash
    return None
