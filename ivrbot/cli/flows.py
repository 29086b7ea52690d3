"""`ivrbot flows`: check, draw and test the dialogues."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click

from ivrbot.cli.console import FAILED, INVALID, fail, guarded, json_option, print_json, quiet_settings
from ivrbot.config import PROJECT_ROOT
from ivrbot.dialogue.loader import load_flows
from ivrbot.dialogue.schema import END, Flow
from ivrbot.errors import ConfigError, Problem
from ivrbot.identity.policy import load_policy
from ivrbot.tts.render import check as check_prompts


@click.group()
def flows() -> None:
    """Check, draw and test the dialogues."""


@flows.command()
@json_option
@guarded
def check(as_json: bool) -> None:
    """Unknown and unreachable steps, missing texts and recordings, endless loops: everything at once."""
    from ivrbot.cli.prompts import spoken_texts

    settings = quiet_settings()
    problems: list[Problem] = []
    try:
        flow_set = load_flows(settings.flows_dir)
    except ConfigError as error:
        problems.extend(error.problems)
    else:
        for language in flow_set.responses:
            texts = spoken_texts(flow_set, language)
            problems.extend(check_prompts(settings.tts.prompts_dir, texts, language))
    try:
        load_policy(settings.flows_dir / "assurance.yml")
    except ConfigError as error:
        problems.extend(error.problems)
    if as_json:
        rows = [
            {"file": p.file, "line": p.line, "path": p.path, "message": p.message, "allowed": p.allowed}
            for p in problems
        ]
        print_json(rows)
        sys.exit(INVALID if problems else 0)
    if problems:
        fail(INVALID, *(str(problem) for problem in problems))
    click.echo("flows are in order", err=True)


@flows.command()
@click.argument("name", required=False)
@guarded
def graph(name: str | None) -> None:
    """Draw flows in Graphviz's language (dot)."""
    flow_set = load_flows(quiet_settings().flows_dir)
    if name is not None and name not in flow_set.flows:
        fail(INVALID, f"no flow {name!r}; there are: {', '.join(sorted(flow_set.flows))}")
    chosen = [flow_set.flows[name]] if name else list(flow_set.flows.values())
    click.echo("digraph flows {\n  rankdir=TB; node [shape=box, fontname=sans];")
    for flow in chosen:
        click.echo("\n".join(_cluster(flow)))
    click.echo("}")


def _cluster(flow: Flow) -> Iterator[str]:
    yield f'  subgraph "cluster_{flow.name}" {{ label="{flow.name}";'
    for step in flow.steps.values():
        label = f"{step.verb} {step.name}".strip() or step.id
        yield f'    "{flow.name}/{step.id}" [label="{label}"];'
    yield f'    "{flow.name}/{END}" [label="end", shape=circle];'
    for step in flow.steps.values():
        for jump in step.jumps:
            text = jump.condition.text.replace('"', "'") if jump.condition else ""
            yield f'    "{flow.name}/{step.id}" -> "{flow.name}/{jump.target}" [label="{text}"];'
    yield "  }"


@flows.command()
def test() -> None:
    """Run the stories of tests/scenario."""
    folder = PROJECT_ROOT / "tests" / "scenario"
    if not folder.is_dir():
        fail(FAILED, f"no stories at {folder}: they come with the source")
    sys.exit(subprocess.call([sys.executable, "-m", "pytest", "-q", str(folder)], cwd=PROJECT_ROOT))
