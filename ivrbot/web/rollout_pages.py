"""The rollout as a product owner reads it: every branch's ladder, what it has shown, in a sentence and a picture.

Takes requests, gives pages. What may be done is in `rollout_acts`; all numbers come from the same functions as the
HTTP API's and the command line's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web

from ivrbot.errors import StorageError
from ivrbot.model.people import Person, Right
from ivrbot.model.proposals import Proposal
from ivrbot.model.rollout import ALL_BRANCHES, AuditRow, effective_states
from ivrbot.reports.certificate_page import Sayer
from ivrbot.rollout.forecasting.outlooks import View
from ivrbot.rollout.governing import proposals
from ivrbot.rollout.governing.audit import WHO
from ivrbot.rollout.governing.certificate import Evidenced, evidenced, promotions
from ivrbot.rollout.planning.plan import BranchPlan, Stage
from ivrbot.rollout.rows import Outlook, Row
from ivrbot.storage.call_list import CallList
from ivrbot.storage.rollout_book import RolloutBook
from ivrbot.web.answers import Rejected
from ivrbot.web.caller import needs, person_of, require
from ivrbot.web.parts import WebParts
from ivrbot.web.rendering import labels_of, language_of, page, texts_of
from ivrbot.web.rollout_status import RolloutStatus
from ivrbot.web.rollout_words import immature, reason_of, snapshot_in, statement
from ivrbot.web.saying import Say
from ivrbot.web.timeline import Words

PATIENCE_S: Final = 4.0
"""How long a page waits for the evidence of all branches; what is not there by then comes with the next look."""
REALISED: Final = timedelta(days=7)
SHOWN_ROWS: Final = 30
WITHOUT_NEWS: Final = frozenset({"hold", "adopt"})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BranchView:
    """A branch as the template shows it.

    Attributes:
        row: of the status (stage, share, since, ...).
        ladder: None for a branch that left the plan.
        rung: present one, None when not started.
        view: evidence and outlook; None when it is not there.
        evidence: measures as judged; None without a comparison.
        sentence: the verdict.
        days: on the rung, None when not known.
        maturing: callers whose values do not count yet.
        realised: share of the branch's calls that went to the bot lately, None without calls.
        asked: the proposal that waits, None when none does.
    """

    row: Row
    ladder: BranchPlan | None
    rung: Stage | None
    view: View | None
    evidence: Evidenced | None
    sentence: str
    days: int | None
    maturing: int
    realised: float | None
    asked: Proposal | None

    @property
    def name(self) -> str:
        """Name of the branch."""
        return str(self.row["branch"])


class RolloutPages:
    """Handlers of `/rollout` and `/rollout/{branch}`.

    Args:
        parts: of the process.
        now: aware UTC clock.
    """

    def __init__(self, parts: WebParts, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._parts = parts
        self._now = now
        self._status = RolloutStatus(parts.store, now)
        self._book = RolloutBook(parts.store)
        self._calls = CallList(parts.store)
        self._looking: asyncio.Task[Mapping[str, View]] | None = None

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers are mounted."""
        return [
            web.get("/rollout", self.ladders),
            web.get("/rollout/exclusions", self.exclusions),
            web.get("/rollout/{branch}", self.branch),
        ]

    @needs(Right.ROLLOUT_SEE)
    async def ladders(self, request: web.Request) -> web.Response:
        """Every branch, and what waits for a decision."""
        person, words = person_of(request), self._words(request)
        branches = await self._branches(person, words)
        own = await self._parts.store.own_states()
        everything = own.get(ALL_BRANCHES)
        waiting = [item for item in await self._open() if person.sees(frozenset({item.branch}))]
        return page(
            request,
            "rollout.html",
            branches=branches,
            waiting=waiting,
            sentences=await self._reasons(waiting, words),
            all_killed=everything is not None and everything.killed,
            **self._shared(request, person, words),
        )

    @needs(Right.ROLLOUT_SEE)
    async def branch(self, request: web.Request) -> web.Response:
        """One branch with all its numbers and its history."""
        name = request.match_info["branch"]
        person = require(request, Right.ROLLOUT_SEE, name)
        words = self._words(request)
        found = next((item for item in await self._branches(person, words) if item.name == name), None)
        if found is None:
            raise Rejected(404, "not_found")
        rows = await self._parts.store.history(name)
        asked = [found.asked] if found.asked is not None else []
        return page(
            request,
            "rollout_branch.html",
            item=found,
            history=_news(rows),
            reasons={row.seq: text for row in _news(rows) if (text := reason_of(row, words))},
            sentences=await self._reasons(asked, words),
            certified={row.seq for row in promotions(rows)},
            **self._shared(request, person, words),
        )

    @needs(Right.ROLLOUT_SEE)
    async def exclusions(self, request: web.Request) -> web.Response:
        """Callers kept out of the draw; who they are cannot be told from it."""
        person, words = person_of(request), self._words(request)
        found = [
            item
            for item in await self._book.exclusions()
            if item.branch == ALL_BRANCHES or person.sees(frozenset({item.branch}))
        ]
        return page(request, "exclusions.html", found=found, **self._shared(request, person, words))

    # --- what the templates get -----------------------------------------------------------------------

    def _words(self, request: web.Request) -> Words:
        language = language_of(request)
        say = Say(language, self._parts.router.plan.timezone)
        return Words(texts_of(language), labels_of(language), say)

    def _shared(self, request: web.Request, person: Person, words: Words) -> dict[str, Any]:
        plan, router = self._parts.router.plan, self._parts.router
        done = request.query.get("done", "")
        return {
            "plan": plan,
            "plan_error": router.plan_error,
            "say": words.say,
            "sayer": Sayer(words.say.language, plan.timezone),
            "may_change": person.may(Right.ROLLOUT_CHANGE),
            "everywhere": person.branches is None,
            "done": words.t.get(f"done_{done}", "") if done else "",
        }

    async def _branches(self, person: Person, words: Words) -> list[BranchView]:
        router, now = self._parts.router, self._now()
        try:
            seen = await self._views()
            rows = await self._status.states(router.plan, seen, router.plan_error)
            realised = await self._calls.realised(now - REALISED)
            waiting = {item.branch: item for item in await self._open()}
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        return [
            self._branch_view(row, seen.get(name), realised.get(name), waiting.get(name), words)
            for row in rows
            if person.sees(frozenset({name := str(row["branch"])}))
        ]

    async def _views(self) -> Mapping[str, View]:
        """The evidence, if it is there in time; counting goes on for whoever asks next."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._status.views(self._parts.router.plan), name="rollout-look")
        try:
            return await asyncio.wait_for(asyncio.shield(self._looking), PATIENCE_S)
        except TimeoutError:
            log.info("the evidence of all branches was not there within %g s: the audit's is shown", PATIENCE_S)
            return await self._kept()

    async def _reasons(self, asked: Sequence[Proposal], words: Words) -> dict[str, str]:
        """What the controller's proposals rest on, in the reader's language, by proposal."""
        by_seq = {item.evidence_seq: item.proposal_id for item in asked if item.proposer == WHO}
        if not by_seq:
            return {}
        rows = await self._parts.store.history()
        return {by_seq[row.seq]: text for row in rows if row.seq in by_seq and (text := reason_of(row, words))}

    async def _kept(self) -> dict[str, View]:
        """What the controller has seen last of each branch, for as long as the branch stands where it did."""
        own = effective_states(await self._parts.store.own_states())
        kept: dict[str, View] = {}
        for row in reversed(await self._parts.store.history()):
            if row.branch in kept or row.branch not in own:
                continue
            snapshot = snapshot_in(row.detail)
            if snapshot is not None and snapshot.state == own[row.branch]:
                kept[row.branch] = View(snapshot, Outlook())
        return kept

    async def _open(self) -> Sequence[Proposal]:
        found = await proposals.current(self._parts.store, self._book, self._now())
        return [item for item in found if proposals.is_open(item)]

    def _branch_view(
        self, row: Row, view: View | None, realised: float | None, asked: Proposal | None, words: Words
    ) -> BranchView:
        ladder = self._parts.router.plan.branches.get(str(row["branch"]))
        rung = ladder.stage(str(row["stage"])) if ladder is not None else None
        since = datetime.fromisoformat(str(row["since"])) if row["since"] else None
        known = view.snapshot.evidence if view is not None else None
        return BranchView(
            row=row,
            ladder=ladder,
            rung=rung,
            view=view,
            evidence=evidenced(view.snapshot) if view is not None and view.snapshot.decision.metrics else None,
            sentence=_sentence(row, view, words),
            days=(self._now() - since) // timedelta(days=1) if since is not None else None,
            maturing=immature(known) if known is not None else 0,
            realised=realised,
            asked=asked,
        )


def _sentence(row: Row, view: View | None, words: Words) -> str:
    """The verdict of a branch; for one that is on no rung, why."""
    statements = words.labels["statements"]
    if row["killed"]:
        return statements["killed"]
    if not row["stage"]:
        after = str(row["after"] or "")
        if not after:
            return statements["not_started"]
        return statements["waits_after"].format(after=words.name("branches", after))
    return words.t["rollout_no_view"] if view is None else statement(view.snapshot, words)


def _news(rows: Sequence[AuditRow]) -> list[AuditRow]:
    """The newest rows first; looks that changed nothing are left out unless they are the newest."""
    newest_first = list(reversed(rows))
    return [row for at, row in enumerate(newest_first) if at == 0 or row.action not in WITHOUT_NEWS][:SHOWN_ROWS]
