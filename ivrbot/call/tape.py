"""The sound of one call on its way to a recording: both sides on one time line, silent where secrets are spoken.

Takes the frames that come and go, gives blocks of a second to a `RecordingFile`. Nothing is kept before `start`,
which goes with the words that tell the caller so. Keys make no sound on any of our gateways.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from ivrbot.media.level import rms_dbfs
from ivrbot.model.audio import FRAME_MS, SILENCE, Frame
from ivrbot.model.call import CallId
from ivrbot.ports import RecordingFile, Recordings

BLOCK_FRAMES: Final = 50
MAX_AHEAD_FRAMES: Final = 150
"""Sound of the caller that waits for the clock of the bot's, as after a stall; of more, the oldest is left out."""
AHEAD_FRAMES: Final = 5
QUIET_DBFS: Final = -50.0
"""While more than that waits, quiet frames are left out: time is made up for in pauses."""
BEHIND_MS: Final = 100
"""A clock further behind than this has skipped frames: of the bot's the hole is silent."""
BEFORE_MS: Final = 500
AFTER_MS: Final = 500
"""Around a turn that is taken out again: where it began and ended is known to a third of a second."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a recording.

    Attributes:
        audio_ms: its length.
        hidden_ms: of that, without the caller's voice.
    """

    audio_ms: int
    hidden_ms: int


class Tape(Protocol):
    """What a session does with a recording."""

    @property
    def ready(self) -> bool:
        """The call can be recorded: the caller is to be told so."""
        ...

    def start(self) -> bool:
        """Record from now on; False where nothing can be recorded here."""
        ...

    def pause(self, paused: bool) -> None:
        """Whether the caller's voice is left out from now on."""
        ...

    def hide(self, began_ms: int, ended_ms: int) -> None:
        """Take out what the caller said in a turn that is over, call times."""
        ...


class _Nothing:
    """Records nothing."""

    ready = False

    def start(self) -> bool:
        return False

    def pause(self, paused: bool) -> None:
        del paused

    def hide(self, began_ms: int, ended_ms: int) -> None:
        del began_ms, ended_ms

    def hear(self, frame: Frame) -> None:
        del frame

    def tick(self, frame: Frame | None) -> None:
        del frame

    def close(self) -> Recorded | None:
        return None


NOTHING: Final = _Nothing()


class CallTape:
    """The tape of a call in sound.

    Args:
        recordings: where it is kept.
        call_id: of the call.
        now_ms: call time.
    """

    def __init__(self, recordings: Recordings, call_id: CallId, now_ms: Callable[[], int]) -> None:
        self._file: RecordingFile | None = recordings.open(call_id)
        self._now_ms = now_ms
        self._running = False
        self._paused = False
        self._began_ms = 0
        self._kept_ms = 0
        self._hidden_ms = 0
        self._late_ms = 0
        self._heard: deque[Frame] = deque(maxlen=MAX_AHEAD_FRAMES)
        self._caller = bytearray()
        self._bot = bytearray()

    @property
    def ready(self) -> bool:
        """The call can be recorded."""
        return self._file is not None

    def start(self) -> bool:
        """Record from now on."""
        if self._file is not None and not self._running:
            self._running, self._began_ms = True, self._now_ms()
        return self._running

    def pause(self, paused: bool) -> None:
        """Leave the caller's voice out, or take it in again."""
        self._paused = paused

    def hear(self, frame: Frame) -> None:
        """20 ms of the caller."""
        if self._running:
            self._heard.append(SILENCE if self._paused else frame)

    def tick(self, frame: Frame | None) -> None:
        """20 ms of the bot, on its clock, and with them what the caller said meanwhile."""
        if not self._running:
            return
        behind_ms = self._now_ms() - self._began_ms - self._end_ms
        if behind_ms > BEHIND_MS:
            for _ in range(behind_ms // FRAME_MS):
                self._lay(None)
        self._lay(frame)
        while len(self._heard) > AHEAD_FRAMES and rms_dbfs(self._heard[0]) < QUIET_DBFS:
            self._heard.popleft()
        self._late_ms = max(self._late_ms, len(self._heard) * FRAME_MS)

    def _lay(self, frame: Frame | None) -> None:
        self._caller += self._heard.popleft() if self._heard else SILENCE
        self._bot += SILENCE if frame is None else frame
        self._hidden_ms += FRAME_MS * self._paused
        if len(self._bot) >= BLOCK_FRAMES * len(SILENCE):
            self._flush()

    def hide(self, began_ms: int, ended_ms: int) -> None:
        """Take a turn out again; it is on its way to the disk already."""
        if not self._running or self._file is None:
            return
        self._flush()
        self._heard = deque([SILENCE] * len(self._heard), MAX_AHEAD_FRAMES)
        start_ms = max(0, began_ms - self._began_ms - BEFORE_MS)
        end_ms = min(self._kept_ms, ended_ms - self._began_ms + AFTER_MS + self._late_ms)
        if end_ms > start_ms:
            self._file.silence_caller(start_ms, end_ms)
            self._hidden_ms += end_ms - start_ms

    def close(self) -> Recorded | None:
        """The call is over; None when nothing was recorded. Idempotent."""
        file, self._file = self._file, None
        if file is None:
            return None
        was_running, self._running = self._running, False
        if was_running:
            self._flush_to(file)
        file.close()
        return Recorded(self._kept_ms, min(self._hidden_ms, self._kept_ms)) if was_running else None

    @property
    def _end_ms(self) -> int:
        return self._kept_ms + len(self._bot) // len(SILENCE) * FRAME_MS

    def _flush(self) -> None:
        if self._file is not None:
            self._flush_to(self._file)

    def _flush_to(self, file: RecordingFile) -> None:
        if not self._bot:
            return
        sides = np.stack([np.frombuffer(bytes(side), "<i2") for side in (self._caller, self._bot)], axis=1)
        file.write(self._kept_ms, sides.tobytes())
        self._kept_ms = self._end_ms
        self._caller.clear()
        self._bot.clear()
