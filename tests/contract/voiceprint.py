"""What every engine that turns voices into embeddings promises: inherit, and give `engine` and `speakers`."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Sequence

import pytest

from ivrbot.errors import EngineError
from ivrbot.identity.voices import likeness
from ivrbot.model.audio import Pcm, duration_ms, silence
from ivrbot.ports import VoiceprintEngine

Speakers = Sequence[Sequence[Pcm]]
"""Stretches of some seconds, of two speakers at least: two stretches of each, of different words."""


class VoiceprintContract:
    async def test_the_model_has_a_hash_that_stays(self, engine: VoiceprintEngine, speakers: Speakers) -> None:
        before = engine.model
        assert re.fullmatch(r"[0-9a-f]{64}", before)
        assert (await engine.sample(speakers[0][0])).model == before == engine.model

    async def test_a_second_start_changes_nothing(self, engine: VoiceprintEngine, speakers: Speakers) -> None:
        before = await engine.sample(speakers[0][0])
        await engine.start()
        assert await engine.sample(speakers[0][0]) == before

    async def test_samples_are_finite_unit_vectors_of_one_length(
        self, engine: VoiceprintEngine, speakers: Speakers
    ) -> None:
        samples = [await engine.sample(pcm) for voice in speakers for pcm in voice]
        assert len({len(sample.embedding) for sample in samples}) == 1
        for sample in samples:
            assert all(map(math.isfinite, sample.embedding))
            assert math.hypot(*sample.embedding) == pytest.approx(1.0, abs=1e-5)
            assert math.isfinite(sample.snr_db)

    async def test_speech_is_no_longer_than_the_sound(self, engine: VoiceprintEngine, speakers: Speakers) -> None:
        for voice in speakers:
            for pcm in voice:
                assert 0 < (await engine.sample(pcm)).speech_ms <= duration_ms(pcm)

    async def test_a_voice_is_liker_to_itself_than_to_another(
        self, engine: VoiceprintEngine, speakers: Speakers
    ) -> None:
        samples = [[(await engine.sample(pcm)).embedding for pcm in voice[:2]] for voice in speakers]
        for place, (first, second) in enumerate(samples):
            for other in (one for number, one in enumerate(samples) if number != place):
                assert likeness(first, second) > max(likeness(first, other[0]), likeness(second, other[1]))

    @pytest.mark.parametrize("sound", [b"", bytes(2), bytes(16_000), b"\1", bytes(4001)])
    async def test_no_speech_or_half_a_sample_is_an_error(self, engine: VoiceprintEngine, sound: bytes) -> None:
        with pytest.raises(EngineError):
            await engine.sample(Pcm(sound))

    async def test_it_goes_on_after_an_error(self, engine: VoiceprintEngine, speakers: Speakers) -> None:
        with pytest.raises(EngineError):
            await engine.sample(silence(3000))
        assert (await engine.sample(speakers[0][0])).speech_ms > 0

    async def test_callers_at_once_do_not_mix(self, engine: VoiceprintEngine, speakers: Speakers) -> None:
        alone = [await engine.sample(voice[0]) for voice in speakers]
        assert await asyncio.gather(*(engine.sample(voice[0]) for voice in speakers)) == alone

    async def test_a_sample_does_not_show_its_vector(self, engine: VoiceprintEngine, speakers: Speakers) -> None:
        sample = await engine.sample(speakers[0][0])
        assert str(sample.embedding[0]) not in repr(sample)

    async def test_closing_twice(self, engine: VoiceprintEngine) -> None:
        await engine.close()
        await engine.close()
