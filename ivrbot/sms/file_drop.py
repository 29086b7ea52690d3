"""Short messages dropped into a folder, one JSON file each: for the demo, for tests, and for a bank's own sender.

Takes a folder, gives a `SmsGateway`. Files are readable by their owner only and appear whole, by renaming; who
picks them up deletes them. What nobody has picked up for an hour is deleted at the next message: the code in it
has long been worth nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ivrbot.errors import SmsUnavailable

KEPT_S: Final = 3600


class FileDropSms:
    """`ivrbot.ports.SmsGateway` into a folder.

    Args:
        folder: made where there is none, open to its owner only.
        now: aware UTC clock.
    """

    def __init__(self, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._folder = folder
        self._now = now
        self._closed = False

    async def send(self, number: str, text: str) -> None:
        """See `SmsGateway`: a file `<time>-<id>.json` with `to`, `text`, `id` and `at`."""
        if self._closed:
            raise SmsUnavailable("the gateway is closed")
        try:
            await asyncio.to_thread(self._drop, number, text)
        except OSError as error:
            raise SmsUnavailable(f"{self._folder} cannot be written: {error.strerror}") from None

    async def close(self) -> None:
        """Nothing is held open. Idempotent."""
        self._closed = True

    async def check(self) -> str:
        """Whether messages can be dropped; for `ivrbot doctor`.

        Raises:
            SmsUnavailable: the folder cannot be written.
        """
        try:
            await asyncio.to_thread(self._try_folder)
        except OSError as error:
            raise SmsUnavailable(f"{self._folder} cannot be written: {error.strerror}") from None
        return f"files in {self._folder}"

    def _try_folder(self) -> None:
        draft = self._prepared() / f".{uuid.uuid4().hex}.tmp"
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        draft.unlink()

    def _prepared(self) -> Path:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._folder

    def _drop(self, number: str, text: str) -> None:
        folder = self._prepared()
        self._forget_old(folder)
        name, at = uuid.uuid4().hex, self._now().astimezone(UTC)
        message = {"to": number, "text": text, "id": name, "at": at.isoformat(timespec="milliseconds")}
        draft = folder / f".{name}.tmp"
        try:
            opened = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(opened, "w", encoding="utf-8") as file:
                json.dump(message, file, ensure_ascii=False)
                file.write("\n")
            draft.replace(folder / f"{at:%Y%m%dT%H%M%S.%f}-{name[:8]}.json")
        finally:
            draft.unlink(missing_ok=True)

    @staticmethod
    def _forget_old(folder: Path) -> None:
        before_s = time.time() - KEPT_S
        for file in (*folder.glob("*.json"), *folder.glob(".*.tmp")):
            try:
                if file.stat().st_mtime < before_s:
                    file.unlink()
            except OSError:
                continue  # somebody has picked it up meanwhile
