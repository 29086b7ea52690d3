"""The servers under measurement: `python -m benchmarks.media.servers NAME` prints its port and serves."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable

import uvloop

from ivrbot.config import MediaSettings
from ivrbot.model.audio import SAMPLE_RATE_HZ, Frame
from ivrbot.ports import CallDoor, Leg, MediaSink
from ivrbot.telephony.audiosocket import AudioSocketGateway
from ivrbot.telephony.pacer import Pacer

Detector = Callable[[Frame], bool]


class EchoSink:
    """Hears every frame, gives it back 20 ms later: the work of a call without its thinking."""

    def __init__(self, detect: Detector) -> None:
        self._detect = detect
        self._waiting: deque[Frame] = deque(maxlen=50)
        self.voiced = 0

    def on_frame(self, frame: Frame) -> None:
        self.voiced += self._detect(frame)
        self._waiting.append(frame)

    def on_key(self, key: str) -> None:
        """Nobody presses one here."""

    def on_closed(self, cause: str) -> None:
        """Nothing to give back."""

    def next_frame(self) -> Frame | None:
        return self._waiting.popleft() if self._waiting else None


class EchoDoor:
    def __init__(self, new_detector: Callable[[], Detector]) -> None:
        self._new_detector = new_detector

    def admit(self, leg: Leg) -> MediaSink:
        del leg
        return EchoSink(self._new_detector())


def no_detector() -> Detector:
    return lambda frame: False


def webrtc_detector() -> Detector:
    import webrtcvad

    is_speech = webrtcvad.Vad(1).is_speech
    return lambda frame: bool(is_speech(frame, SAMPLE_RATE_HZ))


class PlainEcho(asyncio.Protocol):
    """The floor in Python."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = transport.write  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._write(data)


async def serve_gateway(door: CallDoor) -> None:
    gateway = AudioSocketGateway(door, Pacer(), MediaSettings(port=0))
    print(await gateway.start(), flush=True)
    await asyncio.Event().wait()


async def serve_calls() -> None:
    """The product's own media path, from socket to socket."""
    from benchmarks.media import calls

    await serve_gateway(calls.CallDoor())


async def serve_plain_echo() -> None:
    server = await asyncio.get_running_loop().create_server(PlainEcho, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


SERVERS: dict[str, Callable[[], None]] = {
    "uvloop-echo": lambda: uvloop.run(serve_plain_echo()),
    "gateway": lambda: uvloop.run(serve_gateway(EchoDoor(no_detector))),
    "gateway-webrtcvad": lambda: uvloop.run(serve_gateway(EchoDoor(webrtc_detector))),
    "calls": lambda: uvloop.run(serve_calls()),
}

if __name__ == "__main__":
    SERVERS[sys.argv[1]]()
