"""Reports over HTTP: the page, its downloads, the definitions, and JSON for machines.

Takes requests, gives what `ivrbot report` gives; whoever may see some branches only is shown those only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from ivrbot.analytics.kpi_reference import definitions
from ivrbot.analytics.report_queries import Filters
from ivrbot.errors import StorageError
from ivrbot.model.people import Person, Right
from ivrbot.reports.report_documents import report_csv, report_json, report_text_json
from ivrbot.reports.service import Reports
from ivrbot.reports.view import ASKED_KPIS, View, build_view, known_kpi
from ivrbot.web.answers import Rejected, json_answer
from ivrbot.web.caller import Audience, needs, open_to, person_of
from ivrbot.web.parts import WebParts
from ivrbot.web.rendering import language_of, page
from ivrbot.web.report_page import report_body, report_file
from ivrbot.web.saying import Say

_PACKAGE: Final = find_spec("plotly")
PLOTLY: Final = Path((_PACKAGE and _PACKAGE.origin) or "").parent / "package_data" / "plotly.min.js"
"""Served from the installed package: no copy of it is kept, none is fetched from elsewhere."""
FORMS: Final = {"csv": "text/csv", "json": "application/json", "html": "text/html"}
NAMES: Final = ("from", "to", "branch", "topic", "queue", "hour", "day", "kpi")
MAX_CHARS: Final = 64


@dataclass(frozen=True, slots=True)
class Asked:
    """The address of a report.

    Attributes:
        given: what was read, as it stands in the address.
        problems: what could not be read, `{"field", "message"}`.
    """

    filters: Filters
    day: date | None
    given: Mapping[str, str]
    problems: tuple[Mapping[str, str], ...]


class ReportPages:
    """Handlers of `/reports` and `/api/v1/reports`.

    Args:
        parts: of the process.
    """

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers are mounted."""
        return [
            web.get("/reports", self.reports),
            web.get("/reports/definitions", self.definitions),
            web.get("/static/plotly.min.js", self.plotly, allow_head=False),
            web.get("/api/v1/reports/comparison", self.comparison),
        ]

    @needs(Right.REPORTS_SEE)
    async def reports(self, request: web.Request) -> web.Response:
        """The page; `?format=csv|json|html` gives a file."""
        asked = self._asked(request)
        form = request.query.get("format", "")
        if form and form not in FORMS:
            raise Rejected(400, "invalid", [{"field": "format", "message": f"allowed: {', '.join(FORMS)}"}])
        say = Say(language_of(request), self._parts.router.plan.timezone)
        if form in {"csv", "json"}:
            found = await _told(self._made.report(asked.filters, by_day=True))
            return _file(report_csv(found) if form == "csv" else report_text_json(found), form)
        kpi = known_kpi(asked.given.get("kpi", ""))
        view = await _told(build_view(self._made, asked.filters, kpi=kpi, day=asked.day))
        if form == "html":
            return _file(report_file(view, say), form)
        return self._page(request, asked, view, say)

    def _page(self, request: web.Request, asked: Asked, view: View, say: Say) -> web.Response:
        def dip_href(day: date) -> str:
            return f"/reports?{urlencode({**asked.given, 'day': day.isoformat()})}"

        def download_href(form: str) -> str:
            return f"/reports?{urlencode({**asked.given, 'format': form})}"

        return page(
            request,
            "reports.html",
            view=view,
            body=report_body(view, say, dip_href=dip_href),
            asked=asked.given,
            unread=[problem["field"] for problem in asked.problems],
            choices=self._choices(person_of(request), view),
            kpis=ASKED_KPIS,
            has_charts=bool(view.charts),
            download_href=download_href,
        )

    @needs(Right.REPORTS_SEE)
    async def definitions(self, request: web.Request) -> web.Response:
        """What each KPI means, from the formulas."""
        return page(request, "report_definitions.html", definitions=definitions())

    @open_to(Audience.ANYBODY)
    async def plotly(self, request: web.Request) -> web.StreamResponse:
        """The library that draws charts: four megabytes, the same until the package is changed."""
        del request
        return web.FileResponse(PLOTLY, headers={"Cache-Control": "public, max-age=86400"})

    @needs(Right.REPORTS_SEE)
    async def comparison(self, request: web.Request) -> web.Response:
        """Bot versus human: `?from= &to= &branch= &topic= &queue= &hour= &by=day`."""
        asked = self._asked(request)
        problems = [*asked.problems]
        if request.query.get("by", "day") != "day":
            problems.append({"field": "by", "message": "allowed: day"})
        if problems:
            raise Rejected(400, "invalid", problems)
        found = await _told(self._made.report(asked.filters, by_day="by" in request.query))
        return json_answer(report_json(found))

    @property
    def _made(self) -> Reports:
        """Raises `Rejected` where the process has none."""
        if self._parts.reports is None:
            raise Rejected(503, "no_reports")
        return self._parts.reports

    def _asked(self, request: web.Request) -> Asked:
        """Read the address.

        Raises:
            Rejected: 404 for a branch that whoever asks may not see.
        """
        router, person = self._parts.router, person_of(request)
        asked = read_asked(request.query, router.known_branches, person.branches)
        branch = asked.filters.branch
        if branch and not person.may(Right.REPORTS_SEE, branch):
            raise Rejected(404, "not_found")
        return asked

    def _choices(self, person: Person, view: View) -> dict[str, list[str]]:
        known = set(self._parts.router.known_branches) | set(view.choices["branch"])
        branches = sorted(name for name in known if person.may(Right.REPORTS_SEE, name))
        return {**{name: list(values) for name, values in view.choices.items()}, "branch": branches}


def read_asked(query: Mapping[str, str], known: frozenset[str], seen: frozenset[str] | None) -> Asked:
    """Read a query; what cannot be read is named and left out.

    Args:
        query: names and values.
        known: branches there are.
        seen: branches that whoever asks may see; None: all.
    """
    given = {name: value.strip() for name in NAMES if (value := query.get(name, "")).strip()}
    problems: list[Mapping[str, str]] = []

    def refuse(name: str, message: str) -> None:
        problems.append({"field": name, "message": message})
        given.pop(name, None)

    days: dict[str, date | None] = dict.fromkeys(("from", "to", "day"))
    for name in days:
        try:
            days[name] = date.fromisoformat(given[name]) if name in given else None
        except ValueError:
            refuse(name, "a day like 2026-03-01")
    if days["from"] and days["to"] and days["from"] > days["to"]:
        refuse("to", "not before from")
        days["to"] = None
    hour = given.get("hour", "")
    if hour and not (hour.isascii() and hour.isdigit() and int(hour) < 24):
        refuse("hour", "0 to 23")
    if given.get("branch", "") not in {"", *known}:
        refuse("branch", f"allowed: {', '.join(sorted(known))}")
    for name in ("topic", "queue"):
        if len(given.get(name, "")) > MAX_CHARS:
            refuse(name, f"at most {MAX_CHARS} characters")
    filters = Filters(
        days["from"],
        days["to"],
        seen,
        given.get("branch", ""),
        given.get("topic", ""),
        given.get("queue", ""),
        int(given["hour"]) if "hour" in given else None,
    )
    return Asked(filters, days["day"], given, tuple(problems))


async def _told(work: Any) -> Any:
    """Raises `Rejected` 503 while the export or the store cannot be read."""
    try:
        return await work
    except StorageError as error:
        raise Rejected(503, "storage_unavailable") from error


def _file(text: str, form: str) -> web.Response:
    """A download; the policy of a file that stands alone allows its own style and nothing else."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; sandbox"
    return web.Response(
        text=text,
        content_type=FORMS[form],
        charset="utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="report.{form}"',
            "Content-Security-Policy": policy,
        },
    )
