"""Microphone gateway: a call from this computer's own sound devices, for trying the bot out.

Takes a sound device, gives one leg at a time per device to the call door. The device runs in PortAudio's thread;
the bot's sound still comes from the common clock, and a short bounded queue stands between the two. Without
headphones the bot hears itself.

Source: python-sounddevice, RawStream (an optional extra; PortAudio itself is a system library).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from ivrbot.errors import MissingError
from ivrbot.media.framing import Framer
from ivrbot.media.resample import StreamResampler
from ivrbot.metrics import FRAMES_DROPPED, LEGS_CLOSED
from ivrbot.model.audio import FRAME_MS, SAMPLE_BYTES, SAMPLE_RATE_HZ, Frame
from ivrbot.model.call import CallId
from ivrbot.ports import CallDoor, MediaSink
from ivrbot.telephony.pacer import PacedLeg, Pacer

SPEAKER_QUEUE_FRAMES: Final = 10
"""200 ms between the clock and the speaker; beyond, the oldest is dropped."""

_EXTRA: Final = 'Install it: pip install "ivrbot[microphone]".'
_LIBRARY: Final = (
    "Install PortAudio: apt install libportaudio2 (Debian, Ubuntu) or brew install portaudio (macOS)."
)
_DEVICE: Final = (
    "Connect a microphone and a speaker, or use: ivrbot call --wav, ivrbot call --text, the page /phone."
)
_log = logging.getLogger(__name__)


class SoundDevice(Protocol):
    """A microphone and a speaker."""

    def start(self, heard: Callable[[bytes], None], speak: Callable[[], Frame | None]) -> None:
        """Begin.

        Args:
            heard: called on the event loop with 8 kHz PCM16 from the microphone.
            speak: called from any thread for the next 20 ms; None means silence.

        Raises:
            MissingError: library or device is missing; says what to install.
        """
        ...

    def stop(self) -> None:
        """Let the device go. Idempotent."""
        ...


class MicrophoneGateway:
    """Opens legs from sound devices.

    Args:
        door: decides about every leg.
        pacer: the clock of all outbound sound.
        open_device: makes the device of a leg; the system's default by default.
        on_notice: gets what the call tells the screen (live transcript).
    """

    def __init__(
        self,
        door: CallDoor,
        pacer: Pacer,
        open_device: Callable[[], SoundDevice] | None = None,
        on_notice: Callable[[dict[str, object]], None] | None = None,
    ) -> None:
        self._door = door
        self._pacer = pacer
        self._open_device = open_device or PortAudioDevice
        self._on_notice = on_notice
        self._legs: set[MicrophoneLeg] = set()

    @property
    def legs(self) -> int:
        """Open legs."""
        return len(self._legs)

    def ring(self, call_id: CallId) -> MicrophoneLeg:
        """Start a call.

        Raises:
            LegRefused: by the door.
            MissingError: no sound library or device; says what to install.
        """
        leg = MicrophoneLeg(call_id, self._pacer, self._open_device(), self._on_notice, self._legs.discard)
        leg.begin(self._door)
        self._legs.add(leg)
        return leg

    async def stop(self) -> None:
        """End every leg. Idempotent."""
        for leg in tuple(self._legs):
            leg.end("shutdown")
            await leg.wait_closed()


class MicrophoneLeg:
    """One leg; see ports.Leg. The caller's own side is `press`, `hang_up` and `wait_closed`."""

    def __init__(
        self,
        call_id: CallId,
        pacer: Pacer,
        device: SoundDevice,
        on_notice: Callable[[dict[str, object]], None] | None,
        gone: Callable[[MicrophoneLeg], None],
    ) -> None:
        self._call_id = call_id
        self._pacer = pacer
        self._device = device
        self._on_notice = on_notice
        self._gone = gone
        self._framer = Framer()
        self._lost_outbound = 0
        self._to_speaker: deque[Frame] = deque()
        self._sink: MediaSink | None = None
        self._paced: PacedLeg | None = None
        self._closed = asyncio.Event()
        self.cause = ""

    @property
    def call_id(self) -> CallId:
        """The call that the leg belongs to."""
        return self._call_id

    @property
    def dropped(self) -> Mapping[str, int]:
        """Frames that the speaker did not take in time."""
        return {"outbound": self._lost_outbound}

    def close(self) -> None:
        """End the leg, by the bot."""
        self.end("closed")

    def notify(self, message: dict[str, object]) -> None:
        """Show something on the terminal."""
        if self._on_notice:
            self._on_notice(message)

    def press(self, key: str) -> None:
        """The caller presses one of 0-9, *, #.

        Raises:
            ValueError: no such key.
        """
        if len(key) != 1 or key not in "0123456789*#":
            raise ValueError(f"no such key: {key!r}")
        if self._sink and not self.cause:
            self._sink.on_key(key)

    def hang_up(self) -> None:
        """End the leg, by the caller."""
        self.end("hangup")

    async def wait_closed(self) -> str:
        """Wait for the end; gives its cause."""
        await self._closed.wait()
        return self.cause

    def begin(self, door: CallDoor) -> None:
        """Start the device and ask the door; the gateway calls this once.

        Raises:
            LegRefused: by the door.
            MissingError: no sound library or device.
        """
        self._device.start(self._hear, self._next_for_speaker)
        try:
            self._sink = door.admit(self)
        except BaseException:
            self._device.stop()
            raise
        if not self.cause:
            self._paced = self._pacer.add(self._sink.next_frame, self._play)

    def end(self, cause: str) -> None:
        """End the leg once; `on_closed` follows in the loop's next round."""
        if self.cause:
            return
        self.cause = cause
        if self._paced:
            self._pacer.remove(self._paced)
        self._device.stop()
        asyncio.get_running_loop().call_soon(self._report)

    def _report(self) -> None:
        LEGS_CLOSED.labels(self.cause).inc()
        self._gone(self)
        if self._sink:
            self._sink.on_closed(self.cause)
        self._closed.set()

    def _hear(self, pcm: bytes) -> None:
        if self._sink and not self.cause:
            for frame in self._framer.feed(pcm):
                self._sink.on_frame(frame)

    def _play(self, frame: Frame) -> None:
        if len(self._to_speaker) >= SPEAKER_QUEUE_FRAMES:
            self._to_speaker.popleft()
            FRAMES_DROPPED.labels("outbound").inc()
            self._lost_outbound += 1
        self._to_speaker.append(frame)

    def _next_for_speaker(self) -> Frame | None:
        try:
            return self._to_speaker.popleft()
        except IndexError:
            return None


class PortAudioDevice:
    """The system's default microphone and speaker, by sounddevice."""

    def __init__(self) -> None:
        self._stream: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, heard: Callable[[bytes], None], speak: Callable[[], Frame | None]) -> None:
        """See SoundDevice."""
        sounddevice = load_sounddevice()
        self._loop = asyncio.get_running_loop()
        try:
            self._stream = self._open(sounddevice, heard, speak)
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            self.stop()
            raise MissingError(f"no microphone or speaker could be opened ({error})", _DEVICE) from error

    def stop(self) -> None:
        """See SoundDevice."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _open(self, sounddevice: Any, heard: Callable[[bytes], None], speak: Callable[[], Frame | None]) -> Any:
        """Open at 8 kHz, or else at the device's own rate with resampling."""
        last: Exception | None = None
        for rate_hz in (SAMPLE_RATE_HZ, round(sounddevice.query_devices(kind="input")["default_samplerate"])):
            converter = _Converter(rate_hz, speak)
            try:
                return sounddevice.RawStream(
                    samplerate=rate_hz,
                    blocksize=rate_hz * FRAME_MS // 1000,
                    channels=1,
                    dtype="int16",
                    callback=self._callback(converter, heard),
                )
            except sounddevice.PortAudioError as error:
                last = error
        raise last or ValueError("no sample rate")

    def _callback(self, converter: _Converter, heard: Callable[[bytes], None]) -> Callable[..., None]:
        loop = self._loop

        def run(recorded: Any, played: Any, frames: int, time: Any, status: Any) -> None:
            """Runs in PortAudio's thread: no exception may leave it, or the device stops."""
            del time
            if status:
                _log.debug("sound device: %s", status)
            played[:] = converter.to_device(frames * SAMPLE_BYTES)
            if loop and not loop.is_closed():
                loop.call_soon_threadsafe(heard, converter.from_device(bytes(recorded)))

        return run


class _Converter:
    """Between the device's rate and 8 kHz, both ways."""

    def __init__(self, rate_hz: int, speak: Callable[[], Frame | None]) -> None:
        self._speak = speak
        self._in = StreamResampler(rate_hz, SAMPLE_RATE_HZ)
        self._out = StreamResampler(SAMPLE_RATE_HZ, rate_hz)
        self._ready = bytearray()

    def from_device(self, pcm: bytes) -> bytes:
        return self._in.feed(pcm)

    def to_device(self, size_bytes: int) -> bytes:
        """Exactly so many bytes for the speaker, silence where there is nothing."""
        while len(self._ready) < size_bytes and (frame := self._speak()) is not None:
            self._ready += self._out.feed(frame)
        block = bytes(self._ready[:size_bytes])
        del self._ready[:size_bytes]
        return block.ljust(size_bytes, b"\0")


def load_sounddevice() -> Any:
    """Import the optional extra.

    Raises:
        MissingError: the package or PortAudio itself is missing; says what to install.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise MissingError("the microphone needs the package sounddevice", _EXTRA) from error
    except OSError as error:  # what sounddevice raises without the system library
        raise MissingError("the microphone needs the PortAudio library", _LIBRARY) from error
    return sounddevice
