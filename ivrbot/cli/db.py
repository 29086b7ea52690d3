"""`ivrbot db`: schema, backup, restore, erasure of a caller's data."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from ivrbot import app, upkeep
from ivrbot.cli.console import json_option, print_json, quiet_settings, run_async
from ivrbot.cli.rollout_parts import who_asks
from ivrbot.config import Settings
from ivrbot.errors import StorageUnavailable
from ivrbot.language.masking import mask_typed
from ivrbot.model.events import JsonValue
from ivrbot.secretfile import read_secret
from ivrbot.storage import backup as archives
from ivrbot.storage import migrations
from ivrbot.storage.activity import ActivityLog
from ivrbot.storage.engines import Opening, PostgresAddress, SqliteFile


@click.group()
def db() -> None:
    """Bring the database up to date, back it up, restore it."""


@db.command()
@json_option
@run_async
async def upgrade(as_json: bool) -> None:
    """Bring the schema up to this version; `serve` does so by itself."""
    settings = quiet_settings()
    where = app.store_of(settings).where
    before, after = await asyncio.to_thread(_upgraded, where)
    if as_json:
        print_json({"database": str(where), "before": before or None, "after": after})
    elif before == after:
        click.echo(f"{where} has schema {after} already")
    else:
        click.echo(f"{where}: schema {before or '(none)'} -> {after}")


def _upgraded(where: Opening) -> tuple[str, str]:
    where.prepare()
    engine = where.writing()
    try:
        with engine.begin() as conn:
            return migrations.upgrade(conn)
    finally:
        engine.dispose()


@db.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
@run_async
async def backup(file: Path, as_json: bool) -> None:
    """Write one moment of the database into FILE, for either kind of database; calls go on meanwhile."""
    settings = quiet_settings()
    async with app.store_of(settings) as store:
        manifest = await archives.backup(store, file)
        # erasures name the backups that still hold what they erase
        detail: dict[str, JsonValue] = {"file": str(file), "rows": manifest.rows}
        await ActivityLog(store).note(who_asks(), "backup", "database", file.name, detail=detail)
    _show_backup(file, manifest, _journalled(settings), as_json)


def _show_backup(file: Path, manifest: archives.Manifest, waiting: int, as_json: bool) -> None:
    if as_json:
        tables = {name: table.rows for name, table in manifest.tables.items()}
        told = {"schema": manifest.revision, "rows": manifest.rows, "journal_bytes": waiting, "tables": tables}
        print_json({"file": str(file), "made_at": manifest.made_at.isoformat(), **told})
        return
    size = file.stat().st_size
    click.echo(f"{file}: {manifest.rows} rows of {len(manifest.tables)} tables, {size / 1e6:.1f} MB")
    if waiting:
        click.echo(f"{waiting} bytes of events wait in the journal for the database: not in the backup", err=True)


@db.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--into", default="", help="Address or SQLite file; the database of the settings by default.")
@click.option("--replace", is_flag=True, help="Drop what the database holds; stop ivrbot first.")
@json_option
@run_async
async def restore(file: Path, into: str, replace: bool, as_json: bool) -> None:
    """Check FILE and put it into an empty database, all or nothing."""
    where = _target(quiet_settings(), into)
    done = await asyncio.to_thread(archives.restore, where, file, replace=replace)
    if as_json:
        print_json({"database": str(where), "rows": done.rows, "schema": done.revision})
    else:
        click.echo(f"{where}: {done.rows} rows restored and compared, schema {done.revision}")


def _target(settings: Settings, into: str) -> Opening:
    own = app.store_of(settings).where
    if not into:
        return own
    if not into.startswith("postgresql:"):
        return SqliteFile(Path(into))
    file = settings.database.password_file
    password = "" if file is None else read_secret(file, "database.password_file")
    return PostgresAddress(into, password)


def _journalled(settings: Settings) -> int:
    """Bytes of events that are not in the database yet."""
    try:
        return sum(journal.stat().st_size for journal in app.journals_of(settings))
    except FileNotFoundError:  # written to the database just now
        return 0
    except OSError as error:
        raise StorageUnavailable(f"the journal cannot be read: {error.strerror}") from error


@db.command()
@click.option("--caller", "number", required=True, help="His telephone number.")
@click.option(
    "--why",
    required=True,
    callback=lambda _context, _option, text: mask_typed(text),
    help="Reason (his request, its date), kept in the activity log.",
)
@json_option
@run_async
async def erase(number: str, why: str, as_json: bool) -> None:
    """Erase everything that leads to a caller; what was counted stays counted."""
    settings = quiet_settings()
    bank = app.open_bank(settings)
    try:
        async with app.store_of(settings) as store:
            eraser = upkeep.Eraser(settings, store, app.recording_archive(settings), bank)
            done = await eraser.erase(number, who_asks(), why)
    finally:
        await bank.close()
    if as_json:
        rows = {"calls": len(done.call_ids), "rows": done.rows, "audit_rows": done.audit_rows}
        print_json(rows | {"backups": list(done.backups), "is_file_clean": done.is_file_clean})
        return
    click.echo(f"{len(done.call_ids)} calls; " + ", ".join(f"{kind} {n}" for kind, n in done.rows.items() if n))
    if done.backups:
        click.echo("These backups still hold him; delete or replace them: " + ", ".join(done.backups), err=True)
    if done.audit_rows:
        click.echo(f"The rollout's audit names his keyed hash in {done.audit_rows} rows; no number.", err=True)
    if not done.is_file_clean:
        click.echo("Somebody was reading: run the command again, to empty the write-ahead log.", err=True)
