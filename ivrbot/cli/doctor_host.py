"""What `ivrbot doctor` looks at on the machine itself: space, clock, private files, what waits unwritten.

Takes settings, gives a sentence; raises what the doctor shows with its fix.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import func, select

from ivrbot import app
from ivrbot.cli.doctor_checks import NotInUse
from ivrbot.config import Settings
from ivrbot.errors import MissingError
from ivrbot.storage.schema import events
from ivrbot.tracing import open_tracing

MIN_FREE_BYTES: Final = 1024**3
BUILT: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""No clock that is right shows less."""
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
JOURNAL_OLD_S: Final = 120.0
REFUSED_S: Final = 1.0


async def space(settings: Settings) -> str:
    """Room for events, journals and recordings."""
    folders = {settings.data_dir: MIN_FREE_BYTES}
    if settings.recording.enabled:
        folders[settings.recordings_dir] = max(MIN_FREE_BYTES, settings.recording.min_free_mb * 1024 * 1024)
    shown = []
    for folder, least in folders.items():
        free = shutil.disk_usage(_existing(folder)).free
        if free < least:
            fix = "Make room, or move the folder (IVRBOT_DATA_DIR, recording.dir)."
            raise MissingError(f"{folder} has {_size(free)} left of the {_size(least)} it should have", fix)
        shown.append(f"{_size(free)} free in {folder}")
    return ", ".join(shown)


async def clock(settings: Settings) -> str:
    """A clock that runs, and not behind what has been recorded already."""
    now = datetime.now(UTC)
    fix = "Set the clock and keep it set (systemd-timesyncd, chrony)."
    if now < BUILT:
        raise MissingError(f"the clock shows {now:%Y-%m-%d}", fix)
    async with app.store_of(settings) as store:
        newest: datetime | None = await store.read(
            lambda connection: connection.execute(select(func.max(events.c.at))).scalar_one()
        )
    if newest is not None and newest > now + CLOCK_TOLERANCE:
        raise MissingError(
            f"the clock shows {now:%Y-%m-%d %H:%M} UTC, the newest event {newest:%Y-%m-%d %H:%M}", fix
        )
    return f"{now:%Y-%m-%d %H:%M:%S} UTC"


async def secrets(settings: Settings) -> str:
    """Files with secrets that only their owner may read."""
    named = (settings.asterisk.ami_secret_file, settings.nlu.rasa_token_file, settings.database.password_file)
    kept = (settings.data_dir / "api.token", settings.data_dir / "caller.key")
    found = [path for path in (*kept, *named) if path is not None and path.is_file()]
    open_ones = [path for path in found if path.stat().st_mode & 0o077]
    if open_ones:
        names = " ".join(str(path) for path in open_ones)
        raise MissingError(f"others may read {', '.join(path.name for path in open_ones)}", f"chmod 600 {names}")
    return f"{len(found)} files, for their owner only" if found else "none yet"


async def journal(settings: Settings) -> str:
    """Events that wait for the database, of all processes on this folder."""
    waiting = [path for path in settings.data_dir.glob("*.journal*.jsonl") if path.stat().st_size]
    old = [path for path in waiting if time.time() - path.stat().st_mtime > JOURNAL_OLD_S]
    if old:
        sizes = ", ".join(f"{path.name} ({_size(path.stat().st_size)})" for path in old)
        fix = "Bring the database back and start `ivrbot serve`: it writes them first."
        raise MissingError(f"events wait for the database: {sizes}", fix)
    return f"{len(waiting)} being written" if waiting else "empty"


async def recordings(settings: Settings) -> str:
    """The folder of recordings."""
    folder = settings.recordings_dir
    count = sum(1 for _ in folder.glob("*/*.wav")) if folder.is_dir() else 0
    if not settings.recording.enabled:
        raise NotInUse(f"calls are not recorded by the bot; {count} earlier recordings")
    fix = f"mkdir -p {folder} && chmod 700 {folder}, as the user that runs ivrbot; or set recording.dir."
    if not os.access(_existing(folder), os.W_OK | os.X_OK):
        raise MissingError(f"{folder} cannot be written", fix)
    if folder.is_dir() and folder.stat().st_mode & 0o077:
        raise MissingError(f"others may open {folder}", f"chmod 700 {folder}")
    return f"{count} in {folder}, kept for {settings.recording.days} days"


async def queue_log(settings: Settings) -> str:
    """Asterisk's queue_log, from which operators' calls become figures."""
    path = settings.asterisk.queue_log
    if not path:
        raise NotInUse("asterisk.queue_log is not set: operators' calls are imported by hand or not at all")
    try:
        size = _readable_bytes(Path(path))
    except OSError as error:
        fix = "Put ivrbot's user into the group that owns it (adduser ivrbot asterisk), or mend the path."
        raise MissingError(f"{path} cannot be read: {error.strerror}", fix) from error
    return f"{path}, {_size(size)}"


async def tracing(settings: Settings) -> str:
    """The way to the collector of traces."""
    endpoint = settings.tracing.endpoint
    if not endpoint:
        raise NotInUse("tracing.endpoint is not set")
    await asyncio.to_thread(open_tracing(endpoint, 1.0).close)
    place = urlsplit(endpoint)
    port = place.port or (443 if place.scheme == "https" else 80)
    try:
        async with asyncio.timeout(REFUSED_S):
            _, writer = await asyncio.open_connection(place.hostname, port)
    except (OSError, TimeoutError) as error:
        raise MissingError(
            f"no collector answers at {place.netloc}", "Start it, or empty tracing.endpoint."
        ) from error
    writer.close()
    return endpoint


def _readable_bytes(path: Path) -> int:
    with path.open("rb") as file:
        return file.seek(0, 2)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in _upwards(folder.absolute()) if path.exists())


def _upwards(path: Path) -> Iterator[Path]:
    yield path
    yield from path.parents


def _size(count: int) -> str:
    for unit, size in (("GB", 1024**3), ("MB", 1024**2), ("kB", 1024)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
