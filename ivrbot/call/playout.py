"""What the bot is saying: phrases cut into frames, one frame per tick of the gateway's clock.

Pausing is immediate. Going on starts the interrupted phrase again, or, after no more than a moment, goes back to
where a word began, so that no half word is heard. The queue holds what was decided to be said and nothing more;
flushing empties it but for what the caller must hear.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ivrbot.media.level import rms_dbfs
from ivrbot.model.audio import FRAME_BYTES, FRAME_MS, Frame, Pcm

STEP_BACK_MS: Final = 800
"""The last gap between two words is seldom further back."""
GAP_DBFS: Final = -45.0
EMPTY_DBFS: Final = -60.0
"""Nobody hears anything in a frame below this."""


@dataclass(slots=True)
class _Phrase:
    pcm: bytes
    interruptible: bool


class Playout:
    """One call's mouth.

    Args:
        on_first_frame: told when the first frame after a silence is taken.
        on_drained: told when everything said has been played.
    """

    def __init__(self, on_first_frame: Callable[[], None], on_drained: Callable[[], None]) -> None:
        self._on_first_frame = on_first_frame
        self._on_drained = on_drained
        self._phrases: deque[_Phrase] = deque()
        self._offset = 0
        self._paused = False
        self._held = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.played_ms = 0

    @property
    def speaking(self) -> bool:
        """Something is being said or paused in the middle."""
        return bool(self._phrases)

    @property
    def paused(self) -> bool:
        """Speech was interrupted and may go on."""
        return self._paused

    @property
    def interruptible(self) -> bool:
        """What is being said now may be interrupted."""
        return not self._phrases or self._phrases[0].interruptible

    @property
    def _begins(self) -> bool:
        """Nothing was said since the caller spoke: what is added now is the answer's first sound."""
        return not self._phrases and not self.played_ms

    def hold(self) -> None:
        """More is coming; running dry now is not the end. Each `hold` needs a `release`."""
        self._held += 1
        self._idle.clear()

    def release(self) -> None:
        """No more is coming from this side."""
        self._held -= 1
        self._maybe_drained()

    def add(self, phrase: Pcm, *, interruptible: bool = True, continues: bool = False) -> None:
        """Queue a phrase (8 kHz PCM16, any length; the last frame is filled up with silence).

        Args:
            phrase: the sound.
            interruptible: False for what the caller must hear.
            continues: it goes on where the one before ends: both are one phrase, unless that has been played.
        """
        if not phrase:
            return
        if self._begins:
            phrase = _from_its_voice(phrase)
        if continues and self._phrases and self._phrases[-1].interruptible == interruptible:
            self._phrases[-1].pcm += phrase
        else:
            self._phrases.append(_Phrase(bytes(phrase), interruptible))
        self._idle.clear()

    def pause(self) -> None:
        """Stop at once, keep the rest; what must be heard goes on."""
        self._paused = bool(self._phrases) and self.interruptible

    def resume(self) -> None:
        """Go on from the start of the interrupted phrase."""
        self._paused = False
        self._offset = 0

    def carry_on(self) -> None:
        """Go on from the last gap between words; from where it was interrupted if there is none near."""
        self._paused = False
        if not self._phrases:
            return
        pcm = self._phrases[0].pcm
        furthest = max(-1, self._offset - STEP_BACK_MS // FRAME_MS * FRAME_BYTES)
        for offset in range(self._offset, furthest, -FRAME_BYTES):
            if offset == 0 or rms_dbfs(pcm[offset - FRAME_BYTES : offset]) < GAP_DBFS:
                self._offset = offset
                return

    def flush(self) -> None:
        """Drop what has not been played, but for what must be heard."""
        if self.interruptible:
            self._offset = 0
        self._keep([phrase for phrase in self._phrases if not phrase.interruptible])

    def stop(self) -> None:
        """Drop everything: nobody listens any more."""
        self._offset = 0
        self._keep([])

    def _keep(self, phrases: list[_Phrase]) -> None:
        self._phrases = deque(phrases)
        self._paused = False
        self._maybe_drained()

    def next_frame(self) -> Frame | None:
        """20 ms to play now; None is silence."""
        if self._paused or not self._phrases:
            return None
        if self.played_ms == 0:
            self._on_first_frame()
        pcm = self._phrases[0].pcm
        after = self._offset + FRAME_BYTES
        frame: Any = pcm[self._offset : after]  # a NewType is a call, and this is every frame
        self._offset = after
        self.played_ms += FRAME_MS
        if after < len(pcm):
            whole: Frame = frame
            return whole
        self._phrases.popleft()
        self._offset = 0
        self._maybe_drained()
        return Frame(Pcm(frame.ljust(FRAME_BYTES, b"\0")))

    async def drained(self) -> None:
        """Wait until everything was played or dropped."""
        await self._idle.wait()

    def _maybe_drained(self) -> None:
        if not self._phrases and not self._held and not self._idle.is_set():
            self._idle.set()
            self.played_ms = 0
            self._on_drained()


def _from_its_voice(phrase: Pcm) -> Pcm:
    """A phrase without its margin: that is for joints between phrases, and here the caller would wait for it.

    Frames with nothing in them, and one more in which a voice is only about to begin.
    """
    frames = range(0, len(phrase) - FRAME_BYTES, FRAME_BYTES)
    levels = ((at, rms_dbfs(phrase[at : at + FRAME_BYTES])) for at in frames)
    begin, level = next(((at, level) for at, level in levels if level >= EMPTY_DBFS), (0, 0.0))
    return Pcm(phrase[begin + (FRAME_BYTES if level < GAP_DBFS else 0) :])
