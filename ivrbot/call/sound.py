"""A call in sound: one leg, heard and spoken to. Turn taking lives here: barge-in, keys, time-outs, response gaps.

Implements `ports.MediaSink` towards the gateway and `Channel` towards the session.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from ivrbot import metrics
from ivrbot.call.channel import Completes, Heard, Keyed, Silence, Spoken, Unclear
from ivrbot.call.hearing import Hearing, Reading
from ivrbot.call.playout import Playout
from ivrbot.call.transcript import Emit
from ivrbot.errors import LegClosed
from ivrbot.language.commands import Universal, universal
from ivrbot.model.audio import Frame
from ivrbot.model.dialogue import Collect, Utterance
from ivrbot.model.events import EventType
from ivrbot.model.speech import Expect, Language
from ivrbot.ports import AsrEngine, Leg, Voice

BARGE_IN_CONFIRM_S: Final = 1.2
KEY_PAUSE_S: Final = 3.0
MAX_KEYS: Final = 40
INBOX: Final = 16
FINISH_S: Final = 30.0


class SoundChannel:
    """One leg's media towards one session.

    Args:
        leg: the gateway's end.
        asr: recogniser for a language.
        voice: the bot's mouth.
        emit: the recorder's entrance for this call.
    """

    def __init__(self, leg: Leg, asr: Callable[[Language], AsrEngine], voice: Voice, emit: Emit) -> None:
        self._leg = leg
        self._voice = voice
        self._emit = emit
        self._started_s = time.monotonic()
        self._playout = Playout(self._first_frame, self._drained)
        self._hearing = Hearing(
            asr,
            now_ms=self.now_ms,
            is_speaking=lambda: self._playout.speaking,
            on_speech=self._speech_began,
            on_words=self._words_are_sure,
            on_reading=self._turn_read,
            on_no_input=self._no_input,
        )
        self._inbox: asyncio.Queue[Reading | None] = asyncio.Queue(INBOX)
        self._news = asyncio.Event()
        self._keys = ""
        self._keys_complete_at_s = 0.0
        self._silent = False
        self._closed = ""
        self._language: Language = "ru"
        self._collect: Collect | None = None
        self._interruptible = True
        self._asked_ms = 0
        self._caller_ended_ms: int | None = None
        self._barge_timer: asyncio.TimerHandle | None = None

    # --- MediaSink ----------------------------------------------------------------------------------

    def on_frame(self, frame: Frame) -> None:
        """20 ms of the caller."""
        self._hearing.feed(frame)

    def on_key(self, key: str) -> None:
        """A key: stops the prompt, disarms the time-out."""
        if len(self._keys) < MAX_KEYS:
            self._keys += key
        if self._interruptible:
            self._playout.flush()
        self._hearing.stop_waiting()
        self._keys_complete_at_s = time.monotonic() + KEY_PAUSE_S
        self._news.set()

    def on_closed(self, cause: str) -> None:
        """The caller is gone."""
        self._closed = cause or "closed"
        self._hearing.stop()
        self._playout.flush()
        self._news.set()

    def next_frame(self) -> Frame | None:
        """20 ms to play."""
        return self._playout.next_frame()

    # --- Channel ------------------------------------------------------------------------------------

    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin; background work runs in the call's task group."""
        self._started_s = time.monotonic()
        self._hearing.start(group)

    def now_ms(self) -> int:
        """Time since the call was answered."""
        return int((time.monotonic() - self._started_s) * 1000)

    def speak_in(self, language: Language) -> None:
        """Language of what will be heard from now on."""
        self._language = language
        self._hearing.prepare(language, Expect.OPEN, None)
        self._asked_ms = self.now_ms()

    async def say(self, utterance: Utterance, *, interruptible: bool) -> None:
        """Queue an utterance phrase by phrase while it is being made."""
        if self._closed:
            raise LegClosed(self._closed)
        self._interruptible = interruptible
        self._playout.hold()
        try:
            async for phrase in self._voice.speak(utterance):
                self._playout.add(phrase)
        finally:
            self._playout.release()

    async def listen(self, collect: Collect, completes: Completes) -> Heard:
        """Wait for words, keys or the time-out, whichever comes first."""
        self._collect = collect
        self._silent = False
        self._hearing.prepare(self._language, collect.expect, completes)
        if not self._playout.speaking and not self._keys:
            self._hearing.wait_for_speech(collect.timeout_ms)
        try:
            while True:
                if self._closed:
                    raise LegClosed(self._closed)
                heard = self._next_heard(collect)
                if heard is not None:
                    self._interruptible = True
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
        """Hang up on our side."""
        self._hearing.stop()
        if self._barge_timer is not None:
            self._barge_timer.cancel()
        self._leg.close()

    # --- listening ----------------------------------------------------------------------------------

    async def _wait_for_news(self) -> None:
        self._news.clear()
        wait_s = None
        if self._keys:
            wait_s = max(0.0, self._keys_complete_at_s - time.monotonic())
        try:
            async with asyncio.timeout(wait_s):
                await self._news.wait()
        except TimeoutError:
            pass

    def _next_heard(self, collect: Collect) -> Heard | None:
        if self._keys and (digits := self._complete_keys(collect)):
            return Keyed(digits)
        while not self._inbox.empty():
            reading = self._inbox.get_nowait()
            if reading is not None and (heard := self._heard(reading)) is not None:
                return heard
        if self._silent:
            self._silent = False
            return Silence()
        return None

    def _complete_keys(self, collect: Collect) -> str:
        """Keys that make an answer: enough of them, `#`, or a pause."""
        end = self._keys.find("#")
        length = collect.max_digits
        if collect.expect in (Expect.SECRET, Expect.NAME):
            length = 1
        if length and len(self._keys) >= length:
            end = length - 1 if end < 0 else min(end, length - 1)
        elif end < 0 and time.monotonic() >= self._keys_complete_at_s:
            end = len(self._keys) - 1
        if end < 0:
            return ""
        digits, self._keys = self._keys[: end + 1], self._keys[end + 1 :]
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
        return Spoken(
            reading.transcript.hypotheses,
            reading.transcript.engine,
            reading.over_prompt,
            reading.ended_ms,
            reading.asr_ms,
        )

    # --- what happens meanwhile ---------------------------------------------------------------------

    def _speech_began(self) -> None:
        if self._playout.speaking and self._interruptible:
            self._playout.pause()
            self._emit(EventType.BARGE_IN, self.now_ms(), {})
            loop = asyncio.get_running_loop()
            self._barge_timer = loop.call_later(BARGE_IN_CONFIRM_S, self._hearing.read_now)

    def _words_are_sure(self) -> None:
        """The caller really speaks: what was being said is dropped."""
        if self._playout.paused:
            self._playout.flush()

    def _turn_read(self, reading: Reading) -> None:
        if self._barge_timer is not None:
            self._barge_timer.cancel()
        empty = reading.transcript is not None and not reading.transcript.text.strip()
        if self._playout.paused:
            if empty:
                self._emit(EventType.FALSE_BARGE_IN, self.now_ms(), {})
                self._playout.resume()
            else:
                self._playout.flush()
        if self._inbox.full():
            self._inbox.get_nowait()
        self._inbox.put_nowait(reading)
        self._news.set()
        if empty and self._collect is not None and not self._playout.speaking:
            self._hearing.wait_for_speech(self._collect.timeout_ms)

    def _no_input(self) -> None:
        if self._collect is not None:
            self._silent = True
            self._news.set()

    def _drained(self) -> None:
        if self._collect is not None and not self._keys:
            self._hearing.wait_for_speech(self._collect.timeout_ms)

    def _first_frame(self) -> None:
        """The answer begins: the response gap is what lies between."""
        if self._caller_ended_ms is None:
            return
        gap_ms = self.now_ms() - self._caller_ended_ms
        self._caller_ended_ms = None
        metrics.RESPONSE_GAP_S.observe(gap_ms / 1000)
        self._emit(EventType.RESPONSE_GAP, self.now_ms(), {"gap_ms": gap_ms})
