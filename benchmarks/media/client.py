"""The callers: opens legs, speaks at 50 frames per second on each, notes when frames come back.

`python -m benchmarks.media.client PORT LEGS WARM_UP_S SECONDS` rings FEW_LEGS, prints "few", rings the others,
prints "measuring" and, at the end, JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import uvloop

from ivrbot.media.framing import frames_of
from ivrbot.media.level import speech_stretches
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import FRAME_MS, SAMPLE_BYTES, SAMPLE_RATE_HZ, Frame
from ivrbot.model.call import CallId
from ivrbot.telephony.pacer import Pacer
from ivrbot.telephony.wire.audiosocket import audio_frame, uuid_frame

WIRE_FRAME_BYTES = 323
FEW_LEGS = 20
SPEECH_S, QUIET_S = 4, 8
"""A caller of a bank speaks about a third of the time, and listens for the rest."""
NOISE_RMS = 20
"""Of 32,768: a quiet line, -64 dBFS."""
PROMPTS = Path(__file__).parents[2] / "audio_prompts" / "ru"


def caller_sound(turns: int = 3) -> bytes:
    """Sentences of the recorded prompts for 4 s, then 8 s of line noise, and so on; the same in every run."""
    spoken = b""
    for path in sorted(PROMPTS.glob("*.wav")):
        pcm = read_wav(path)
        for stretch in speech_stretches(pcm):
            spoken += pcm[stretch.start_sample * SAMPLE_BYTES : stretch.end_sample * SAMPLE_BYTES]
        if len(spoken) >= turns * SPEECH_S * SAMPLE_RATE_HZ * SAMPLE_BYTES:
            break
    voice = np.frombuffer(spoken, "<i2")[: turns * SPEECH_S * SAMPLE_RATE_HZ].reshape(turns, -1)
    sound = np.pad(voice.astype(float), ((0, 0), (0, QUIET_S * SAMPLE_RATE_HZ))).ravel()
    sound += np.random.default_rng(3).normal(0, NOISE_RMS, len(sound))
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
    frames = list(frames_of(caller_sound()))
    pacer = Pacer()
    callers = []
    for number in range(legs):
        caller = Caller(frames, number * 37)
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", port)  # type: ignore[misc]
        pacer.add(caller.next_frame, caller.write)
        callers.append(caller)
        await asyncio.sleep(FRAME_MS / 1000 / 7)  # legs do not ring in step
        if number + 1 == FEW_LEGS < legs:
            await asyncio.sleep(warm_up_s)
            print("few", flush=True)
            await asyncio.sleep(0.2)
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
