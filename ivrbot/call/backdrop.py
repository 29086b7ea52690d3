"""What the caller hears while the bot says nothing: comfort noise, and a thinking sound when it takes long. Pure.

A line without any sound seems dead. Takes how long both have been silent while the bot has the floor, gives frames
from loops made once per process; no event, no measure and no recording knows of them, since they are no answer.
"""

from __future__ import annotations

from typing import Final

from ivrbot.media.comfort import comfort_noise, thinking_sound
from ivrbot.model.audio import Frame

THINKING_AFTER_MS: Final = 1500
"""So long people wait before they ask whether somebody is there."""


class Backdrop:
    """One call's.

    Args:
        noise: comfort noise instead of digital silence.
        thinking: a soft sound when the bot has the floor and says nothing for long.
    """

    def __init__(self, *, noise: bool, thinking: bool) -> None:
        self._noise = comfort_noise() if noise else ()
        self._thinking = thinking_sound() if thinking else ()
        self._noise_at = self._thinking_at = 0

    def next_frame(self, waited_ms: int) -> Frame | None:
        """20 ms of it; None is silence.

        Args:
            waited_ms: since when the caller has been waiting for the bot; 0 while he does not.
        """
        if self._thinking and waited_ms >= THINKING_AFTER_MS:
            frame = self._thinking[self._thinking_at % len(self._thinking)]
            self._thinking_at += 1
            return frame
        self._thinking_at = 0
        if not self._noise:
            return None
        self._noise_at += 1
        return self._noise[self._noise_at % len(self._noise)]
