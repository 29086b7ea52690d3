"""`ivrbot models`: speech and language models, with size, licence, hash and source."""

from __future__ import annotations

from typing import Any, Final

import click

from ivrbot.cli.console import FAILED, fail, guarded, json_option, print_json, quiet_settings
from ivrbot.models import store
from ivrbot.models.catalogue import Model, catalogue

WITHOUT_INTERNET: Final = (
    "No way to these from here? Fetch the files on a machine that has one, put them into a folder, and run "
    "`ivrbot models pull NAME --source FOLDER`."
)


@click.group()
def models() -> None:
    """List and fetch models."""


def row(model: Model, folder: str, present: bool) -> dict[str, Any]:
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
        "sha256": _hashes(model),
        "addresses": list(model.addresses),
        "source": model.page,
    }


def _model(name: str) -> Model:
    return next(model for model in catalogue() if model.name == name)


def _hashes(model: Model) -> dict[str, str]:
    """By file; of a model in an archive that of the archive, nothing where none is known."""
    if model.archive_sha256:
        return {model.archive: model.archive_sha256}
    return {file.path: file.sha256 for bundle in model.bundles[:1] for file in bundle.files}


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
        click.echo("\n".join(_lines(entry)))
    if not all(entry["present"] for entry in rows):
        click.echo(WITHOUT_INTERNET)


def _lines(entry: dict[str, Any]) -> list[str]:
    """A model for people: what it is, and where it comes from."""
    size = f"{entry['size_bytes'] / 1e6:.0f} MB" if isinstance(entry["size_bytes"], int) else "size unknown"
    mark = "installed" if entry["present"] else "not here"
    hashed = "" if entry["sha256"] else ", hash unknown"
    return [
        f"{entry['name']}: {mark}, {entry['kind']}, {' '.join(entry['languages'])}, {size}{hashed}",
        f"    {entry['licence']}",
        *(f"    {address}" for address in entry["addresses"]),
    ]


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
        known = bool(_hashes(_model(item)))
        pulled.append({"name": item, "folder": str(folder), "verified": known})
        said = "verified" if known else "its files are there, but ivrbot knows no hash to compare them with"
        click.echo(f"{item}: {said}, in {folder}", err=True)
    if as_json:
        print_json(pulled)
