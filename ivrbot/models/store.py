"""The models folder: what is there, whether it is whole, and bringing models in.

Takes names of the catalogue, gives folders of verified files. Everything is fetched into a staging folder beside
the target, checked by hash, and renamed: a model is there whole or not at all, whenever the process dies.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ivrbot.errors import ConfigError, IvrbotError, MissingError, Problem
from ivrbot.models import campplus
from ivrbot.models.archives import unpack_safely
from ivrbot.models.catalogue import Bundle, Model, ModelFile, catalogue
from ivrbot.models.sources import (
    PACKAGES,
    RAW,
    Progress,
    Source,
    source_of,
)

_STAGING_PREFIX: Final = ".pull-"
_STALE_S: Final = 24 * 3600
_ARCHIVE: Final = ".archive"
_RECIPES: Final[dict[str, Callable[[Path, Path], None]]] = {"campplus": campplus.build}


@dataclass(frozen=True, slots=True)
class ModelState:
    """A model of the catalogue and what the folder holds of it.

    Attributes:
        model: the entry.
        folder: where it lies or would lie.
        present: all files are there with their right sizes (hashes are `verify`'s work).
    """

    model: Model
    folder: Path
    present: bool


def installed(models_dir: Path, known: tuple[Model, ...] | None = None) -> tuple[ModelState, ...]:
    """State of every model of the catalogue; looks at names and sizes only."""
    return tuple(
        ModelState(model, models_dir / model.name, _is_present(model, models_dir / model.name))
        for model in known or catalogue()
    )


def verify(name: str, models_dir: Path, known: tuple[Model, ...] | None = None) -> tuple[Problem, ...]:
    """Read every file of a model and compare hashes.

    Args:
        name: of the catalogue.
        models_dir: where models lie.
        known: a catalogue other than ivrbot's.

    Returns:
        What is wrong, empty when the model is whole. Of models without known hashes only the main files' presence
        is looked at.

    Raises:
        ConfigError: no such model in the catalogue.
    """
    model = _model(name, known)
    folder = models_dir / model.name
    if not model.bundles:
        return _missing(folder, model.must_have)
    findings = [_check(folder, bundle) for bundle in model.bundles]
    return min(findings, key=len)


def pull(
    name: str,
    models_dir: Path,
    source: str = PACKAGES,
    progress: Progress = lambda _name, _done, _all: None,
    known: tuple[Model, ...] | None = None,
) -> Path:
    """Bring a model in, unless it is there and whole.

    Args:
        name: of the catalogue.
        models_dir: made if need be.
        source: "packages", a folder, or an http(s) URL.
        progress: told what arrives.
        known: a catalogue other than ivrbot's.

    Returns:
        The model's folder.

    Raises:
        ConfigError: unknown name or source, or a file with a wrong hash; nothing is kept.
        MissingError: the source does not have it.
    """
    model = _model(name, known)
    target = models_dir / model.name
    if not verify(name, models_dir, known):
        return target
    origin = source_of(source)
    models_dir.mkdir(parents=True, exist_ok=True)
    with _staging(models_dir) as staging:
        if model.bundles:
            fresh = _fetch_bundles(model, origin, staging, progress)
        else:
            fresh = _fetch_archive(model, origin, staging, progress)
        _swap_in(fresh, target, staging)
    return target


def _fetch_bundles(model: Model, origin: Source, staging: Path, progress: Progress) -> Path:
    """The first bundle that arrives whole."""
    first_error: IvrbotError | None = None
    for number, bundle in enumerate(model.bundles):
        folder = staging / f"bundle-{number}"
        folder.mkdir()
        try:
            origin.fetch(model, bundle, folder, progress)
            shutil.rmtree(folder / ".wheels", ignore_errors=True)
            _follow_recipe(bundle, folder)
            if problems := _check(folder, bundle):
                raise ConfigError(problems)
        except (MissingError, ConfigError) as error:
            # A spare's failure says less than the failure of what should have been there.
            first_error = first_error or error
            shutil.rmtree(folder)
            continue
        return folder
    assert first_error is not None
    raise first_error


def _follow_recipe(bundle: Bundle, folder: Path) -> None:
    """Make the model's files of what a package carried; nothing is done where they came as they are.

    Raises:
        ConfigError: what came is not what was expected.
    """
    raw = folder / RAW
    if not raw.is_dir():
        return
    # Hashes first: the recipe's parser only ever sees the one file that it was written for.
    if problems := [problem for file in bundle.raw if (problem := _check_file(raw / file.path, file))]:
        raise ConfigError(problems)
    _RECIPES[bundle.recipe](raw, folder)
    shutil.rmtree(raw)


def _fetch_archive(model: Model, origin: Source, staging: Path, progress: Progress) -> Path:
    archive = staging / _ARCHIVE
    origin.fetch_archive(model, archive, progress)
    unpacked = staging / "unpacked"
    if archive.is_dir():
        archive.rename(unpacked)
    else:
        _check_archive(archive, model)
        unpack_safely(archive, unpacked)
    # Archives hold one folder with the model's name, or the files themselves.
    inner = unpacked / model.name
    folder = inner if inner.is_dir() else unpacked
    if problems := _missing(folder, model.must_have):
        raise ConfigError(problems)
    return folder


def _check_archive(archive: Path, model: Model) -> None:
    """Compare an archive with what is known of it.

    Raises:
        ConfigError: wrong hash.
    """
    with archive.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if model.archive_sha256 and found != model.archive_sha256:
        raise ConfigError([Problem(model.archive, None, "sha256", found, "wrong hash", model.archive_sha256)])


def _swap_in(fresh: Path, target: Path, staging: Path) -> None:
    """Rename into place; what stood there goes with the staging folder."""
    if target.exists():
        target.rename(staging / "old")
    fresh.rename(target)


@contextmanager
def _staging(models_dir: Path) -> Iterator[Path]:
    _sweep(models_dir)
    folder = Path(tempfile.mkdtemp(prefix=_STAGING_PREFIX, dir=models_dir))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(models_dir: Path) -> None:
    """Remove what killed processes left; younger folders may belong to one at work."""
    for folder in models_dir.glob(_STAGING_PREFIX + "*"):
        if time.time() - folder.stat().st_mtime > _STALE_S:
            shutil.rmtree(folder, ignore_errors=True)


def _check(folder: Path, bundle: Bundle) -> tuple[Problem, ...]:
    return tuple(problem for file in bundle.files if (problem := _check_file(folder / file.path, file)))


def _check_file(path: Path, file: ModelFile) -> Problem | None:
    if not path.is_file():
        return Problem(str(path), None, "", "", "missing")
    size = path.stat().st_size
    if size != file.size_bytes:
        return Problem(str(path), None, "size", str(size), "wrong size", f"{file.size_bytes} bytes")
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != file.sha256:
        return Problem(str(path), None, "sha256", found, "wrong hash", file.sha256)
    return None


def _is_present(model: Model, folder: Path) -> bool:
    if not model.bundles:
        return not _missing(folder, model.must_have)
    return any(
        all(
            (folder / file.path).is_file() and (folder / file.path).stat().st_size == file.size_bytes
            for file in bundle.files
        )
        for bundle in model.bundles
    )


def _missing(folder: Path, names: tuple[str, ...]) -> tuple[Problem, ...]:
    return tuple(
        Problem(str(folder / name), None, "", "", "missing") for name in names if not (folder / name).is_file()
    )


def _model(name: str, known: tuple[Model, ...] | None) -> Model:
    models = known or catalogue()
    for model in models:
        if model.name == name:
            return model
    names = ", ".join(model.name for model in models)
    raise ConfigError([Problem("", None, "model", name, "no such model", names)])
