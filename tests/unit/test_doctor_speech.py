"""The doctor's round trip blames what is to blame; with the models, it proves what is configured."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from ivrbot import engines
from ivrbot.asr.choose import ByLanguage
from ivrbot.cli import doctor_speech
from ivrbot.config import PROJECT_ROOT, Settings, TtsSettings
from ivrbot.errors import EngineUnavailable, MissingError
from ivrbot.model.audio import Pcm, duration_ms
from tests.fakes.asr import FakeAsr
from tests.fakes.calls import FakeNlu
from tests.fakes.tts import FakeTts


def quiet(folder: Path) -> Settings:
    return Settings(data_dir=folder, tts=TtsSettings(engine="none"))


def hears(monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    """A recogniser of each language that reads these, one after another."""
    choose: Callable[..., ByLanguage] = lambda _settings, _folder, languages: ByLanguage(  # noqa: E731
        dict.fromkeys(languages, FakeAsr(list(texts)))
    )
    monkeypatch.setattr(doctor_speech, "choose_engine", choose)


def speaks(monkeypatch: pytest.MonkeyPatch, engine: FakeTts | None) -> None:
    async def start(_settings: Settings) -> FakeTts | None:
        return engine

    monkeypatch.setattr(engines, "start_tts", start)


@pytest.mark.parametrize(
    ("heard", "share"),
    [
        ("Карту, ЗАБЛОКИРУЙТЕ ещё раз", (3, 3)),
        ("ещё карту", (2, 3)),
        ("карту карту карту", (1, 3)),
        ("", (0, 3)),
    ],
)
def test_words_found(heard: str, share: tuple[int, int]) -> None:
    assert doctor_speech.found("Ещё: карту заблокируйте.", heard) == share


def test_the_line_is_a_telephone_line() -> None:
    def tone(hz: int) -> Pcm:
        return Pcm(
            b"".join(struct.pack("<h", round(9000 * math.sin(2 * math.pi * hz * n / 8000))) for n in range(8000))
        )

    def energy(pcm: Pcm) -> float:
        return sum(value * value for (value,) in struct.iter_unpack("<h", pcm))

    heard, humming = doctor_speech.by_telephone(tone(1000)), doctor_speech.by_telephone(tone(100))
    assert energy(humming) < 0.01 * energy(heard)
    assert duration_ms(heard) == 1000 + 2 * doctor_speech.EDGE_MS


async def test_a_recogniser_that_reads_nothing_is_blamed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hears(monkeypatch, "")
    with pytest.raises(MissingError) as caught:
        await doctor_speech.round_trips(quiet(tmp_path))
    assert "ru: fake found 0 of" in str(caught.value)
    assert "en: fake found 0 of" in str(caught.value)
    assert "another engine or model than fake" in str(caught.value)


async def test_a_voice_that_is_not_understood_is_blamed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = quiet(tmp_path)
    recorded, _ = doctor_speech._recording(settings, "en")
    speaks(monkeypatch, FakeTts(name="mumbler", languages=frozenset({"en"})))
    hears(monkeypatch, recorded, "nothing of that")
    with pytest.raises(MissingError, match=r"en: fake found \d of \d+ words of mumbler: .* voice than mumbler"):
        await doctor_speech.round_trips(settings)


async def test_voices_that_do_not_start_are_told_with_what_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def fails(_settings: Settings) -> None:
        raise EngineUnavailable("no library")

    monkeypatch.setattr(engines, "start_tts", fails)
    recorded, _ = doctor_speech._recording(quiet(tmp_path), "ru")
    hears(monkeypatch, recorded)
    with pytest.raises(MissingError, match=r"no live voice: no library.*ru: fake found 10 of 10 words"):
        await doctor_speech.round_trips(quiet(tmp_path))


async def test_voice_activity(tmp_path: Path) -> None:
    assert "none in silence" in await doctor_speech.voice_activity(quiet(tmp_path))
    with pytest.raises(MissingError, match="prompts render"):
        folder = TtsSettings(prompts_dir=tmp_path)
        await doctor_speech.voice_activity(Settings(data_dir=tmp_path, tts=folder))


async def test_topics() -> None:
    intents = dict(doctor_speech.ASKED.values())
    assert "block_card" in await doctor_speech.topics(FakeNlu(intents))
    with pytest.raises(MissingError, match="out_of_scope"):
        await doctor_speech.topics(FakeNlu())


@pytest.mark.models
async def test_what_is_configured_hears_what_it_says() -> None:
    settings = Settings(data_dir=PROJECT_ROOT / "var", tts=TtsSettings(engine="none", engines={"en": "pyttsx3"}))
    told = await doctor_speech.round_trips(settings)
    assert "words of pyttsx3" in told
    assert told.count("words of a recording") == 2
    nlu = await engines.train_nlu(settings)  # kept from the last time in the data folder
    assert "en: block_card" in await doctor_speech.topics(nlu)
    await nlu.close()
