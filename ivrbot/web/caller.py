"""Who asks: put on the request by the guard, read by handlers."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from ivrbot.model.people import Person, Right
from ivrbot.web.answers import Rejected

PERSON: Final = web.RequestKey("person", Person)
LOCAL: Final = Person("local", frozenset(Right))
"""This computer's own user, while nobody has to log in."""
MACHINE: Final = Person("token", frozenset(Right), is_machine=True)
"""Whoever shows the installation's own token."""


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
        raise Rejected(403, "forbidden", [{"field": "right", "message": f"needs {right.value}"}])
    if not person.may(right, branch):
        raise Rejected(404, "not_found")
    return person
