"""What a person does to the rollout from a page: a form that says what will follow, asks why, and then does it.

Takes requests of forms (GET shows, POST does, then leads back to the branch), gives pages. Each change goes by
the functions that the HTTP API and the command line use, signed with the name of whoever is logged in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from ivrbot.errors import ConfigError, StorageConflict, StorageError
from ivrbot.model.evidence import ShadowEvidence
from ivrbot.model.people import Person, Right
from ivrbot.model.proposals import Exclusion, Proposal
from ivrbot.model.rollout import ALL_BRANCHES
from ivrbot.rollout.governing import control, proposals
from ivrbot.rollout.governing.proposals import Desk
from ivrbot.rollout.governing.standing import standings
from ivrbot.rollout.governing.steps import refusal
from ivrbot.rollout.judging.decide import shadow_lacks
from ivrbot.rollout.planning.plan import BranchPlan
from ivrbot.storage.rollout_book import RolloutBook
from ivrbot.storage.shadow import ShadowBook
from ivrbot.web.answers import Rejected
from ivrbot.web.caller import needs, require
from ivrbot.web.parts import WebParts
from ivrbot.web.people_behind import is_same_human
from ivrbot.web.rendering import labels_of, language_of, page, texts_of
from ivrbot.web.rollout_words import refusal_text
from ivrbot.web.saying import Say
from ivrbot.web.timeline import Words

ALL: Final = "all"
"""Stands for every branch in an address."""
EVERYWHERE: Final = frozenset({"kill", "resume", "exclude", "include"})
"""What may be done to all branches at once."""
KINDS: Final = ("vip", "opt_out")
MAX_WHY_CHARS: Final = 500


@dataclass(frozen=True, slots=True)
class Form:
    """What somebody wants, and says.

    Attributes:
        branch: name, `ALL_BRANCHES` for all.
        proposal: that is approved or rejected, None else.
        fields: as sent.
    """

    branch: str
    who: str
    why: str
    at: datetime
    proposal: Proposal | None
    fields: Mapping[str, str]

    @property
    def one(self) -> str | None:
        """The branch; None for all."""
        return None if self.branch == ALL_BRANCHES else self.branch

    @property
    def override(self) -> bool:
        """Whether a rule of the plan is to be set aside."""
        return bool(self.fields.get("override"))

    @property
    def share(self) -> float:
        """The share chosen.

        Raises:
            ConfigError: none was.
        """
        try:
            return float(self.fields.get("share", ""))
        except ValueError as error:
            raise refusal("share", "not a share of the ladder") from error


class RolloutActs:
    """Handlers of `/rollout/{branch}/{act}`.

    Args:
        parts: of the process.
        now: aware UTC clock.
    """

    def __init__(self, parts: WebParts, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._parts = parts
        self._now = now
        self._book = RolloutBook(parts.store)
        self._does: Mapping[str, Callable[[Form], Awaitable[str]]] = {
            "propose": self._propose,
            "approve": self._approve,
            "reject": self._reject,
            "set": self._set,
            "rollback": self._rollback,
            "kill": self._kill,
            "resume": self._resume,
            "exclude": self._exclude,
            "include": self._include,
        }

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers are mounted."""
        path = f"/rollout/{{branch}}/{{act:{'|'.join(self._does)}}}"
        return [web.get(path, self.ask), web.post(path, self.do)]

    @needs(Right.ROLLOUT_CHANGE)
    async def ask(self, request: web.Request) -> web.Response:
        """The form: what will follow, and why it is to be done."""
        person, branch = self._about(request)
        try:
            return await self._form(request, person, branch, request.query, refused="")
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error

    @needs(Right.ROLLOUT_CHANGE)
    async def do(self, request: web.Request) -> web.Response:
        """Do it, and go back to the branch; the form again, with the reason, when it is refused."""
        person, branch = self._about(request)
        sent = await request.post()
        fields = {name: value for name, value in sent.items() if isinstance(value, str)}
        try:
            proposal = await self._proposal(branch, fields.get("id", ""))
            why = fields.get("why", "").strip()[:MAX_WHY_CHARS]
            form = Form(branch, person.name, why, self._now(), proposal, fields)
            done = await self._does[request.match_info["act"]](form)
        except ConfigError as error:
            return await self._form(
                request, person, branch, fields, refused=refusal_text(error, _words(request, self._parts))
            )
        except StorageConflict:
            text = _words(request, self._parts).labels["rollout_refusals"]["changed_meanwhile"]
            return await self._form(request, person, branch, fields, refused=text)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        where = "/rollout/exclusions" if done in {"exclude", "include"} else "/rollout"
        raise web.HTTPSeeOther(f"{where}?done={done}")

    def _about(self, request: web.Request) -> tuple[Person, str]:
        """Who asks, and for which branch.

        Raises:
            Rejected: 403 or 404; 404, too, for what cannot be done to all branches.
        """
        name, act = request.match_info["branch"], request.match_info["act"]
        if name == ALL:
            person = require(request, Right.ROLLOUT_CHANGE)
            if act not in EVERYWHERE or person.branches is not None:
                raise Rejected(404, "not_found")
            return person, ALL_BRANCHES
        person = require(request, Right.ROLLOUT_CHANGE, name)
        if name not in self._parts.router.known_branches | self._parts.router.plan.branches.keys():
            raise Rejected(404, "not_found")
        return person, name

    async def _form(
        self, request: web.Request, person: Person, branch: str, fields: Mapping[str, str], *, refused: str
    ) -> web.Response:
        router, act = self._parts.router, request.match_info["act"]
        ladder = router.plan.branches.get(branch)
        held = (await self._parts.store.own_states()).get(branch)
        proposal = await self._proposal(branch, fields.get("id", ""))
        if act in {"approve", "reject"} and proposal is None:
            raise Rejected(404, "not_found")
        share = held.share if held is not None else 0.0
        return page(
            request,
            "rollout_act.html",
            status=400 if refused else 200,
            act=act,
            branch=branch,
            proposal=proposal,
            now_share=share,
            shares=_shares(ladder, share, act),
            chosen=_chosen(ladder, held.stage if held is not None else "", fields),
            branches=sorted(router.known_branches),
            kinds=KINDS,
            fields=fields,
            refused=refused,
            plan=router.plan,
            mine=proposal is not None and proposal.proposer == person.name,
            say=Say(language_of(request), router.plan.timezone),
        )

    async def _proposal(self, branch: str, proposal_id: str) -> Proposal | None:
        """The proposal that a form names, if it is one of its branch."""
        found = await self._book.proposal(proposal_id) if proposal_id else None
        return found if found is not None and found.branch == branch else None

    # --- what is done; each gives the name of what has happened ---------------------------------------

    def _desk(self) -> Desk:
        return Desk(self._parts.router.plan, self._parts.store, self._book)

    async def _propose(self, form: Form) -> str:
        await proposals.propose(
            self._desk(), form.branch, form.share, who=form.who, why=form.why, at=form.at, override=form.override
        )
        return "propose"

    async def _approve(self, form: Form) -> str:
        proposer = form.proposal.proposer if form.proposal is not None else ""
        if self._parts.router.plan.two_person and await is_same_human(self._parts.people, proposer, form.who):
            raise refusal("id", "whoever proposed it cannot approve it", allowed="another person")
        await proposals.approve(self._desk(), _id(form), who=form.who, why=form.why, at=form.at)
        return "approve"

    async def _reject(self, form: Form) -> str:
        await proposals.reject(self._desk(), _id(form), who=form.who, why=form.why, at=form.at)
        return "reject"

    async def _set(self, form: Form) -> str:
        await control.set_share(
            self._parts.router.plan,
            self._parts.store,
            form.branch,
            form.share,
            who=form.who,
            why=form.why,
            at=form.at,
            override=form.override,
            early=form.share > 0 and await self._leaves_shadow_early(form),
        )
        return "set"

    async def _leaves_shadow_early(self, form: Form) -> bool:
        """Whether the shadow rung has not shown all that the plan asks for; the audit keeps it."""
        ladder = self._parts.router.plan.branches.get(form.branch)
        held = (await self._parts.store.own_states()).get(form.branch)
        if ladder is None or held is None or not held.stage or held.share > 0:
            return False
        standing = standings(await self._parts.store.history()).get(form.branch)
        since = standing.since if standing is not None else None
        shadow = await ShadowBook(self._parts.store).evidence(form.branch, since) if since else ShadowEvidence()
        return bool(shadow_lacks(ladder, held, shadow, since, form.at))

    async def _rollback(self, form: Form) -> str:
        plan, store = self._parts.router.plan, self._parts.store
        await control.rollback(plan, store, form.branch, who=form.who, why=form.why, at=form.at)
        return "rollback"

    async def _kill(self, form: Form) -> str:
        known = sorted(self._parts.router.known_branches)
        await control.kill(self._parts.store, form.one, who=form.who, why=form.why, at=form.at, known=known)
        return "kill"

    async def _resume(self, form: Form) -> str:
        done = await proposals.resume(self._desk(), form.one, who=form.who, why=form.why, at=form.at)
        return "resume" if isinstance(done, list) else "resume_asked"

    async def _exclude(self, form: Form) -> str:
        control.require(why=form.why)
        unit, kind = self._parts.router.unit_of_number(form.fields.get("number", "")), form.fields.get("kind", "")
        where = form.fields.get("where", form.branch) if form.branch == ALL_BRANCHES else form.branch
        if unit is None:
            raise refusal("number", "no number")
        if kind not in KINDS or where not in {ALL_BRANCHES, *self._parts.router.known_branches}:
            raise refusal("kind", "is required")
        await self._book.exclude(Exclusion(unit, kind, where, form.who, form.why, form.at))
        return "exclude"

    async def _include(self, form: Form) -> str:
        control.require(why=form.why)
        unit = form.fields.get("unit", "")
        if not await self._book.include(unit, form.branch, who=form.who, why=form.why, at=form.at):
            raise refusal("unit", "not_excluded")
        return "include"


def _id(form: Form) -> str:
    if form.proposal is None:
        raise refusal("id", "no such proposal")
    return form.proposal.proposal_id


def _words(request: web.Request, parts: WebParts) -> Words:
    language = language_of(request)
    return Words(texts_of(language), labels_of(language), Say(language, parts.router.plan.timezone))


def _shares(ladder: BranchPlan | None, share: float, act: str) -> list[float]:
    """Shares that a form offers: a proposal goes up, a setting anywhere else."""
    stages = ladder.stages if ladder is not None else ()
    if act == "propose":
        return [stage.share for stage in stages if stage.share > share]
    return [stage.share for stage in stages if stage.share != share] if act == "set" else []


def _chosen(ladder: BranchPlan | None, stage: str, fields: Mapping[str, str]) -> float | None:
    """The share that stands first: what was sent, else the next rung."""
    try:
        return float(fields["share"])
    except (KeyError, ValueError):
        pass
    if ladder is None:
        return None
    rung = ladder.index(stage) + 1
    return ladder.stages[rung].share if rung < len(ladder.stages) else None
