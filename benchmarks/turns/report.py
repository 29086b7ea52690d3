"""Turns as tables: response gap, cut-offs, unanswered turns and barge-in, for each system and kind of turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Row = Mapping[str, Any]
COLUMNS = (
    *("turns", "gap p50", "p95", "cut off", "of those that hesitate", "unanswered"),
    *("barge-ins", "stopped within, p50", "p95", "not stopped"),
)


def table(first: str, rows: Mapping[str, Sequence[Row]]) -> str:
    """A Markdown table of figures by name of row; gaps of turns that were not cut off."""
    lines = [f"| {first} | {' | '.join(COLUMNS)} |", "|---" * (1 + len(COLUMNS)) + "|"]
    lines += [f"| {name} | {' | '.join(figures(turns))} |" for name, turns in rows.items()]
    return "\n".join(lines)


def figures(turns: Sequence[Row]) -> list[str]:
    """One row's figures."""
    gaps = [turn["gap_ms"] for turn in turns if turn["gap_ms"] is not None]
    hesitating = [turn for turn in turns if turn["hesitation_ms"]]
    over = [turn for turn in turns if turn["over_prompt"]]
    stops = [turn["stop_ms"] for turn in over if turn["stop_ms"] is not None]
    return [
        str(len(turns)),
        _ms(gaps, 50),
        _ms(gaps, 95),
        _share(sum(turn["cut_off"] for turn in turns), len(turns)),
        _share(sum(turn["cut_off"] for turn in hesitating), len(hesitating)),
        _share(sum(not turn["answered"] for turn in turns), len(turns)),
        str(len(over)),
        _ms(stops, 50),
        _ms(stops, 95),
        str(len(over) - len(stops)),
    ]


def by_kind(turns: Sequence[Row], kinds: Sequence[str]) -> dict[str, list[Row]]:
    """Turns by kind and language, those that hesitate and those over a prompt once more."""
    found = {kind: [turn for turn in turns if turn["kind"] == kind] for kind in kinds}
    found |= {
        "Russian": [turn for turn in turns if turn["language"] == "ru"],
        "English": [turn for turn in turns if turn["language"] == "en"],
        "hesitating within a clause": [
            row for row in turns if row["hesitation_ms"] and not row["after_whole_clause"]
        ],
        "hesitating after a whole clause": [row for row in turns if row["after_whole_clause"]],
        "over a prompt": [turn for turn in turns if turn["over_prompt"]],
    }
    return {name: rows for name, rows in found.items() if rows}


def _ms(values: Sequence[float], percent: int) -> str:
    return f"{np.percentile(values, percent):.0f} ms" if values else "-"


def _share(count: int, of: int) -> str:
    return f"{count} ({count / of:.1%})" if of else "-"
