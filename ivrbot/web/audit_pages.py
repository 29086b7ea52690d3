"""The audit: changes of the rollout and everybody's activity in one list, whether both chains are whole, the file.

Takes requests, gives pages and files. Only with the right to see it; branches that somebody may not see are left
out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from ivrbot.errors import StorageError
from ivrbot.model.people import Right
from ivrbot.reports.audit_export import csv_lines, json_lines
from ivrbot.rollout.governing.audit import WHO, AuditReport, verify
from ivrbot.storage.audit_list import LOGS, AuditFilter, AuditList, Place
from ivrbot.storage.audit_rows import stored_audit, whole_audit
from ivrbot.web.access_scope import note_change
from ivrbot.web.answers import Rejected
from ivrbot.web.call_query import MAX_CHARS, moment_of
from ivrbot.web.caller import needs, person_of, require
from ivrbot.web.parts import WebParts
from ivrbot.web.rendering import labels_of, language_of, page, texts_of
from ivrbot.web.rollout_words import plan_reason, reason_of
from ivrbot.web.saying import Say
from ivrbot.web.timeline import Words

NAMES: Final = ("log", "from", "to", "who", "action", "branch", "ref", "looks")
CHUNK: Final = 500
"""Rows of the export that are written at a time."""


class AuditPages:
    """Handlers of `/audit` and `/audit/export`."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._list = AuditList(parts.store)

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers are mounted."""
        return [web.get("/audit", self.audit), web.get("/audit/export", self.export, allow_head=False)]

    @needs(Right.AUDIT_SEE)
    async def audit(self, request: web.Request) -> web.Response:
        """The list; `?verify=1` recomputes both chains, too."""
        person = person_of(request)
        timezone = self._parts.router.plan.timezone
        given = {name: value.strip() for name in NAMES if (value := request.query.get(name, "")).strip()}
        wanted = _filter(given, ZoneInfo(timezone), person.branches)
        report, broken = None, None
        try:
            lines, following = await self._list.page(wanted, _place(request.query.get("page", "")))
            decided = await self._list.whole(lines, WHO)
            if request.query.get("verify"):
                report, broken = await self._verified(), await self._parts.activity.verify()
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        language = language_of(request)
        labels, say = labels_of(language), Say(language, timezone)
        words = Words(texts_of(language), labels, say)
        actions = {**labels["activity_actions"], **labels["audit_actions"]}
        return page(
            request,
            "audit.html",
            lines=lines,
            next_href=_href(given, following) if following is not None else "",
            newest_href=_href(given) if request.query.get("page") else "",
            verify_href="/audit?" + urlencode({**given, "verify": "1"}),
            given=given,
            logs=LOGS,
            actions=dict(sorted(actions.items(), key=lambda item: item[1])),
            branches=[
                name for name in sorted(self._parts.router.known_branches) if person.sees(frozenset({name}))
            ],
            report=report,
            broken=broken,
            everywhere=person.branches is None,
            reasons={
                **{line.seq: plan_reason(line.action, line.why, words) for line in lines if line.log == "rollout"},
                **{row.seq: text for row in decided if (text := reason_of(row, words))},
            },
            say=say,
        )

    async def _verified(self) -> AuditReport:
        found, own = await stored_audit(self._parts.store)
        return await asyncio.to_thread(verify, [(row.row, row.fault) for row in found], own)

    @needs(Right.AUDIT_SEE)
    async def export(self, request: web.Request) -> web.StreamResponse:
        """The rollout's audit, whole, as JSON lines or `?format=csv`."""
        person = require(request, Right.AUDIT_SEE)
        if person.branches is not None:
            raise Rejected(404, "not_found")
        form = request.query.get("format", "jsonl")
        if form not in {"jsonl", "csv"}:
            raise Rejected(400, "invalid", [{"field": "format", "message": "allowed: jsonl, csv"}])
        try:
            rows = await whole_audit(self._parts.store)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        await note_change(self._parts, request, "export", "audit", form)
        kind = "text/csv" if form == "csv" else "application/x-ndjson"
        headers = {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Disposition": f'attachment; filename="rollout-audit.{form}"',
        }
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        for at in range(0, len(rows), CHUNK):
            some = rows[at : at + CHUNK]
            lines = csv_lines(some) if form == "csv" else json_lines(some)
            text = "".join(line for number, line in enumerate(lines) if form != "csv" or number or not at)
            await response.write(text.encode("utf-8", "surrogatepass"))
        await response.write_eof()
        return response


def _filter(given: Mapping[str, str], zone: ZoneInfo, branches: frozenset[str] | None) -> AuditFilter:
    """What the address asks for; what cannot be read is left out."""
    log = next((log for log in LOGS if given.get("log") == log), None)
    return AuditFilter(
        log=log,
        since=_time(given.get("from", ""), zone, is_end=False),
        until=_time(given.get("to", ""), zone, is_end=True),
        who=_word(given, "who"),
        action=_word(given, "action"),
        branch=_word(given, "branch"),
        ref=_word(given, "ref"),
        with_looks="looks" in given,
        branches=branches,
    )


def _time(text: str, zone: ZoneInfo, *, is_end: bool) -> datetime | None:
    try:
        return moment_of(text, zone, is_end=is_end)
    except ValueError:
        return None


def _word(given: Mapping[str, str], name: str) -> str | None:
    return given[name][:MAX_CHARS] if name in given else None


def _href(given: Mapping[str, str], following: Place | None = None) -> str:
    more = {"page": "~".join((following[0].isoformat(), following[1], str(following[2])))} if following else {}
    query = urlencode({**given, **more})
    return f"/audit?{query}" if query else "/audit"


def _place(text: str) -> Place | None:
    parts = text.split("~")
    log = next((log for log in LOGS if len(parts) == 3 and parts[1] == log), None)
    if log is None or not (parts[2].isascii() and parts[2].isdigit()) or len(parts[2]) > 15:
        return None
    try:
        at = datetime.fromisoformat(parts[0])
    except ValueError:
        return None
    return (at, log, int(parts[2])) if at.tzinfo is not None else None
