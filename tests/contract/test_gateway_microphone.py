"""The microphone gateway keeps the promises of all gateways; the device is played by a fake one."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ivrbot.errors import LegRefused, MissingError
from ivrbot.model.audio import Frame, Pcm
from ivrbot.model.call import CallId
from ivrbot.telephony.microphone import MicrophoneGateway, MicrophoneLeg, PortAudioDevice
from ivrbot.telephony.pacer import PacedLeg, Pacer
from tests.contract.gateway import GatewayContract, marked_frames, new_call_id
from tests.fakes.media import RecordingDoor
from tests.fakes.waiting import until


class FakeDevice:
    """A sound card whose microphone hears what the caller says and whose speaker is written down."""

    def __init__(self, clock: Pacer) -> None:
        self._clock = clock
        self._paced: PacedLeg | None = None
        self._heard: Callable[[bytes], None] = lambda pcm: None
        self._speak: Callable[[], Frame | None] = lambda: None
        self.to_say: list[Frame] = []
        self.spoken = bytearray()
        self.is_running = False

    def start(self, heard: Callable[[bytes], None], speak: Callable[[], Frame | None]) -> None:
        self._heard, self._speak = heard, speak
        self._paced = self._clock.add(self._next, self._turn)
        self.is_running = True

    def stop(self) -> None:
        self.is_running = False
        if self._paced:
            self._clock.remove(self._paced)

    def _next(self) -> Frame | None:
        return self.to_say.pop(0) if self.to_say else None

    def _turn(self, frame: Frame) -> None:
        if (spoken := self._speak()) is not None:
            self.spoken += spoken
        self._heard(frame)


class MicrophoneCaller:
    def __init__(self, device: FakeDevice, leg: MicrophoneLeg | None) -> None:
        self._device, self._leg = device, leg

    def say(self, frames: Sequence[Frame]) -> None:
        self._device.to_say += frames

    def press(self, key: str) -> None:
        assert self._leg
        self._leg.press(key)

    def hang_up(self) -> None:
        assert self._leg
        self._leg.hang_up()

    @property
    def received(self) -> bytes:
        return bytes(self._device.spoken)

    @property
    def is_over(self) -> bool:
        return not self._device.is_running


class MicrophoneLine:
    def __init__(self) -> None:
        self.door = RecordingDoor()
        self._clock = Pacer()
        self._devices: list[FakeDevice] = []
        self.gateway = MicrophoneGateway(self.door, Pacer(), self._open)

    def _open(self) -> FakeDevice:
        self._devices.append(FakeDevice(self._clock))
        return self._devices[-1]

    async def ring(self, call_id: CallId) -> MicrophoneCaller:
        leg = None
        try:
            leg = self.gateway.ring(call_id)
        except LegRefused:
            assert call_id in self.door.refused
        return MicrophoneCaller(self._devices[-1], leg)

    @property
    def open_legs(self) -> int:
        return self.gateway.legs


@pytest.fixture
async def line() -> AsyncIterator[MicrophoneLine]:
    line = MicrophoneLine()
    yield line
    await line.gateway.stop()


class TestMicrophoneGateway(GatewayContract):
    """See the contract."""


async def test_stopping_ends_the_call() -> None:
    line = MicrophoneLine()
    await line.ring(new_call_id())
    await line.gateway.stop()
    assert line.door.sinks[0].causes == ["shutdown"]
    assert line.open_legs == 0


async def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingError, match=r'pip install "ivrbot\[microphone\]"'):
        MicrophoneGateway(RecordingDoor(), Pacer()).ring(new_call_id())


class _NoPortAudio:
    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")


async def test_without_portaudio_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_NoPortAudio(), *sys.meta_path])
    with pytest.raises(MissingError, match="apt install libportaudio2"):
        MicrophoneGateway(RecordingDoor(), Pacer()).ring(new_call_id())


class PortAudioError(Exception):
    """As the library's own."""


class FakeStream:
    """RawStream as far as the gateway uses it."""

    rates_hz: tuple[int, ...] = (48000,)
    opened: list[FakeStream]

    def __init__(self, *, samplerate: int, blocksize: int, channels: int, dtype: str, callback: Any) -> None:
        if samplerate not in self.rates_hz:
            raise PortAudioError("Invalid sample rate")
        assert (channels, dtype) == (1, "int16")
        self.blocksize, self.callback = blocksize, callback
        self.is_closed = False
        FakeStream.opened.append(self)

    def start(self) -> None:
        """Nothing runs by itself."""

    def close(self) -> None:
        self.is_closed = True

    def turn(self, recorded: bytes) -> bytes:
        """What PortAudio's thread does every 20 ms."""
        played = bytearray(self.blocksize * 2)
        self.callback(memoryview(recorded), memoryview(played), self.blocksize, None, SimpleNamespace())
        return bytes(played)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("sounddevice")
    module.PortAudioError = PortAudioError  # type: ignore[attr-defined]
    module.RawStream = FakeStream  # type: ignore[attr-defined]
    module.query_devices = lambda kind: {"default_samplerate": 48000.0}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    monkeypatch.setattr(FakeStream, "opened", [], raising=False)
    return module


async def test_a_card_without_8_khz_is_used_at_its_own_rate(library: ModuleType) -> None:
    heard: list[bytes] = []
    to_speak = [Frame(Pcm(b"\x10\x20" * 160)) for _ in range(50)]
    device = PortAudioDevice()
    device.start(heard.append, lambda: to_speak.pop(0) if to_speak else None)
    stream = FakeStream.opened[0]
    assert stream.blocksize == 960
    recorded = np.full(960, 5000, "<i2").tobytes()
    played = b"".join(stream.turn(recorded) for _ in range(40))
    await until(lambda: len(heard) == 40)
    samples = np.frombuffer(b"".join(heard), "<i2")
    assert 35 * 160 <= len(samples) <= 40 * 160
    assert abs(int(samples[-500]) - 5000) < 20
    assert abs(int(np.frombuffer(played, "<i2")[20_000]) - 0x2010) < 50
    device.stop()
    device.stop()
    assert stream.is_closed


async def test_no_device_is_named(library: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeStream, "rates_hz", ())
    with pytest.raises(MissingError, match=r"no microphone or speaker could be opened \(Invalid sample rate"):
        MicrophoneGateway(RecordingDoor(), Pacer()).ring(new_call_id())


async def test_a_speaker_that_lags_loses_the_oldest() -> None:
    line = MicrophoneLine()
    await line.ring(new_call_id())
    device, sink = line._devices[0], line.door.sinks[0]
    speak = device._speak
    device._speak = lambda: None
    sink.to_play = marked_frames(20)
    last = sink.to_play[-1]
    await until(lambda: not sink.to_play)
    spoken = list(iter(speak, None))
    assert len(spoken) <= 10
    assert last in spoken
    await line.gateway.stop()


async def test_unknown_keys_are_refused() -> None:
    line = MicrophoneLine()
    leg = line.gateway.ring(new_call_id())
    for key in ("A", "", "12"):
        with pytest.raises(ValueError, match="no such key"):
            leg.press(key)
    leg.hang_up()
    leg.press("1")
    await leg.wait_closed()
    assert line.door.sinks[0].keys == []
