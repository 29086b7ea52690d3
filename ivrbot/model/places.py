"""A registered call's place among several workers: who waits for it, who has it."""

from __future__ import annotations

from dataclasses import dataclass

from ivrbot.model.call import CallRegistration


@dataclass(frozen=True, slots=True)
class Claim:
    """A call whose leg one worker has, and no other ever gets.

    Attributes:
        registration: as the PBX announced it.
        decided: somebody else's menu has asked where the call goes.
        topic: what that menu knows he wants, "" when he must be asked.
        announced: False for a leg that nobody has registered.
    """

    registration: CallRegistration
    decided: bool = False
    topic: str = ""
    announced: bool = True
