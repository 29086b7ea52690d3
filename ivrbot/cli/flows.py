"""`ivrbot flows`: check, draw and test the dialogues."""

from __future__ import annotations

import shutil
import subprocess
import sys

import click

from ivrbot.cli.console import FAILED, INVALID, MISSING, fail, guarded, json_option, print_json, quiet_settings
from ivrbot.config import PROJECT_ROOT
from ivrbot.dialogue.drawing import draw
from ivrbot.dialogue.loader import load_flows
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
@click.option("--format", "form", type=click.Choice(["dot", "mermaid", "svg"]), default="dot", show_default=True)
@guarded
def graph(name: str | None, form: str) -> None:
    """Draw flows for Graphviz (dot), for Mermaid, or as a picture (needs Graphviz)."""
    flow_set = load_flows(quiet_settings().flows_dir)
    if name is not None and name not in flow_set.flows:
        fail(INVALID, f"no flow {name!r}; there are: {', '.join(sorted(flow_set.flows))}")
    chosen = [flow_set.flows[name]] if name else list(flow_set.flows.values())
    text = "\n".join(draw(chosen, "mermaid" if form == "mermaid" else "dot"))
    click.echo(_picture(text) if form == "svg" else text)


def _picture(text: str) -> str:
    program = shutil.which("dot")
    if program is None:
        fail(MISSING, "Graphviz is not installed (package graphviz); --format mermaid needs nothing")
    done = subprocess.run([program, "-Tsvg"], input=text, text=True, capture_output=True, timeout=60, check=False)
    if done.returncode:
        fail(FAILED, done.stderr.strip() or "Graphviz failed")
    return done.stdout


@flows.command()
def test() -> None:
    """Run the stories of tests/scenario."""
    folder = PROJECT_ROOT / "tests" / "scenario"
    if not folder.is_dir():
        fail(FAILED, f"no stories at {folder}: they come with the source")
    sys.exit(subprocess.call([sys.executable, "-m", "pytest", "-q", str(folder)], cwd=PROJECT_ROOT))
