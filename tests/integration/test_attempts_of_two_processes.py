"""Two processes over one SQLite file: no guess is judged on a count that another process has already changed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from ivrbot.storage.store import Store
from tests.contract.store import NOW

pytestmark = pytest.mark.integration

GUESSES = 60

GUESSER = """
import asyncio, sys
from pathlib import Path
from ivrbot.model.call import CallId
from ivrbot.storage import engines
from ivrbot.storage.store import Store
from tests.contract.store import NOW

engines.BUSY_S = 60.0  # a disk that keeps the other process long is no fault

async def main():
    async with Store(Path(sys.argv[1]), deadline_s=60) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        both = ("customer:1", "number:1")
        work = (store.reserve(both, CallId(sys.argv[2]), NOW, NOW) for _ in range(int(sys.argv[3])))
        for reserved in await asyncio.gather(*work):
            print(*reserved.before)

asyncio.run(main())
"""


def guesser(path: Path, number: int) -> subprocess.Popen[str]:
    """A process that guesses as soon as it gets a line."""
    return subprocess.Popen(
        [sys.executable, "-c", GUESSER, str(path), f"call-{number}", str(GUESSES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def test_every_guess_sees_all_before_it(tmp_path: Path) -> None:
    path = tmp_path / "ivrbot.sqlite"
    async with Store(path):
        pass
    guessers = [guesser(path, number) for number in range(2)]
    try:
        for one in guessers:
            assert one.stdout is not None
            assert (await asyncio.to_thread(one.stdout.readline)).strip() == "ready"
        outs = await asyncio.gather(*(asyncio.to_thread(one.communicate, "go\n", 120) for one in guessers))
    finally:
        for one in guessers:
            one.kill()
            one.wait()
    seen = [tuple(map(int, line.split())) for out, _ in outs for line in out.splitlines()]
    assert sorted(seen) == [(count, count) for count in range(2 * GUESSES)]
    async with Store(path) as store:
        assert await store.failures_since("customer:1", NOW) == 2 * GUESSES
