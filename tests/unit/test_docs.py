"""The documentation against the product: links resolve, nothing is undocumented, examples load."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import BaseModel

from ivrbot.cli.main import COMMANDS, main
from ivrbot.config import PROJECT_ROOT, Settings
from ivrbot.dialogue.loader import load_flows
from ivrbot.model.call import EscalationReason
from ivrbot.model.events import EventType
from ivrbot.rollout.planning.check import load_plan
from ivrbot.yamlfile import read_yaml, read_yaml_text

DOCS = PROJECT_ROOT / "docs"
PAGES = sorted([*PROJECT_ROOT.glob("*.md"), *DOCS.rglob("*.md"), PROJECT_ROOT / "audio_prompts" / "README.md"])

_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_YAML = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# (flows/\S+\.yml)\n")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def name(page: Path) -> str:
    return str(page.relative_to(PROJECT_ROOT))


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    found = (
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(page.read_text())
    )
    return set(found)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_resolve(page: Path) -> None:
    broken = []
    for link in _LINK.findall(_CODE.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [PROJECT_ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        links = (link.partition("#")[0] for link in _LINK.findall(page.read_text("utf-8")))
        waiting += [(page.parent / link).resolve() for link in links if link and ":" not in link]
    assert not {name(page) for page in DOCS.rglob("*.md")} - {name(page) for page in seen}


def leaves(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for sub in command.list_commands(context):
        found = command.get_command(context, sub)
        assert found is not None
        yield from leaves(found, f"{path} {sub}".strip())


def test_every_command_and_option_is_in_the_reference() -> None:
    text = (DOCS / "reference" / "cli.md").read_text("utf-8")
    assert set(COMMANDS) <= set(re.findall(r"^## `ivrbot ([\w-]+)", text, re.MULTILINE))
    missing = []
    for path, command in leaves(main, ""):
        if f"`{path} " not in text and f"`{path}`" not in text and f"`ivrbot {path}" not in text:
            missing.append(path)
        section = text.split(f"\n## `ivrbot {path.split()[0]}", 1)[1].split("\n## ", 1)[0]
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                missing += [f"{path} {option}" for option in parameter.opts[:1] if option not in section]
    assert not missing


def test_every_event_is_in_the_reference() -> None:
    text = (DOCS / "reference" / "events.md").read_text("utf-8")
    rows = set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE))
    assert not {event.value for event in EventType} - rows
    assert not {reason.value for reason in EscalationReason} - set(re.findall(r"`(\w+)`", text))


def test_every_path_of_the_api_is_in_the_reference() -> None:
    text = (DOCS / "reference" / "http-api.md").read_text("utf-8")
    paths = json.loads((PROJECT_ROOT / "ivrbot" / "web" / "openapi.json").read_text("utf-8"))["paths"]
    assert not {path for path in paths if f"{path}`" not in text}


def setting_names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for field, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from setting_names(kind, f"{prefix}{field}.")
        else:
            yield f"{prefix}{field}"


def test_every_setting_is_in_the_reference_and_no_other() -> None:
    text = (DOCS / "reference" / "settings.md").read_text("utf-8")
    documented = re.findall(r"^\| `([a-z_.]+)` \|", text, re.MULTILINE)
    assert sorted(documented) == sorted(setting_names(Settings))


def test_plain_defaults_are_those_of_the_reference() -> None:
    text = (DOCS / "reference" / "settings.md").read_text("utf-8")
    documented = dict(re.findall(r"^\| `([a-z_.]+)` \| `([^`]*)` \|", text, re.MULTILINE))
    actual: dict[str, Any] = Settings().model_dump(mode="json")
    wrong = {}
    for path, shown in documented.items():
        value = actual
        for part in path.split("."):
            value = value[part]
        plain = str(value).lower() if isinstance(value, bool) else str(value)
        if shown != plain:
            wrong[path] = (shown, plain)
    assert not wrong


def merge(into: Any, extra: Any) -> None:
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict) and value.keys() & {"flow"} == set():
            merge(into[key], value)
        else:
            into[key] = value


def examples(page: Path) -> list[str]:
    return _YAML.findall(page.read_text("utf-8"))


@pytest.mark.parametrize("page", [page for page in PAGES if examples(page)], ids=name)
def test_examples_load(page: Path, tmp_path: Path) -> None:
    """A page's YAML, put where it says, makes a folder of flows (or a plan) in order."""
    flows = tmp_path / "flows"
    shutil.copytree(PROJECT_ROOT / "flows", flows)
    for number, text in enumerate(examples(page)):
        content = read_yaml_text(page, text)
        place = _FILE.match(text)
        if place is not None or "responses" in content:
            file = tmp_path / place[1] if place else flows / "en.yml"
            whole = read_yaml(file).data if file.is_file() else {}
            merge(whole, content)
            file.write_text(json.dumps(whole, ensure_ascii=False), "utf-8")  # which is YAML too
        elif "flows" in content:
            (flows / f"example_{number}.yml").write_text(text, "utf-8")
        elif "branches" in content:
            plan = tmp_path / "rollout.yaml"
            plan.write_text(text, "utf-8")
            load_plan(plan, {*load_flows(PROJECT_ROOT / "flows").branches.branches, "front"})
        else:
            assert "stories" in content, f"an example of no known kind: {text[:60]}"
    assert load_flows(flows).flows
