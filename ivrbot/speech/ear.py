"""The caller's sound cut into turns: pre-roll, utterance, and nothing of the silence between them.

Takes frames with their voice activity, gives speech events and the sound to hand to the recogniser at this moment.
What a pause brings is held back until speech goes on, so a reading made when the pause began is still the reading
of everything when the turn ends (`AsrStream.decode` then answers from memory). Pure.

How a call uses it:
    SpeechStarted               open an AsrStream
    sound                       feed it
    SpeechDipped                `guess()`, where the engine can
    SpeechPaused                start `decode()` in the background, understand its text, call `expect(...)`
    SpeechResumed               forget that reading
    TurnEnded, MaxLength        await `decode()`: normally done by now
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, assert_never

from ivrbot.model.audio import FRAME_MS, Frame, Pcm
from ivrbot.speech.endpointing import (
    Endpointer,
    MaxLength,
    NoInput,
    SpeechDipped,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TurnEnded,
)

PRE_ROLL_MS: Final = 300
_NOTHING: Final = Pcm(b"")


@dataclass(frozen=True, slots=True)
class Heard:
    """What one frame brought.

    Attributes:
        events: in order.
        sound: to be fed to the recogniser now, 8 kHz; empty outside turns and within pauses.
    """

    events: tuple[SpeechEvent, ...]
    sound: Pcm


_NOTHING_HEARD: Final = Heard((), _NOTHING)


class Ear:
    """One caller's ear.

    Attributes:
        endpointer: for `expect`, `listen` and `stop_listening`.
    """

    def __init__(self, endpointer: Endpointer, pre_roll_ms: int = PRE_ROLL_MS) -> None:
        """Make an ear.

        Args:
            endpointer: its state machine.
            pre_roll_ms: sound kept from before the first speech; voice activity comes a little late.
        """
        self.endpointer = endpointer
        self._pre_roll_frames = pre_roll_ms // FRAME_MS
        # Room for the longest onset besides the pre-roll.
        self._silent_frames = self._pre_roll_frames + endpointer.onset_ms // FRAME_MS
        self._recent: deque[Frame] = deque()
        self._holding = False
        self._silent = True

    def feed(self, frame: Frame, is_speech: bool) -> Heard:
        """Take one frame of the caller's sound with its voice activity."""
        events = self.endpointer.feed(is_speech, FRAME_MS)
        self._recent.append(frame)
        if not events:
            return self._go_on()
        sound = _NOTHING
        for event in events:
            sound = Pcm(sound + self._apply(event))
        if not (self._silent or self._holding):
            sound = Pcm(sound + self._take(len(self._recent)))
        if self._silent:
            self._trim(self._silent_frames)
        return Heard(events, sound)

    def look(self) -> tuple[SpeechEvent, ...]:
        """Events of this moment, between two frames: the turn may be over by what has become known of it."""
        events = self.endpointer.look()
        for event in events:
            self._apply(event)
        return events

    def _go_on(self) -> Heard:
        """Nearly every frame: nothing happens, and at most there is sound to pass on."""
        if self._silent:
            self._trim(self._silent_frames)
        elif not self._holding:
            return Heard((), self._take(len(self._recent)))
        return _NOTHING_HEARD

    def _apply(self, event: SpeechEvent) -> Pcm:
        match event:
            case SpeechStarted(ago_ms):
                self._trim(self._pre_roll_frames + ago_ms // FRAME_MS)
                self._silent = self._holding = False
            case SpeechResumed():
                self._holding = False
            case SpeechDipped() | SpeechPaused() if not self._holding:
                # The pause so far goes out, what follows is held back.
                sound = self._take(len(self._recent))
                self._holding = True
                return sound
            case TurnEnded():
                self._silent, self._holding = True, False
            case MaxLength():
                sound = self._take(len(self._recent))
                self._silent, self._holding = True, False
                return sound
            case SpeechDipped() | SpeechPaused() | NoInput():
                pass
            case _:
                assert_never(event)
        return _NOTHING

    def _trim(self, frames: int) -> None:
        while len(self._recent) > frames:
            self._recent.popleft()

    def _take(self, frames: int) -> Pcm:
        if frames == 1:
            return self._recent.popleft()
        return Pcm(b"".join(self._recent.popleft() for _ in range(frames)))
