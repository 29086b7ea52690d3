"""A recording through an engine, as if it were spoken now.

Takes 8 kHz sound of any length, gives its text with the partials on the way. Long recordings are cut at their
quietest spots, because engines read utterances, not hours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np

from ivrbot.model.audio import FRAME_BYTES, FRAME_MS, SAMPLE_BYTES, SAMPLE_RATE_HZ, Pcm
from ivrbot.model.speech import Expect, Language, Partial, Transcript, unheard
from ivrbot.ports import AsrEngine

PIECE_MIN_MS: Final = 15_000
PIECE_MAX_MS: Final = 25_000
_SETTLE_EVERY_MS: Final = 500


@dataclass(frozen=True, slots=True)
class FileReading:
    """What was heard in a recording.

    Attributes:
        text: all of it.
        audio_s: length of the sound.
        cpu_s: processor time of this process meanwhile.
        engine: who heard it.
        partials: in order, times from the recording's start.
    """

    text: str
    audio_s: float
    cpu_s: float
    engine: str
    partials: tuple[Partial, ...]


@runtime_checkable
class _Settles(Protocol):
    """A stream that can say when it has caught up."""

    async def settle(self) -> None: ...


async def transcribe_file(
    engine: AsrEngine, pcm: Pcm, language: Language, expect: Expect = Expect.OPEN, *, partials: bool = True
) -> FileReading:
    """Read a recording in steps of 20 ms; the engine has been started.

    Args:
        engine: who hears.
        pcm: 8 kHz sound of any length.
        language: spoken in it.
        expect: what kind of answer it is.
        partials: make readings on the way; with some engines they cost more than the text itself.

    Raises:
        EngineError: the engine failed.
    """
    started = time.process_time()
    texts: list[str] = []
    made: list[Partial] = []
    heard_by = engine.name
    at_ms = 0
    for piece in pieces(pcm):

        def on_partial(partial: Partial, offset_ms: int = at_ms) -> None:
            made.append(Partial(partial.t_ms + offset_ms, partial.text))

        transcript = await read_utterance(engine, piece, language, expect, on_partial if partials else unheard)
        heard_by = transcript.engine
        texts.append(transcript.text)
        at_ms += len(piece) * 1000 // (SAMPLE_BYTES * SAMPLE_RATE_HZ)
    return FileReading(
        " ".join(text for text in texts if text),
        len(pcm) / (SAMPLE_BYTES * SAMPLE_RATE_HZ),
        time.process_time() - started,
        heard_by,
        tuple(made),
    )


async def read_utterance(
    engine: AsrEngine,
    pcm: Pcm,
    language: Language,
    expect: Expect = Expect.OPEN,
    on_partial: Callable[[Partial], None] = unheard,
) -> Transcript:
    """Read one utterance that is there as a whole, at most 25 s of 8 kHz sound.

    Raises:
        EngineError: the engine failed.
    """
    stream = engine.open(language, expect, on_partial)
    try:
        for start in range(0, len(pcm), FRAME_BYTES):
            stream.feed(Pcm(pcm[start : start + FRAME_BYTES]))
            if start // FRAME_BYTES * FRAME_MS % _SETTLE_EVERY_MS == 0 and isinstance(stream, _Settles):
                await stream.settle()
        if isinstance(stream, _Settles):
            await stream.settle()
        return await stream.decode()
    finally:
        stream.close()


def pieces(pcm: Pcm) -> Iterator[Pcm]:
    """Cut sound into utterances of at most 25 s, each at the quietest 20 ms after its fifteenth second."""
    rest = memoryview(pcm)
    longest = PIECE_MAX_MS // FRAME_MS * FRAME_BYTES
    shortest = PIECE_MIN_MS // FRAME_MS * FRAME_BYTES
    while len(rest) > longest:
        window = np.frombuffer(rest[shortest:longest], dtype="<i2").astype(np.float64)
        energy = np.square(window.reshape(-1, FRAME_BYTES // SAMPLE_BYTES)).sum(axis=1)
        cut = shortest + int(energy.argmin()) * FRAME_BYTES
        yield Pcm(bytes(rest[:cut]))
        rest = rest[cut:]
    if rest:
        yield Pcm(bytes(rest))
