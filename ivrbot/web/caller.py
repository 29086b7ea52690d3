"""Who asks, and what a handler asks of him: declared on the handler, checked by the guard before it runs.

    @needs(Right.CALLS_SEE)
    async def live(self, request): ...

A handler that declares nothing is not mounted. `require` is for what only the handler knows: whose branch it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from aiohttp import web

from ivrbot.model.people import Person, Right
from ivrbot.web.answers import Rejected

PERSON: Final = web.RequestKey("person", Person)
CSRF: Final = web.RequestKey("csrf", str)
"""What pages of this session show when they change something; "" without a session."""
LOCAL: Final = Person("local", frozenset(Right))
"""This computer's own user, where nobody has to log in."""
GUEST: Final = Person("guest", frozenset())
"""Whoever may place a call from a page, and nothing else."""
ANONYMOUS: Final = Person("", frozenset())
"""Whoever has not logged in, on the pages that are for everybody."""
MACHINE: Final = Person("token:api", frozenset(Right), is_machine=True)
"""Whoever shows the installation's own token."""

_DECLARED: Final = "__access__"

HandlerT = TypeVar("HandlerT", bound=Callable[..., Any])


class Audience(StrEnum):
    """Who may come to a handler that asks for no right."""

    ANYBODY = "anybody"
    CALLER = "caller"  # the softphone's page: somebody logged in, or a guest where settings allow it
    SOMEBODY = "somebody"  # logged in, or with a token, whatever his rights


@dataclass(frozen=True, slots=True)
class Access:
    """Who may come to a handler.

    Attributes:
        audience: by who he is.
        rights: any of them is enough; empty: none is needed.
    """

    audience: Audience
    rights: tuple[Right, ...] = ()


def needs(*rights: Right) -> Callable[[HandlerT], HandlerT]:
    """Declare that a handler is for whoever has one of these rights."""
    if not rights:
        raise ValueError("needs() without a right")
    return _declaring(Access(Audience.SOMEBODY, rights))


def open_to(audience: Audience) -> Callable[[HandlerT], HandlerT]:
    """Declare that a handler asks for no right."""
    return _declaring(Access(audience))


def access_of(handler: object) -> Access | None:
    """What was declared; None: nothing."""
    access: Access | None = getattr(handler, _DECLARED, None)
    return access


def person_of(request: web.BaseRequest) -> Person:
    """Who asks; behind the guard there is always somebody."""
    person: Person | None = request.get(PERSON)
    if person is None:
        raise Rejected(401, "unauthorised")
    return person


def require(request: web.BaseRequest, right: Right, branch: str | None = None) -> Person:
    """Who asks, if he may.

    Args:
        request: of a handler behind the guard.
        right: needed.
        branch: of the thing opened; somebody without a right to this branch is told that there is no such thing.

    Raises:
        Rejected: 403 without the right, 404 for another branch's things.
    """
    person = person_of(request)
    if not person.may(right):
        raise forbidden(right)
    if not person.may(right, branch):
        raise Rejected(404, "not_found")
    return person


def require_one_of(request: web.BaseRequest, right: Right, branches: frozenset[str]) -> Person:
    """As `require`, for something that belongs to several branches (or to none: then to nobody with bounds)."""
    person = require(request, right)
    if not person.sees(branches):
        raise Rejected(404, "not_found")
    return person


def forbidden(*rights: Right) -> Rejected:
    """The refusal of somebody who is known, but may not."""
    return Rejected(403, "forbidden", [{"field": "right", "message": f"needs {' or '.join(rights)}"}])


def _declaring(access: Access) -> Callable[[HandlerT], HandlerT]:
    def declare(handler: HandlerT) -> HandlerT:
        setattr(handler, _DECLARED, access)
        return handler

    return declare
