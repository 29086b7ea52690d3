"""The time axis of a call, drawn as an SVG element: whose turn it was, the pauses, and what happened.

Takes lines of the timeline, gives markup without styles: colours come from classes in the pages' style sheet. Each
mark is a link to its line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Final

from markupsafe import Markup

from ivrbot.web.timeline import Line

WIDTH: Final = 1000
HEIGHT: Final = 140
LEFT: Final = 104
RIGHT: Final = 12
LANES: Final[Mapping[str, int]] = {"bot": 14, "operator": 14, "caller": 50, "mark": 86}
"""Top of each lane; an operator comes after the bot, in its lane."""
LANE: Final = 24
AXIS_Y: Final = 114
STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600)
MOST_TICKS: Final = 12
LEAST: Final = 5.0
"""Half the width of what has no length."""

_Scale = Callable[[float], float]


def draw_axis(lines: Sequence[Line], names: Mapping[str, str], label: str) -> Markup:
    """The SVG element; empty without lines.

    Args:
        lines: of a call, in order.
        names: of the lanes, by "bot", "caller", "mark".
        label: what the picture is.
    """
    if not lines:
        return Markup("")
    end_ms = max(1000, max(line.t_ms for line in lines) * 1.02)

    def x(t_ms: float) -> float:
        return round(LEFT + max(0.0, t_ms) / end_ms * (WIDTH - LEFT - RIGHT), 1)

    parts = [
        f'<text class="axis-name" x="0" y="{LANES[lane] + 16}">{escape(name)}</text>'
        for lane, name in names.items()
    ]
    parts += _ticks(end_ms, x)
    said = [line for line in lines if line.who != "mark"]
    for at, line in enumerate(said):
        until = said[at + 1].t_ms if at + 1 < len(said) else end_ms
        parts.append(_turn(line, x, until))
    parts += [_mark(line, x) for line in lines if line.who == "mark"]
    return Markup(
        f'<svg class="axis" xmlns="http://www.w3.org/2000/svg" role="group" aria-label="{escape(label)}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(parts)}</svg>'
    )


def _ticks(end_ms: float, x: _Scale) -> list[str]:
    step_s = next((step for step in STEPS_S if end_ms / 1000 / step <= MOST_TICKS), STEPS_S[-1])
    parts = [f'<line class="axis-line" x1="{LEFT}" y1="{AXIS_Y}" x2="{WIDTH - RIGHT}" y2="{AXIS_Y}"/>']
    for second in range(0, int(end_ms / 1000) + 1, step_s):
        at, text = x(second * 1000), f"{second // 60}:{second % 60:02d}"
        parts.append(f'<line class="axis-line" x1="{at}" y1="{AXIS_Y}" x2="{at}" y2="{AXIS_Y + 4}"/>')
        parts.append(f'<text class="axis-tick" x="{at}" y="{AXIS_Y + 21}">{text}</text>')
    return parts


def _turn(line: Line, x: _Scale, until_ms: float) -> str:
    """The bot's words last until the next ones; the caller's stand where they were understood."""
    top = LANES[line.who]
    if line.who != "caller":
        left, width = x(line.t_ms), max(LEAST, x(until_ms) - x(line.t_ms) - 1)
    else:
        left, width = x(line.t_ms) - LEAST, LEAST * 2
    shape = (
        f'<rect class="axis-{line.who}" x="{left}" y="{top}" width="{round(width, 1)}" height="{LANE}" rx="3"/>'
    )
    if line.gap_ms:
        begin = x(line.t_ms - line.gap_ms)
        width = max(1.0, left - begin)
        shape += f'<rect class="axis-gap" x="{begin}" y="{top + LANE - 6}" width="{width:.1f}" height="6"/>'
    return _link(line, shape)


def _mark(line: Line, x: _Scale) -> str:
    at, middle = x(line.t_ms), LANES["mark"] + LANE // 2 - 2
    tone = line.tone or "plain"
    points = f"{at},{middle - 8} {at + 7},{middle} {at},{middle + 8} {at - 7},{middle}"
    return _link(line, f'<polygon class="axis-mark axis-{tone}" points="{points}"/>')


def _link(line: Line, shape: str) -> str:
    clock = f"{line.t_ms // 60_000}:{line.t_ms // 1000 % 60:02d}"
    return f'<a href="#e{line.seq}"><title>{clock} {escape(line.text)}</title>{shape}</a>'
