"""What is listened for after each kind of question. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ivrbot.dialogue.schema import SlotSpec
from ivrbot.model.dialogue import Collect
from ivrbot.model.speech import Expect

ONE_TIME_CODE: Final = "one_time_code"

FACT_QUESTIONS: Final[Mapping[str, Collect]] = MappingProxyType(
    {
        "last_four": Collect("fact", Expect.DIGITS, max_digits=4, secret=True, timeout_ms=8000),
        "date_of_birth": Collect("fact", Expect.DATE, max_digits=8, secret=True, timeout_ms=8000),
        "code_word": Collect("fact", Expect.SECRET, secret=True, timeout_ms=8000),
        "full_name": Collect("fact", Expect.NAME, secret=True, timeout_ms=8000),
        "name_and_birth": Collect("fact", Expect.NAME, secret=True, timeout_ms=8000),
        "voice": Collect("fact", Expect.DIGITS, max_digits=6, secret=True, timeout_ms=8000),
        "one_time_code": Collect("fact", Expect.DIGITS, max_digits=6, secret=True, timeout_ms=40_000),
        "phone": Collect("fact", Expect.DIGITS, secret=True, timeout_ms=15000),
    }
)
"""By question of the ladder; `phone` is ended by `#` or a pause, and so are keys where a name is asked for."""

DATE_KEYS: Final = 8
MANY_OPTIONS: Final = 10


def question_for(name: str, spec: SlotSpec, accepts: tuple[str, ...] = ()) -> Collect:
    """What a flow's `collect` listens for."""
    match spec.kind:
        case "topic":
            return Collect(name, Expect.OPEN, max_digits=1)
        case "yes_no":
            return Collect(name, Expect.YES_NO, max_digits=1, accepts=accepts)
        case "choice":
            keys = 1 if len(spec.options) < MANY_OPTIONS else 2
            return Collect(name, Expect.NAME, keys, spec.personal, timeout_ms=8000, accepts=accepts)
        case "money":
            return Collect(name, Expect.OPEN, 0, spec.personal, timeout_ms=8000, accepts=accepts)
        case "date":
            return Collect(name, Expect.DATE, DATE_KEYS, spec.personal, timeout_ms=8000, accepts=accepts)
        case "words":
            return Collect(name, Expect.OPEN, 0, timeout_ms=10000, accepts=accepts)
        case _:
            return Collect(name, Expect.DIGITS, spec.length or 0, spec.personal, timeout_ms=8000, accepts=accepts)
