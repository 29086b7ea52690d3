"""Threads that give way: their own priority changes, nobody else's."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from ivrbot.asr.workers import WorkerPool
from ivrbot.priority import BESIDE, MODELS, give_way

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of single threads")


def nice() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def nice_of_a_thread_started_here() -> int:
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(nice).result()


def test_a_thread_gives_way_with_those_that_it_starts_and_nobody_else() -> None:
    before = nice()
    with ThreadPoolExecutor(1, initializer=partial(give_way, BESIDE)) as executor:
        assert executor.submit(nice).result() == min(19, before + BESIDE)
        assert executor.submit(nice_of_a_thread_started_here).result() == min(19, before + BESIDE)
    assert nice() == before
    assert nice_of_a_thread_started_here() == before


async def test_recognisers_give_way_to_the_event_loop() -> None:
    pool: WorkerPool[int] = WorkerPool("test", 1)
    await pool.start(nice, 1)
    try:
        assert await pool.run(lambda at_load: at_load, 10.0) == min(19, nice() + MODELS)
        assert await pool.run(lambda _: nice(), 10.0) == min(19, nice() + MODELS)
    finally:
        await pool.close(lambda _: None)
