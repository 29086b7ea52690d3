"""Recordings of calls: one WAV file a call, written by a thread of its own, and erased when their time is over.

Takes blocks of sound from the event loop, gives files; 8 kHz PCM16, caller left, bot right, in a folder that only
the owner of the process may open (mode 0700, files 0600; put it on an encrypted file system where the law wants
that). A disk that is full or slow costs recordings, never calls: beyond a bound blocks are dropped and counted;
new calls are not recorded, nor told that they are, until it is well again.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from ivrbot import metrics
from ivrbot.model.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ
from ivrbot.model.call import CallId

CHANNELS: Final = 2
HEADER_BYTES: Final = 44
BYTES_PER_MS: Final = SAMPLE_RATE_HZ * SAMPLE_BYTES * CHANNELS // 1000
MAX_WAITING_BLOCKS: Final = 1000
"""A second of sound each: of 200 calls five seconds, 32 MB."""
UNWELL_S: Final = 60.0
"""After a failure no recording is begun for so long."""
SPACE_EVERY_S: Final = 5.0
UNFINISHED: Final = ".part"

log = logging.getLogger(__name__)

Job = Callable[[], None]


class RecordingArchive:
    """Implements `ports.Recordings`; one per process.

    Args:
        folder: where recordings lie, made when the first one is begun.
        enabled: calls are recorded; False: earlier recordings can be heard and are erased in time, nothing more.
        min_free_bytes: with less space left on the disk no recording is begun.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        folder: Path,
        *,
        enabled: bool,
        min_free_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self._enabled = enabled
        self._min_free_bytes = min_free_bytes
        self._clock = clock
        self._jobs: deque[Job] = deque()
        self._waiting_blocks = 0
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._unwell_until_s = 0.0
        self._space_at_s = -SPACE_EVERY_S
        self._has_space = True

    # --- recording, on the event loop -----------------------------------------------------------------

    def start(self) -> None:
        """Make the folder, finish what a crash left unfinished, and take recordings from now on."""
        if not self._enabled:
            return
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            for file in self.folder.glob(f"*/*{UNFINISHED}"):
                _finish(file)
        except OSError as error:
            log.error("calls are not recorded, the folder cannot be used: %s", error.strerror)
            self._failed(error)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what waits and stop. Idempotent."""
        if self._thread is None:
            return
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)
        self._thread = None

    def open(self, call_id: CallId) -> _File | None:
        """Begin a recording; None when calls are not recorded, or cannot be just now."""
        well = self._clock() >= self._unwell_until_s and self._waiting_blocks < MAX_WAITING_BLOCKS // 2
        if self._thread is None or not well or not self._has_space:
            if self._thread is not None:
                metrics.RECORDING_FAILURES.labels("not_begun").inc()
                self._put(self._look_at_space)
            return None
        return _File(self, self._place(call_id))

    # --- what there is, from any thread ---------------------------------------------------------------

    def find(self, call_id: CallId) -> Path | None:
        """A finished recording of a call."""
        path = self._place(call_id)
        return path if path.is_file() else None

    def erase(self, call_id: CallId) -> bool:
        """Remove what was recorded of a call, finished or not; whether there was anything.

        Raises:
            OSError: it cannot be removed.
        """
        path = self._place(call_id)
        found = False
        for file in (path, path.with_name(path.name + UNFINISHED)):
            found = file.exists() or found
            file.unlink(missing_ok=True)
        return found

    def erase_before(self, moment: datetime) -> int:
        """Remove recordings that ended before a moment; how many.

        Raises:
            OSError: one cannot be removed.
        """
        old = [path for path in self.folder.glob("*/*.wav") if path.stat().st_mtime < moment.timestamp()]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _place(self, call_id: CallId) -> Path:
        """Call ids are canonical UUIDs; anything else has no place here."""
        name = call_id.replace("-", "")
        if len(name) != 32 or not all(digit in "0123456789abcdef" for digit in name):
            return self.folder / "none" / "none.wav"
        return self.folder / name[:2] / f"{call_id}.wav"

    # --- the writing thread ---------------------------------------------------------------------------

    def _put(self, job: Job, *, is_block: bool = False) -> bool:
        with self._changed:
            if is_block and self._waiting_blocks >= MAX_WAITING_BLOCKS:
                return False
            self._waiting_blocks += is_block
            self._jobs.append(job)
            self._changed.notify()
        metrics.RECORDING_QUEUE.set(self._waiting_blocks)
        return True

    def _took_block(self) -> None:
        with self._changed:
            self._waiting_blocks -= 1

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._jobs:
                    if self._closing:
                        return
                    self._changed.wait()
                job = self._jobs.popleft()
            try:
                job()
            except Exception:  # the thread serves all calls
                log.exception("a recording failed")

    def _look_at_space(self) -> None:
        if self._clock() - self._space_at_s < SPACE_EVERY_S:
            return
        self._space_at_s = self._clock()
        try:
            self._has_space = shutil.disk_usage(self.folder).free >= self._min_free_bytes
        except OSError:
            self._has_space = False

    def _failed(self, error: OSError) -> None:
        cause = "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "disk"
        metrics.RECORDING_FAILURES.labels(cause).inc()
        self._unwell_until_s = self._clock() + UNWELL_S


class _File:
    """One recording; its public methods are called on the event loop, the others by the writing thread."""

    def __init__(self, archive: RecordingArchive, path: Path) -> None:
        self._archive = archive
        self._path = path
        self._part = path.with_name(path.name + UNFINISHED)
        self._descriptor = -1
        self._bytes = 0
        self._broken = False
        self._closed = False

    def write(self, at_ms: int, stereo: bytes) -> None:
        """A block; dropped and counted when too many wait."""
        if not self._archive._put(lambda: self._write(at_ms, stereo), is_block=True):
            metrics.RECORDING_FRAMES_LOST.inc(len(stereo) // (20 * BYTES_PER_MS))

    def silence_caller(self, from_ms: int, to_ms: int) -> None:
        """Take a stretch of the caller out."""
        self._archive._put(lambda: self._silence(from_ms, to_ms))

    def close(self) -> None:
        """No more comes."""
        if not self._closed:
            self._closed = True
            self._archive._put(self._close)

    def _write(self, at_ms: int, stereo: bytes) -> None:
        self._archive._took_block()
        if self._broken:
            return
        try:
            if self._descriptor < 0:
                self._part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._descriptor = os.open(self._part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
                self._archive._look_at_space()
            _write_all(self._descriptor, HEADER_BYTES + at_ms * BYTES_PER_MS, stereo)
            self._bytes = max(self._bytes, at_ms * BYTES_PER_MS + len(stereo))
        except OSError as error:
            self._give_up(error)

    def _silence(self, from_ms: int, to_ms: int) -> None:
        """Overwrite; what cannot be overwritten is removed."""
        if self._broken or self._descriptor < 0:
            return
        try:
            start = HEADER_BYTES + from_ms * BYTES_PER_MS
            length = min(to_ms * BYTES_PER_MS, self._bytes) - from_ms * BYTES_PER_MS
            sound = bytearray(os.pread(self._descriptor, max(0, length), start))
            step = SAMPLE_BYTES * CHANNELS
            for byte in range(SAMPLE_BYTES):
                sound[byte::step] = bytes(len(sound[byte::step]))
            _write_all(self._descriptor, start, bytes(sound))
        except OSError as error:
            self._give_up(error)

    def _close(self) -> None:
        if self._broken or self._descriptor < 0:
            return
        try:
            _write_all(self._descriptor, 0, _header(self._bytes))
            os.fsync(self._descriptor)
            self._part.replace(self._path)
        except OSError as error:
            self._give_up(error)
            return
        os.close(self._descriptor)
        self._descriptor = -1

    def _give_up(self, error: OSError) -> None:
        """No half recordings: what was written goes, the call goes on."""
        self._broken = True
        log.error("a recording was given up: %s", error.strerror)
        self._archive._failed(error)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._part.unlink(missing_ok=True)


def _header(sound_bytes: int) -> bytes:
    """Of a WAV file (Microsoft, RIFF WAVE, 1991)."""
    block = SAMPLE_BYTES * CHANNELS
    form = struct.pack("<HHIIHH", 1, CHANNELS, SAMPLE_RATE_HZ, SAMPLE_RATE_HZ * block, block, 8 * SAMPLE_BYTES)
    sizes = (
        b"RIFF" + struct.pack("<I", HEADER_BYTES - 8 + sound_bytes) + b"WAVEfmt " + struct.pack("<I", len(form))
    )
    return sizes + form + b"data" + struct.pack("<I", sound_bytes)


def _finish(part: Path) -> None:
    """Make a whole file of what an interrupted process has left."""
    sound_bytes = part.stat().st_size - HEADER_BYTES
    if sound_bytes <= 0:
        part.unlink()
        return
    times = part.stat()
    with part.open("r+b") as file:
        file.write(_header(sound_bytes))
    final = part.with_name(part.name.removesuffix(UNFINISHED))
    os.utime(part, ns=(times.st_atime_ns, times.st_mtime_ns))
    part.replace(final)


def _write_all(descriptor: int, offset: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
