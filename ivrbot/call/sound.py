"""A call in sound: one leg, heard and spoken to. Turn taking meets here: barge-in, keys, time-outs, response gaps.

Implements `ports.MediaSink` towards the gateway and `Channel` towards the session.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextvars import copy_context
from typing import Final

from ivrbot import metrics
from ivrbot.call.backdrop import Backdrop
from ivrbot.call.barge_in import BargeIn
from ivrbot.call.channel import Completes, Heard, Keyed, Silence, Spoken, Unclear
from ivrbot.call.hearing import Hearing, Reading
from ivrbot.call.late_words import LATE_MS
from ivrbot.call.playout import Playout
from ivrbot.call.rehearsal import Rehearsal
from ivrbot.call.tape import NOTHING, CallTape, Tape
from ivrbot.call.transcript import Emit
from ivrbot.errors import EngineError, LegClosed
from ivrbot.language.answers import parse_yes_no
from ivrbot.language.backchannels import is_back_channel
from ivrbot.language.commands import Universal, universal
from ivrbot.model.audio import Frame, Pcm, duration_ms
from ivrbot.model.dialogue import Collect, Utterance
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.speech import Expect, Language
from ivrbot.ports import AsrEngine, Leg, Recordings, Voice
from ivrbot.speech.echo import EchoGuard

log = logging.getLogger(__name__)

KEY_PAUSE_S: Final = 3.0
"""A pause that completes keys whose number is open."""
ZERO_PAUSE_S: Final = 1.5
"""The same after a lone 0, which asks for an operator unless more follow, and after a number unasked for."""
LONE_KEY_PAUSE_S: Final = 0.5
"""The same after one key that is an answer by itself, and may yet be the beginning of such a number."""
MAX_KEYS: Final = 40
INBOX: Final = 16
FINISH_S: Final = 30.0
CHUNK_MS: Final = 300
"""An engine that streams gives shorter pieces than this; they are one phrase."""
FACT: Final = "fact"
"""The slot of all questions of the ladder: one is not the other."""
CLEARLY_SPOKE_MS: Final = 800
"""Whoever spoke for so long over a prompt and was not understood is not told that nothing was heard."""


class SoundChannel:
    """One leg's media towards one session.

    Args:
        leg: the gateway's end.
        asr: recogniser for a language.
        voice: the bot's mouth.
        emit: the recorder's entrance for this call.
        clock: seconds, monotonic.
        recordings: where the call's sound may be kept; None: nowhere.
        backdrop: what is heard while nothing is said; None: silence.
    """

    def __init__(
        self,
        leg: Leg,
        asr: Callable[[Language], AsrEngine],
        voice: Voice,
        emit: Emit,
        clock: Callable[[], float] = time.monotonic,
        recordings: Recordings | None = None,
        backdrop: Backdrop | None = None,
    ) -> None:
        self._leg = leg
        self._backdrop = backdrop
        self._clock = clock
        self._voice = Rehearsal(voice)
        self._emit = emit
        self._started_s = self._clock()
        self._tape = NOTHING if recordings is None else CallTape(recordings, leg.call_id, self.now_ms)
        self._playout = Playout(self._first_frame, self._drained)
        self._echo = EchoGuard()
        self._hearing = Hearing(
            asr,
            now_ms=self.now_ms,
            is_speaking=lambda: self._playout.speaking,
            on_speech=self._speaks,
            on_words=self._words_are_sure,
            on_nothing=self._only_noise,
            on_reading=self._turn_read,
            on_no_input=self._no_input,
            on_perhaps=self._may_begin,
            on_garbled=self._garbled,
            is_own=self._echo.is_own,
        )
        self._barge_in = BargeIn(self._playout, self._tell, self._hearing.read_now)
        self._inbox: deque[Reading] = deque(maxlen=INBOX)
        self._news = asyncio.Event()
        self._keys = ""
        self._keyed_at_s = 0.0
        self._hash_is_spare = False
        self._silent = False
        # Gateways call in their own: what is logged then is this call's all the same.
        self._context = copy_context()
        self._closed = ""
        self._is_over = False
        self._language: Language = "ru"
        self._collect: Collect | None = None
        self._cut_short = False
        self._not_understood = False
        self._asked_ms = 0
        self._last_slot = self._last_question = self._said = ""
        self._last_sound_ms = 0
        self._caller_ended_ms: int | None = None
        self._turn_ended_ms: int | None = None
        self._engine = ""

    # --- MediaSink ----------------------------------------------------------------------------------

    def on_frame(self, frame: Frame) -> None:
        """20 ms of the caller."""
        self._tape.hear(frame)
        self._echo.heard(frame)
        self._context.run(self._hearing.feed, frame)

    def on_key(self, key: str) -> None:
        """A key: stops the prompt, disarms the time-out."""
        if key == "#" and self._hash_is_spare and not self._keys:
            return  # the habit of closing with `#` what its length has closed already
        self._hash_is_spare = False
        if len(self._keys) < MAX_KEYS:
            self._keys += key
        self._last_sound_ms = self.now_ms()
        self._cut()
        self._hearing.stop_waiting()
        self._keyed_at_s = self._clock()
        self._news.set()

    def on_closed(self, cause: str) -> None:
        """The caller is gone."""
        self._closed = cause or "closed"
        self._hearing.stop()
        self._playout.stop()
        self._news.set()

    def next_frame(self) -> Frame | None:
        """20 ms to play."""
        now_ms = self.now_ms()
        self._barge_in.tick(now_ms)
        frame = self._playout.next_frame()
        self._tape.tick(frame)
        self._echo.said(frame)
        if frame is not None:
            self._last_sound_ms = now_ms
        elif self._backdrop is not None and not self._closed:
            return self._backdrop.next_frame(self._waited_ms(now_ms))
        return frame

    def _waited_ms(self, now_ms: int) -> int:
        """How long the caller has been waiting for the bot, 0 while it is not the bot's turn."""
        is_ours = self._collect is None or self._hearing.is_reading
        if not is_ours or self._hearing.in_turn or self._playout.paused:
            return 0
        return now_ms - max(self._last_sound_ms, self._hearing.ended_ms)

    # --- Channel ------------------------------------------------------------------------------------

    @property
    def tape(self) -> Tape:
        """Where the call's sound is recorded."""
        return self._tape

    def share_turns(self, with_: Callable[[Pcm], None]) -> bool:
        """Give the sound of the caller's turns to somebody else as well."""
        self._hearing.share_turns(with_)
        return True

    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin; background work runs in the call's task group."""
        self._started_s = self._clock()
        self._context = copy_context()
        self._voice.start(group)
        self._hearing.start(group)

    def now_ms(self) -> int:
        """Time since the call was answered."""
        return int((self._clock() - self._started_s) * 1000)

    def speak_in(self, language: Language) -> None:
        """Language of what will be heard from now on."""
        self._language = language
        self._hearing.prepare(language, Expect.OPEN, None)
        self._asked_ms = self.now_ms()
        if self._barge_in.is_held_back:
            self._barge_in.cut()  # it was no answer to all that he has said
        self._barge_in.asks()
        self._cut_short = self._not_understood = False

    def prepare(self, utterances: Sequence[Utterance]) -> None:
        """Make the sound of what will probably be said, while the caller still pauses."""
        self._voice.prepare(utterances)

    @property
    def goes_on(self) -> bool:
        """The caller speaks, or what he said has been read already, right after the words that were heard last."""
        return self._is_adding or any(self._is_added(reading) for reading in self._inbox)

    async def give_time(self, until_ms: int) -> bool:
        """Wait for his voice, for keys, or for that time."""
        while not (self._closed or self._keys or self.goes_on) and (left_ms := until_ms - self.now_ms()) > 0:
            self._news.clear()
            await self._wait_for_news(left_ms / 1000)
        return bool(self._keys) or self.goes_on

    async def say(self, utterance: Utterance, *, interruptible: bool) -> None:
        """Queue an utterance phrase by phrase while it is being made; what the caller cut short is not begun."""
        if self._closed:
            raise LegClosed(self._closed)
        self._said = utterance.text
        if self._cut_short and interruptible:
            return
        self._playout.hold()
        phrases = self._voice.speak(utterance)
        continues = False
        try:
            async for phrase in phrases:
                if self._closed:
                    raise LegClosed(self._closed)
                if not (self._cut_short and interruptible):
                    self._playout.add(phrase, interruptible=interruptible, continues=continues)
                    if self._hearing.in_turn or self._is_adding:  # or what he has added is being read
                        self._barge_in.hold_back(self.now_ms())
                continues = len(utterance.pieces) == 1 and duration_ms(phrase) < CHUNK_MS
        finally:
            self._playout.release()
            if isinstance(phrases, AsyncGenerator):
                await phrases.aclose()

    async def listen(self, collect: Collect, completes: Completes) -> Heard:
        """Wait for words, keys or the time-out, whichever comes first."""
        self._collect = collect
        self._silent = False
        self._hearing.prepare(
            self._language,
            collect.expect,
            completes,
            digits=collect.max_digits,
            in_full=collect.slot == FACT,
        )
        self._arm()
        try:
            while True:
                self._news.clear()  # before the looking: what comes while words are understood is news as well
                if self._closed:
                    raise LegClosed(self._closed)
                heard = await self._next_heard(collect, completes)
                if heard is not None:
                    return heard
                await self._wait_for_news()
        finally:
            self._collect, self._last_slot, self._last_question = None, collect.slot, self._said
            self._hearing.stop_waiting()

    async def finish(self) -> None:
        """Let everything said be heard."""
        self._barge_in.goes_on()
        try:
            async with asyncio.timeout(FINISH_S):
                await self._playout.drained()
        except TimeoutError:
            self._playout.flush()

    def show(self, who: str, text: str) -> None:
        """A line for the softphone's screen."""
        self._leg.notify({"type": "transcript", "who": who, "text": text, "t_ms": self.now_ms()})

    def close(self) -> None:
        """Hang up on our side; what was lost and what was recorded is told once."""
        self._hearing.stop()
        self._voice.stop()
        self._leg.close()
        if self._is_over:
            return
        self._is_over = True
        lost: dict[str, JsonValue] = {side: frames for side, frames in self._leg.dropped.items() if frames}
        if lost:
            self._emit(EventType.FRAMES_DROPPED, self.now_ms(), lost)
        if (recorded := self._tape.close()) is not None:
            data: dict[str, JsonValue] = {"audio_ms": recorded.audio_ms, "hidden_ms": recorded.hidden_ms}
            self._emit(EventType.RECORDING_ENDED, self.now_ms(), data)

    # --- listening ----------------------------------------------------------------------------------

    async def _wait_for_news(self, most_s: float | None = None) -> None:
        """Wait until something has happened since `_news` was cleared, or for that time."""
        wait_s = most_s
        if self._keys and most_s is None:
            wait_s = max(0.0, self._keys_complete_at_s() - self._clock())
        try:
            async with asyncio.timeout(wait_s):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _next_heard(self, collect: Collect, completes: Completes) -> Heard | None:
        if self._keys and (digits := self._complete_keys(collect)):
            self._playout.flush()  # keyed ahead: the question needs not be heard
            return Keyed(digits)
        # A key that may yet be the beginning of a number is the answer here, not to the next question.
        while self._inbox and not (collect.lone_key and self._keys):
            reading = self._inbox.popleft()
            if (heard := await self._heard(reading, collect, completes)) is not None:
                return heard
            if not self._hearing.in_turn:
                self._barge_in.goes_on()  # it paused for words that were not meant for this question
            self._arm()  # and they have stopped its clock
        if self._silent:
            self._silent = False
            return Unclear() if self._not_understood else Silence()
        return None

    def _complete_keys(self, collect: Collect) -> str:
        """Keys that make an answer: enough of them, `#`, or a pause."""
        end = self._keys.find("#")
        length = collect.max_digits
        if length and len(self._keys) >= length and (not collect.lone_key or self._keys[0] == "0"):
            end = length - 1 if end < 0 else min(end, length - 1)
        elif end < 0 and self._clock() >= self._keys_complete_at_s():
            end = len(self._keys) - 1
        if end < 0:
            return ""
        digits, self._keys = self._keys[: end + 1], self._keys[end + 1 :]
        self._hash_is_spare = not digits.endswith("#")
        if self._hash_is_spare and self._keys.startswith("#"):
            self._keys, self._hash_is_spare = self._keys[1:], False
        return digits

    def _keys_complete_at_s(self) -> float:
        """When the keys so far are an answer, unless another one comes."""
        lone = self._collect is not None and self._collect.lone_key
        if lone and len(self._keys) == 1:
            return self._keyed_at_s + LONE_KEY_PAUSE_S
        return self._keyed_at_s + (ZERO_PAUSE_S if lone or self._keys == "0" else KEY_PAUSE_S)

    async def _heard(self, reading: Reading, collect: Collect, completes: Completes) -> Heard | None:
        """What a reading is worth now; None when it is no answer to this question."""
        if reading.error is not None:
            raise reading.error
        assert reading.transcript is not None
        text = reading.transcript.text.strip()
        before = False
        if reading.began_ms < self._asked_ms and not await self._answers_already(text, collect, completes):
            before = bool(text) and self._is_late(reading.began_ms)
            if not before:
                return None
        if not text:
            return self._without_words(reading)
        if reading.over_prompt and self._is_back_channel(text, collect):
            return None
        self._caller_ended_ms = self._turn_ended_ms = reading.ended_ms
        self._engine = reading.transcript.engine
        return Spoken(
            reading.transcript.hypotheses,
            reading.transcript.engine,
            reading.over_prompt,
            reading.began_ms,
            reading.ended_ms,
            reading.asr_ms,
            before,
        )

    async def _answers_already(self, text: str, collect: Collect, completes: Completes) -> bool:
        """Whether words that began before this question was put are an answer to it all the same.

        A yes to what was not asked yet is none: it may stand for what nobody wants.
        """
        command = universal(text, self._language) if text else None
        if not text or command is Universal.OPERATOR:
            return bool(text)
        closed = collect.expect is Expect.YES_NO
        if collect.slot == self._last_slot != FACT and not (closed and self._said != self._last_question):
            return True  # the question is put again: he has heard it; "block it, right?" may mean another card now
        if closed:
            return command is Universal.CANCEL
        try:
            return await completes(text)
        except EngineError as error:
            log.info("words from before the question were not understood: %s", error.code)
            return False

    def _without_words(self, reading: Reading) -> Unclear | None:
        """Speech in which nothing could be made out; over a prompt that goes on it may have been a noise."""
        if not reading.over_prompt:
            return Unclear()
        clearly = reading.ended_ms - reading.began_ms >= CLEARLY_SPOKE_MS
        if clearly and not self._playout.speaking:
            return Unclear()
        self._not_understood |= clearly  # what he hears again he may answer again
        return None

    def _is_back_channel(self, text: str, collect: Collect | None) -> bool:
        """Whether he only says that he is listening, and does not answer yes or no."""
        if not is_back_channel(text, self._language):
            return False
        asked_yes_no = collect is not None and collect.expect is Expect.YES_NO
        return not (asked_yes_no and parse_yes_no(text, self._language) is not None)

    @property
    def _is_adding(self) -> bool:
        """A turn is running or being read that may still belong to the one that was heard last."""
        began_ms = self._hearing.turn_began_ms
        return began_ms is not None and self._is_late(began_ms)

    def _is_added(self, reading: Reading) -> bool:
        """Whether a reading may still belong to it, and tells something (also that it could not be read)."""
        if not self._is_late(reading.began_ms):
            return False
        if reading.transcript is None:
            return True
        text = reading.transcript.text.strip()
        return bool(text) and not (reading.over_prompt and self._is_back_channel(text, self._collect))

    def _is_late(self, began_ms: int) -> bool:
        """Whether words that began then may still belong to the turn that was heard last."""
        return self._turn_ended_ms is not None and 0 < began_ms - self._turn_ended_ms <= LATE_MS

    # --- what happens meanwhile ---------------------------------------------------------------------

    def _speaks(self) -> None:
        self._barge_in.begins(self.now_ms())
        self._news.set()

    def _arm(self) -> None:
        """Let the question's clock run, unless it is still being asked or answered."""
        busy = self._playout.speaking or self._keys or self._hearing.is_reading
        if self._collect is not None and not busy:
            self._hearing.wait_for_speech(self._collect.timeout_ms)

    def _cut(self) -> None:
        """The caller answers: what is being said, and the rest that belongs to it, is dropped."""
        self._cut_short = True
        self._barge_in.cut()

    def _tell(self, type_: EventType) -> None:
        self._emit(type_, self.now_ms(), {})

    def _may_begin(self) -> None:
        """Something may be the beginning of speech; what may be the bot's own voice as well is waited for."""
        if self._playout.speaking and not self._echo.could_be_own():
            self._barge_in.may_begin(self.now_ms())

    def _only_noise(self) -> None:
        """No word so far: what was being said goes on."""
        self._barge_in.was_noise()

    def _garbled(self) -> None:
        self._barge_in.was_garbled(self.now_ms())

    def _words_are_sure(self, text: str) -> None:
        """The caller really speaks: what was being said is dropped, if he can mean it."""
        if not self._barge_in.is_over:
            return
        if self._is_back_channel(text, self._collect):
            if not self._hearing.is_speaking:  # "ну ..." may be how a sentence begins
                self._barge_in.was_no_turn()
        elif (self._hearing.turn_began_ms or 0) >= self._asked_ms:
            self._cut()

    def _turn_read(self, reading: Reading) -> None:
        text = reading.transcript.text.strip() if reading.transcript is not None else None
        goes_on = self._hearing.in_turn  # he speaks again: if these words do not decide, those will
        if text == "" or (text and reading.over_prompt and self._is_back_channel(text, self._collect)):
            if not goes_on:
                self._only_noise() if not text else self._barge_in.was_no_turn()
        elif reading.over_prompt and reading.began_ms >= self._asked_ms:
            self._cut()
        if not goes_on:
            self._barge_in.turn_is_over()
        self._inbox.append(reading)
        self._news.set()

    def _no_input(self) -> None:
        if self._collect is not None:
            self._silent = True
            self._news.set()

    def _drained(self) -> None:
        self._arm()

    def _first_frame(self) -> None:
        """The answer begins: the response gap is what lies between."""
        if self._caller_ended_ms is None:
            return
        gap_ms = self.now_ms() - self._caller_ended_ms
        self._caller_ended_ms = None
        metrics.RESPONSE_GAP_S.labels(self._engine).observe(gap_ms / 1000)
        self._emit(EventType.RESPONSE_GAP, self.now_ms(), {"gap_ms": gap_ms})
