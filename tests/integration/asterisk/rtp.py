"""The sound of one telephone: sends A-law and keys, hears and keeps what comes.

Sound goes out every 20 ms by a clock that does not drift (RFC 3550), silence where nothing is queued; keys are
telephone events (RFC 4733) of 160 ms, during which no sound is sent, as telephones do.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import wave
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np

from tests.integration.asterisk import g711
from tests.integration.asterisk.wait import until

FRAME_MS = 20
FRAME_SAMPLES = 160
RATE_HZ = 8000
ALAW, EVENTS = 8, 101
KEYS = "0123456789*#"
KEY_FRAMES = 8
END_REPEATS = 3
RECEIVE_BYTES = 4 << 20
VOICE_LEVEL = 200.0
"""Root mean square above which a packet is sound and not line noise (A-law silence is 8)."""
EVENT_VOLUME = 10
SILENT_FRAME = bytes([g711.SILENCE]) * FRAME_SAMPLES


@dataclass(frozen=True, slots=True)
class Packet:
    """A received RTP packet of sound.

    Attributes:
        at_s: arrival, by the event loop's clock.
        sequence: RTP sequence number.
        timestamp: RTP timestamp, in samples.
        pcm: sound, PCM16 8 kHz.
        level: its root mean square, 0 to 32767.
    """

    at_s: float
    sequence: int
    timestamp: int
    pcm: bytes
    level: float


@dataclass(slots=True)
class Heard:
    """Everything heard so far.

    Attributes:
        packets: in order of arrival.
        other: packets of other payload types.
    """

    packets: list[Packet] = field(default_factory=list)
    other: int = 0

    def timeline(self, start_s: float, end_s: float) -> bytes:
        """Sound as it arrived between two moments of the loop's clock; silence where no packet came.

        Returns:
            PCM16 8 kHz; sample n belongs to start_s + n / 8000.
        """
        total = max(0, round((end_s - start_s) * RATE_HZ))
        sound = np.zeros(total, dtype=np.int16)
        write = 0
        for packet in self.packets:
            samples = np.frombuffer(packet.pcm, dtype="<i2")
            # packets of a burst follow each other instead of lying on top of each other
            write = max(write, round((packet.at_s - start_s) * RATE_HZ))
            if packet.at_s < start_s or write >= total:
                continue
            taken = samples[: total - write]
            sound[write : write + len(taken)] = taken
            write += len(samples)
        return bytes(sound.astype("<i2").tobytes())

    def jitter_ms(self) -> list[float]:
        """Deviation of each gap between packets from the time that the sender stamped on it, in ms."""
        pairs = zip(self.packets, self.packets[1:], strict=False)
        return [
            abs((b.at_s - a.at_s) * 1000 - ((b.timestamp - a.timestamp) & 0xFFFFFFFF) * 1000 / RATE_HZ)
            for a, b in pairs
        ]

    def voice(self, since_s: float) -> tuple[float, float] | None:
        """First and last moment at which something louder than line noise was heard since a moment.

        Returns:
            Arrival of the first and end of the last loud packet, by the loop's clock; None without one.
        """
        start = bisect_left(self.packets, since_s, key=lambda packet: packet.at_s)
        loud = (number for number in range(start, len(self.packets)) if self.packets[number].level > VOICE_LEVEL)
        first = next(loud, None)
        if first is None:
            return None
        last = next(packet for packet in reversed(self.packets) if packet.level > VOICE_LEVEL)
        return self.packets[first].at_s, last.at_s + FRAME_MS / 1000

    def loudness(self, since_s: float = 0.0) -> float:
        """Root mean square of the samples that arrived after a moment, 0 to 32767."""
        return _root_mean_square(b"".join(p.pcm for p in self.packets if p.at_s >= since_s))


def _root_mean_square(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0


class Phone(asyncio.DatagramProtocol):
    """One RTP socket."""

    def __init__(self) -> None:
        self.heard = Heard()
        self._queue: deque[bytes] = deque()
        self._idle = asyncio.Event()
        self._idle.set()
        self._peer: tuple[str, int] | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._sequence = random.randrange(1 << 15)
        self._timestamp = random.randrange(1 << 31)
        self._source = random.randrange(1 << 32)
        self._clock: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()
        self.held_up_s = 0.0
        """Longest that a packet left behind its time; what was missed leaves in a burst, as of no telephone."""
        self.on_sent: Callable[[float, bytes], None] = lambda at_s, alaw: None

    @classmethod
    async def open(cls, host: str = "127.0.0.1") -> Phone:
        """A phone on a free port."""
        loop = asyncio.get_running_loop()
        transport, phone = await loop.create_datagram_endpoint(cls, local_addr=(host, 0))
        # room for what comes while this process stands still; the kernel grants what it allows
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        return phone

    @property
    def port(self) -> int:
        """Its UDP port."""
        assert self._transport is not None
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._closed.set()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) < 12 or data[0] >> 6 != 2:
            return
        kind, sequence, timestamp = data[1] & 0x7F, *struct.unpack_from("!HI", data, 2)
        if kind != ALAW:
            self.heard.other += 1
            return
        at_s = asyncio.get_running_loop().time()
        pcm = g711.decode(data[12:])
        self.heard.packets.append(Packet(at_s, sequence, timestamp, pcm, _root_mean_square(pcm)))

    def connect(self, host: str, port: int) -> None:
        """Begin to send, to the address of the answer's SDP. Once."""
        if self._clock is None:
            self._peer = (host, port)
            self._clock = asyncio.create_task(self._run(), name="rtp-clock")

    def say(self, pcm: bytes) -> None:
        """Queue sound (PCM16 8 kHz) behind what is queued."""
        alaw = g711.encode(pcm)
        for start in range(0, len(alaw), FRAME_SAMPLES):
            self._queue.append(alaw[start : start + FRAME_SAMPLES].ljust(FRAME_SAMPLES, bytes([g711.SILENCE])))
        if self._queue:
            self._idle.clear()

    def press(self, keys: str, gap_ms: int = 120) -> None:
        """Queue key presses behind what is queued, each followed by a gap of silence."""
        for key in keys:
            event = KEYS.index(key)
            self._queue.extend(bytes([EVENTS, event, number]) for number in range(KEY_FRAMES))
            self._queue.extend([SILENT_FRAME] * (gap_ms // FRAME_MS))
        self._idle.clear()

    async def said(self) -> float:
        """Wait until all that was queued has been sent; gives that moment of the loop's clock."""
        await self._idle.wait()
        return asyncio.get_running_loop().time()

    async def listen(self, since_s: float, quiet_ms: int = 700, timeout_s: float = 20.0) -> tuple[float, float]:
        """Wait until the other side has spoken and has then been quiet for a while.

        Args:
            since_s: moment of the loop's clock from which on it may have spoken (what `said` gave).
            quiet_ms: silence that ends its turn; longer than the pauses inside a prompt.
            timeout_s: patience.

        Returns:
            Beginning and end of what it said, by the loop's clock: the beginning minus `since_s` is the response
            gap, the network of this machine included.

        Raises:
            TimeoutError: it said nothing, or went on and on.
        """
        loop = asyncio.get_running_loop()

        def over() -> bool:
            voice = self.heard.voice(since_s)
            return voice is not None and loop.time() - voice[1] > quiet_ms / 1000

        await until(over, timeout_s)
        voice = self.heard.voice(since_s)
        assert voice is not None
        return voice

    async def close(self) -> None:
        """Stop the clock, close the socket."""
        if self._clock is not None:
            self._clock.cancel()
            await asyncio.gather(self._clock, return_exceptions=True)
        if self._transport is not None:
            self._transport.abort()
            await self._closed.wait()

    def save(self, path: Path, start_s: float, end_s: float) -> None:
        """Write what was heard between two moments as a WAV file."""
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE_HZ)
            out.writeframes(self.heard.timeline(start_s, end_s))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._send(self._queue.popleft() if self._queue else SILENT_FRAME)
            if not self._queue:
                self._idle.set()
            due += FRAME_MS / 1000
            await asyncio.sleep(max(0.0, due - loop.time()))
            self.held_up_s = max(self.held_up_s, loop.time() - due)

    def _send(self, frame: bytes) -> None:
        if len(frame) == FRAME_SAMPLES:
            self._packet(ALAW, self._timestamp, frame)
            self.on_sent(asyncio.get_running_loop().time(), frame)
        else:
            _, event, number = frame
            last = number == KEY_FRAMES - 1
            start = (self._timestamp - number * FRAME_SAMPLES) & 0xFFFFFFFF
            duration = (number + 1) * FRAME_SAMPLES
            payload = struct.pack("!BBH", event, (0x80 if last else 0) | EVENT_VOLUME, duration)
            for _ in range(END_REPEATS if last else 1):
                self._packet(EVENTS, start, payload, marker=number == 0)
        self._timestamp = (self._timestamp + FRAME_SAMPLES) & 0xFFFFFFFF

    def _packet(self, kind: int, timestamp: int, payload: bytes, *, marker: bool = False) -> None:
        assert self._transport is not None and self._peer is not None
        second = kind | (0x80 if marker else 0)
        head = struct.pack("!BBHII", 0x80, second, self._sequence, timestamp, self._source)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._transport.sendto(head + payload, self._peer)
