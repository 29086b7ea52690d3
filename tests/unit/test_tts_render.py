"""Rendering, checking and recording prompts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrbot.errors import ConfigError, EngineTimeout
from ivrbot.media.wav import write_wav
from ivrbot.model.audio import Pcm, silence
from ivrbot.tts.prompts import MANIFEST, PromptStore, read_manifest
from ivrbot.tts.render import STUDIO, adopt, check, render, script
from tests.fakes.tts import FakeTts, tone

TEXTS = ["Здравствуйте!", "два", "Карта,  которая кончается на"]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture
async def engine() -> FakeTts:
    return FakeTts()


async def test_everything_is_rendered_and_right(tmp_path: Path) -> None:
    engine = FakeTts(name="rhvoice")
    report = await render(tmp_path, TEXTS, "ru", "aleksandr", engine, engine_version="9")
    assert sorted(report.rendered) == sorted(["Здравствуйте!", "два", "Карта, которая кончается на"])
    assert check(tmp_path, TEXTS, "ru") == []
    assert PromptStore(tmp_path, "ru").missing(TEXTS) == ()
    entry = read_manifest(tmp_path, "ru").entries[0]
    assert (entry.voice, entry.engine) == ("aleksandr", "rhvoice 9")
    assert "GPL-2+" in entry.licence


async def test_second_run_changes_no_byte(tmp_path: Path, engine: FakeTts) -> None:
    await render(tmp_path, TEXTS, "ru", "aleksandr", engine)
    before, asked = contents(tmp_path / "ru"), len(engine.spoken)
    report = await render(tmp_path, reversed(TEXTS), "ru", "aleksandr", engine)
    assert (report.rendered, report.removed) == ((), ())
    assert len(report.kept) == 3
    assert contents(tmp_path / "ru") == before
    assert len(engine.spoken) == asked


async def test_only_what_changed_is_rendered_and_the_rest_removed(tmp_path: Path, engine: FakeTts) -> None:
    await render(tmp_path, TEXTS, "ru", "aleksandr", engine)
    report = await render(tmp_path, ["Здравствуйте!", "три"], "ru", "aleksandr", engine)
    assert report.rendered == ("три",)
    assert sorted(report.removed) == ["Карта, которая кончается на", "два"]
    assert len(list((tmp_path / "ru").glob("*.wav"))) == 2


async def test_another_voice_renders_everything_again(tmp_path: Path, engine: FakeTts) -> None:
    await render(tmp_path, TEXTS, "ru", "aleksandr", engine)
    report = await render(tmp_path, TEXTS, "ru", "irina", engine)
    assert len(report.rendered) == 3


async def test_damaged_file_is_rendered_again(tmp_path: Path, engine: FakeTts) -> None:
    await render(tmp_path, TEXTS, "ru", "aleksandr", engine)
    before = contents(tmp_path / "ru")
    next((tmp_path / "ru").glob("*.wav")).write_bytes(b"")
    assert len((await render(tmp_path, TEXTS, "ru", "aleksandr", engine)).rendered) == 1
    assert contents(tmp_path / "ru") == before


async def test_failure_leaves_the_old_manifest(tmp_path: Path, engine: FakeTts) -> None:
    await render(tmp_path, TEXTS, "ru", "aleksandr", engine)
    before = (tmp_path / "ru" / MANIFEST).read_bytes()
    engine.failure = EngineTimeout("slow")
    with pytest.raises(EngineTimeout):
        await render(tmp_path, [*TEXTS, "три"], "ru", "aleksandr", engine)
    assert (tmp_path / "ru" / MANIFEST).read_bytes() == before


async def test_check_names_texts_and_files(tmp_path: Path, engine: FakeTts) -> None:
    await render(tmp_path, TEXTS, "ru", "aleksandr", engine)
    (tmp_path / "ru" / "stray.wav").write_bytes(b"")
    problems = check(tmp_path, ["Здравствуйте!", "два", "три"], "ru")
    said = [str(problem) for problem in problems]
    assert len(said) == 3
    assert any("три" in line and "no recording" in line for line in said)
    assert any("Карта" in line and "nobody says" in line for line in said)
    assert any("stray.wav" in line for line in said)


def test_check_of_an_empty_folder(tmp_path: Path) -> None:
    assert len(check(tmp_path, TEXTS, "ru")) == 3


def test_script_lists_every_text_once() -> None:
    lines = script([*TEXTS, "ДВА"])
    assert [line.number for line in lines] == [1, 2, 3]
    assert len({line.file for line in lines}) == 3


def record(folder: Path, text: str, pcm: Pcm) -> None:
    folder.mkdir(exist_ok=True)
    write_wav(folder / script([text])[0].file, pcm)


async def test_licence_follows_the_voice(tmp_path: Path, engine: FakeTts) -> None:
    await render(tmp_path, TEXTS, "ru", "aleksandr", engine)
    assert {entry.licence for entry in read_manifest(tmp_path, "ru").entries} == {"not stated"}
    report = await render(tmp_path, TEXTS, "ru", "aleksandr", engine, licence="bought")
    assert report.rendered == ()
    assert {entry.licence for entry in read_manifest(tmp_path, "ru").entries} == {"bought"}


async def test_studio_recordings_replace_and_stay(tmp_path: Path, engine: FakeTts) -> None:
    await render(tmp_path, TEXTS, "ru", "aleksandr", engine)
    record(tmp_path / "studio", "два", Pcm(silence(300) + tone("два двадцать") + silence(300)))
    assert adopt(tmp_path, tmp_path / "studio", TEXTS, "ru", "Ivanova", "contract") == ("два",)
    assert check(tmp_path, TEXTS, "ru") == []
    report = await render(tmp_path, TEXTS, "ru", "aleksandr", engine)
    assert report.rendered == ()
    entry = next(entry for entry in read_manifest(tmp_path, "ru").entries if entry.text == "два")
    assert (entry.engine, entry.voice, entry.licence) == (STUDIO, "Ivanova", "contract")
    assert 600 < entry.duration_ms < 800, "silence is cut off"


async def test_broken_recordings_change_nothing(tmp_path: Path, engine: FakeTts) -> None:
    await render(tmp_path, TEXTS, "ru", "aleksandr", engine)
    before = contents(tmp_path / "ru")
    record(tmp_path / "studio", "два", silence(500))
    (tmp_path / "studio" / script(["Здравствуйте!"])[0].file).write_bytes(b"RIFF")
    with pytest.raises(ConfigError) as caught:
        adopt(tmp_path, tmp_path / "studio", TEXTS, "ru", "Ivanova", "contract")
    assert len(caught.value.problems) == 2
    assert contents(tmp_path / "ru") == before
