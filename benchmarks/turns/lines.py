"""A caller's telephone line, by two doors: AudioSocket over TCP, and SIP with RTP through a real Asterisk.

Both lay what was said and heard on one clock: sound that is sent at a moment begins at that moment, sound that
arrives begins when it arrives, so gaps are those on the wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol

from ivrbot.errors import LegClosed
from ivrbot.media.track import Track
from ivrbot.model.audio import FRAME_MS, Pcm
from ivrbot.model.call import CallId
from ivrbot.telephony.audiosocket_client import AudioSocketCall
from ivrbot.telephony.pacer import Pacer
from tests.integration.asterisk import g711
from tests.integration.asterisk.rtp import VOICE_LEVEL
from tests.integration.asterisk.sip import Caller

HOST: Final = "127.0.0.1"


class Line(Protocol):
    """What a caller does with a telephone."""

    @property
    def elapsed_ms(self) -> int:
        """Time on the line's clock."""

    @property
    def over(self) -> bool:
        """The other side is gone."""

    @property
    def said_track(self) -> Pcm:
        """Own sound; sample 0 is moment 0."""

    @property
    def heard_track(self) -> Pcm:
        """The other side's sound on the same clock."""

    def send(self, pcm: bytes) -> None:
        """Say something, a frame every 20 ms."""

    async def wait_said(self) -> None:
        """Wait until it has been said."""

    async def wait_answered(self, since_ms: int, *, quiet_ms: int, deadline_s: float) -> bool:
        """Wait until the other side has spoken after a moment and then been quiet for a while; whether it has."""


@asynccontextmanager
async def by_audiosocket(port: int, call_id: CallId, pacer: Pacer) -> AsyncIterator[Line]:
    """A call over TCP to an AudioSocket server of this machine; hangs up at the end."""
    call = _AudioSocketLine(pacer)
    await call.connect(HOST, port, call_id)
    try:
        yield call
    finally:
        call.hang_up()
        await call.wait_closed()


class _AudioSocketLine(AudioSocketCall):
    @property
    def over(self) -> bool:
        return bool(self.cause)

    def send(self, pcm: bytes) -> None:
        if self.over:
            raise LegClosed("the call is over")
        super().send(pcm)


class RtpLine:
    """The sound of a SIP caller, once he is answered."""

    def __init__(self, caller: Caller) -> None:
        self._phone = caller.phone
        self._caller = caller
        self._start_s = asyncio.get_running_loop().time()
        self._said = Track()
        self._phone.on_sent = self._sent
        self._looked_at = 0
        self._voice_ms = -1

    @property
    def elapsed_ms(self) -> int:
        return round((asyncio.get_running_loop().time() - self._start_s) * 1000)

    @property
    def over(self) -> bool:
        return self._caller.was_hung_up_on()

    @property
    def said_track(self) -> Pcm:
        return self._said.pcm

    @property
    def heard_track(self) -> Pcm:
        heard = Track()
        for packet in self._phone.heard.packets:
            if packet.at_s >= self._start_s:
                heard.add(
                    packet.pcm if packet.level > _LINE_NOISE else bytes(len(packet.pcm)),
                    packet.at_s - self._start_s,
                )
        return heard.pcm

    def send(self, pcm: bytes) -> None:
        self._phone.say(pcm)

    async def wait_said(self) -> None:
        await self._phone.said()
        await asyncio.sleep(FRAME_MS / 1000)  # the frame that was sent last still lasts

    async def wait_answered(self, since_ms: int, *, quiet_ms: int, deadline_s: float) -> bool:
        give_up_ms = self.elapsed_ms + deadline_s * 1000
        while self.elapsed_ms < give_up_ms:
            self._look()
            if self._voice_ms > since_ms and self.elapsed_ms - self._voice_ms >= quiet_ms:
                return True
            await asyncio.sleep(FRAME_MS / 1000)
        return False

    def _look(self) -> None:
        packets = self._phone.heard.packets
        for packet in packets[self._looked_at :]:
            if packet.level > VOICE_LEVEL:
                self._voice_ms = round((packet.at_s - self._start_s) * 1000)
        self._looked_at = len(packets)

    def _sent(self, at_s: float, alaw: bytes) -> None:
        silent = alaw.count(g711.SILENCE) == len(alaw)
        self._said.add(bytes(2 * len(alaw)) if silent else g711.decode(alaw), at_s - self._start_s)


_LINE_NOISE: Final = 10.0
"""A-law has no zero: its silence has a root mean square of 8."""
