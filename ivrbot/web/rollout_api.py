"""The rollout over HTTP: where a call goes, for an IVR that the bank already has; states, and changes to them.

Takes requests, gives JSON rows. Changes are signed with the name of whoever is logged in, or of the token shown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from aiohttp import web
from pydantic import AfterValidator, StringConstraints

from ivrbot.call.door import canonical_call_id
from ivrbot.call.router import Router
from ivrbot.errors import ConfigError, StorageConflict, StorageError
from ivrbot.language.masking import mask_typed
from ivrbot.model.call import CallId
from ivrbot.model.experiment import Route
from ivrbot.model.people import Person, Right
from ivrbot.model.rollout import ALL_BRANCHES
from ivrbot.rollout import rows
from ivrbot.rollout.governing import control, proposals
from ivrbot.rollout.governing.proposals import Desk
from ivrbot.storage.rollout_book import RolloutBook
from ivrbot.web.answers import Body, Rejected, is_form, json_answer, read_body
from ivrbot.web.caller import needs, person_of, require
from ivrbot.web.parts import WebParts
from ivrbot.web.people_behind import is_same_human
from ivrbot.web.rollout_status import RolloutStatus

BranchText = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Why = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(mask_typed)]

T = TypeVar("T")


class Question(Body):
    """Body of `POST /api/v1/rollout/decision`."""

    branch: BranchText
    call_id: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
    caller: Annotated[str, StringConstraints(max_length=32)] = ""
    trunk: Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9._:+/@-]*$")] = ""
    topic: Annotated[str, StringConstraints(max_length=64)] = ""


class Reason(Body):
    """Body of a kill, a resume or a rollback."""

    why: Why


class Wanted(Body):
    """Body of a proposal; without a share the next rung."""

    why: Why
    share: float | None = None
    override: bool = False


class Answer(Body):
    """Body of an approval or a rejection."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=16)]
    why: Why


class RolloutApi:
    """Handlers of `/api/v1/rollout`.

    Args:
        parts: of the process.
        now: aware UTC clock.
    """

    def __init__(self, parts: WebParts, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._parts = parts
        self._now = now
        self._book = RolloutBook(parts.store)
        self._status = RolloutStatus(parts.store, now)

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers are mounted."""
        return [
            web.post("/api/v1/rollout/decision", self.decision),
            web.get("/api/v1/rollout", self.status),
            web.get("/api/v1/rollout/proposals", self.proposals),
            web.get("/api/v1/rollout/history", self.history),
            web.post("/api/v1/rollout/kill", self.kill),
            web.post("/api/v1/rollout/resume", self.resume),
            web.post("/api/v1/rollout/{branch}/propose", self.propose),
            web.post("/api/v1/rollout/{branch}/approve", self.approve),
            web.post("/api/v1/rollout/{branch}/reject", self.reject),
            web.post("/api/v1/rollout/{branch}/rollback", self.rollback),
            web.post("/api/v1/rollout/{branch}/kill", self.kill),
            web.post("/api/v1/rollout/{branch}/resume", self.resume),
        ]

    @needs(Right.CALLS_REGISTER)
    async def decision(self, request: web.Request) -> web.Response:
        """Draw a call and store its exposure; asked again for the same call, the answer is the same.

        While the store is away the answer is "operator", and the call is in neither arm. To a form the answer is
        the bare route.
        """
        question = await read_body(request, Question)
        router = self._parts.router
        _check(question, router)
        if not person_of(request).sees(frozenset({question.branch})):
            raise Rejected(404, "not_found")
        call_id = canonical_call_id(question.call_id) or CallId(question.call_id)
        assignment = await router.assign(
            question.branch,
            caller=question.caller,
            call_id=call_id,
            trunk=question.trunk,
            topic=question.topic,
        )
        await self._parts.calls.learn_decision(
            call_id,
            to_bot=assignment.route is Route.BOT,
            topic=question.topic or router.key_topic(question.branch),
        )
        if is_form(request):
            return web.Response(text=assignment.route.value)
        return json_answer(rows.assignment_row(assignment))

    @needs(Right.ROLLOUT_SEE)
    async def status(self, request: web.Request) -> web.Response:
        """One row per branch."""
        router = self._parts.router
        found = await _told(self._status.rows(router.plan, router.plan_error))
        return json_answer([row for row in found if _is_seen(request, str(row["branch"]))])

    @needs(Right.ROLLOUT_SEE)
    async def proposals(self, request: web.Request) -> web.Response:
        """Every proposal, oldest first, as it stands now."""
        found = await _told(proposals.current(self._parts.store, self._book, self._now()))
        return json_answer([rows.proposal_row(item) for item in found if _is_seen(request, item.branch)])

    @needs(Right.ROLLOUT_SEE)
    async def history(self, request: web.Request) -> web.Response:
        """Audit rows, oldest first; `?branch=` of one branch."""
        found = await _told(self._parts.store.history(request.query.get("branch")))
        return json_answer([rows.history_row(row) for row in found if _is_seen(request, row.branch)])

    @needs(Right.ROLLOUT_CHANGE)
    async def propose(self, request: web.Request) -> web.Response:
        """Ask for a rise."""
        branch = _own_branch(request)
        body = await read_body(request, Wanted)
        made = await _told(
            proposals.propose(
                self._desk(),
                branch,
                body.share,
                who=person_of(request).name,
                why=body.why,
                at=self._now(),
                override=body.override,
            )
        )
        return json_answer(rows.proposal_row(made))

    @needs(Right.ROLLOUT_CHANGE)
    async def approve(self, request: web.Request) -> web.Response:
        """Do what was proposed."""
        body = await self._answer(request)
        await self._two_persons(person_of(request), body.id)
        change = await _told(
            proposals.approve(self._desk(), body.id, who=person_of(request).name, why=body.why, at=self._now())
        )
        return json_answer([rows.change_row(change)])

    @needs(Right.ROLLOUT_CHANGE)
    async def reject(self, request: web.Request) -> web.Response:
        """Refuse what was proposed."""
        body = await self._answer(request)
        ended = await _told(
            proposals.reject(self._desk(), body.id, who=person_of(request).name, why=body.why, at=self._now())
        )
        return json_answer(rows.proposal_row(ended))

    @needs(Right.ROLLOUT_CHANGE)
    async def rollback(self, request: web.Request) -> web.Response:
        """Back to share 0."""
        branch = _own_branch(request)
        body = await read_body(request, Reason)
        change = await _told(
            control.rollback(
                self._parts.router.plan,
                self._parts.store,
                branch,
                who=person_of(request).name,
                why=body.why,
                at=self._now(),
            )
        )
        return json_answer([rows.change_row(change)])

    @needs(Right.ROLLOUT_CHANGE)
    async def kill(self, request: web.Request) -> web.Response:
        """Every later call of a branch, or of all, goes to operators."""
        branch = _branch(request)
        body = await read_body(request, Reason)
        changes = await _told(
            control.kill(
                self._parts.store,
                branch,
                who=person_of(request).name,
                why=body.why,
                at=self._now(),
                known=sorted(self._parts.router.known_branches),
            )
        )
        return json_answer([rows.change_row(change) for change in changes])

    @needs(Right.ROLLOUT_CHANGE)
    async def resume(self, request: web.Request) -> web.Response:
        """Take a kill back; where the plan asks for two persons, the proposal to do so."""
        branch = _branch(request)
        body = await read_body(request, Reason)
        done = await _told(
            proposals.resume(self._desk(), branch, who=person_of(request).name, why=body.why, at=self._now())
        )
        if isinstance(done, list):
            return json_answer([rows.change_row(change) for change in done])
        return json_answer(rows.proposal_row(done), status=202)

    def _desk(self) -> Desk:
        return Desk(self._parts.router.plan, self._parts.store, self._book)

    async def _answer(self, request: web.Request) -> Answer:
        """The body; its proposal must be one of the branch in the address."""
        branch = _own_branch(request)
        body = await read_body(request, Answer)
        found = await _told(self._book.proposal(body.id))
        if found is not None and found.branch != branch:
            message = f"is a proposal for branch {found.branch}"
            raise Rejected(400, "invalid", [{"field": "id", "message": message}])
        return body

    async def _two_persons(self, approver: Person, proposal_id: str) -> None:
        """Refuse whoever would approve his own proposal by a token that he made, or the other way round.

        Raises:
            Rejected: 400, where the plan asks for two persons.
        """
        found = await _told(self._book.proposal(proposal_id))
        if found is None or not self._parts.router.plan.two_person:
            return
        if await _told(is_same_human(self._parts.people, found.proposer, approver.name)):
            message = "whoever proposed it cannot approve it; allowed: another person"
            raise Rejected(400, "invalid", [{"field": "id", "message": message}])


def _check(question: Question, router: Router) -> None:
    """Whether the menu has what is asked about.

    Raises:
        Rejected: 400, naming what there is.
    """
    known = router.known_branches
    if question.branch not in known:
        message = f"no such branch; allowed: {', '.join(sorted(known))}"
        raise Rejected(400, "invalid", [{"field": "branch", "message": message}])
    branch = router.menu.branches.get(question.branch)
    topics = branch.topics if branch is not None else {}
    if question.topic and question.topic not in topics:
        message = f"no such topic of the branch; allowed: {', '.join(topics) or 'none'}"
        raise Rejected(400, "invalid", [{"field": "topic", "message": message}])


def _branch(request: web.Request) -> str | None:
    """The branch of the address; None for all, which takes a right to all.

    Raises:
        Rejected: 403, or 404 for another's branch.
    """
    if request.match_info.get("branch", ALL_BRANCHES) != ALL_BRANCHES:
        return _own_branch(request)
    if person_of(request).branches is not None:
        raise Rejected(403, "forbidden", [{"field": "branch", "message": "needs a right to every branch"}])
    return None


def _own_branch(request: web.Request) -> str:
    """The branch of the address.

    Raises:
        Rejected: 404 for another's branch.
    """
    branch = request.match_info["branch"]
    require(request, Right.ROLLOUT_CHANGE, branch)
    return branch


def _is_seen(request: web.Request, branch: str) -> bool:
    """Whether rows of a branch are for whoever asks; those about all branches are for everybody."""
    return branch == ALL_BRANCHES or person_of(request).sees(frozenset({branch}))


async def _told(work: Awaitable[T]) -> T:
    """Wait for something; expected errors become answers.

    Raises:
        Rejected: 400 for what may not be done, 409 when somebody was faster, 503 without the store.
    """
    try:
        return await work
    except ConfigError as error:
        problems = [
            {
                "field": item.path,
                "message": item.message + (f"; allowed: {item.allowed}" if item.allowed else ""),
            }
            for item in error.problems
        ]
        raise Rejected(400, "invalid", problems) from error
    except StorageConflict as error:
        raise Rejected(409, "changed_meanwhile") from error
    except StorageError as error:
        raise Rejected(503, "storage_unavailable") from error
