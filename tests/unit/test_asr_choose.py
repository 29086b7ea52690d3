"""Which engine hears which language, and what is said when there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ivrbot.asr.choose import ByLanguage, choose_engine, sherpa_folder, vosk_folder
from ivrbot.asr.sherpa import SherpaEngine, find_model
from ivrbot.asr.vosk import VoskEngine
from ivrbot.asr.vosk_answers import hypotheses_of
from ivrbot.config import AsrSettings
from ivrbot.errors import ConfigError, EngineUnavailable, MissingError
from ivrbot.model.speech import Expect, Hypothesis
from tests.fakes.asr import FakeAsr


def put_vosk(models_dir: Path, name: str) -> None:
    (models_dir / name / "am").mkdir(parents=True)
    (models_dir / name / "am" / "final.mdl").touch()


def put_whisper(models_dir: Path) -> None:
    folder = models_dir / "whisper-base"
    folder.mkdir()
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (folder / name).touch()


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("vosk-ru", "ru"),
        ("vosk-model-small-ru-0.22", "ru"),
        ("vosk-model-ru-0.42", "ru"),
        ("vosk-model-small-en-us-0.15", "en"),
        ("vosk-model-en-us-0.22-lgraph", "en"),
        ("vosk-ko", "ko"),
    ],
)
def test_models_are_known_by_their_names(tmp_path: Path, name: str, language: str) -> None:
    put_vosk(tmp_path, name)
    assert vosk_folder(tmp_path, language) == tmp_path / name
    for other in {"ru", "en", "ko", "de"} - {language}:
        assert vosk_folder(tmp_path, other) is None


def test_a_large_model_wins_over_a_small_one(tmp_path: Path) -> None:
    put_vosk(tmp_path, "vosk-model-small-ru-0.22")
    put_vosk(tmp_path, "vosk-model-ru-0.42")
    assert vosk_folder(tmp_path, "ru") == tmp_path / "vosk-model-ru-0.42"


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "vosk-model-small-ru-0.22").mkdir()
    assert vosk_folder(tmp_path, "ru") is None
    assert vosk_folder(tmp_path / "absent", "ru") is None


def test_auto_takes_vosk_where_it_can_and_whisper_for_the_rest(tmp_path: Path) -> None:
    put_vosk(tmp_path, "vosk-model-small-ru-0.22")
    put_whisper(tmp_path)
    engine = choose_engine(AsrSettings(), tmp_path)
    assert {language: one.name for language, one in engine.engines.items()} == {"ru": "vosk", "en": "whisper"}
    assert engine.name == "vosk+whisper"


def test_whisper_by_wish(tmp_path: Path) -> None:
    put_vosk(tmp_path, "vosk-model-small-ru-0.22")
    put_whisper(tmp_path)
    assert choose_engine(AsrSettings(engine="whisper"), tmp_path).name == "whisper"


def test_each_language_has_the_engine_that_was_chosen_for_it(tmp_path: Path) -> None:
    put_vosk(tmp_path, "vosk-model-small-ru-0.22")
    put_vosk(tmp_path, "vosk-model-small-en-us-0.15")
    put_whisper(tmp_path)
    settings = AsrSettings(engines={"en": "whisper"})
    engine = choose_engine(settings, tmp_path)
    assert {language: one.name for language, one in engine.engines.items()} == {"ru": "vosk", "en": "whisper"}
    served = AsrSettings(engines={"ru": "vosk-server"}, vosk_servers={"ru": "ws://127.0.0.1:1"}, engine="vosk")
    names = {language: one.name for language, one in choose_engine(served, tmp_path).engines.items()}
    assert names == {"ru": "vosk-server", "en": "vosk"}


def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(MissingError) as caught:
        choose_engine(AsrSettings(engines={"ru": "sherpa", "en": "vosk-server"}), tmp_path)
    assert "no sherpa-onnx model for ru" in str(caught.value)
    assert "no Vosk server for en" in str(caught.value)
    with pytest.raises(MissingError) as caught:
        choose_engine(AsrSettings(engines={"ru": "vosk", "en": "whisper"}), tmp_path)
    assert "no Vosk model for ru" in str(caught.value)
    assert "models pull" in str(caught.value)


async def test_every_engine_that_does_not_start_is_named() -> None:
    class Broken(FakeAsr):
        def __init__(self, why: str) -> None:
            super().__init__()
            self.why = why

        async def start(self) -> None:
            raise EngineUnavailable(self.why)

    with pytest.raises(EngineUnavailable, match=r"no left.*no right"):
        await ByLanguage({"ru": Broken("no left"), "en": Broken("no right")}).start()


def put_t_one(models_dir: Path, name: str = "sherpa-onnx-streaming-t-one-russian-2025-09-08") -> None:
    (models_dir / name).mkdir()
    for file in ("model.onnx", "tokens.txt"):
        (models_dir / name / file).touch()


def test_t_one_hears_russian_before_all_others(tmp_path: Path) -> None:
    put_t_one(tmp_path)
    put_vosk(tmp_path, "vosk-model-ru-0.42")
    put_vosk(tmp_path, "vosk-model-small-en-us-0.15")
    engine = choose_engine(AsrSettings(), tmp_path)
    assert {language: one.name for language, one in engine.engines.items()} == {"ru": "sherpa", "en": "vosk"}
    assert choose_engine(AsrSettings(engine="vosk"), tmp_path).name == "vosk"


def test_models_of_sherpa_are_known_by_their_names(tmp_path: Path) -> None:
    zipformer = tmp_path / "sherpa-onnx-streaming-zipformer-en-2023-06-26"
    zipformer.mkdir()
    for file in (
        "encoder-epoch-99.onnx",
        "encoder-epoch-99.int8.onnx",
        "decoder.onnx",
        "joiner.onnx",
        "tokens.txt",
    ):
        (zipformer / file).touch()
    assert sherpa_folder(tmp_path, "en") == zipformer
    assert sherpa_folder(tmp_path, "ru") is None
    model = find_model(zipformer)
    assert model is not None
    assert (model.kind, model.files["encoder"].name) == ("transducer", "encoder-epoch-99.int8.onnx")
    put_t_one(tmp_path, "sherpa-onnx-streaming-zipformer-ru-2024")
    put_t_one(tmp_path)
    assert sherpa_folder(tmp_path, "ru") == tmp_path / "sherpa-onnx-streaming-t-one-russian-2025-09-08"


def test_sherpa_by_wish_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no sherpa-onnx model for ru, en"):
        choose_engine(AsrSettings(engine="sherpa"), tmp_path)


async def test_a_damaged_model_of_sherpa(tmp_path: Path) -> None:
    put_t_one(tmp_path, "sherpa-onnx-ru")
    engine = SherpaEngine({"ru": tmp_path / "sherpa-onnx-ru"})
    with pytest.raises(EngineUnavailable, match="no usable sherpa-onnx model for ru"):
        await engine.start()
    with pytest.raises(EngineUnavailable, match="holds no sherpa-onnx model"):
        await SherpaEngine({"ru": tmp_path}).start()


def test_no_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="ivrbot models pull"):
        choose_engine(AsrSettings(), tmp_path)
    put_whisper(tmp_path)
    with pytest.raises(MissingError, match="no Vosk model for ru, en"):
        choose_engine(AsrSettings(engine="vosk"), tmp_path)


async def test_each_language_goes_to_its_engine() -> None:
    russian, english = FakeAsr(["да"]), FakeAsr(["yes"])
    engine = ByLanguage({"ru": russian, "en": english})
    await engine.start()
    engine.open("en", Expect.YES_NO, lambda _: None).close()
    assert (russian.opened, english.opened) == ([], [("en", Expect.YES_NO)])
    await engine.close()
    assert not russian.running
    assert not english.running


async def test_one_engine_for_two_languages_starts_once() -> None:
    class Counting(FakeAsr):
        starts = 0

        async def start(self) -> None:
            self.starts += 1
            await super().start()

    both = Counting()
    engine = ByLanguage({"ru": both, "en": both})
    await engine.start()
    assert both.starts == 1
    assert engine.name == "fake"
    await engine.close()


async def test_a_failed_start_frees_what_was_started() -> None:
    class Broken(FakeAsr):
        async def start(self) -> None:
            raise EngineUnavailable("damaged")

    good = FakeAsr()
    with pytest.raises(EngineUnavailable, match="damaged"):
        await ByLanguage({"ru": good, "en": Broken()}).start()
    assert not good.running


def test_a_language_that_nobody_hears() -> None:
    with pytest.raises(EngineUnavailable, match="en"):
        ByLanguage({"ru": FakeAsr()}).open("en", Expect.OPEN, lambda _: None)


async def test_a_folder_without_a_vosk_model(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    engine = VoskEngine({"ru": tmp_path})
    with pytest.raises(EngineUnavailable, match="no usable Vosk model for ru"):
        await engine.start()
    await engine.close()


@pytest.mark.parametrize("expect", [Expect.SECRET, Expect.NAME, Expect.OPEN])
def test_a_secret_never_becomes_a_grammar(tmp_path: Path, expect: Expect) -> None:
    with pytest.raises(ConfigError, match="may not have a grammar"):
        VoskEngine({"ru": tmp_path}, grammars={("ru", expect): ("черёмуха",)})


def test_results_of_the_library() -> None:
    words = {"text": "да [unk] верно", "result": [{"conf": 1.0, "word": "да"}, {"conf": 0.5, "word": "верно"}]}
    assert hypotheses_of(json.dumps(words)) == (Hypothesis("да верно", 0.75),)
    assert hypotheses_of('{"text": ""}') == ()
    alternatives = {"alternatives": [{"confidence": 220.0, "text": "да"}, {"confidence": 219.0, "text": "два"}]}
    found = hypotheses_of(json.dumps(alternatives))
    assert [one.text for one in found] == ["да", "два"]
    assert sum(one.confidence for one in found) == pytest.approx(1.0, abs=0.01)
    assert found[0].confidence == pytest.approx(0.731, abs=0.001)
