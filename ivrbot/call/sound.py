"""A call in sound: one leg, heard and spoken to. Turn taking lives here: barge-in, keys, time-outs, response gaps.

Implements `ports.MediaSink` towards the gateway and `Channel` towards the session.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextvars import copy_context
from typing import Final

from ivrbot import metrics
from ivrbot.call.channel import Completes, Heard, Keyed, Silence, Spoken, Unclear
from ivrbot.call.hearing import Hearing, Reading
from ivrbot.call.playout import Playout
from ivrbot.call.tape import NOTHING, CallTape, Tape
from ivrbot.call.transcript import Emit
from ivrbot.errors import LegClosed
from ivrbot.language.commands import Universal, universal
from ivrbot.model.audio import Frame, Pcm
from ivrbot.model.dialogue import Collect, Utterance
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.speech import Expect, Language
from ivrbot.ports import AsrEngine, Leg, Recordings, Voice

BARGE_IN_CONFIRM_S: Final = 1.2
KEY_PAUSE_S: Final = 3.0
"""A pause that completes keys whose number is open."""
ZERO_PAUSE_S: Final = 1.5
"""The same after a lone 0, which asks for an operator unless more digits follow."""
MAX_KEYS: Final = 40
INBOX: Final = 16
FINISH_S: Final = 30.0
MAX_FALSE_BARGE_INS: Final = 2
"""After so many noises in one question a prompt goes on until words are sure (a television, a street)."""


class SoundChannel:
    """One leg's media towards one session.

    Args:
        leg: the gateway's end.
        asr: recogniser for a language.
        voice: the bot's mouth.
        emit: the recorder's entrance for this call.
        clock: seconds, monotonic.
        recordings: where the call's sound may be kept; None: nowhere.
    """

    def __init__(
        self,
        leg: Leg,
        asr: Callable[[Language], AsrEngine],
        voice: Voice,
        emit: Emit,
        clock: Callable[[], float] = time.monotonic,
        recordings: Recordings | None = None,
    ) -> None:
        self._leg = leg
        self._clock = clock
        self._voice = voice
        self._emit = emit
        self._started_s = self._clock()
        self._tape = NOTHING if recordings is None else CallTape(recordings, leg.call_id, self.now_ms)
        self._playout = Playout(self._first_frame, self._drained)
        self._hearing = Hearing(
            asr,
            now_ms=self.now_ms,
            is_speaking=lambda: self._playout.speaking,
            on_speech=self._speech_began,
            on_words=self._words_are_sure,
            on_nothing=self._only_noise,
            on_reading=self._turn_read,
            on_no_input=self._no_input,
        )
        self._inbox: asyncio.Queue[Reading | None] = asyncio.Queue(INBOX)
        self._news = asyncio.Event()
        self._keys = ""
        self._keys_complete_at_s = 0.0
        self._hash_is_spare = False
        self._silent = False
        # Gateways call in their own: what is logged then is this call's all the same.
        self._context = copy_context()
        self._closed = ""
        self._is_over = False
        self._language: Language = "ru"
        self._collect: Collect | None = None
        self._cut_short = False
        self._barging = False
        self._false_barge_ins = 0
        self._asked_ms = 0
        self._caller_ended_ms: int | None = None
        self._engine = ""
        self._barge_timer: asyncio.TimerHandle | None = None

    # --- MediaSink ----------------------------------------------------------------------------------

    def on_frame(self, frame: Frame) -> None:
        """20 ms of the caller."""
        self._tape.hear(frame)
        self._context.run(self._hearing.feed, frame)

    def on_key(self, key: str) -> None:
        """A key: stops the prompt, disarms the time-out."""
        if key == "#" and self._hash_is_spare and not self._keys:
            return  # the habit of closing with `#` what its length has closed already
        self._hash_is_spare = False
        if len(self._keys) < MAX_KEYS:
            self._keys += key
        self._cut()
        self._hearing.stop_waiting()
        self._keys_complete_at_s = self._clock() + (ZERO_PAUSE_S if self._keys == "0" else KEY_PAUSE_S)
        self._news.set()

    def on_closed(self, cause: str) -> None:
        """The caller is gone."""
        self._closed = cause or "closed"
        self._hearing.stop()
        self._playout.stop()
        self._news.set()

    def next_frame(self) -> Frame | None:
        """20 ms to play."""
        frame = self._playout.next_frame()
        self._tape.tick(frame)
        return frame

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
        self._hearing.start(group)

    def now_ms(self) -> int:
        """Time since the call was answered."""
        return int((self._clock() - self._started_s) * 1000)

    def speak_in(self, language: Language) -> None:
        """Language of what will be heard from now on."""
        self._language = language
        self._hearing.prepare(language, Expect.OPEN, None)
        self._asked_ms = self.now_ms()
        self._cut_short = False
        self._false_barge_ins = 0

    async def say(self, utterance: Utterance, *, interruptible: bool) -> None:
        """Queue an utterance phrase by phrase while it is being made; what the caller cut short is not begun."""
        if self._closed:
            raise LegClosed(self._closed)
        if self._cut_short and interruptible:
            return
        self._playout.hold()
        phrases = self._voice.speak(utterance)
        try:
            async for phrase in phrases:
                if self._closed:
                    raise LegClosed(self._closed)
                if not (self._cut_short and interruptible):
                    self._playout.add(phrase, interruptible=interruptible)
        finally:
            self._playout.release()
            if isinstance(phrases, AsyncGenerator):
                await phrases.aclose()

    async def listen(self, collect: Collect, completes: Completes) -> Heard:
        """Wait for words, keys or the time-out, whichever comes first."""
        self._collect = collect
        self._silent = False
        self._hearing.prepare(self._language, collect.expect, completes, digits=collect.max_digits)
        self._arm()
        try:
            while True:
                if self._closed:
                    raise LegClosed(self._closed)
                heard = self._next_heard(collect)
                if heard is not None:
                    return heard
                await self._wait_for_news()
        finally:
            self._collect = None
            self._hearing.stop_waiting()

    async def finish(self) -> None:
        """Let everything said be heard."""
        if self._playout.paused:
            self._playout.resume()
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
        self._stop_barge_timer()
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

    async def _wait_for_news(self) -> None:
        self._news.clear()
        wait_s = None
        if self._keys:
            wait_s = max(0.0, self._keys_complete_at_s - self._clock())
        try:
            async with asyncio.timeout(wait_s):
                await self._news.wait()
        except TimeoutError:
            pass

    def _next_heard(self, collect: Collect) -> Heard | None:
        if self._keys and (digits := self._complete_keys(collect)):
            self._playout.flush()  # keyed ahead: the question needs not be heard
            return Keyed(digits)
        while not self._inbox.empty():
            reading = self._inbox.get_nowait()
            if reading is not None and (heard := self._heard(reading)) is not None:
                return heard
            self._arm()  # the speech that was not meant for this question has stopped its clock
        if self._silent:
            self._silent = False
            return Silence()
        return None

    def _complete_keys(self, collect: Collect) -> str:
        """Keys that make an answer: enough of them, `#`, or a pause."""
        end = self._keys.find("#")
        length = collect.max_digits
        if length and len(self._keys) >= length:
            end = length - 1 if end < 0 else min(end, length - 1)
        elif end < 0 and self._clock() >= self._keys_complete_at_s:
            end = len(self._keys) - 1
        if end < 0:
            return ""
        digits, self._keys = self._keys[: end + 1], self._keys[end + 1 :]
        self._hash_is_spare = not digits.endswith("#")
        if self._hash_is_spare and self._keys.startswith("#"):
            self._keys, self._hash_is_spare = self._keys[1:], False
        return digits

    def _heard(self, reading: Reading) -> Heard | None:
        """What a reading is worth now; None when it was said before the question was asked."""
        if reading.error is not None:
            raise reading.error
        assert reading.transcript is not None
        text = reading.transcript.text.strip()
        if reading.began_ms < self._asked_ms and universal(text, self._language) is not Universal.OPERATOR:
            return None
        if not text:
            if reading.over_prompt:
                return None
            return Unclear()
        self._caller_ended_ms = reading.ended_ms
        self._engine = reading.transcript.engine
        return Spoken(
            reading.transcript.hypotheses,
            reading.transcript.engine,
            reading.over_prompt,
            reading.began_ms,
            reading.ended_ms,
            reading.asr_ms,
        )

    # --- what happens meanwhile ---------------------------------------------------------------------

    def _arm(self) -> None:
        """Let the question's clock run, unless it is still being asked or answered."""
        if self._collect is not None and not self._playout.speaking and not self._keys:
            self._hearing.wait_for_speech(self._collect.timeout_ms)

    def _cut(self) -> None:
        """The caller answers: what is being said, and the rest that belongs to it, is dropped."""
        self._cut_short = True
        self._playout.flush()

    def _speech_began(self) -> None:
        self._barging = self._playout.speaking
        if not self._barging or self._false_barge_ins >= MAX_FALSE_BARGE_INS:
            return
        self._playout.pause()
        if not self._playout.paused:
            return
        self._emit(EventType.BARGE_IN, self.now_ms(), {})
        self._stop_barge_timer()
        loop = asyncio.get_running_loop()
        self._barge_timer = loop.call_later(BARGE_IN_CONFIRM_S, self._hearing.read_now)

    def _words_are_sure(self, _text: str) -> None:
        """The caller really speaks: what was being said is dropped."""
        if self._barging:
            self._cut()

    def _only_noise(self) -> None:
        """No word so far: what was being said goes on."""
        if self._playout.paused:
            self._false_barge_ins += 1
            self._emit(EventType.FALSE_BARGE_IN, self.now_ms(), {})
            self._playout.resume()

    def _turn_read(self, reading: Reading) -> None:
        self._stop_barge_timer()
        empty = reading.transcript is not None and not reading.transcript.text.strip()
        if empty:
            self._only_noise()
        elif self._barging:
            self._cut()
        self._barging = False
        if self._inbox.full():
            self._inbox.get_nowait()
        self._inbox.put_nowait(reading)
        self._news.set()

    def _stop_barge_timer(self) -> None:
        if self._barge_timer is not None:
            self._barge_timer.cancel()
            self._barge_timer = None

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
