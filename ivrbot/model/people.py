"""People and machines who use the pages and the API: roles, rights, and for whose branches they hold.

Takes nothing, gives frozen data. A role is a bundle of rights; a token of a machine carries rights directly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Role(StrEnum):
    """What a person is in the bank."""

    OWNER = "owner"
    ANALYST = "analyst"
    OPERATOR = "operator"
    ADMIN = "admin"


class Right(StrEnum):
    """What somebody may do; also the scopes of API tokens."""

    CALLS_SEE = "calls:see"  # live calls, lists, timelines with masked transcripts
    CALLS_REGISTER = "calls:register"  # a PBX or an IVR: register, follow, outcome, decision
    RECORDINGS_HEAR = "recordings:hear"
    DOSSIERS_SEE = "dossiers:see"
    DESK_USE = "desk:use"  # dispositions, call-backs
    BANK_CHANGE = "bank:change"  # unblock a card, connect a service, for the caller on the line
    REPORTS_SEE = "reports:see"
    ROLLOUT_SEE = "rollout:see"
    ROLLOUT_CHANGE = "rollout:change"  # propose, approve, reject, set, kill, resume, exclude
    QUALITY_SCORE = "quality:score"
    AUDIT_SEE = "audit:see"
    PEOPLE_MANAGE = "people:manage"
    DATA_ERASE = "data:erase"
    METRICS_READ = "metrics:read"


_R = Right
RIGHTS_OF_ROLE: Final[Mapping[Role, frozenset[Right]]] = MappingProxyType(
    {
        Role.OWNER: frozenset(
            {_R.CALLS_SEE, _R.REPORTS_SEE, _R.ROLLOUT_SEE, _R.ROLLOUT_CHANGE, _R.AUDIT_SEE, _R.QUALITY_SCORE}
        ),
        Role.ANALYST: frozenset(
            {_R.CALLS_SEE, _R.REPORTS_SEE, _R.ROLLOUT_SEE, _R.QUALITY_SCORE, _R.RECORDINGS_HEAR}
        ),
        Role.OPERATOR: frozenset({_R.CALLS_SEE, _R.DOSSIERS_SEE, _R.DESK_USE, _R.BANK_CHANGE}),
        Role.ADMIN: frozenset(_R),
    }
)


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks.

    Attributes:
        name: log-in name, or a token's name; written into the audit.
        rights: what he may do.
        branches: whose calls, dossiers and reports he may open; None: all.
        roles: of a person; empty for a machine.
        is_machine: shows a token instead of a session.
    """

    name: str
    rights: frozenset[Right]
    branches: frozenset[str] | None = None
    roles: frozenset[Role] = field(default_factory=frozenset)
    is_machine: bool = False

    def may(self, right: Right, branch: str | None = None) -> bool:
        """Whether he may do that, in that branch (None: in any)."""
        return right in self.rights and (branch is None or self.branches is None or branch in self.branches)


def rights_of(roles: frozenset[Role]) -> frozenset[Right]:
    """All rights of several roles."""
    return frozenset().union(*(RIGHTS_OF_ROLE[role] for role in roles)) if roles else frozenset()
