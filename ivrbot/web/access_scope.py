"""Whose branch something belongs to, and whether whoever asks may open it.

Takes requests and things, gives the person or 404; that a thing was opened is noted in the activity log.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from aiohttp import web

from ivrbot.dialogue.schema import Branches
from ivrbot.errors import StorageError
from ivrbot.model.call import CallId, Dossier
from ivrbot.model.events import JsonValue
from ivrbot.model.people import Person, Right
from ivrbot.storage.call_branches import branches_of_call
from ivrbot.web.answers import Rejected
from ivrbot.web.caller import person_of, require, require_one_of
from ivrbot.web.parts import WebParts

_log = logging.getLogger(__name__)


def branches_of(menu: Branches, topic: str, queue: str = "") -> frozenset[str]:
    """Branches of a topic and of a queue (each branch has a queue of its name)."""
    found = {menu.branch_of(topic) or ""} | ({queue} & menu.branches.keys())
    return frozenset(found - {""})


def dossier_branches(menu: Branches, dossier: Dossier) -> frozenset[str]:
    """Branches that a dossier belongs to."""
    return branches_of(menu, dossier.topic, dossier.queue)


async def require_call(parts: WebParts, request: web.BaseRequest, right: Right, call_id: CallId) -> Person:
    """Who asks, if he may open things of this call.

    Raises:
        Rejected: 403 without the right, 404 for another branch's call, 503 while the store is away.
    """
    person = require(request, right)
    if person.branches is None:
        return person
    return require_one_of(request, right, await call_branches(parts, call_id))


async def call_branches(parts: WebParts, call_id: CallId) -> frozenset[str]:
    """Branches that a call has been in.

    Raises:
        Rejected: 503 while the store is away.
    """
    try:
        return await branches_of_call(parts.store, call_id)
    except StorageError as error:
        raise Rejected(503, "storage_unavailable") from error


async def note_change(
    parts: WebParts,
    request: web.BaseRequest,
    action: str,
    kind: str,
    ref: str,
    branch: str = "",
    detail: Mapping[str, JsonValue] | None = None,
) -> None:
    """Note that somebody changed something; called after it is done, and a lost row is in the process's log.

    Args:
        parts: of the process.
        request: whose.
        action: a verb.
        kind: of thing.
        ref: its id.
        branch: whose thing it is.
        detail: more, without personal values.
    """
    name = person_of(request).name
    try:
        await parts.activity.note(name, action, kind, ref, branch=branch, detail=detail)
    except StorageError:
        _log.error("done while the activity log is away: %s %s %s by %s", action, kind, ref, name)


async def note_view(
    parts: WebParts, request: web.BaseRequest, kind: str, ref: str, branches: frozenset[str], *, must: bool = True
) -> None:
    """Note that somebody opened something; called before it is shown.

    Args:
        parts: of the process.
        request: whose.
        kind: "call", "dossier", "recording", "transcript".
        ref: its id.
        branches: whose thing it is.
        must: refuse to show it while it cannot be noted; False for a caller who is on the line just now, whose
            operator must not wait for a database: the process's log has it then.

    Raises:
        Rejected: 503 while the store is away.
    """
    person = person_of(request)
    try:
        await parts.activity.note(person.name, "view", kind, ref, branch=min(branches, default=""))
    except StorageError as error:
        if must:
            raise Rejected(503, "storage_unavailable") from error
        _log.warning("opened while the activity log is away: %s %s by %s", kind, ref, person.name)
