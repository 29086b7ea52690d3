"""`ivrbot voiceprint calibrate` and `compare`, run in process on made-up voices and a small network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ivrbot.cli.main import main
from ivrbot.media.wav import write_wav
from ivrbot.model.audio import silence
from ivrbot.voiceprint.calibration import calibration_path, load
from tests.voice_sounds import buzz, write_small_network

VOICES = {"anton": (110, 600), "boris": (160, 1400), "vera": (230, 2400)}
PLAN = ["--enrol-s", "1", "--test-s", "1"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    write_small_network(folder / "models")
    for name, (pitch, formant) in VOICES.items():
        (folder / "set" / name).mkdir(parents=True)
        for call in range(2):
            write_wav(folder / "set" / name / f"{call}.wav", buzz(pitch, formant, 4.0, seed=call))
    write_wav(folder / "silence.wav", silence(3000))
    lines = [f"{name}\tset/{name}/{call}.wav" for name in VOICES for call in range(2)]
    (folder / "list.tsv").write_text("# speaker, file\n" + "\n".join(lines) + "\n")
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IVRBOT_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("IVRBOT_MODELS__DIR", str(made / "models"))
    monkeypatch.setenv("IVRBOT_VOICEPRINT__MIN_SPEECH_MS", "1000")
    # Powers are never negative, so these voices are all a little alike.
    monkeypatch.setenv("IVRBOT_VOICEPRINT__FLAG", "0.7")

    def invoke(*words: object) -> Result:
        return CliRunner().invoke(main, ["voiceprint", *map(str, words)])

    return invoke


def test_error_rates_of_a_folder_are_kept_for_the_page(run, made: Path, tmp_path: Path) -> None:
    done = run("calibrate", made / "set", "--label", "made up", "--synthetic", *PLAN)
    assert done.exit_code == 0, done.output
    assert "made up: 3 speakers, 6 calls" in done.stdout
    assert "equal error rate 0.00%" in done.stdout
    assert "too few trials to show it" in done.stdout
    assert "no error rates of people" in done.stdout
    kept = load(calibration_path(tmp_path / "var"))
    assert kept is not None
    assert (kept.recordings.speakers, kept.recordings.synthetic, kept.recordings.calls) == (3, True, 6)
    assert not any(name in kept.model_dump_json() for name in VOICES)


def test_a_list_says_the_same_and_a_dry_run_keeps_nothing(run, made: Path, tmp_path: Path) -> None:
    by_folder = json.loads(run("calibrate", made / "set", *PLAN, "--json", "--dry-run").stdout)
    by_list = json.loads(run("calibrate", made / "list.tsv", *PLAN, "--json", "--dry-run").stdout)
    assert by_list["recordings"] == by_folder["recordings"]
    assert by_list["accept"] == by_folder["accept"]
    assert not calibration_path(tmp_path / "var").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a b.wav\n", "list:1: not a speaker, a tab and a file"),
        ("a\tb.wav\n", "at least 2 speakers"),
        ("", "at least 2"),
    ],
)
def test_lists_that_are_none(run, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "list").write_text(content)
    done = run("calibrate", tmp_path / "list")
    assert done.exit_code == 2
    assert said in done.output


def test_sets_that_say_nothing(run, made: Path, tmp_path: Path) -> None:
    assert run("calibrate", tmp_path / "nowhere").exit_code == 2
    assert run("calibrate", made / "set", "--test-s", "0.5").exit_code == 2
    too_short = run("calibrate", made / "set", "--enrol-s", "50")
    assert too_short.exit_code == 2
    assert "two speakers" in too_short.output


def test_two_files(run, made: Path) -> None:
    low, other_low, high = (made / "set" / name for name in ("anton/0.wav", "anton/1.wav", "vera/0.wav"))
    same = json.loads(run("compare", low, other_low, "--json").stdout)
    other = json.loads(run("compare", low, high, "--json").stdout)
    assert (same["verdict"], other["verdict"]) == ("accept", "flag")
    assert same["score"] > 0.84 > 0.7 > other["score"]
    assert same["samples"][0]["doubt"] is None
    told = run("compare", low, high)
    assert told.exit_code == 0
    assert "ms of speech" in told.stdout


def test_no_speech_or_no_model(run, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = run("compare", made / "silence.wav", made / "silence.wav")
    assert silent.exit_code == 1
    assert "too little" in silent.output
    monkeypatch.setenv("IVRBOT_MODELS__DIR", str(tmp_path))
    missing = run("compare", made / "silence.wav", made / "silence.wav")
    assert missing.exit_code == 3
    assert "ivrbot models pull campplus" in missing.output
    (tmp_path / "campplus").mkdir()
    (tmp_path / "campplus" / "campplus.onnx").write_bytes(b"no network")
    damaged = run("compare", made / "silence.wav", made / "silence.wav")
    assert damaged.exit_code == 3
