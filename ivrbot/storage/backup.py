"""Backups: one file for either database, and back into either.

Takes a store (or where a database is) and a path, gives a zip archive: `manifest.json` and a file of JSON lines
for each table; those of voices are empty in it. A backup is one moment of the database while the product goes on
writing; a restore checks the whole archive first, then puts everything in and compares it in one transaction, or
changes nothing.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from ivrbot.errors import ConfigError, Problem, StorageConflict, StorageUnavailable
from ivrbot.storage import migrations
from ivrbot.storage.engines import Opening
from ivrbot.storage.neutral_rows import (
    PIECE_ROWS,
    SCHEMA_TABLES,
    Digest,
    Shape,
    go_on_counting,
    lines,
    parsed,
    shapes,
    writer,
)
from ivrbot.storage.store import Store
from ivrbot.storage.voiceprints import NOT_IN_BACKUPS
from ivrbot.storage.writer import unavailable

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
MANIFEST_BYTES: Final = 1_000_000
LINE_BYTES: Final = 64_000_000
BACKUP_DEADLINE_S: Final = 6 * 3600.0
MOST_PROBLEMS: Final = 100

BOMB_BYTES: Final = 64_000_000
BOMB_RATIO: Final = 150
"""A larger member that was squeezed more than so is refused: our rows hold random ids and come to 5 to 30."""


class TableNote(BaseModel):
    """What the manifest says of a table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: dict[str, str]
    rows: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    digest: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """What an archive holds.

    Attributes:
        format: of the archive.
        revision: of the schema.
        made_at: of the snapshot, UTC.
        tables: rows, size, hash of the file, hash of the rows in any order; by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    revision: str
    made_at: datetime
    tables: dict[str, TableNote]

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables.values())


# --- out ----------------------------------------------------------------------------------------------


async def backup(store: Store, file: Path) -> Manifest:
    """Write a snapshot of an open store.

    Raises:
        ConfigError: the file exists, or cannot be written.
        StorageUnavailable: the database failed; no file is left.
    """
    return await store.read(lambda conn: _write(conn, file), deadline_s=BACKUP_DEADLINE_S)


def _write(conn: Connection, file: Path) -> Manifest:
    half = file.with_name(f"{file.name}.part")
    try:
        if file.exists():
            raise _refused(file, "exists already", "a new name")
        # Personal data: for the owner of the process only.
        with os.fdopen(os.open(half, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "wb") as raw:
            with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
                manifest = _dump(conn, archive)
            raw.flush()
            os.fsync(raw.fileno())
        half.replace(file)
    except FileExistsError as error:
        raise _refused(half, "exists: another backup runs, or one was broken off", "delete it") from error
    except OSError as error:
        half.unlink(missing_ok=True)
        raise _refused(file, f"cannot be written: {error.strerror}") from error
    except BaseException:
        half.unlink(missing_ok=True)
        raise
    return manifest


def _dump(conn: Connection, archive: zipfile.ZipFile) -> Manifest:
    tables = {}
    revision, made_at = migrations.current_revision(conn), datetime.now(UTC)
    for name, shape in shapes(conn).items():
        whole, digest, size = hashlib.sha256(), Digest(), 0
        with archive.open(_member(name), "w", force_zip64=True) as out:
            for line in () if name in NOT_IN_BACKUPS else lines(conn, shape):
                out.write(line)
                whole.update(line)
                digest.add(line)
                size += len(line)
        tables[name] = TableNote(
            columns={column: kind.value for column, kind in shape.columns.items()},
            rows=digest.rows,
            bytes=size,
            sha256=whole.hexdigest(),
            digest=digest.hexdigest(),
        )
    manifest = Manifest(format=FORMAT, revision=revision, made_at=made_at, tables=tables)
    archive.writestr(MANIFEST, manifest.model_dump_json(indent=1))
    return manifest


def _member(table: str) -> str:
    return f"tables/{table}.jsonl"


# --- checking -----------------------------------------------------------------------------------------


def check(file: Path) -> Manifest:
    """Read an archive from end to end.

    Raises:
        ConfigError: everything that is wrong with it; nothing of it may be used.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = _manifest(archive, file)
            problems = [*_wrong_members(archive, manifest), *_wrong_tables(archive, manifest)]
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not a backup of ivrbot"
        raise _refused(file, str(reason)) from error
    if problems:
        raise ConfigError(Problem(str(file), None, path, "", told) for path, told in problems[:MOST_PROBLEMS])
    return manifest


def _manifest(archive: zipfile.ZipFile, file: Path) -> Manifest:
    try:
        held = archive.getinfo(MANIFEST)
    except KeyError:
        raise _refused(file, "not a backup of ivrbot: it has no manifest") from None
    if held.file_size > MANIFEST_BYTES:
        raise _refused(file, "the manifest is too large")
    with archive.open(held) as member:
        raw = member.read(MANIFEST_BYTES + 1)
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError as error:
        raise ConfigError(
            Problem(str(file), None, ".".join(("manifest", *map(str, item["loc"]))), "", item["msg"])
            for item in error.errors()
        ) from error
    if manifest.format != FORMAT:
        raise _refused(file, f"format {manifest.format} is not known", f"format {FORMAT}")
    if manifest.revision not in migrations.known_revisions():
        raise _refused(file, f"schema {manifest.revision} is newer than this version's; install a newer ivrbot")
    return manifest


def _wrong_members(archive: zipfile.ZipFile, manifest: Manifest) -> Iterator[tuple[str, str]]:
    wanted = {_member(name): note for name, note in manifest.tables.items()}
    held = [info.filename for info in archive.infolist()]
    for name in sorted({name for name in held if held.count(name) > 1}):
        yield name, "is there more than once"
    for name in sorted(set(held) - set(wanted) - {MANIFEST}):
        yield name, "does not belong there"
    for name in sorted(set(wanted) - set(held)):
        yield name, "is missing"


def _wrong_tables(archive: zipfile.ZipFile, manifest: Manifest) -> Iterator[tuple[str, str]]:
    members = {info.filename: info for info in archive.infolist()}
    for name, note in manifest.tables.items():
        info = members.get(_member(name))
        if info is None:
            continue
        if info.file_size != note.bytes:
            yield info.filename, f"unpacks to {info.file_size} bytes, the manifest says {note.bytes}"
        elif info.file_size > BOMB_BYTES and info.file_size > BOMB_RATIO * max(info.compress_size, 1):
            yield info.filename, f"unpacks to {info.file_size // max(info.compress_size, 1)} times its size"
        else:
            yield from _wrong_lines(archive, info, note)


def _wrong_lines(archive: zipfile.ZipFile, info: zipfile.ZipInfo, note: TableNote) -> Iterator[tuple[str, str]]:
    whole, digest = hashlib.sha256(), Digest()
    try:
        with archive.open(info) as member:
            for line in _read_lines(member):
                whole.update(line)
                digest.add(line)
    except (zipfile.BadZipFile, EOFError, ValueError, OSError) as error:
        yield info.filename, f"cannot be read ({type(error).__name__})"
        return
    if digest.rows != note.rows:
        yield info.filename, f"holds {digest.rows} rows, the manifest says {note.rows}"
    if whole.hexdigest() != note.sha256 or digest.hexdigest() != note.digest:
        yield info.filename, "has been changed: its hash is not the manifest's"


def _read_lines(member: Any) -> Iterator[bytes]:
    # io's readline is much quicker than that of zipfile
    buffered = io.BufferedReader(member)
    while line := buffered.readline(LINE_BYTES):
        if not line.endswith(b"\n"):
            raise ValueError("a line without an end")
        yield line


# --- in -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put in.

    Attributes:
        rows: in all tables.
        revision: the schema that the database has now.
    """

    rows: int
    revision: str


def restore(where: Opening, file: Path, *, replace: bool = False) -> Restored:
    """Put an archive into a database, all or nothing; blocks.

    Args:
        where: of an empty database, or one whose contents may go.
        file: made by `backup`.
        replace: drop what is there.

    Raises:
        ConfigError: every problem of the archive; nothing was changed.
        StorageConflict: the database is not empty; nothing was changed.
        StorageUnavailable: the database failed; nothing was changed.
    """
    manifest = check(file)
    where.prepare()
    engine = where.writing()
    try:
        with engine.begin() as conn:
            _make_room(conn, replace)
            migrations.upgrade(conn, manifest.revision)
            with zipfile.ZipFile(file) as archive:
                _fill(conn, archive, manifest, file)
            _, revision = migrations.upgrade(conn)
    except SQLAlchemyError as error:
        raise unavailable(error) from None
    finally:
        engine.dispose()
    return Restored(manifest.rows, revision)


def _make_room(conn: Connection, replace: bool) -> None:
    held = shapes(conn)
    if replace:
        for name in (*held, *SCHEMA_TABLES):
            conn.execute(text(f'DROP TABLE IF EXISTS "{name}"'))
        return
    full = [name for name in held if conn.execute(text(f'SELECT 1 FROM "{name}" LIMIT 1')).first()]
    if full:
        raise StorageConflict(f"the database is not empty ({', '.join(full[:5])}); --replace drops what is there")
    for name in (*held, *SCHEMA_TABLES):  # made by another version, perhaps
        conn.execute(text(f'DROP TABLE IF EXISTS "{name}"'))


def _fill(conn: Connection, archive: zipfile.ZipFile, manifest: Manifest, file: Path) -> None:
    held = shapes(conn)
    if problems := list(_other_shapes(held, manifest)):
        raise ConfigError(Problem(str(file), None, path, "", told) for path, told in problems)
    for name, note in manifest.tables.items():
        # in the archive's order: a table that grew by steps has another one than a new table
        shape = Shape(name, {column: held[name].columns[column] for column in note.columns}, held[name].counter)
        write, piece = writer(conn, shape), []
        with archive.open(_member(name)) as member:
            for number, line in enumerate(_read_lines(member), start=1):
                try:
                    piece.append(parsed(shape, line))
                except ValueError as error:
                    raise _refused(file, f"{name}, row {number}: {error}") from error
                if len(piece) == PIECE_ROWS:
                    write(piece)
                    piece = []
        write(piece)
        go_on_counting(conn, shape)
        _compare(conn, shape, note)


def _compare(conn: Connection, shape: Shape, note: TableNote) -> None:
    """Read back what was put in."""
    digest = Digest()
    for line in lines(conn, shape):
        digest.add(line)
    if (digest.rows, digest.hexdigest()) != (note.rows, note.digest):
        raise StorageUnavailable(f"table {shape.name} did not come out as it went in; nothing was kept")


def _other_shapes(held: dict[str, Shape], manifest: Manifest) -> Iterator[tuple[str, str]]:
    for name in sorted(set(held) ^ set(manifest.tables)):
        yield name, "no such table in this schema" if name not in held else "is missing from the archive"
    for name in sorted(set(held) & set(manifest.tables)):
        columns = {column: kind.value for column, kind in held[name].columns.items()}
        if columns != manifest.tables[name].columns:
            yield name, "other columns than in this schema"


def _refused(file: Path, message: str, allowed: str = "") -> ConfigError:
    return ConfigError([Problem(str(file), None, "", "", message, allowed)])
