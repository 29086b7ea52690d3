"""The callers: opens legs, speaks at 50 frames per second on each, notes when frames come back.

`python -m benchmarks.media.client PORT LEGS WARM_UP_S SECONDS` prints "measuring" and, at the end, JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid

import numpy as np
import uvloop

from ivrbot.media.framing import frames_of
from ivrbot.model.audio import FRAME_MS, SAMPLE_RATE_HZ, Frame
from ivrbot.model.call import CallId
from ivrbot.telephony.pacer import Pacer
from ivrbot.telephony.wire.audiosocket import audio_frame, uuid_frame

WIRE_FRAME_BYTES = 323


def speech_like(duration_s: int = 8) -> bytes:
    """Voiced sound with formants, in syllables and pauses, half of the time; the same in every run."""
    t = np.arange(duration_s * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    pitch_hz = 120 + 15 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    voice = np.zeros_like(t)
    for harmonic in range(1, 28):
        hz = harmonic * 120
        gain = sum(
            np.exp(-(((hz - formant) / width) ** 2)) for formant, width in ((600, 200), (1200, 250), (2500, 350))
        )
        voice += gain * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * 4 * t) + 0.4, 0, None)
    turns = (t % 4 < 2).astype(float)
    noise = np.random.default_rng(3).normal(0, 20, len(t))
    sound = voice / np.abs(voice).max() * 9000 * syllables * turns + noise
    return np.asarray(np.clip(sound, -32768, 32767), "<i2").tobytes()


class Caller(asyncio.Protocol):
    """One leg."""

    def __init__(self, frames: list[Frame], start: int) -> None:
        self._frames = frames
        self._at = start
        self._arrived_bytes = 0
        self.arrivals_s: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._transport.write(uuid_frame(CallId(str(uuid.uuid4()))))

    def data_received(self, data: bytes) -> None:
        now_s = time.perf_counter()
        before = self._arrived_bytes // WIRE_FRAME_BYTES
        self._arrived_bytes += len(data)
        self.arrivals_s += [now_s] * (self._arrived_bytes // WIRE_FRAME_BYTES - before)

    def next_frame(self) -> Frame:
        self._at = (self._at + 1) % len(self._frames)
        return self._frames[self._at]

    def write(self, frame: Frame) -> None:
        self._transport.write(audio_frame(frame))


async def measure(port: int, legs: int, warm_up_s: float, seconds: float) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    frames = list(frames_of(speech_like()))
    pacer = Pacer()
    callers = []
    for number in range(legs):
        caller = Caller(frames, number * 37)
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", port)  # type: ignore[misc]
        pacer.add(caller.next_frame, caller.write)
        callers.append(caller)
        await asyncio.sleep(FRAME_MS / 1000 / 7)  # legs do not ring in step
    await asyncio.sleep(warm_up_s)
    for caller in callers:
        caller.arrivals_s.clear()
    print("measuring", flush=True)
    await asyncio.sleep(seconds)
    gaps = np.concatenate([np.diff(caller.arrivals_s) for caller in callers])
    jitter_ms = np.abs(gaps * 1000 - FRAME_MS)
    return {
        "frames_per_call_s": sum(len(caller.arrivals_s) for caller in callers) / legs / seconds,
        "jitter_p50_ms": float(np.percentile(jitter_ms, 50)),
        "jitter_p99_ms": float(np.percentile(jitter_ms, 99)),
    }


if __name__ == "__main__":
    print(
        json.dumps(
            uvloop.run(measure(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
        ),
        flush=True,
    )
