"""The process dies at every step between draw and routing: no call is with the bot without its exposure."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ivrbot.call.router import Router
from ivrbot.config import PROJECT_ROOT
from ivrbot.dialogue.loader import load_flows
from ivrbot.model.call import CallId
from ivrbot.model.experiment import Arm
from ivrbot.rollout.governing.control import adopt, kill
from ivrbot.rollout.planning.check import load_plan
from ivrbot.storage.rollout_book import RolloutBook
from ivrbot.storage.store import Store

NOW = datetime(2026, 9, 1, tzinfo=UTC)
CALL = CallId("c-1")
PLAN = "goal: g\nsalt: s\ndefaults: {stages: [{name: full, share: 1}]}\nbranches: {balance: {start: full}}\n"
KEY = b"k" * 32
WAITS = ("excluded", "states", "exposure", "expose")
STEPS = 2 * len(WAITS) + 1
"""Before and after each wait, and after the answer."""


class Mortal:
    """A store that ends the process, as a power cut would, at a step."""

    def __init__(self, inner: object, fatal: int, steps: list[int]) -> None:
        self._inner, self._fatal, self._steps = inner, fatal, steps

    def _step(self) -> None:
        import os

        self._steps[0] += 1
        if self._steps[0] == self._fatal:
            os._exit(9)

    def __getattr__(self, name: str) -> object:
        inner = getattr(self._inner, name)

        async def told(*arguments: object, **named: object) -> object:
            self._step()
            result = await inner(*arguments, **named)
            self._step()
            return result

        return told if name in WAITS else inner


def router_over(folder: Path, store: object, book: object) -> Router:
    plan = load_plan(folder / "rollout.yaml", {"balance"})
    branches = load_flows(PROJECT_ROOT / "flows").branches
    return Router(lambda: plan, branches, store, KEY, lambda: NOW, exclusions=book)  # type: ignore[arg-type]


async def answer_one(folder: Path, fatal: int) -> None:
    """In the process that dies: draw, and say where the call goes."""
    steps = [0]
    async with Store(folder / "ivrbot.sqlite") as store:
        book, mortal = Mortal(RolloutBook(store), fatal, steps), Mortal(store, fatal, steps)
        answer = await router_over(folder, mortal, book).assign("balance", caller="", call_id=CALL)
        mortal._step()
        print(answer.route.value, answer.reason, steps[0], flush=True)


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    (tmp_path / "rollout.yaml").write_text(PLAN)
    async with Store(tmp_path / "ivrbot.sqlite") as store:
        await adopt(load_plan(tmp_path / "rollout.yaml", {"balance"}), store, "serve", NOW)
    return tmp_path


def run(folder: Path, fatal: int) -> str:
    command = [sys.executable, "-m", "tests.unit.test_rollout_crash", str(folder), str(fatal)]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 9), done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("fatal", range(1, STEPS + 2))
async def test_no_call_is_with_the_bot_without_its_exposure(folder: Path, fatal: int) -> None:
    said = await asyncio.to_thread(run, folder, fatal)
    async with Store(folder / "ivrbot.sqlite") as store:
        kept = await store.exposure(CALL, "balance")
        assert said == ("" if fatal <= STEPS else f"bot drawn {STEPS}")  # every step was met, and none after
        assert (kept is not None) >= bool(said)
        stored_at = 2 * len(WAITS)  # after the last wait
        assert (kept is not None) == (fatal >= stored_at)
        again = await router_over(folder, store, RolloutBook(store)).assign("balance", caller="", call_id=CALL)
        assert (again.arm, again.route.value) == (Arm.TREATMENT, "bot")
        assert (await store.exposure(CALL, "balance")) is not None


async def test_a_kill_by_another_process_holds_for_the_next_call(folder: Path) -> None:
    async with (
        Store(folder / "ivrbot.sqlite") as serving,
        Store(folder / "ivrbot.sqlite") as other,
    ):
        router = router_over(folder, serving, RolloutBook(serving))
        assert (await router.assign("balance", caller="", call_id=CallId("a"))).reason == "drawn"
        for branch in ("balance", None):
            await kill(other, branch, who="a", why="b", at=NOW)
            answer = await router.assign("balance", caller="", call_id=CallId(f"b-{branch}"))
            assert (answer.reason, answer.arm) == ("killed", None)
            # Whoever was with the bot is not sent there again, either.
            assert (await router.assign("balance", caller="", call_id=CallId("a"))).route.value == "operator"


if __name__ == "__main__":
    asyncio.run(answer_one(Path(sys.argv[1]), int(sys.argv[2])))
