"""A whole simulated history in a data folder: shapes, callers, decisions, and the mark that it is simulated.

Takes settings and a seed, gives the database of `serve`; refuses a folder that has seen real calls.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from ivrbot import app, upkeep
from ivrbot.config import PROJECT_ROOT, SIMULATED_MARK, Settings, make_data_dir
from ivrbot.dialogue.loader import load_flows
from ivrbot.errors import ConfigError, Problem
from ivrbot.ports import NluEngine
from ivrbot.simulate.calls import many, open_world
from ivrbot.simulate.history.shapes import Shape, shapes_of
from ivrbot.simulate.history.weeks import A_DAY, DAYS, Office, Told
from ivrbot.simulate.persona import draw
from ivrbot.storage.store import Store

PLAN: Final = PROJECT_ROOT / "deploy" / "simulated-rollout.yaml"
SHAPES: Final = 200
"""Calls that are really held; the history repeats them at other times with other ends."""
WRITE_S: Final = 120.0


def is_made(data_dir: Path) -> bool:
    """Whether a history was made here to its end."""
    return (data_dir / SIMULATED_MARK).is_file()


async def make(
    settings: Settings,
    *,
    seed: int,
    end: datetime,
    days: int = DAYS,
    a_day: int = A_DAY,
    shapes: int = SHAPES,
    nlu: NluEngine | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Told:
    """Make the history.

    Args:
        settings: of the product; the database goes into its data folder.
        seed: the same seed, the same callers.
        end: last moment, aware; a day's end on the controller's clock.
        days: length.
        a_day: calls on a usual weekday.
        shapes: calls to be really held.
        nlu: engine to understand them; None: the one of the settings.
        say: progress.

    Raises:
        ConfigError: there is a database that is not a simulated one.
        StorageUnavailable: it cannot be written.
    """
    folder = make_data_dir(settings.data_dir)
    database = folder / app.MAIN_DATABASE
    if database.exists():
        problem = Problem(str(database), None, "", "", "is there already", "an empty data folder")
        raise ConfigError([problem])
    held = await hold_shapes(settings, seed, shapes, nlu)
    say(f"{len(held)} calls held")
    plan = app.load_rollout(PLAN, load_flows(settings.flows_dir))
    if missing := set(plan.branches) - {shape.branch for shape in held if shape.drawable}:
        found = f"{len(held)} calls"
        what = f"the bot served nobody of {', '.join(sorted(missing))}"
        raise ConfigError([Problem(str(PLAN), None, "branches", found, what, "more calls (shapes)")])
    async with Store(database, deadline_s=WRITE_S) as store:
        office = Office(store, plan, held, end=end, seed=seed, a_day=a_day, say=say)
        told = await office.live(days)
        say("counting them for the reports")
        await upkeep.report_export(settings, store, lambda: plan).refresh()
    (folder / SIMULATED_MARK).write_text(f"seed {seed}\n", "ascii")
    return told


async def hold_shapes(settings: Settings, seed: int, number: int, nlu: NluEngine | None) -> tuple[Shape, ...]:
    """Hold calls in text and keep what they leave behind."""
    personas = (draw(seed, at) for at in range(number))
    async with open_world(settings, nlu=nlu) as world:
        return shapes_of([outcome async for outcome in many(world, personas, concurrency=4)])
