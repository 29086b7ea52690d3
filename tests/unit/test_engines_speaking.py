"""Which live voice speaks which language, by the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrbot import engines
from ivrbot.config import Settings, TtsSettings
from ivrbot.errors import EngineBadOutput, EngineUnavailable
from ivrbot.model.dialogue import Piece, Utterance
from ivrbot.model.speech import Language
from ivrbot.ports import TtsEngine
from ivrbot.tts.choose import VoicesByLanguage
from ivrbot.tts.piper import find_voices
from ivrbot.tts.voice import BankVoice
from tests.fakes.tts import FakeTts


def settings(folder: Path, **tts: object) -> Settings:
    return Settings(data_dir=folder, tts=TtsSettings.model_validate({"rhvoice_dir": folder, **tts}))


async def test_pyttsx3_speaks_english_where_it_was_chosen_and_nothing_speaks_russian(tmp_path: Path) -> None:
    engine = await engines.start_tts(settings(tmp_path, engine="none", engines={"en": "pyttsx3"}))
    assert engine is not None
    assert (engine.name, engine.languages()) == ("pyttsx3", {"en"})
    await engine.close()


async def test_auto_without_rhvoice_and_nothing_at_all(tmp_path: Path) -> None:
    engine = await engines.start_tts(settings(tmp_path))
    assert engine is not None
    assert engine.name == "pyttsx3"
    await engine.close()
    assert await engines.start_tts(settings(tmp_path, engine="none")) is None


async def test_all_voices_that_cannot_be_had_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        await engines.start_tts(settings(tmp_path, engines={"ru": "rhvoice", "en": "piper"}))
    assert "librhvoice5" in str(caught.value)
    assert "piper" in str(caught.value).lower()


async def test_ears_and_mouth_are_complained_about_together(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        async with engines.open_speech(settings(tmp_path, engine="rhvoice")):
            pass
    assert "librhvoice5" in str(caught.value)
    assert "ivrbot models pull" in str(caught.value)


async def test_each_language_by_its_own_voice() -> None:
    voices: dict[Language, TtsEngine] = {
        "ru": FakeTts(name="pyttsx3", languages=frozenset({"ru"})),
        "en": FakeTts(name="piper", languages=frozenset({"en"})),
    }
    engine = VoicesByLanguage(voices)
    await engine.start()
    assert (engine.name, engine.languages()) == ("piper+pyttsx3", {"ru", "en"})
    assert [pcm async for pcm in engine.stream("Hello.", "en")]
    with pytest.raises(EngineBadOutput):
        [pcm async for pcm in VoicesByLanguage({"ru": voices["ru"]}).stream("Hello.", "en")]
    # What one engine may not say in its language does not bind the other.
    voice = BankVoice({}, engine)
    figure = (Piece("42", "free"),)
    assert voice.can_speak(Utterance("en", "", "", figure))
    assert not voice.can_speak(Utterance("ru", "", "", figure))
    await engine.close()


def test_one_engine_stands_for_itself_where_it_speaks_all_that_it_can() -> None:
    both, english = FakeTts(), FakeTts(name="piper", languages=frozenset({"en"}))
    assert engines._as_one({}) is None
    assert engines._as_one({"ru": both, "en": both}) is both
    assert engines._as_one({"en": english}) is english
    mixed = engines._as_one({"ru": both, "en": english})
    assert mixed is not None
    assert (mixed.name, mixed.languages()) == ("fake+piper", {"ru", "en"})
    # An engine that could, but is not wanted for a language, does not speak it.
    silent = engines._as_one({"ru": both})
    assert silent is not None
    assert silent.languages() == {"ru"}


def test_a_piper_voice_is_known_by_its_folder_and_its_description(tmp_path: Path) -> None:
    for name, spoken in (("piper-en-b", "en-us"), ("piper-en-a", "de"), ("piper-ru-x", "ru")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "v.onnx").touch()
        (tmp_path / name / "v.onnx.json").write_text(f'{{"espeak": {{"voice": "{spoken}"}}}}')
    assert find_voices(tmp_path) == {"en": tmp_path / "piper-en-b/v.onnx", "ru": tmp_path / "piper-ru-x/v.onnx"}
    (tmp_path / "piper-ru-x/v.onnx.json").write_text("[]")
    assert set(find_voices(tmp_path)) == {"en"}
    assert find_voices(tmp_path / "absent") == {}
