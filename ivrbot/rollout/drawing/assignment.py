"""Bot or operator: a pure, keyed, sticky draw.

Takes the plan, the branch's state and who is calling; gives an `Assignment`. The same caller gets the same number
in the same branch, so that whoever is with the bot at 10 % is with it at 20, 50 and 100 %. Pure.
"""

from __future__ import annotations

import hashlib
import hmac

import phonenumbers

from ivrbot.model.experiment import Arm, Assignment, BranchState, Route
from ivrbot.model.rollout import treatment_bound
from ivrbot.rollout.planning.plan import Plan

_TWO_64 = 2**64


def normalise_caller(number: str, region: str = "RU") -> str | None:
    """The caller's number in E.164, None when withheld or not a number of any country.

    Args:
        number: as signalled, in national or international form.
        region: ISO 3166 country whose national form is assumed.
    """
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def unit_of(caller: str | None, call_id: str, caller_key: bytes) -> str:
    """The unit of evidence: a caller, or a call whose number is withheld.

    Args:
        caller: E.164, None when withheld.
        call_id: used only then.
        caller_key: secret, not the salt of the plan: numbers are few enough to be tried out against an open key.

    Returns:
        64 hex characters.
    """
    kind, value = ("caller", caller) if caller is not None else ("call", call_id)
    return hmac.digest(caller_key, f"{kind}\x1f{value}".encode(), hashlib.sha256).hex()


def draw(salt: str, branch: str, unit: str) -> float:
    """The unit's number in a branch, 0..1.

    HMAC-SHA256(salt, branch 0x1F unit), the first 8 bytes big-endian as a fraction of 2^64.
    """
    digest = hmac.digest(salt.encode(), f"{branch}\x1f{unit}".encode(), hashlib.sha256)
    return int.from_bytes(digest[:8], "big") / _TWO_64


def assign(
    plan: Plan,
    state: BranchState | None,
    branch: str,
    *,
    caller: str | None,
    call_id: str,
    caller_key: bytes,
    eligible: bool = True,
    why_not: str = "",
) -> Assignment:
    """Decide a call.

    Args:
        plan: what may happen.
        state: what is in force in the branch, with the kill switch of everything folded in; None: nothing yet.
        branch: where the caller's topic belongs.
        caller: E.164 (see `normalise_caller`), None when withheld.
        call_id: of the call.
        caller_key: secret key of the units.
        eligible: the bot could and may serve this call; decided before the draw, on facts known then.
        why_not: short code of an ineligible call.

    Returns:
        `arm` is None unless the caller was drawn; only then is there an exposure to store.
    """
    unit = unit_of(caller, call_id, caller_key)
    route, reason = _without_draw(plan, state, branch, caller, eligible=eligible, why_not=why_not)
    stage, share, epoch = (state.stage, state.share, state.epoch) if state else ("", 0.0, 1)
    if route is not None or state is None:
        return Assignment(route or Route.OPERATOR, None, branch, stage, share, 0.0, unit, reason, epoch)
    bound = treatment_bound(state.share, state.holdback)
    number = draw(plan.salt, branch, unit)
    # The last fraction before 1 rounds to 1.0: a bound of 1 must take it too.
    if number < bound or bound >= 1:
        arm, route, reason = Arm.TREATMENT, Route.BOT, "drawn"
    else:
        arm, route, reason = Arm.CONTROL, Route.OPERATOR, "holdback" if number < share else "drawn"
    return Assignment(route, arm, branch, stage, share, bound, unit, reason, epoch)


def _without_draw(
    plan: Plan, state: BranchState | None, branch: str, caller: str | None, *, eligible: bool, why_not: str
) -> tuple[Route | None, str]:
    """Route and reason of a call that is not drawn; (None, "") when it is to be drawn.

    The kill switch stands above everything that leads to the bot, test numbers too.
    """
    override = plan.overrides.get(caller) if caller is not None else None
    if override is Route.OPERATOR:
        return Route.OPERATOR, "override"
    if branch not in plan.branches:
        return Route.OPERATOR, "not_in_plan"
    if state is not None and state.killed:
        return Route.OPERATOR, "killed"
    if not eligible:
        return Route.OPERATOR, why_not or "not_eligible"
    if override is Route.BOT:
        return Route.BOT, "override"
    if state is None or not state.stage:
        return Route.OPERATOR, "not_started"
    if state.share <= 0:
        return Route.OPERATOR, "shadow"
    return None, ""
