"""The caller's speech of one call, from frames to readings: voice activity, turns, speculative recognition.

Takes frames on the event loop, gives `Reading`s through a callback. A reading is made as soon as a pause begins;
if it already answers the question, the turn ends early, and what the caller still adds cancels it. Whatever a
recogniser does (raises, hangs, answers late) becomes a reading with an error; the call goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from ivrbot.call.channel import Completes
from ivrbot.call.early_readings import completeness, is_too_short, may_stand, most_are_whole
from ivrbot.errors import EngineBadOutput, EngineError, EngineTimeout, EngineUnavailable
from ivrbot.language.commands import universal
from ivrbot.logs import call_id_var
from ivrbot.model.audio import Frame, Pcm
from ivrbot.model.capacity import Wanted, wanted_var
from ivrbot.model.speech import Expect, Language, Partial, Transcript, unheard
from ivrbot.ports import AsrEngine, AsrStream, Guessing
from ivrbot.speech.ear import Ear
from ivrbot.speech.endpointing import (
    UNKNOWN_WAIT_MS,
    Completeness,
    EndpointConfig,
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
from ivrbot.speech.vad import VoiceActivity

log = logging.getLogger(__name__)

READINGS: Final = 3
"""So many readings of one of a list are asked whether they name it."""

ECHO_FRAMES: Final = 3
"""So many frames of the bot's own voice make a turn suspect."""
_THERE: Final = frozenset((Completeness.ANSWERED, Completeness.TOLD, Completeness.DENIED))
DECODE_S: Final = 15.0
"""A recogniser has its own, shorter deadline; this one is for one that hangs."""

ENDPOINTING = EndpointConfig(
    dip_ms=60,
    pause_ms=180,
    answered_ms=200,
    unknown_ms=MappingProxyType({**UNKNOWN_WAIT_MS, Expect.OPEN: 700}),
)
"""Real silence. Within words voiceless stops are silent for 60 to 120 ms: a guess at 60 ms is in vain oftener than
one at 80 (2.7 readings of an utterance for 2.4, 1 % more work), and 20 ms sooner where it is not; 180 ms are
nearly always between words."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A caller's turn, read.

    Attributes:
        transcript: None when the recogniser failed; then `error` says how.
        began_ms: call time at which the turn began.
        ended_ms: call time of its last voiced sound.
        asr_ms: wall time between the turn's end and its reading (0 when speculation had it ready).
    """

    transcript: Transcript | None
    began_ms: int
    ended_ms: int
    asr_ms: int
    over_prompt: bool
    error: EngineError | None = None


@dataclass(slots=True)
class _Turn:
    stream: AsrStream
    wanted: Wanted
    began_ms: int
    over_prompt: bool
    sound: bytearray = field(default_factory=bytearray, repr=False)
    guessing: asyncio.Task[Transcript | EngineError] | None = None
    decoding: asyncio.Task[Transcript | EngineError] | None = None
    answer: Transcript | None = None
    """An early reading that answers the question, as long as nothing more is said."""
    given_bytes: int = 0
    own_frames: int = 0
    other_frames: int = 0

    @property
    def is_echo(self) -> bool:
        """Most of what seemed to be a voice was the bot's own: nothing of it is the caller's word."""
        return self.over_prompt and self.own_frames >= max(ECHO_FRAMES, self.other_frames)

    def forget(self) -> None:
        """Drop what was read: more is said."""
        for task in (self.guessing, self.decoding):
            if task is not None:
                task.cancel()
        self.guessing = self.decoding = None
        self.answer = None


class Hearing:
    """Hears one caller.

    Args:
        asr: recogniser for a language.
        now_ms: call time.
        is_speaking: whether the bot is saying something right now.
        on_speech: the caller began to speak, or goes on after a pause.
        on_words: words of the running turn, all so far, are sure (a partial, or an early reading).
        on_nothing: no word can be made out in the running turn so far.
        on_garbled: the same, but it is somebody who speaks, and he goes on.
        on_reading: a turn is over and read.
        on_no_input: nothing came within the time-out.
        on_perhaps: outside turns, something came in that may be the beginning of speech.
        is_own: whether what came in last is the bot's own voice alone.
    """

    def __init__(
        self,
        asr: Callable[[Language], AsrEngine],
        *,
        now_ms: Callable[[], int],
        is_speaking: Callable[[], bool],
        on_speech: Callable[[], None],
        on_words: Callable[[str], None],
        on_nothing: Callable[[], None],
        on_reading: Callable[[Reading], None],
        on_no_input: Callable[[], None],
        on_perhaps: Callable[[], None] = lambda: None,
        on_garbled: Callable[[], None] | None = None,
        is_own: Callable[[], bool] = lambda: False,
    ) -> None:
        self._asr = asr
        self._now_ms = now_ms
        self._is_speaking = is_speaking
        self._on_speech = on_speech
        self._on_words = on_words
        self._on_nothing = on_nothing
        self._on_reading = on_reading
        self._on_no_input = on_no_input
        self._on_perhaps = on_perhaps
        self._on_garbled = on_garbled or on_nothing
        self._is_own = is_own
        self._heard_ms = 0
        self._ended_ms = 0
        self._activity = VoiceActivity()
        self._endpointer = Endpointer(ENDPOINTING)
        self._ear = Ear(self._endpointer)
        self._turn: _Turn | None = None
        self._group: asyncio.TaskGroup | None = None
        self._call = ""
        self._delivering: set[asyncio.Task[None]] = set()
        self._being_read: list[_Turn] = []
        self._language: Language = "ru"
        self._expect = Expect.OPEN
        self._digits = 0
        self._in_full = False
        self._completes: Completes | None = None
        self._share: Callable[[Pcm], None] | None = None

    @property
    def in_turn(self) -> bool:
        """The caller holds the floor."""
        return self._endpointer.in_turn

    @property
    def is_speaking(self) -> bool:
        """The caller has not even paused."""
        return self._endpointer.is_speaking

    @property
    def turn_began_ms(self) -> int | None:
        """When the turn began that is running or being read, None while there is none."""
        turn = self._turn or next(reversed(self._being_read), None)
        return turn.began_ms if turn is not None else None

    @property
    def ended_ms(self) -> int:
        """Call time at which the last turn's last voiced sound ended."""
        return self._ended_ms

    @property
    def is_reading(self) -> bool:
        """A turn is over whose reading is still being made."""
        return bool(self._delivering)

    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin to hear; recognition runs in the call's task group, which the call's context starts."""
        self._group = group
        self._call = call_id_var.get()

    def share_turns(self, with_: Callable[[Pcm], None]) -> None:
        """Give the sound of turns with words, begun while the bot was silent, to somebody else as well."""
        self._share = with_

    def stop(self) -> None:
        """Hear nothing more; readings under way are dropped."""
        self._group = None
        if self._turn is not None:
            self._drop(self._turn)
        for task in self._delivering:
            task.cancel()

    def prepare(
        self,
        language: Language,
        expect: Expect,
        completes: Completes | None,
        *,
        digits: int = 0,
        in_full: bool = False,
    ) -> None:
        """What is being asked from now on.

        Args:
            language: spoken from now on.
            expect: kind of answer.
            completes: whether an early reading answers the question.
            digits: figures wanted, 0 where their number is open.
            in_full: of a name, more than one word of it is wanted.
        """
        self._language = language
        self._expect = expect
        self._digits = digits
        self._in_full = in_full
        self._completes = completes
        self._endpointer.expect(expect)

    def wait_for_speech(self, timeout_ms: int) -> None:
        """Arm the no-input time-out."""
        self._endpointer.listen(timeout_ms)

    def stop_waiting(self) -> None:
        """Disarm it."""
        self._endpointer.stop_listening()

    def feed(self, frame: Frame) -> None:
        """20 ms of the caller."""
        if self._group is not None:
            self._activity.hear(frame, self._hear)

    def _hear(self, frame: Frame, is_speech: bool) -> None:
        if self._group is None:
            return
        self._heard_ms = self._now_ms()
        heard = self._ear.feed(frame, self._is_voice(is_speech))
        for event in heard.events:
            if isinstance(event, SpeechStarted):
                self._begin(event)
        if heard.sound and self._turn is not None:
            self._give(self._turn, heard.sound)
        for event in heard.events:
            self._react(event)

    def _is_voice(self, is_speech: bool) -> bool:
        """Whether it is the caller who speaks; told at once when that may be so."""
        if not (is_speech or self._activity.perhaps):
            return False
        is_own, turn = self._is_own(), self._turn
        if turn is None:
            if not is_own:
                self._on_perhaps()
            return is_speech and not is_own
        was_echo = turn.is_echo
        turn.own_frames += is_own
        turn.other_frames += is_speech and not is_own
        if turn.is_echo and not was_echo:
            self._on_nothing()
        return is_speech and not is_own

    def read_now(self) -> None:
        """Read what was said so far, to learn whether it is speech at all."""
        turn = self._turn
        if turn is not None and (turn.decoding is None or turn.decoding.done()):
            self._speculate(turn)

    def _begin(self, event: SpeechStarted) -> None:
        if self._turn is not None:
            self._drop(self._turn)
        began_ms, over_prompt = self._now_ms() - event.ago_ms, self._is_speaking()
        wanted = Wanted(self._call, waits=False)
        before = wanted_var.set(wanted)
        try:
            # Partials tell words over a prompt from noise; else they would only slow the reading at the pause.
            heard = self._heard_partial if over_prompt else unheard
            stream = self._asr(self._language).open(self._language, self._expect, heard)
        except Exception as error:  # noqa: BLE001 - a recogniser may fail in any way
            self._failed(error, began_ms, over_prompt)
            return
        finally:
            wanted_var.reset(before)
        self._turn = _Turn(stream, wanted, began_ms, over_prompt)
        self._on_speech()

    def _give(self, turn: _Turn, sound: Pcm) -> None:
        if self._share is not None and not turn.over_prompt:
            turn.sound += sound
        turn.given_bytes += len(sound)
        turn.answer = None  # it was read without this
        try:
            turn.stream.feed(sound)
        except Exception as error:  # noqa: BLE001 - a recogniser may fail in any way
            self._drop(turn)
            self._failed(error, turn.began_ms, turn.over_prompt)

    def _failed(self, error: Exception, began_ms: int, over_prompt: bool) -> None:
        """The recogniser would not take the turn at all."""
        self._on_reading(Reading(None, began_ms, self._now_ms(), 0, over_prompt, _engine_error(error)))

    def _react(self, event: SpeechEvent) -> None:
        turn = self._turn
        if isinstance(event, NoInput):
            self._on_no_input()
        if turn is None:
            return
        match event:
            case SpeechDipped():
                self._guess(turn)
            case SpeechPaused():
                self._speculate(turn)
            case SpeechResumed():
                if turn.decoding is not None:  # after more than a dip
                    self._on_speech()
                turn.forget()
            case TurnEnded(silence_ms=silence_ms):
                self._finish(turn, self._heard_ms - silence_ms)
            case MaxLength():
                turn.forget()  # what is being read is the beginning only
                self._finish(turn, self._now_ms())
            case _:
                pass

    def _heard_partial(self, partial: Partial) -> None:
        if partial.text.strip() and self._turn is not None and not self._turn.is_echo:
            self._on_words(partial.text.strip())

    def _guess(self, turn: _Turn) -> None:
        """Read at a dip, if that costs nobody anything; what a pause then asks for is there already."""
        stream = turn.stream
        if self._group is None or not (isinstance(stream, Guessing) and stream.may_guess()):
            return
        turn.guessing = self._group.create_task(self._read(turn, stream.guess()))
        self._doubt()

    def _speculate(self, turn: _Turn) -> None:
        if self._group is None:
            return
        if turn.decoding is not None:
            turn.decoding.cancel()
        turn.decoding = self._group.create_task(self._read_pause(turn, turn.guessing))
        if turn.answer is None:
            self._doubt()

    def _doubt(self) -> None:
        if self._expect is Expect.OPEN and self._completes is not None:
            # People breathe in the middle of what they tell: unfinished, unless the reading says that was all.
            self._endpointer.expect(self._expect, Completeness.UNFINISHED)

    async def _read_pause(
        self, turn: _Turn, guess: asyncio.Task[Transcript | EngineError] | None
    ) -> Transcript | EngineError:
        """Everything before a pause: the guess when it answers the question, else all that the engine can do."""
        if guess is None or self._group is None:
            return await self._read(turn, turn.stream.decode())
        # A closed answer is short and often unsure: what betters it need not wait for the guess to disappoint.
        beside = self._expect is not Expect.OPEN and not guess.done()
        better = self._group.create_task(self._read(turn, turn.stream.decode())) if beside else None
        try:
            await asyncio.wait((guess,))
            if turn.answer is not None:
                return turn.answer
            return await (better or self._read(turn, turn.stream.decode()))
        finally:
            if better is not None:
                better.cancel()

    async def _read(
        self, turn: _Turn, reading: Coroutine[None, None, Transcript], *, early: bool = True
    ) -> Transcript | EngineError:
        given_bytes = turn.given_bytes
        try:
            async with asyncio.timeout(DECODE_S):
                transcript = await reading
        except Exception as error:  # noqa: BLE001 - a recogniser may fail in any way
            return _engine_error(error)
        if early and turn is self._turn:
            await self._consider(turn, transcript, given_bytes)
        return transcript

    async def _consider(self, turn: _Turn, transcript: Transcript, given_bytes: int) -> None:
        """What a reading before the turn's end is good for; of a beginning only that there are words in it."""
        text = transcript.text.strip()
        if not text or turn.is_echo:
            if turn.decoding is not None:  # at a dip perhaps only half a syllable was said
                goes_on = self._endpointer.is_speaking and not turn.is_echo
                (self._on_garbled if transcript.garbled and goes_on else self._on_nothing)()
            return
        self._on_words(text)
        completes = self._completes
        try:
            async with asyncio.timeout(DECODE_S):
                answered = completes is not None and await self._answers(transcript, completes)
        except Exception as error:  # noqa: BLE001 - a recogniser may fail in any way
            log.info("an early reading was not understood: %s", _engine_error(error).code)
            answered = False
        if turn is not self._turn or turn.given_bytes != given_bytes:
            return
        complete = completeness(
            text, self._language, self._expect, self._digits, answered=answered, in_full=self._in_full
        )
        if is_too_short(transcript, self._language, self._expect, self._endpointer.spoken_ms, answered=answered):
            complete = Completeness.UNFINISHED
        elif complete is Completeness.UNFINISHED and most_are_whole(
            transcript, self._language, self._expect, self._digits
        ):
            complete = Completeness.COMPLETE
        stands = may_stand(transcript, self._language, self._expect, self._digits)
        if complete in _THERE and stands:
            turn.answer = transcript
        self._endpointer.expect(self._expect, complete)
        for event in self._ear.look():
            self._react(event)

    async def _answers(self, transcript: Transcript, completes: Completes) -> bool:
        """Whether the best reading answers the question; of one of a list, one of the best few."""
        best, *others = [one.text.strip() for one in transcript.hypotheses[:READINGS]]
        if await completes(best):
            return True
        if self._expect is not Expect.NAME or self._in_full:
            return False
        for text in others:
            # What is no answer but a command counts only where it was read first.
            if universal(text, self._language) is None and await completes(text):
                return True
        return False

    def _finish(self, turn: _Turn, ended_ms: int) -> None:
        self._turn = None
        self._ended_ms = ended_ms
        turn.wanted.waits = True
        self._endpointer.stop_listening()  # its reading is what is waited for now
        if self._group is not None:
            task = self._group.create_task(self._deliver(turn, ended_ms))
            self._delivering.add(task)
            self._being_read.append(turn)
            task.add_done_callback(self._delivering.discard)

    async def _deliver(self, turn: _Turn, ended_ms: int) -> None:
        asked_ms = self._now_ms()
        try:
            decoding = turn.decoding
            result = None if decoding is None else await decoding
            if result is None or isinstance(result, EngineUnavailable):
                # None was begun, or it was sent away while nobody waited for it: now somebody does.
                result = await self._read(turn, turn.stream.decode(), early=False)
        finally:
            self._being_read.remove(turn)
            turn.stream.close()
        transcript = result if isinstance(result, Transcript) else None
        if transcript is not None and turn.is_echo:
            transcript = replace(transcript, hypotheses=())
        error = result if isinstance(result, EngineError) else None
        if self._share is not None and turn.sound and transcript is not None and transcript.text.strip():
            self._share(Pcm(bytes(turn.sound)))
        asr_ms = self._now_ms() - asked_ms
        self._delivering.discard(asyncio.current_task())
        self._on_reading(Reading(transcript, turn.began_ms, ended_ms, asr_ms, turn.over_prompt, error))

    def _drop(self, turn: _Turn) -> None:
        turn.forget()
        turn.stream.close()
        self._turn = None


def _engine_error(error: Exception) -> EngineError:
    """Any failure of a recogniser as one that calls know; a surprise is logged in full."""
    if isinstance(error, EngineError):
        return error
    if isinstance(error, TimeoutError):
        return EngineTimeout(f"no reading within {DECODE_S:.0f} s")
    log.error("the recogniser broke", exc_info=error)
    return EngineBadOutput(type(error).__name__)
