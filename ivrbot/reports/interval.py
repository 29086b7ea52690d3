"""A small picture of an interval against a margin, as inline SVG without scripts or styles.

Takes numbers on one axis, gives markup. Colours stand as attributes, so that the picture survives print, mail and
a strict content security policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 220
HEIGHT: Final = 34
PAD: Final = 8
AXIS_Y: Final = 17

GOOD: Final = "#14532d"
BAD: Final = "#9b1c1c"
OPEN: Final = "#7a4b00"
INK: Final = "#17211c"
SOFT: Final = "#4b5a52"
SHADE: Final = "#fdecec"

COLOURS: Final = {"pass": GOOD, "fail": BAD}


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn.

    Attributes:
        point: the estimate; None draws no mark.
        lower: left end of the interval.
        upper: right end.
        edge: where it stops being acceptable.
        worse_above: whether what lies above the edge is what is not acceptable.
        verdict: "pass", "fail" or another, for the colour.
        label: the picture in words, for those who do not see it.
    """

    point: float | None
    lower: float | None
    upper: float | None
    edge: float
    worse_above: bool
    verdict: str
    label: str


def draw(picture: Picture) -> str:
    """The SVG element."""
    marks = [value for value in (picture.point, picture.lower, picture.upper) if value is not None]
    values = [0.0, picture.edge, *marks]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    low, high = low - 0.08 * span, high + 0.08 * span

    def x(value: float) -> float:
        return round(PAD + (value - low) / (high - low) * (WIDTH - 2 * PAD), 1)

    colour = COLOURS.get(picture.verdict, OPEN)
    edge = x(picture.edge)
    left, right = (edge, WIDTH - PAD) if picture.worse_above else (PAD, edge)
    parts = [
        f'<rect x="{left}" y="3" width="{max(0.0, round(right - left, 1))}" height="28" fill="{SHADE}"/>',
        _line(PAD, AXIS_Y, WIDTH - PAD, AXIS_Y, "#d5ddd8", 1),
        f'<line x1="{edge}" y1="3" x2="{edge}" y2="31" stroke="{BAD}" stroke-width="1.5" stroke-dasharray="3 2"/>',
        _line(x(0.0), 9, x(0.0), 25, SOFT, 1),
    ]
    if picture.lower is not None and picture.upper is not None:
        parts.append(_line(x(picture.lower), AXIS_Y, x(picture.upper), AXIS_Y, colour, 3))
        parts += [_line(x(end), 12, x(end), 22, colour, 2) for end in (picture.lower, picture.upper)]
    if picture.point is not None:
        parts.append(f'<circle cx="{x(picture.point)}" cy="{AXIS_Y}" r="4" fill="{colour}"/>')
    label = escape(picture.label, quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}" width="{WIDTH}" '
        f'height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"><title>{label}</title>{"".join(parts)}</svg>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="{width}"/>'
