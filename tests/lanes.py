"""Which integration tests run beside each other: three lanes, one process each.

A call in sound waits most of its time for somebody to finish speaking, so one lane alone leaves the machine idle.
What is heard on the line must not be disturbed by what computes: that lane yields to the two with telephones.

    line     the whole product behind Asterisk, spoken to; and every telephone test that is not named below
    switch   Asterisk with stand-ins for the product; engines that fail under calls without a PBX; and those who
             speak to the whole product where no promise of time is measured, one line at once
    beside   everything else: databases, pages, Rasa, the statistics' peers, models without a telephone

When the switch has no more calls, it takes the longest of the databases off the lane beside, and yields like it.
"""

from __future__ import annotations

import os
from typing import Final

import pytest
from xdist.scheduler import LoadScopeScheduling

LINE: Final = "line"
SWITCH: Final = "switch"
BESIDE: Final = "beside"

_SWITCH: Final = frozenset(
    {
        "test_asterisk_callbacks.py",
        "test_asterisk_dialplan.py",
        "test_asterisk_gateway.py",
        "test_asterisk_queue_log.py",
        "test_asterisk_score.py",
        "test_engine_faults.py",
        "test_every_topic.py",
        "test_pages_desk.py",
        "test_planted_secrets_line.py",
        "test_rollout_calls.py",
        "test_voiceprint_call.py",
    }
)
_BESIDE: Final = frozenset(
    {
        "test_api_schema.py",
        "test_attack_calls_text.py",
        "test_attempts_of_two_processes.py",
        "test_code_words.py",
        "test_pages_calls.py",
        "test_pages_reports.py",
        "test_pages_rollout.py",
        "test_rasa.py",
        "test_several_workers.py",
    }
)
_TAKEN_OVER: Final = "test_suites.py"
_LAST: Final = frozenset({"test_attack_calls.py", _TAKEN_OVER})
"""Many telephones at once on two lines, when whatever promises a time has been measured; and what computes."""
_TELEPHONES: Final = "tests/integration/test_"
_YIELDING: Final = 10
"""For `os.nice`: a tenth of what a telephone may take; less would let a lock be held for seconds."""


def in_use() -> bool:
    """Whether tests run in lanes (`TESTS_LANES=1`, as `make test-integration` does)."""
    return bool(os.environ.get("TESTS_LANES"))


def lane_of(nodeid: str) -> str:
    """The lane of a test ("tests/integration/test_x.py::test_y")."""
    name = _name(nodeid)
    if name in _SWITCH or name == _TAKEN_OVER:
        return SWITCH
    return LINE if nodeid.startswith(_TELEPHONES) and name not in _BESIDE else BESIDE


def order(items: list[pytest.Item]) -> None:
    """Within the lanes files keep their order, but for those that come last."""
    items.sort(key=lambda item: _name(item.nodeid) in _LAST)


def _name(nodeid: str) -> str:
    return nodeid.partition("::")[0].rpartition("/")[2]


class Lanes(LoadScopeScheduling):  # type: ignore[misc]  # xdist is not typed
    """Gives each lane to one process, in its own order."""

    def _split_scope(self, nodeid: str) -> str:
        return lane_of(nodeid)


def yield_processor(item: pytest.Item) -> None:
    """In a process that computes from now on: let the telephones go first."""
    computes = lane_of(item.nodeid) == BESIDE or _name(item.nodeid) == _TAKEN_OVER
    if computes and (nice := os.nice(0)) < _YIELDING:
        os.nice(_YIELDING - nice)
