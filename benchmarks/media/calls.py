"""Calls as the media path knows them: the product's own turn taking over stand-ins that think in no time.

Takes legs, gives each a `SoundChannel` with a real voice detector, ear, endpointer and playout, and a session
that answers every turn of the caller with three seconds of a prompt. Only the recogniser and the voice are
stand-ins: what they cost is measured elsewhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from benchmarks.media.client import caller_sound
from ivrbot.call.sound import SoundChannel
from ivrbot.errors import LegClosed
from ivrbot.model.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ, Pcm
from ivrbot.model.dialogue import Collect, Utterance
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.speech import Expect, Hypothesis, Language, Partial, Transcript
from ivrbot.ports import AsrStream, Leg, MediaSink

ANSWER_S = 3
_HEARD = Transcript((Hypothesis("да"),), "stand-in")
_QUESTION = Collect(slot="topic", expect=Expect.YES_NO, timeout_ms=10_000)


class StandInStream:
    """One utterance: forgotten as it comes."""

    def feed(self, pcm: Pcm) -> None:
        """Nobody listens."""

    async def decode(self) -> Transcript:
        return _HEARD

    def close(self) -> None:
        """Nothing is held."""


class StandInAsr:
    """Hears "yes" in whatever is said."""

    name = "stand-in"

    async def start(self) -> None:
        """It is there."""

    def open(self, language: Language, expect: Expect, on_partial: Callable[[Partial], None]) -> AsrStream:
        del language, expect, on_partial
        return StandInStream()

    async def close(self) -> None:
        """Nothing is held."""


class StandInVoice:
    """Says the same three seconds."""

    def __init__(self) -> None:
        self._phrase = Pcm(caller_sound(1)[: ANSWER_S * SAMPLE_RATE_HZ * SAMPLE_BYTES])

    async def speak(self, utterance: Utterance) -> AsyncIterator[Pcm]:
        del utterance
        yield self._phrase

    def can_speak(self, utterance: Utterance) -> bool:
        del utterance
        return True


class CallDoor:
    """Admits everybody."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._asr, self._voice = StandInAsr(), StandInVoice()
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()

    def admit(self, leg: Leg) -> MediaSink:
        channel = SoundChannel(leg, lambda language: self._asr, self._voice, _emit, self._clock)
        call = asyncio.get_running_loop().create_task(_talk(channel))
        self._running.add(call)
        call.add_done_callback(self._running.discard)
        return channel


async def _talk(channel: SoundChannel) -> None:
    async with asyncio.TaskGroup() as group:
        channel.start(group)
        try:
            channel.speak_in("ru")
            while True:
                channel.speak_in("ru")  # what was cut short is over: the next answer is heard
                await channel.say(Utterance("ru", "", "", ()), interruptible=True)
                await channel.listen(_QUESTION, _completes)
        except LegClosed:
            channel.close()


async def _completes(text: str) -> bool:
    return bool(text)


def _emit(kind: EventType, at_ms: int, data: dict[str, JsonValue]) -> None:
    del kind, at_ms, data
