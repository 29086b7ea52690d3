"""What the doctor's checks have in common."""

from __future__ import annotations

from ivrbot.errors import IvrbotError


class NotInUse(IvrbotError):
    """Optional and not there: reported, but not a failure."""

    code = "not_in_use"
