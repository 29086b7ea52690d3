"""When a caller starts, pauses and has finished: a pure state machine fed with durations, never a clock.

Takes one voice activity flag per frame, gives speech events. The wait before a turn counts as ended adapts: 200 ms
when what was said already answers the question, 600 ms when it does so by no more than a no, 640 ms when it does
so by telling what happened, 1,200 ms when it is plainly unfinished, 500 to 900 ms when nothing is known (people
leave about 200 ms between turns: Stivers et al. 2009, "Universals and cultural variation in turn-taking in
conversation"). A dip (nothing voiced for as long as a stop consonant lasts) and then a pause are told before the
end is certain, so that decoding, understanding and synthesis can begin; speech after it cancels them. In a dip a
single voiced frame is speech (the burst of a last consonant); after a pause it takes an onset.

    waiting --SpeechStarted--> speaking [--SpeechDipped] --SpeechPaused--> pausing --TurnEnded--> waiting
                                  ^--------SpeechResumed-----------------------'
    waiting --NoInput--> waiting (once per `listen`);   speaking --MaxLength--> overlong --(a pause)--> waiting
    overlong --NoInput--> overlong (likewise)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ivrbot.model.speech import Expect


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The caller speaks; the first of it was `ago_ms` before the end of the frame just fed."""

    ago_ms: int


@dataclass(frozen=True, slots=True)
class SpeechDipped:
    """Nothing voiced for `silence_ms`: within a word, or the end. Guess now, if that costs nobody anything."""

    silence_ms: int


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """Silent for `silence_ms`: perhaps the end. Decode now, without waiting for certainty."""

    silence_ms: int


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """The dip or the pause was not the end: drop what was begun. `ago_ms` as in `SpeechStarted`."""

    ago_ms: int


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is over: `speech_ms` from its first to its last speech, then `silence_ms` of silence."""

    speech_ms: int
    silence_ms: int


@dataclass(frozen=True, slots=True)
class MaxLength:
    """The turn has lasted `length_ms` without an end; it counts as ended."""

    length_ms: int


@dataclass(frozen=True, slots=True)
class NoInput:
    """Nothing was said within `after_ms` of `listen`."""

    after_ms: int


SpeechEvent = SpeechStarted | SpeechDipped | SpeechPaused | SpeechResumed | TurnEnded | MaxLength | NoInput


class Completeness(StrEnum):
    """What the dialogue makes of the words heard so far."""

    UNKNOWN = "unknown"
    ANSWERED = "answered"
    TOLD = "told"
    """The answer is there, but it tells what happened, and what is wanted may follow."""
    DENIED = "denied"
    """The answer is no and nothing else, and what instead may follow."""
    COMPLETE = "complete"
    UNFINISHED = "unfinished"


UNKNOWN_WAIT_MS: Final[Mapping[Expect, int]] = MappingProxyType(
    {
        Expect.OPEN: 600,
        Expect.YES_NO: 560,
        # People dictate figures in groups, with pauses between them.
        Expect.DIGITS: 900,
        Expect.DATE: 900,
        Expect.NAME: 900,
        # One word, or two that belong together.
        Expect.SECRET: 500,
    }
)


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """Times of the state machine, all in milliseconds.

    Attributes:
        start_ms: speech needed to believe in it.
        start_window_ms: within which it must come; a cough or a click is shorter.
        dip_ms: silence that makes a dip; 0 for none. Less than `pause_ms`.
        pause_ms: silence that makes a pause.
        answered_ms: wait when the answer is already there.
        told_ms: wait when it is there by telling what happened.
        denied_ms: wait when it is a no alone.
        complete_ms: wait after a complete sentence.
        unfinished_ms: wait after an unfinished one.
        unknown_ms: wait when nothing is known, by what was asked.
        max_ms: longest turn.
    """

    start_ms: int = 80
    start_window_ms: int = 160
    dip_ms: int = 0
    pause_ms: int = 200
    answered_ms: int = 200
    told_ms: int = 640
    denied_ms: int = 600
    complete_ms: int = 500
    unfinished_ms: int = 1200
    unknown_ms: Mapping[Expect, int] = field(default_factory=lambda: UNKNOWN_WAIT_MS)
    max_ms: int = 20_000

    def wait_ms(self, expect: Expect, completeness: Completeness) -> int:
        """Silence after which a turn is over."""
        match completeness:
            case Completeness.ANSWERED:
                return self.answered_ms
            case Completeness.TOLD:
                return self.told_ms
            case Completeness.DENIED:
                return self.denied_ms
            case Completeness.COMPLETE:
                return self.complete_ms
            case Completeness.UNFINISHED:
                return self.unfinished_ms
            case Completeness.UNKNOWN:
                return self.unknown_ms[expect]


class _State(StrEnum):
    WAITING = "waiting"
    SPEAKING = "speaking"
    DIPPING = "dipping"
    PAUSING = "pausing"
    OVERLONG = "overlong"


class _Onset:
    """Enough speech within a short window."""

    def __init__(self, config: EndpointConfig) -> None:
        self._config = config
        self._frames: deque[tuple[bool, int]] = deque()
        self._window_ms = 0
        self._speech_ms = 0

    @property
    def is_empty(self) -> bool:
        """Whether no speech is in the window."""
        return not self._frames

    @property
    def began(self) -> bool:
        return self._speech_ms >= self._config.start_ms

    @property
    def ago_ms(self) -> int:
        """From the first speech in the window to now."""
        return self._window_ms

    def add(self, is_speech: bool, frame_ms: int) -> None:
        if not (is_speech or self._frames):
            return  # most of a call: silence before any speech needs no memory
        self._frames.append((is_speech, frame_ms))
        self._window_ms += frame_ms
        self._speech_ms += frame_ms if is_speech else 0
        while self._frames and (self._window_ms > self._config.start_window_ms or not self._frames[0][0]):
            if len(self._frames) == 1 and is_speech:
                break  # one frame longer than the window
            old_speech, old_ms = self._frames.popleft()
            self._window_ms -= old_ms
            self._speech_ms -= old_ms if old_speech else 0

    def clear(self) -> None:
        self._frames.clear()
        self._window_ms = self._speech_ms = 0


class Endpointer:
    """One caller's turns. Accurate to the length of the frames fed."""

    def __init__(self, config: EndpointConfig | None = None) -> None:
        self._config = config or EndpointConfig()
        self._onset = _Onset(self._config)
        self._state = _State.WAITING
        self._expect = Expect.OPEN
        self._completeness = Completeness.UNKNOWN
        self._turn_ms = 0
        self._silence_ms = 0
        self._heard_last = False
        self._no_input_ms: int | None = None
        self._waited_ms = 0

    @property
    def in_turn(self) -> bool:
        """Whether the caller holds the floor (pauses included)."""
        return self._state in (_State.SPEAKING, _State.DIPPING, _State.PAUSING)

    @property
    def is_speaking(self) -> bool:
        """Whether the caller is in the middle of what he says, dips between sounds included."""
        return self._state in (_State.SPEAKING, _State.DIPPING)

    @property
    def spoken_ms(self) -> int:
        """Length of the running turn from its first to its last speech."""
        return self._turn_ms - self._silence_ms

    @property
    def onset_ms(self) -> int:
        """Longest stretch that `SpeechStarted.ago_ms` can speak of with frames shorter than it."""
        return self._config.start_window_ms

    @property
    def wait_ms(self) -> int:
        """Silence that ends the turn, as things stand; never shorter than the pause."""
        return max(self._config.pause_ms, self._config.wait_ms(self._expect, self._completeness))

    def expect(self, expect: Expect, completeness: Completeness = Completeness.UNKNOWN) -> None:
        """Say what was asked and what is known of the answer so far.

        Completeness holds until the caller speaks again. Called within a pause, it may end the turn: with the next
        frame, or now (see `look`).
        """
        self._expect = expect
        self._completeness = completeness

    def listen(self, timeout_ms: int) -> None:
        """Arm the no-input time-out (when the bot has finished speaking); speech that begins disarms it.

        Within a turn it begins to run when the turn is over, so that a turn of which nobody takes notice (its
        recogniser failed) never leaves the caller without a clock.
        """
        self._no_input_ms = timeout_ms
        self._waited_ms = 0

    def stop_listening(self) -> None:
        """Disarm the no-input time-out (the bot speaks again, a key was pressed)."""
        self._no_input_ms = None

    def look(self) -> tuple[SpeechEvent, ...]:
        """End the turn if its pause has lasted long enough by what is known now, without waiting for a frame."""
        if self._state is not _State.PAUSING or self._heard_last:
            return ()
        return self._end_if_over()

    def feed(self, is_speech: bool, frame_ms: int) -> tuple[SpeechEvent, ...]:
        """Take one frame.

        Args:
            is_speech: voice activity in it.
            frame_ms: its length, more than 0.
        """
        self._heard_last = is_speech
        if not is_speech and self._state is _State.WAITING and self._onset.is_empty:
            return self._run_clock(frame_ms, held_back=False)  # most of a call
        self._onset.add(is_speech, frame_ms)
        match self._state:
            case _State.WAITING:
                return self._feed_waiting(frame_ms)
            case _State.SPEAKING:
                return self._feed_speaking(is_speech, frame_ms)
            case _State.DIPPING:
                return self._feed_dipping(is_speech, frame_ms)
            case _State.PAUSING:
                return self._feed_pausing(is_speech, frame_ms)
            case _State.OVERLONG:
                return self._feed_overlong(is_speech, frame_ms)

    def _feed_waiting(self, frame_ms: int) -> tuple[SpeechEvent, ...]:
        if self._onset.began:
            self._state = _State.SPEAKING
            self._turn_ms = self._onset.ago_ms
            self._silence_ms = 0
            self._completeness = Completeness.UNKNOWN
            self._no_input_ms = None
            return (SpeechStarted(self._onset.ago_ms),)
        # Speech that is just beginning holds the time-out back for the few frames until it is believed or not.
        return self._run_clock(frame_ms, held_back=self._onset.ago_ms > 0)

    def _run_clock(self, frame_ms: int, *, held_back: bool) -> tuple[SpeechEvent, ...]:
        if self._no_input_ms is None:
            return ()
        self._waited_ms += frame_ms
        if self._waited_ms < self._no_input_ms or held_back:
            return ()
        self._no_input_ms = None
        return (NoInput(self._waited_ms),)

    def _feed_speaking(self, is_speech: bool, frame_ms: int) -> tuple[SpeechEvent, ...]:
        self._turn_ms += frame_ms
        self._silence_ms = 0 if is_speech else self._silence_ms + frame_ms
        if self._turn_ms >= self._config.max_ms:
            return self._overrun()
        if self._silence_ms >= self._config.pause_ms:
            return self._pause()
        if not self._config.dip_ms or self._silence_ms < self._config.dip_ms:
            return ()
        self._state = _State.DIPPING
        return (SpeechDipped(self._silence_ms),)

    def _feed_dipping(self, is_speech: bool, frame_ms: int) -> tuple[SpeechEvent, ...]:
        self._turn_ms += frame_ms
        self._silence_ms += frame_ms
        if self._turn_ms >= self._config.max_ms:
            return self._overrun()
        if is_speech:
            return self._resume(frame_ms)
        return self._pause() if self._silence_ms >= self._config.pause_ms else ()

    def _pause(self) -> tuple[SpeechEvent, ...]:
        self._state = _State.PAUSING
        self._onset.clear()
        return (SpeechPaused(self._silence_ms), *self._end_if_over())

    def _resume(self, ago_ms: int) -> tuple[SpeechEvent, ...]:
        self._state = _State.SPEAKING
        self._silence_ms = 0
        self._completeness = Completeness.UNKNOWN
        return (SpeechResumed(ago_ms),)

    def _feed_pausing(self, is_speech: bool, frame_ms: int) -> tuple[SpeechEvent, ...]:
        self._turn_ms += frame_ms
        self._silence_ms += frame_ms
        if self._onset.began:
            return self._resume(self._onset.ago_ms)
        if self._turn_ms >= self._config.max_ms:
            return self._overrun()
        # A word that is just beginning must not be cut off by the end of the wait.
        return () if is_speech else self._end_if_over()

    def _feed_overlong(self, is_speech: bool, frame_ms: int) -> tuple[SpeechEvent, ...]:
        """Sound that never pauses (music, a machine) is no answer: the clock runs on."""
        self._silence_ms = 0 if is_speech else self._silence_ms + frame_ms
        if self._silence_ms >= self._config.pause_ms:
            self._wait_again()
        return self._run_clock(frame_ms, held_back=False)

    def _end_if_over(self) -> tuple[SpeechEvent, ...]:
        if self._silence_ms < self.wait_ms:
            return ()
        ended = TurnEnded(self._turn_ms - self._silence_ms, self._silence_ms)
        self._wait_again()
        return (ended,)

    def _overrun(self) -> tuple[SpeechEvent, ...]:
        self._state = _State.OVERLONG
        return (MaxLength(self._turn_ms),)

    def _wait_again(self) -> None:
        self._state = _State.WAITING
        self._onset.clear()
        self._completeness = Completeness.UNKNOWN
