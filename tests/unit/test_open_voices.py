"""What a process needs to compare voices: nothing while it is off; calls are answered whatever is missing."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import pytest

from ivrbot import upkeep
from ivrbot.config import Settings, VoiceprintSettings
from ivrbot.errors import MissingError
from ivrbot.storage.store import Store
from tests.fakes.voice_engine import FakeVoiceEngine

MASTER = base64.b64encode(bytes(range(32))).decode()


def settings(tmp_path: Path, *, enabled: bool = True, key: bool = True) -> Settings:
    file = tmp_path / "master"
    file.write_text(MASTER)
    chosen = VoiceprintSettings(enabled=enabled, accept=0.7, master_key_file=file if key else None)
    return Settings(data_dir=tmp_path, voiceprint=chosen)


@pytest.fixture(autouse=True)
def no_key_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IVRBOT_VOICEPRINT_MASTER_KEY", raising=False)


async def test_off_needs_neither_key_nor_model(tmp_path: Path) -> None:
    chosen = settings(tmp_path, enabled=False, key=False)
    async with upkeep.open_voices(chosen, Store(tmp_path / "x.db")) as voices:
        assert voices is None
    facts = upkeep.voiceprint_facts(chosen, None)
    assert (facts.enabled, facts.model, facts.notice) == (False, "", "")


async def test_on_without_a_key_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="master key"):
        async with upkeep.open_voices(settings(tmp_path, key=False), Store(tmp_path / "x.db")):
            pass


async def test_on_without_a_model_calls_are_answered_and_it_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        async with upkeep.open_voices(settings(tmp_path), Store(tmp_path / "x.db")) as voices:
            assert voices is None
    assert "callers are asked for codes" in caplog.text
    assert MASTER not in caplog.text


async def test_on_gives_the_banks_thresholds_and_closes_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closing(FakeVoiceEngine):
        closed = False

        async def close(self) -> None:
            Closing.closed = True

    monkeypatch.setattr(upkeep, "voiceprint_engine", lambda _settings: Closing())
    chosen = settings(tmp_path)
    async with upkeep.open_voices(chosen, Store(tmp_path / "x.db")) as voices:
        assert voices is not None
        assert (voices.thresholds.accept, voices.thresholds.flag) == (0.7, 0.45)
        assert upkeep.voiceprint_facts(chosen, voices).model == "a" * 64
    assert Closing.closed


def test_customers_have_names_in_the_log_that_lead_to_nobody(tmp_path: Path) -> None:
    one, again = (upkeep.customer_ref(Settings(data_dir=tmp_path), "c-1001") for _ in range(2))
    assert one == again
    assert "1001" not in one
    assert one != upkeep.customer_ref(Settings(data_dir=tmp_path), "c-1002")
