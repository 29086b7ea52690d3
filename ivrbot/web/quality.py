"""The quality page: a month's sample, the form that a call is scored with, figures by month.

Takes requests, gives pages. Forms work without scripts. What could sway a scorer (others' marks, the caller's own
score, the rollout's evidence) is not on the form; after saving he sees what others gave.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from ivrbot.analytics.quality import agreement, draw_sample, points_of_calls, trends
from ivrbot.analytics.quality_rubric import RUBRIC, RUBRIC_VERSION, Mark, points_of, problems_of
from ivrbot.call.door import canonical_call_id
from ivrbot.errors import StorageError
from ivrbot.escalation.dossier import mask, one_line
from ivrbot.model.call import CallId
from ivrbot.model.events import CallEvent, EventType, JsonValue, as_talked
from ivrbot.model.people import Person, Right
from ivrbot.model.quality import QualityScore, Sampled
from ivrbot.storage.quality import QualityBook
from ivrbot.web.access_scope import note_change, note_view
from ivrbot.web.answers import Rejected
from ivrbot.web.caller import needs, person_of
from ivrbot.web.login import read_form
from ivrbot.web.parts import WebParts
from ivrbot.web.rendering import language_of, page
from ivrbot.web.saying import Say

MAX_NOTE_CHARS: Final = 500
MONTHS_SHOWN: Final = 12

_MONTH: Final = re.compile(r"20\d\d-(0[1-9]|1[0-2])")
_SAID: Final = {
    EventType.BOT_SAID: "bot",
    EventType.CALLER_SAID: "caller",
    EventType.KEYS_PRESSED: "caller",
    EventType.OPERATOR_SAID: "operator",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A call of the sample, as one person sees it.

    Attributes:
        state: "yours", "waiting", "second" or "done".
        points: None while there are none, or while he may not see them.
    """

    call: Sampled
    state: str
    points: float | None


class Quality:
    """Handlers of `/quality`.

    Args:
        parts: of the process.
        now: aware UTC clock.
    """

    def __init__(self, parts: WebParts, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._parts = parts
        self._now = now
        self._book = QualityBook(parts.store)

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers are mounted."""
        return [
            web.get("/quality", self.month),
            web.post("/quality/draw", self.draw),
            web.get("/quality/calls/{call_id}", self.form),
            web.post("/quality/calls/{call_id}", self.score),
        ]

    @needs(Right.QUALITY_SCORE)
    async def month(self, request: web.Request) -> web.Response:
        """A month's calls, and how quality goes."""
        person, running = person_of(request), self._running()
        month = self._month_of(request.query.get("month", ""))
        branch = request.query.get("branch", "")
        try:
            sampled = await self._book.all_samples()
            scores = await self._book.scores()
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        mine = [one for one in sampled if person.sees(frozenset({one.branch}))]
        seen = {one.call_id for one in mine}
        scores = tuple(score for score in scores if score.call_id in seen)
        shown = [one for one in mine if one.month == month and branch in ("", one.branch)]
        return page(
            request,
            "quality.html",
            month=month,
            running=running,
            months=sorted({one.month for one in mine} | {month, running}, reverse=True)[:MONTHS_SHOWN],
            branch=branch,
            branches=[name for name in self._parts.router.menu.branches if person.sees(frozenset({name}))],
            rows=rows_of(shown, scores, person.name),
            trends=list(reversed(list(trends(mine, scores, branch).items())[-MONTHS_SHOWN:])),
            agreement=agreement(scores),
            say=self._say(request),
        )

    @needs(Right.QUALITY_SCORE)
    async def draw(self, request: web.Request) -> web.Response:
        """Draw a month's sample; drawn again, only later calls are added."""
        month = self._month_of((await read_form(request)).get("month", ""))
        since, until = bounds(month, ZoneInfo(self._parts.router.plan.timezone))
        try:
            candidates = await self._book.candidates(since, until)
            sample = draw_sample(candidates, month, self._parts.quality_salt)
            new = await self._book.add_sample(sample)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        detail: dict[str, JsonValue] = {"candidates": len(candidates), "new": new}
        await note_change(self._parts, request, "draw_sample", "quality_sample", month, detail=detail)
        return _see_other(f"/quality?month={month}")

    @needs(Right.QUALITY_SCORE)
    async def form(self, request: web.Request) -> web.Response:
        """The call's words beside the rubric."""
        call = await self._sampled(request)
        await note_view(self._parts, request, "transcript", call.call_id, frozenset({call.branch}))
        return await self._form(request, call, saved="saved" in request.query)

    @needs(Right.QUALITY_SCORE)
    async def score(self, request: web.Request) -> web.Response:
        """Keep a score; a second one of the same person takes the place of his first."""
        call, fields = await self._sampled(request), await read_form(request)
        given = {name: fields[name] for criterion in RUBRIC if (name := criterion.name) in fields}
        marks = {name: Mark(text) for name, text in given.items() if text in set(Mark)}
        if problems_of(marks):
            return await self._form(request, call, given=given, missing=True)
        score = QualityScore(
            call.month,
            call.call_id,
            person_of(request).name,
            self._now(),
            {name: mark.value for name, mark in marks.items()},
            round(points_of(marks), 2),
            RUBRIC_VERSION,
            one_line(mask(fields.get("note", "")), MAX_NOTE_CHARS),
        )
        try:
            await self._book.score(score)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        detail: dict[str, JsonValue] = {"points": score.points, "month": call.month}
        await note_change(self._parts, request, "score", "call", call.call_id, call.branch, detail)
        return _see_other(f"/quality/calls/{call.call_id}?saved=1")

    # --- parts of pages -------------------------------------------------------------------------------

    async def _form(
        self,
        request: web.Request,
        call: Sampled,
        *,
        given: Mapping[str, str] | None = None,
        missing: bool = False,
        saved: bool = False,
    ) -> web.Response:
        try:
            events = await self._parts.store.of_call(CallId(call.call_id))
            scores = await self._book.scores_of(call.call_id)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        mine = next((one for one in scores if one.scorer == person_of(request).name), None)
        return page(
            request,
            "quality_call.html",
            status=400 if missing else 200,
            call=call,
            rubric=RUBRIC,
            lines=lines_of(events),
            has_sound=await self._has_sound(request, call),
            has_operator=any(event.type is EventType.ESCALATED for event in events),
            marks=given if given is not None else (mine.marks if mine else {}),
            note=mine.note if mine else "",
            mine=mine,
            scores=scores if mine else (),
            missing=missing,
            saved=saved,
            say=self._say(request),
        )

    async def _has_sound(self, request: web.Request, call: Sampled) -> bool:
        """Whether the call was recorded, and he may listen."""
        archive = self._parts.recordings
        if archive is None or not person_of(request).may(Right.RECORDINGS_HEAR, call.branch):
            return False
        return await asyncio.to_thread(archive.find, CallId(call.call_id)) is not None

    async def _sampled(self, request: web.Request) -> Sampled:
        """The call of the address: one of a sample, of a branch of whoever asks."""
        call_id = canonical_call_id(request.match_info["call_id"])
        try:
            call = await self._book.sampled(call_id) if call_id else None
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        if call is None or not self._may_see(person_of(request), call):
            raise Rejected(404, "unknown_call")
        return call

    @staticmethod
    def _may_see(person: Person, call: Sampled) -> bool:
        return person.sees(frozenset({call.branch}))

    def _say(self, request: web.Request) -> Say:
        return Say(language_of(request), self._parts.router.plan.timezone)

    def _running(self) -> str:
        """The month that it is at the bank."""
        return f"{self._now().astimezone(ZoneInfo(self._parts.router.plan.timezone)):%Y-%m}"

    def _month_of(self, asked: str) -> str:
        """A month that may be looked at: as asked for, else the running one."""
        running = self._running()
        return asked if _MONTH.fullmatch(asked) and asked <= running else running


def rows_of(sample: Sequence[Sampled], scores: Sequence[QualityScore], who: str) -> list[Row]:
    """The sample as one person sees it: first what waits for him; points only of what he may know.

    Args:
        sample: of a month.
        scores: of its calls.
        who: the person.
    """
    points = points_of_calls(scores)
    scorers: dict[str, set[str]] = {}
    for score in scores:
        scorers.setdefault(score.call_id, set()).add(score.scorer)
    rows = []
    for call in sample:
        by = scorers.get(call.call_id, set())
        needed = 2 if call.twice else 1
        if len(by) >= needed:
            state = "done"
        elif who in by:
            state = "yours"
        else:
            state = "second" if by else "waiting"
        # whoever may still be its second scorer does not see what the first one gave
        visible = who in by or len(by) >= needed
        rows.append(Row(call, state, points.get(call.call_id) if visible else None))
    order = ("waiting", "second", "yours", "done")
    return sorted(rows, key=lambda row: (order.index(row.state), row.call.branch, row.call.arm, row.call.call_id))


def lines_of(events: Sequence[CallEvent]) -> list[tuple[str, str]]:
    """What was said: (who, masked text), in order."""
    said = [(_who(event), str(event.data.get("text", ""))) for event in as_talked(events) if event.type in _SAID]
    return [(who, text) for who, text in said if text]


def _who(event: CallEvent) -> str:
    """Of a recorded talk both sides are words of one kind."""
    by_caller = event.type is EventType.OPERATOR_SAID and event.data.get("by") == "caller"
    return "caller" if by_caller else _SAID[event.type]


def bounds(month: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """First moment of a month, and of the next one, by the bank's clock."""
    year, number = (int(part) for part in month.split("-"))
    following = (year, number + 1) if number < 12 else (year + 1, 1)
    return datetime(year, number, 1, tzinfo=zone), datetime(*following, 1, tzinfo=zone)


def _see_other(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})
