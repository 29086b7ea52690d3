"""The doctor says of the comparison of voices what is missing, in the order in which it is mended."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from ivrbot.cli import doctor_voices
from ivrbot.cli.doctor_checks import NotInUse
from ivrbot.config import MASTER_KEY_VARIABLE, ModelSettings, Settings, VoiceprintSettings
from ivrbot.errors import MissingError
from tests.voice_sounds import write_small_network


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv(MASTER_KEY_VARIABLE, raising=False)
    return Settings(
        data_dir=tmp_path / "var",
        models=ModelSettings(dir=tmp_path / "models"),
        voiceprint=VoiceprintSettings(enabled=True),
    )


async def test_off() -> None:
    with pytest.raises(NotInUse, match="no voice is kept"):
        await doctor_voices.voices(Settings())


async def test_no_model_or_another_file(settings: Settings) -> None:
    with pytest.raises(MissingError, match="ivrbot models pull campplus"):
        await doctor_voices.voices(settings)
    write_small_network(settings.models_dir)
    with pytest.raises(MissingError, match="wrong size"):
        await doctor_voices.voices(settings)


async def test_no_master_key_then_not_measured(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    write_small_network(settings.models_dir)
    # Stands for the model's own files, which no unit test has.
    monkeypatch.setattr(doctor_voices.model_store, "verify", lambda name, folder: ())
    with pytest.raises(MissingError, match="key"):
        await doctor_voices.voices(settings)
    monkeypatch.setenv(MASTER_KEY_VARIABLE, base64.b64encode(bytes(range(32))).decode())
    assert "NOT measured" in await doctor_voices.voices(settings)
