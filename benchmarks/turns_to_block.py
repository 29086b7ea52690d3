"""Turns and seconds until a card is blocked, over simulated calls in text with prompts as long as they sound.

    python -m benchmarks.turns_to_block [--calls 50] [--seed 1]

Callers come from `ivrbot.simulate` with all their habits and recognition errors. A turn is anything that the
caller says or keys; time runs from the answer to the bank's confirmation, with the recorded prompts' own
durations, callers who speak 10 to 16 characters a second and think for 0.1 to 3 s, and 700 ms before each
answer of the bot.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter, defaultdict
from pathlib import Path
from statistics import median

from ivrbot.config import load_settings
from ivrbot.model.call import Disposition
from ivrbot.model.events import EventType
from ivrbot.simulate.calls import many, open_world
from ivrbot.simulate.outcome import Outcome
from ivrbot.simulate.persona import Persona, draw

GOALS = ("block_card", "block_all", "stolen_bag")
BLOCKS = ("bank_block_card", "bank_block_all_cards")
CALLER = (EventType.CALLER_SAID, EventType.KEYS_PRESSED)


def case(persona: Persona) -> str:
    cards = "all cards" if persona.goal.name == "block_all" else f"{len(persona.customer.cards)} card(s)"
    return f"{'foreign telephone' if persona.foreign else 'own telephone'}, {cards}"


def blocked(outcome: Outcome) -> tuple[int, float] | None:
    """Turns and seconds until the first confirmed block."""
    turns = 0
    for kind, t_ms, data in outcome.events:
        turns += kind in CALLER
        if kind is EventType.BANK_REPLIED and data["action"] in BLOCKS and data["status"] == "ok":
            return turns, t_ms / 1000
    return None


def why_not(outcome: Outcome) -> str:
    """What came of a call in which nothing was blocked."""
    told = {data["response"] for kind, _, data in outcome.events if kind is EventType.BOT_SAID}
    if "utter_card_already_blocked" in told:
        return "blocked before, told so"
    if outcome.disposition is Disposition.ABANDONED:
        return "the caller left"
    return f"{outcome.disposition.value}: {outcome.reason}"


async def measure(calls: int, seed: int) -> dict[str, object]:
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    placed: dict[str, int] = defaultdict(int)
    causes: dict[str, Counter[str]] = defaultdict(Counter)
    async with open_world(load_settings(Path.cwd())) as world:
        personas = (draw(seed, number, goals=GOALS) for number in range(calls))
        async for outcome in many(world, personas, concurrency=4):
            for name in ("all", case(outcome.persona)):
                placed[name] += 1
                if (at := blocked(outcome)) is not None:
                    found[name].append(at)
                else:
                    causes[name][why_not(outcome)] += 1
    return {
        name: {
            "calls": placed[name],
            "blocked": len(found[name]),
            "turns_p50": median(turns for turns, _ in found[name]) if found[name] else None,
            "seconds_p50": round(median(s for _, s in found[name]), 1) if found[name] else None,
            "not_blocked": dict(causes[name].most_common()),
        }
        for name in sorted(placed)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for name, row in asyncio.run(measure(options.calls, options.seed)).items():
        print(json.dumps({"case": name, **row}))  # type: ignore[dict-item]


if __name__ == "__main__":
    main()
