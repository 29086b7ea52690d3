"""Help: what each page answers, what the words mean, what the bot understands, where the API is.

Takes requests, gives the page `/docs`; everything on it comes from where the product itself has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from ivrbot.web.caller import Audience, open_to, person_of
from ivrbot.web.parts import WebParts
from ivrbot.web.rendering import navigation_of, page

WORDS_BY_PAGE: Final[Mapping[str, tuple[str, ...]]] = {
    "rollout": (
        "branch",
        "rung",
        "share",
        "realised_share",
        "holdback",
        "shadow",
        "proposal",
        "two_person",
        "override",
        "kill",
        "rollback",
        "exclusion",
        "certificate",
    ),
    "evidence": (
        "exposure",
        "arm",
        "propensity",
        "primary",
        "guardrail",
        "margin",
        "non_inferior",
        "interval",
        "verdict",
        "maturing",
        "callers_needed",
        "earliest_day",
        "srm",
        "freshness",
        "epoch",
    ),
    "calls": (
        "topic",
        "disposition",
        "outcome",
        "level",
        "escalation",
        "dossier",
        "response_gap",
        "barge_in",
        "no_match",
        "no_input",
        "confidence",
        "chain",
    ),
}
"""The glossary by what it is needed for."""


class DocsPages:
    """Handler of `/docs`."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts

    def routes(self) -> list[web.RouteDef]:
        """Where the handler is mounted."""
        return [web.get("/docs", self.docs)]

    @open_to(Audience.SOMEBODY)
    async def docs(self, request: web.Request) -> web.Response:
        """The help page."""
        menu = self._parts.router.menu
        topics = [
            (name, topic, entry.flow is not None)
            for name, branch in menu.branches.items()
            for topic, entry in branch.topics.items()
        ]
        return page(
            request, "docs.html", pages=navigation_of(person_of(request)), topics=topics, groups=WORDS_BY_PAGE
        )
