"""The engine on CAM++, and the fake that stands for it, keep the promises of the port."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from ivrbot.config import PROJECT_ROOT, load_settings
from ivrbot.errors import EngineBadOutput, EngineTimeout, EngineUnavailable
from ivrbot.identity.voices import likeness
from ivrbot.media.g711 import pcm_to_ulaw, ulaw_to_pcm
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import Pcm, silence
from ivrbot.model.voiceprint import VoiceSample
from ivrbot.ports import VoiceprintEngine
from ivrbot.voiceprint.engine import OnnxVoiceprint, sampled
from ivrbot.voiceprint.features import LONGEST_SPEECH_MS, as_samples, telephone_band
from ivrbot.voiceprint.network import VoiceNetwork, network_path
from ivrbot.voiceprint.speech import find_speech
from tests.contract.voiceprint import Speakers, VoiceprintContract
from tests.fakes import voice_engine
from tests.fakes.voice_engine import FakeVoiceEngine
from tools.voiceprint_equality import made_up


def models_dir() -> Path:
    """The folder of the settings; skips where CAM++ is not in it."""
    folder = load_settings(Path()).models_dir
    if not network_path(folder).is_file():
        pytest.skip(f"needs {network_path(folder)}: ivrbot models pull campplus")
    return folder


def prompts(language: str, first: int, seconds: float) -> Pcm:
    """The bot's own voice in that language: some prompts, one after the other."""
    sound = b""
    for file in sorted((PROJECT_ROOT / "audio_prompts" / language).glob("*.wav"))[first:]:
        sound += read_wav(file)
        if len(sound) >= seconds * 16_000:
            return Pcm(sound[: round(seconds * 8000) * 2])
    raise AssertionError("too few prompts")


@pytest.fixture(scope="module")
def speakers() -> Speakers:
    return [[prompts(language, first, 8.0) for first in (0, 60)] for language in ("ru", "en")]


class TestFake(VoiceprintContract):
    @pytest.fixture
    async def engine(self) -> VoiceprintEngine:
        return FakeVoiceEngine()

    @pytest.fixture
    def speakers(self) -> Speakers:
        return [
            [voice_engine.voice(who, seconds) for seconds in (3.0, 4.0)]
            for who in (voice_engine.ANNAS, voice_engine.HER_SISTERS, voice_engine.A_STRANGERS)
        ]


@pytest.mark.models
class TestCampplus(VoiceprintContract):
    @pytest.fixture
    async def engine(self) -> AsyncIterator[VoiceprintEngine]:
        engine = OnnxVoiceprint(models_dir(), deadline_s=60)
        await engine.start()
        yield engine
        await engine.close()

    @pytest.mark.parametrize("decibels", [-20, -10, 6])
    async def test_loudness_does_not_matter(
        self, engine: VoiceprintEngine, speakers: Speakers, decibels: float
    ) -> None:
        plain = await engine.sample(speakers[0][0])
        levels = np.frombuffer(speakers[0][0], "<i2") * 10 ** (decibels / 20)
        louder = await engine.sample(Pcm(np.clip(levels, -32768, 32767).astype("<i2").tobytes()))
        assert likeness(plain.embedding, louder.embedding) > 0.9

    async def test_a_telephones_coding_does_not_matter(self, engine: VoiceprintEngine, speakers: Speakers) -> None:
        plain = await engine.sample(speakers[0][0])
        coded = await engine.sample(Pcm(ulaw_to_pcm(pcm_to_ulaw(speakers[0][0]))))
        assert likeness(plain.embedding, coded.embedding) > 0.95

    async def test_silence_around_speech_does_not_matter(
        self, engine: VoiceprintEngine, speakers: Speakers
    ) -> None:
        plain = await engine.sample(speakers[0][0])
        amid = await engine.sample(Pcm(silence(7000) + speakers[0][0] + silence(7000)))
        assert likeness(plain.embedding, amid.embedding) > 0.95
        assert abs(amid.speech_ms - plain.speech_ms) <= 0.1 * plain.speech_ms

    @pytest.mark.parametrize("snr_db", [5, 12, 20])
    async def test_the_ratio_to_white_noise_is_told(
        self, engine: VoiceprintEngine, speakers: Speakers, snr_db: float
    ) -> None:
        assert (await engine.sample(speakers[0][0])).snr_db > 25
        sample = await engine.sample(noisy(speakers[0][0], snr_db))
        assert abs(sample.snr_db - snr_db) <= 4

    async def test_noise_alone_is_no_voice(self, engine: VoiceprintEngine) -> None:
        noise = np.random.default_rng(3).normal(0, 3000, 64_000)
        try:
            sample = await engine.sample(Pcm(noise.astype("<i2").tobytes()))
        except EngineBadOutput:
            return
        # Either none of it is speech, or it is too near the noise to be worth anything.
        assert sample.snr_db < 10

    async def test_sound_cut_off_at_full_scale_does_not_count(
        self, engine: VoiceprintEngine, speakers: Speakers
    ) -> None:
        levels = np.frombuffer(speakers[0][0], "<i2").astype(float) * 100
        shouted = Pcm(np.clip(levels, -32768, 32767).astype("<i2").tobytes())
        plain = await engine.sample(speakers[0][0])
        try:
            sample = await engine.sample(shouted)
        except EngineBadOutput:
            return
        assert sample.speech_ms < 0.5 * plain.speech_ms

    async def test_a_very_long_sound_costs_no_more_than_a_minute_of_speech(
        self, engine: VoiceprintEngine, speakers: Speakers
    ) -> None:
        sample = await engine.sample(Pcm(speakers[0][0] * 12))
        assert sample.speech_ms == LONGEST_SPEECH_MS
        assert likeness(sample.embedding, (await engine.sample(speakers[0][0])).embedding) > 0.95

    async def test_too_many_at_once_are_refused_and_the_rest_are_served(self, speakers: Speakers) -> None:
        engine = OnnxVoiceprint(models_dir(), deadline_s=60, most_waiting=1)
        await engine.start()
        found = await asyncio.gather(*(engine.sample(speakers[0][0]) for _ in range(4)), return_exceptions=True)
        assert sum(isinstance(one, EngineUnavailable) for one in found) == 2
        assert not any(isinstance(one, BaseException) for one in found[:2])
        assert await engine.sample(speakers[0][0]) == found[0]
        await engine.close()

    async def test_a_late_answer_is_dropped(self, speakers: Speakers) -> None:
        engine = OnnxVoiceprint(models_dir(), deadline_s=0.0)
        await engine.start()
        with pytest.raises(EngineTimeout):
            await engine.sample(speakers[0][0])
        await engine.close()

    async def test_a_caller_who_leaves_takes_nobody_with_him(self, speakers: Speakers) -> None:
        engine = OnnxVoiceprint(models_dir(), deadline_s=60)
        await engine.start()
        leaves, stays = (asyncio.ensure_future(engine.sample(speakers[0][0])) for _ in range(2))
        await asyncio.sleep(0)
        leaves.cancel()
        assert isinstance(await stays, VoiceSample)
        assert leaves.cancelled()
        await engine.close()

    async def test_closed_while_somebody_waits(self, speakers: Speakers) -> None:
        engine = OnnxVoiceprint(models_dir(), deadline_s=60)
        await engine.start()
        waiting = [asyncio.ensure_future(engine.sample(speakers[0][0])) for _ in range(3)]
        await asyncio.sleep(0)
        await engine.close()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(one, VoiceSample | EngineUnavailable) for one in found)
        assert isinstance(found[-1], EngineUnavailable)
        with pytest.raises(EngineUnavailable):
            await engine.sample(speakers[0][0])


@pytest.mark.models
def test_the_network_answers_as_its_makers_does() -> None:
    """What PyTorch computes with the makers' own definition, see tools/voiceprint_equality.py."""
    session = onnxruntime.InferenceSession(str(network_path(models_dir())), providers=["CPUExecutionProvider"])
    answers = json.loads((PROJECT_ROOT / "tests/data/voiceprint_network.json").read_text())
    for frames, wanted in answers.items():
        found = session.run(None, {"features": made_up(int(frames))[None]})[0][0]
        assert np.abs(found - np.array(wanted)).max() <= 1e-4


@pytest.mark.models
def test_an_answer_that_is_not_a_number_is_an_error() -> None:
    network = VoiceNetwork(network_path(models_dir()))
    with pytest.raises(EngineBadOutput, match="no usable answer"):
        network.embed(np.full((200, 80), np.nan, np.float32))
    with pytest.raises(EngineBadOutput, match="490 ms"):
        network.embed(np.zeros((49, 80), np.float32))


@pytest.mark.models
def test_the_same_sound_gives_the_same_vector_on_another_machine() -> None:
    """Guards features and network together against a library that computes otherwise."""
    sample = sampled(VoiceNetwork(network_path(models_dir())), harmonics())
    wanted = json.loads((PROJECT_ROOT / "tests/data/voiceprint_sound.json").read_text())
    assert sample.speech_ms == wanted["speech_ms"]
    assert math.dist(sample.embedding, wanted["embedding"]) < 1e-3


def harmonics() -> Pcm:
    """Four seconds of a buzz like a voice's, with pauses and noise; made by a formula."""
    time = np.arange(32_000) / 8000
    pitch = 2 * np.pi * np.cumsum(120 + 25 * np.sin(2 * np.pi * 1.3 * time)) / 8000
    buzz = sum(np.sin(pitch * number) / number * (1 + np.sin(2 * np.pi * (0.7 * time + number / 9)))
               for number in range(1, 28))  # fmt: skip
    spoken = np.sin(2 * np.pi * 0.55 * time) > -0.6
    noise = np.random.default_rng(11).normal(0, 20, len(time))
    return Pcm((buzz * 2500 * spoken + noise).astype("<i2").tobytes())


def noisy(pcm: Pcm, snr_db: float) -> Pcm:
    """White noise of the telephone band under speech; the ratio is over the speech alone."""
    samples = telephone_band(as_samples(pcm))
    flags = np.repeat(find_speech(pcm, samples).flags, 80)
    power = float(np.mean(samples[: len(flags)][flags] ** 2))
    noise = telephone_band(np.random.default_rng(5).normal(0, 1, len(samples)).astype(np.float32))
    noise *= math.sqrt(power / float(np.mean(noise**2)) / 10 ** (snr_db / 10))
    return Pcm(np.clip((samples + noise) * 32768, -32768, 32767).astype("<i2").tobytes())
