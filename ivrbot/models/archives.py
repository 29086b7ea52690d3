"""Unpacking archives that nobody vouches for: zip files, and tar files however compressed.

Takes an archive and a folder, writes plain files below that folder and nothing else: no links, no way out of it,
no more than the limits, however small the archive is.
"""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from ivrbot.errors import ConfigError, Problem
from ivrbot.models.sources import CHUNK_BYTES, UNPACKED_LIMIT_BYTES, UNPACKED_LIMIT_FILES


def unpack_safely(archive: Path, target: Path) -> None:
    """Unpack a zip or tar file.

    Raises:
        ConfigError: neither of them, a member that would land outside `target`, a link, or more than the limits.
    """
    if zipfile.is_zipfile(archive) or not tarfile.is_tarfile(archive):
        _unzip(archive, target)
    else:
        _untar(archive, target)


def _untar(archive: Path, target: Path) -> None:
    """Member by member, for a compressed tar does not say beforehand how large it is."""
    total = files = 0
    try:
        with tarfile.open(archive) as bundle:
            for member in bundle:
                total, files = total + member.size, files + 1
                problems = _too_large(total, files) + _unsafe(member.name)
                if not (member.isreg() or member.isdir()):
                    problems.append(_link(member.name))
                if problems:
                    raise ConfigError(problems)
                stream = bundle.extractfile(member)
                if stream is None:
                    continue
                path = target / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                with stream, path.open("wb") as out:
                    shutil.copyfileobj(stream, out, CHUNK_BYTES)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ConfigError([Problem(archive.name, None, "", "", f"not a readable tar file ({error})")]) from error


def _unzip(archive: Path, target: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as bundle:
            members = bundle.infolist()
            if problems := _problems(members):
                raise ConfigError(problems)
            for member in members:
                if not member.is_dir():
                    _extract(bundle, member, target / member.filename)
    except (zipfile.BadZipFile, EOFError) as error:
        raise ConfigError([Problem(archive.name, None, "", "", f"not a readable zip file ({error})")]) from error


def _problems(members: list[zipfile.ZipInfo]) -> list[Problem]:
    problems = _too_large(sum(member.file_size for member in members), len(members))
    for member in members:
        problems += _unsafe(member.filename)
        if stat.S_ISLNK(member.external_attr >> 16):
            problems.append(_link(member.filename))
    return problems


def _too_large(total_bytes: int, files: int) -> list[Problem]:
    if total_bytes <= UNPACKED_LIMIT_BYTES and files <= UNPACKED_LIMIT_FILES:
        return []
    limits = f"{UNPACKED_LIMIT_BYTES} bytes, {UNPACKED_LIMIT_FILES} files"
    return [Problem("", None, "", f"{total_bytes} bytes, {files} files", "too large", limits)]


def _unsafe(name: str) -> list[Problem]:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name:
        return [Problem(name[:80], None, "", "", "would be written outside the model")]
    return []


def _link(name: str) -> Problem:
    return Problem(name[:80], None, "", "", "is a link, or no file at all")


def _extract(bundle: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.file_size
    with bundle.open(member) as stream, target.open("wb") as out:
        while chunk := stream.read(CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise zipfile.BadZipFile(f"{member.filename} is longer than it says")
            out.write(chunk)
