"""Flows as drawings: text for Graphviz (dot) or Mermaid. Pure.

Takes compiled flows, gives lines; ids are made of letters and digits, so that no text of a flow can break them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from ivrbot.dialogue.schema import END, Flow, Step

Format = Literal["dot", "mermaid"]


def draw(flows: Iterable[Flow], form: Format) -> Iterator[str]:
    """Lines of a drawing of all flows given, each in a frame of its own."""
    if form == "mermaid":
        yield "flowchart TD"
    else:
        yield "digraph flows {"
        yield "  rankdir=TB; node [shape=box, fontname=sans];"
    for number, flow in enumerate(flows):
        yield from _mermaid(flow, number) if form == "mermaid" else _dot(flow, number)
    if form == "dot":
        yield "}"


def _edges(flow: Flow) -> Iterator[tuple[str, str, str]]:
    """From, to and condition, with the way of a caller who does not know."""
    for step in flow.steps.values():
        for jump in step.jumps:
            yield step.id, jump.target, jump.condition.text if jump.condition else ""
        if step.unsure:
            yield step.id, step.unsure, "does not know"


def _label(step: Step) -> str:
    also = f" or {', '.join(step.accepts)}" if step.accepts else ""
    return f"{step.verb} {step.name}{also}".strip()


def _names(flow: Flow, number: int) -> dict[str, str]:
    return {step_id: f"f{number}s{at}" for at, step_id in enumerate((*flow.steps, END))}


def _plain(text: str) -> str:
    return text.replace('"', "'").replace("\n", " ")


def _dot(flow: Flow, number: int) -> Iterator[str]:
    names = _names(flow, number)
    yield f'  subgraph "cluster_{number}" {{ label="{_plain(flow.name)}";'
    for step in flow.steps.values():
        shape = ", shape=ellipse" if step.verb == "collect" else ""
        yield f'    {names[step.id]} [label="{_plain(_label(step))}"{shape}];'
    yield f'    {names[END]} [label="end", shape=circle];'
    for start, end, condition in _edges(flow):
        yield f'    {names[start]} -> {names[end]} [label="{_plain(condition)}"];'
    yield "  }"


def _mermaid(flow: Flow, number: int) -> Iterator[str]:
    names = _names(flow, number)
    yield f'  subgraph f{number}["{_plain(flow.name)}"]'
    for step in flow.steps.values():
        left, right = ("([", "])") if step.verb == "collect" else ("[", "]")
        yield f'    {names[step.id]}{left}"{_plain(_label(step))}"{right}'
    yield f'    {names[END]}(("end"))'
    for start, end, condition in _edges(flow):
        arrow = f'-->|"{_plain(condition)}"|' if condition else "-->"
        yield f"    {names[start]} {arrow} {names[end]}"
    yield "  end"
