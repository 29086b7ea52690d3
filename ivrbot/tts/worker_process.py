"""The child process in which a speech library runs; started by `ivrbot.tts.worker` as a program of its own.

Takes requests on standard input, gives frames on what was standard output: one byte of kind, four bytes of length
(little-endian), then the payload. R ready (JSON), A sound (8 kHz PCM16), D done (JSON), E error (JSON). A request
is JSON behind a four-byte length; a request without a text cancels what is being spoken. Libraries that print
cannot disturb the frames: their standard output is /dev/null. Ends when standard input closes.
"""

from __future__ import annotations

import json
import os
import select
import struct
import sys
import time
from collections.abc import Callable
from typing import BinaryIO, Final, Protocol

from ivrbot.errors import EngineBadOutput, EngineUnavailable

READY: Final = b"R"
SOUND: Final = b"A"
DONE: Final = b"D"
ERROR: Final = b"E"
FRAME_HEAD: Final = struct.Struct("<cI")
REQUEST_HEAD: Final = struct.Struct("<I")

Sink = Callable[[bytes], bool]
Options = dict[str, str]


class Synth(Protocol):
    """A library, loaded and warm."""

    def info(self) -> dict[str, object]:
        """Told to the parent when ready (version)."""
        ...

    def speak(self, text: str, voice: str, sink: Sink) -> None:
        """Speak into `sink` (8 kHz PCM16; False stops).

        Raises:
            EngineBadOutput: no sound could be made.
        """
        ...


def _build(kind: str, options: Options) -> Synth:
    if kind == "rhvoice":
        from ivrbot.tts.rhvoice_synth import RhvoiceSynth

        return RhvoiceSynth(options)
    if kind == "pyttsx3":
        from ivrbot.tts.pyttsx3_synth import Pyttsx3Synth

        return Pyttsx3Synth(options)
    if kind == "piper":
        from ivrbot.tts.piper_synth import PiperSynth

        return PiperSynth(options)
    raise EngineUnavailable(f"no speech library called {kind}")


class _Channel:
    """Both directions of the pipe, unbuffered so that a waiting cancel shows in `select`."""

    def __init__(self, source_fd: int, out: BinaryIO) -> None:
        self._source_fd = source_fd
        self._out = out

    def send(self, kind: bytes, payload: bytes) -> None:
        self._out.write(FRAME_HEAD.pack(kind, len(payload)) + payload)
        self._out.flush()

    def receive(self) -> dict[str, str] | None:
        head = self._exactly(REQUEST_HEAD.size)
        body = self._exactly(REQUEST_HEAD.unpack(head)[0]) if head else b""
        request: dict[str, str] | None = json.loads(body) if body else None
        return request

    def cancelled(self) -> bool:
        return bool(select.select([self._source_fd], [], [], 0)[0])

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = os.read(self._source_fd, count - len(data))
            if not part:
                return b""
            data += part
        return data


def _serve(channel: _Channel, synth: Synth) -> None:
    while (request := channel.receive()) is not None:
        if "text" not in request:
            continue  # cancels something that has ended already
        cpu_s = time.process_time()

        def sink(pcm: bytes) -> bool:
            if pcm:
                channel.send(SOUND, pcm)
            return not channel.cancelled()

        try:
            synth.speak(request["text"], request["voice"], sink)
        except EngineBadOutput as error:
            channel.send(ERROR, json.dumps({"message": str(error)}).encode())
        else:
            channel.send(DONE, json.dumps({"cpu_s": time.process_time() - cpu_s}).encode())


def main(arguments: list[str]) -> int:
    """Run until standard input closes.

    Args:
        arguments: kind of library, options as JSON.
    """
    out = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    channel = _Channel(0, out)
    try:
        synth = _build(arguments[0], json.loads(arguments[1]))
    except (EngineUnavailable, EngineBadOutput) as error:
        channel.send(ERROR, json.dumps({"message": str(error)}).encode())
        return 1
    channel.send(READY, json.dumps(synth.info()).encode())
    try:
        _serve(channel, synth)
    except BrokenPipeError:
        return 0  # the parent is gone
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # speech libraries crash in their destructors
