"""Which card is meant: four digits, a kind ("the salary one"), the other one, the only one, all. Pure.

Takes the bank's list and what was said, gives a `Meant`; both the flow (through the bank's reply) and corrections
("no, the credit one") use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ivrbot.model.dialogue import Value

ALL = "all"
OTHER = "other"

Fit = Literal["one", "many", "none", "unsaid", "all"]


@dataclass(frozen=True, slots=True)
class Meant:
    """What was said, held against the list.

    Attributes:
        fit: "one" card is meant, "many" may be, "none" of them is, it was "unsaid" which, or "all" are.
        card: last four digits when it is one.
        blocked: that card is blocked already.
        reference: of its blocking, "" where unknown.
    """

    fit: Fit
    card: str = ""
    blocked: bool = False
    reference: str = ""


def meant(cards: Sequence[Mapping[str, Value]], card: Value, kind: Value) -> Meant:
    """Find the card.

    Args:
        cards: rows with `last4`, `kind` ("salary debit"), `status`.
        card: last four digits, or None.
        kind: a word of a card's kind, "all", "other" (than `card`) or None; goes before `card`.
    """
    active = [row for row in cards if row.get("status") == "active"]
    if kind == ALL:
        return Meant("all") if active else Meant("none")
    if kind == OTHER:
        return _single([row for row in active if row.get("last4") != card])
    if kind is not None:
        fitting = [row for row in cards if str(kind) in str(row.get("kind")).split()]
        in_use = [row for row in fitting if row in active]
        return _single(in_use if len(in_use) == 1 else fitting)
    if card is not None:
        return _single([row for row in cards if row.get("last4") == card])
    return _single(active) if len(active) == 1 else Meant("unsaid")


def _single(rows: Sequence[Mapping[str, Value]]) -> Meant:
    if len(rows) != 1:
        return Meant("many" if rows else "none")
    row = rows[0]
    return Meant("one", str(row["last4"]), row.get("status") == "blocked", str(row.get("reference") or ""))


def told_apart(cards: Sequence[Mapping[str, Value]], kinds: Sequence[str]) -> tuple[str, str] | None:
    """Kinds of the two usable cards, when there are two and their kinds differ.

    Args:
        cards: as the bank lists them.
        kinds: words for kinds that can be spoken, the more telling first.
    """
    active = [str(row.get("kind")).split() for row in cards if row.get("status") == "active"]
    if len(active) != 2:
        return None
    names = [next((kind for kind in kinds if kind in words), "") for words in active]
    first, second = names
    unlike = first not in active[1] and second not in active[0]
    return (first, second) if first and second and unlike else None
