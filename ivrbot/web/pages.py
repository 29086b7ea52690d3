"""The pages: live calls, softphone, operator's desk, documentation; static files; the language of their texts.

Takes requests, gives HTML rendered by Jinja2 with autoescape. Nothing inline: scripts and styles are files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ivrbot.bank.demo import CUSTOMERS
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.web.board import LiveBoard
from ivrbot.web.events import Streams
from ivrbot.web.texts import LABELS, TEXTS

FOLDER: Final = Path(__file__).parent
COOKIE: Final = "lang"
COOKIE_S: Final = 365 * 24 * 3600


class Pages:
    """Handlers of everything that a person looks at."""

    def __init__(self, board: LiveBoard, streams: Streams) -> None:
        self._board = board
        self._streams = streams
        self._templates = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def routes(self) -> list[web.AbstractRouteDef]:
        """Where the handlers are mounted."""
        return [
            web.get("/", self.live),
            web.get("/phone", self.phone),
            web.get("/desk", self.desk),
            web.get("/docs", self.docs),
            web.get("/web/live", self.live_rows, allow_head=False),
            web.static("/static", FOLDER / "static"),
        ]

    async def live(self, request: web.Request) -> web.Response:
        """Calls under way."""
        return self._page(request, "live.html")

    async def phone(self, request: web.Request) -> web.Response:
        """The softphone."""
        language = language_of(request)
        spelt = [(customer.phone, dict(customer.names[:2])[language]) for customer in CUSTOMERS]
        customers = [{"phone": phone, "name": f"{names[0]} {names[-1]}"} for phone, names in spelt]
        return self._page(request, "phone.html", customers=customers)

    async def desk(self, request: web.Request) -> web.Response:
        """The operator's desk."""
        return self._page(request, "desk.html")

    async def docs(self, request: web.Request) -> web.Response:
        """Where to read on."""
        return self._page(request, "docs.html")

    async def live_rows(self, request: web.Request) -> web.StreamResponse:
        """The board, whenever it changes."""
        return await self._streams.send(request, self._board.watch())

    def _page(self, request: web.Request, template: str, **values: Any) -> web.Response:
        language = language_of(request)
        texts = {key: text[language] for key, text in TEXTS.items()}
        labels = {kind: {key: text[language] for key, text in table.items()} for kind, table in LABELS.items()}
        html = self._templates.get_template(template).render(
            t=texts,
            texts_json=json.dumps({**texts, "labels": labels}, ensure_ascii=False),
            language=language,
            path=request.path,
            **values,
        )
        response = web.Response(text=html, content_type="text/html")
        if request.query.get("lang") == language:
            response.set_cookie(COOKIE, language, max_age=COOKIE_S, httponly=True, samesite="Strict")
        return response


def language_of(request: web.Request) -> Language:
    """Language of the page: as asked for, as chosen before, as the browser prefers, English."""
    accepted = (part.strip()[:2].lower() for part in request.headers.get("Accept-Language", "").split(","))
    for wish in (request.query.get("lang"), request.cookies.get(COOKIE), *accepted):
        for language in LANGUAGES:
            if wish == language:
                return language
    return "en"
