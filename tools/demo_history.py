"""Two months of simulated calls for the demo, in a data folder of their own that is marked as simulated.

The calls' shapes come from simulated callers who ring the real core; decisions are made by the real controller. A
history that is there already is left alone.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ivrbot import app
from ivrbot.config import load_settings
from ivrbot.simulate.history.make import PLAN, is_made, make
from ivrbot.simulate.history.weeks import A_DAY, DAYS


def say(line: str) -> None:
    """Progress, on standard error."""
    print(line, file=sys.stderr)


def main() -> None:
    """Make the history where the settings say, unless it is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--a-day", type=int, default=A_DAY, help="calls on a usual weekday")
    options = parser.parse_args()
    settings = load_settings(Path.cwd())
    if is_made(settings.data_dir):
        say(f"the simulated history in {settings.data_dir} is there already")
        return
    now = datetime.now(UTC)
    end = now.replace(hour=7, minute=0, second=0, microsecond=0)
    if end > now:  # calls of the future would contradict the clock
        end -= timedelta(days=1)
    told = asyncio.run(make(settings, seed=options.seed, days=options.days, a_day=options.a_day, end=end, say=say))
    say(f"{told.calls} simulated calls in {settings.data_dir / app.MAIN_DATABASE}, plan {PLAN}")


if __name__ == "__main__":
    main()
