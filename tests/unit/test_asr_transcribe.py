"""Recordings through an engine."""

from __future__ import annotations

from pathlib import Path

from ivrbot.asr.transcribe import transcribe_file
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import Pcm
from tests.fakes.asr import FakeAsr

SPEECH = Path(__file__).parent.parent / "data" / "speech_en.wav"


async def test_a_short_recording() -> None:
    engine = FakeAsr(["I have lost my card"])
    await engine.start()
    reading = await transcribe_file(engine, read_wav(SPEECH), "en")
    assert reading.text == "I have lost my card"
    assert reading.engine == "fake"
    assert round(reading.audio_s, 1) == 2.2
    assert reading.partials
    assert all(0 < partial.t_ms <= 2250 for partial in reading.partials)


async def test_a_long_recording_is_read_in_pieces() -> None:
    engine = FakeAsr(["one", "two", "three"])
    await engine.start()
    reading = await transcribe_file(engine, Pcm(read_wav(SPEECH) * 24), "en")
    assert reading.text == "one two three"
    assert reading.partials[-1].t_ms > 40_000
    assert [partial.t_ms for partial in reading.partials] == sorted(partial.t_ms for partial in reading.partials)


async def test_nothing_recorded() -> None:
    engine = FakeAsr()
    await engine.start()
    reading = await transcribe_file(engine, Pcm(b""), "ru")
    assert (reading.text, reading.audio_s, reading.partials) == ("", 0.0, ())
