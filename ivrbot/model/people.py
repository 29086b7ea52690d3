"""People and machines who use the pages and the API: roles, rights, and for whose branches they hold.

Takes nothing, gives frozen data. A role is a bundle of rights; a token of a machine carries rights directly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
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
    VOICEPRINT_SEE = "voiceprint:see"  # how voices are compared, and how often that errs; never a voice


_R = Right
RIGHTS_OF_ROLE: Final[Mapping[Role, frozenset[Right]]] = MappingProxyType(
    {
        Role.OWNER: frozenset(
            {_R.CALLS_SEE, _R.REPORTS_SEE, _R.ROLLOUT_SEE, _R.ROLLOUT_CHANGE, _R.AUDIT_SEE, _R.QUALITY_SCORE}
        ),
        Role.ANALYST: frozenset(
            {
                _R.CALLS_SEE,
                _R.REPORTS_SEE,
                _R.ROLLOUT_SEE,
                _R.QUALITY_SCORE,
                _R.RECORDINGS_HEAR,
                _R.VOICEPRINT_SEE,
            }
        ),
        Role.OPERATOR: frozenset({_R.CALLS_SEE, _R.DOSSIERS_SEE, _R.DESK_USE, _R.BANK_CHANGE}),
        Role.ADMIN: frozenset(_R),
    }
)


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks.

    Attributes:
        name: log-in name, or "token:" and a token's name; written into the audit.
        rights: what he may do.
        branches: whose calls, dossiers and reports he may open; None: all.
        roles: of a person; empty for a machine.
        is_machine: shows a token instead of a session.
        made_by: of a machine: the person who made its token; "" for the installation's own.
    """

    name: str
    rights: frozenset[Right]
    branches: frozenset[str] | None = None
    roles: frozenset[Role] = field(default_factory=frozenset)
    is_machine: bool = False
    made_by: str = ""

    def may(self, right: Right, branch: str | None = None) -> bool:
        """Whether he may do that, in that branch (None: in any)."""
        return right in self.rights and (branch is None or self.branches is None or branch in self.branches)

    def sees(self, branches: frozenset[str]) -> bool:
        """Whether something that belongs to these branches is his to open; of no branch: to nobody with bounds."""
        return self.branches is None or not self.branches.isdisjoint(branches)


def rights_of(roles: frozenset[Role]) -> frozenset[Right]:
    """All rights of several roles."""
    return frozenset().union(*(RIGHTS_OF_ROLE[role] for role in roles)) if roles else frozenset()


# --- accounts ---------------------------------------------------------------------------------------------

NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,30}[a-z0-9])?")
"""A log-in name or a token's name; no colon, so that nobody can sign as a token."""
FIRST_ADMIN: Final = "admin"
TOKEN_PREFIX: Final = "token:"


def is_name(text: str) -> bool:
    """Whether a person or a token may be called so."""
    return NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Account:
    """A person who may log in.

    Attributes:
        name: see `NAME`.
        roles: one or more.
        branches: whose things he may open; None: all.
        password_hash: in the form of argon2 ("$argon2id$..."), "" while none is set.
        must_change: somebody else knows the password: nothing but a change of it is possible.
        is_disabled: may not log in, and is logged out.
        created_at: aware UTC.
        created_by: who added him.
    """

    name: str
    roles: frozenset[Role]
    branches: frozenset[str] | None
    password_hash: str
    must_change: bool
    is_disabled: bool
    created_at: datetime
    created_by: str

    @property
    def person(self) -> Person:
        """Who asks, once he has logged in."""
        return Person(self.name, rights_of(self.roles), self.branches, self.roles)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in, in one browser.

    Attributes:
        token_hash: hex SHA-256 of what the browser's cookie holds.
        name: of the account.
        created_at: log-in.
        seen_at: of the last request, to the minute.
    """

    token_hash: str
    name: str
    created_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A machine's way in.

    Attributes:
        token_id: names it in lists; not a secret.
        name: see `NAME`.
        token_hash: hex SHA-256 of the token itself, which nobody has kept.
        scopes: what it may do.
        branches: for whose things; None: all.
        created_at: aware UTC.
        created_by: the person who made it, and answers for it.
        expires_at: None: never.
        last_used_on: the day, in UTC; None: never used.
        is_revoked: for good.
    """

    token_id: str
    name: str
    token_hash: str
    scopes: frozenset[Right]
    branches: frozenset[str] | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    last_used_on: date | None = None
    is_revoked: bool = False

    def is_valid(self, now: datetime) -> bool:
        """Whether it still opens anything."""
        return not self.is_revoked and (self.expires_at is None or now < self.expires_at)

    @property
    def person(self) -> Person:
        """Who asks, when it is shown."""
        return Person(
            TOKEN_PREFIX + self.name, self.scopes, self.branches, is_machine=True, made_by=self.created_by
        )
