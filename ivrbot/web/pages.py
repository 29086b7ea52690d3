"""The pages that need no data of their own: live calls, softphone, desk; static files."""

from __future__ import annotations

from aiohttp import web

from ivrbot.bank.demo import CUSTOMERS
from ivrbot.model.people import Right
from ivrbot.web.board import LiveBoard
from ivrbot.web.caller import Audience, needs, open_to, person_of
from ivrbot.web.events import Streams
from ivrbot.web.rendering import FOLDER, language_of, page


class Pages:
    """Handlers of everything that a person looks at."""

    def __init__(self, board: LiveBoard, streams: Streams) -> None:
        self._board = board
        self._streams = streams

    def routes(self) -> list[web.AbstractRouteDef]:
        """Where the handlers are mounted."""
        return [
            web.get("/", self.live),
            web.get("/phone", self.phone),
            web.get("/desk", self.desk),
            web.get("/web/live", self.live_rows, allow_head=False),
            web.static("/static", FOLDER / "static"),
        ]

    @needs(Right.CALLS_SEE)
    async def live(self, request: web.Request) -> web.Response:
        """Calls under way."""
        return page(request, "live.html")

    @open_to(Audience.CALLER)
    async def phone(self, request: web.Request) -> web.Response:
        """The softphone."""
        language = language_of(request)
        spelt = [(customer.phone, dict(customer.names[:2])[language]) for customer in CUSTOMERS]
        customers = [{"phone": phone, "name": f"{names[0]} {names[-1]}"} for phone, names in spelt]
        return page(request, "phone.html", customers=customers)

    @needs(Right.DESK_USE)
    async def desk(self, request: web.Request) -> web.Response:
        """The operator's desk."""
        return page(request, "desk.html")

    @needs(Right.CALLS_SEE)
    async def live_rows(self, request: web.Request) -> web.StreamResponse:
        """The board, whenever it changes."""
        return await self._streams.send(request, self._board.watch(person_of(request)))
