"""A small sample of held-out sentences in SYNTHETIC voices over telephone sound, recognised and understood.

The measurement with three voices and more sentences is `python -m benchmarks.nlu voices`.
"""

from __future__ import annotations

import pytest

from benchmarks.nlu import VOICES, read, sample
from ivrbot.asr.whisper import WhisperEngine
from ivrbot.media.wav import read_wav
from ivrbot.nlu.embedded import EmbeddedNlu
from tests.caller_speech import caller_wav
from tests.unit.nlu_engines import classifier, encoder_path

SENTENCES = 12
FLOOR = 0.8


@pytest.mark.models
async def test_topics_in_synthetic_voices() -> None:
    encoder = encoder_path()
    folder = encoder.parents[1] / "whisper-base"
    if not folder.is_dir():
        pytest.skip(f"needs the speech model {folder} (ivrbot models pull)")
    asr = WhisperEngine(folder, partials=False, deadline_ms=60_000)
    engine = EmbeddedNlu(classifier(encoder))
    await asr.start()
    try:
        wrong = []
        for number, (intent, text) in enumerate(sample("ru", SENTENCES)):
            voice = VOICES["ru"][number % 3]
            heard = await read(asr, read_wav(caller_wav(text, voice)), "ru")
            if engine.parse_now(heard, "ru").intent != intent:
                wrong.append((voice, intent, text, heard))
    finally:
        await asr.close()
        await engine.close()
    assert len(wrong) <= (1 - FLOOR) * SENTENCES, wrong
