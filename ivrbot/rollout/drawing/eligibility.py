"""Whether a call may be drawn at all: decided before the draw, on facts known then, and counted apart.

Takes room for calls; gives "" or "cap". Other codes come from who knows them: health ("draining", "asr_down",
"storage_journal"), exclusions ("vip", "opt_out"), the menu ("not_served"). An ineligible caller meets an operator
and is in neither arm.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

UNOPENED_S: Final = 60.0
"""A call that was sent to the bot and never opened a leg gives its place back after so long."""


@dataclass(slots=True)
class _Place:
    taken_s: float
    was_live: bool


class Places:
    """Room for calls with the bot, as one process sees it. Taking is atomic: nothing is awaited in it.

    A place is given back when the draw says operator (`give_back`), when its call is no longer live, or, when it
    never was, after `UNOPENED_S`.

    Args:
        clock_s: monotonic seconds.
        live: ids of calls with an open leg; None: not known, then only `UNOPENED_S` counts.
    """

    def __init__(self, clock_s: Callable[[], float], live: Callable[[], Collection[str]] | None = None) -> None:
        self._clock_s = clock_s
        self._live = live
        self._held: dict[tuple[str, str], _Place] = {}
        self._elsewhere: Callable[[], Collection[tuple[str, str]]] = tuple

    @property
    def held(self) -> Collection[tuple[str, str]]:
        """Places taken here: call and branch."""
        self._sweep()
        return tuple(self._held)

    def share(self, elsewhere: Callable[[], Collection[tuple[str, str]]]) -> None:
        """Count what other workers hold as well; as they have told it, so two may take the last place at once."""
        self._elsewhere = elsewhere

    def watch(self, live: Callable[[], Collection[str]]) -> None:
        """Learn of live calls from now on."""
        self._live = live

    def take(self, call_id: str, branch: str, *, most: int, most_in_branch: int, in_call: bool = False) -> str:
        """Take a place for a call in a branch; asked again, the place is the same.

        Args:
            call_id: of the call.
            branch: that the call is about to be drawn in.
            most: calls with the bot at once, each counted once however many branches it holds.
            most_in_branch: of these, in this branch.
            in_call: the leg is open already (the built-in menu asks).

        Returns:
            "" or "cap".
        """
        self._sweep()
        if (call_id, branch) in self._held:
            return ""
        taken = {*self._held, *self._elsewhere()}
        calls = {held for held, _ in taken}
        here = sum(1 for _, name in taken if name == branch)
        if here >= most_in_branch or (call_id not in calls and len(calls) >= most):
            return "cap"
        self._held[call_id, branch] = _Place(self._clock_s(), in_call)
        return ""

    def give_back(self, call_id: str, branch: str) -> None:
        """The draw said operator. Idempotent."""
        self._held.pop((call_id, branch), None)

    def counts(self) -> Mapping[str, int]:
        """Places held now, by branch."""
        self._sweep()
        found: dict[str, int] = {}
        for _, branch in self._held:
            found[branch] = found.get(branch, 0) + 1
        return found

    def _sweep(self) -> None:
        live = self._live() if self._live is not None else None
        now_s = self._clock_s()
        for key, place in list(self._held.items()):
            if live is not None and key[0] in live:
                place.was_live = True
            elif (live is not None and place.was_live) or now_s - place.taken_s > UNOPENED_S:
                del self._held[key]
