"""The AudioSocket gateway keeps the promises of all gateways."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
import uvloop

from ivrbot.config import MediaSettings
from ivrbot.model.audio import Frame
from ivrbot.model.call import CallId
from ivrbot.telephony.audiosocket import AudioSocketGateway
from ivrbot.telephony.audiosocket_client import AudioSocketCall
from ivrbot.telephony.pacer import Pacer
from tests.contract.gateway import GatewayContract
from tests.fakes.media import RecordingDoor


class AudioSocketCaller:
    def __init__(self, call: AudioSocketCall) -> None:
        self._call = call

    def say(self, frames: Sequence[Frame]) -> None:
        self._call.send(b"".join(frames))

    def press(self, key: str) -> None:
        self._call.press(key)

    def hang_up(self) -> None:
        self._call.hang_up()

    @property
    def received(self) -> bytes:
        return self._call.received

    @property
    def is_over(self) -> bool:
        return bool(self._call.cause)


class AudioSocketLine:
    def __init__(self) -> None:
        self.door = RecordingDoor()
        self.gateway = AudioSocketGateway(self.door, Pacer(), MediaSettings(port=0))
        self.port = 0
        self._clock = Pacer()

    async def ring(self, call_id: CallId) -> AudioSocketCaller:
        call = AudioSocketCall(self._clock)
        await call.connect("127.0.0.1", self.port, call_id)
        return AudioSocketCaller(call)

    @property
    def open_legs(self) -> int:
        return self.gateway.legs


@pytest.fixture
async def line() -> AsyncIterator[AudioSocketLine]:
    line = AudioSocketLine()
    line.port = await line.gateway.start()
    yield line
    await line.gateway.stop()


class TestAudioSocketGateway(GatewayContract):
    """See the contract."""


@pytest.mark.parametrize("promise", [name for name in dir(GatewayContract) if name.startswith("test_")])
def test_the_same_on_uvloop(promise: str) -> None:
    """On the loop of production, whose transports differ in detail."""

    async def main() -> None:
        line = AudioSocketLine()
        line.port = await line.gateway.start()
        try:
            await getattr(GatewayContract(), promise)(line)
        finally:
            await line.gateway.stop()

    uvloop.run(main())
