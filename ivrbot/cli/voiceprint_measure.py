"""`ivrbot voiceprint calibrate` and `compare`: what the installed model can do, on files.

Nothing of the recordings is kept: figures only.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click

from ivrbot import app, upkeep
from ivrbot.cli.console import INVALID, fail, guarded, json_option, print_json, quiet_settings
from ivrbot.config import Settings
from ivrbot.identity.voices import doubt_about, likeness
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import Pcm
from ivrbot.model.voiceprint import VoiceSample
from ivrbot.voiceprint.calibration import (
    AtThreshold,
    Calibration,
    Share,
    calibrated,
    calibration_path,
    describe,
    save,
)
from ivrbot.voiceprint.engine import sampled
from ivrbot.voiceprint.features import check_library
from ivrbot.voiceprint.network import VoiceNetwork, network_path
from ivrbot.voiceprint.trials import LeftOut, Plan, Voice, hear_speaker, joined, make_trials

FEWEST_SPEAKERS = 2
MOST_CALLS = 12
"""Calls taken of one speaker, so that one who called often does not outweigh the others."""


@click.command()
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@json_option
@guarded
def compare(first: Path, second: Path, as_json: bool) -> None:
    """Compare the voices of two WAV files; neither is kept."""
    settings = quiet_settings()
    network = _network(settings)
    samples = [sampled(network, read_wav(file)) for file in (first, second)]
    score = likeness(samples[0].embedding, samples[1].embedding)
    chosen = settings.voiceprint
    verdict = "accept" if score >= chosen.accept else "flag" if score < chosen.flag else "step_up"
    told = [_told(settings, sample) for sample in samples]
    doubted = any(one["doubt"] for one in told)
    if as_json:
        print_json({"score": round(score, 4), "verdict": "indeterminate" if doubted else verdict, "samples": told})
        return
    click.echo(f"score {score:.3f}: {verdict}" + (", if it counted" if doubted else ""))
    for file, one in zip((first, second), told, strict=True):
        doubt = f"; {one['doubt']}" if one["doubt"] else ""
        click.echo(f"{file}: {one['speech_ms']} ms of speech, {one['snr_db']} dB above the noise{doubt}")


def _told(settings: Settings, sample: VoiceSample) -> dict[str, object]:
    doubt = doubt_about(sample, upkeep.voice_thresholds(settings))
    return {
        "speech_ms": sample.speech_ms,
        "snr_db": round(sample.snr_db, 1),
        "doubt": doubt.value if doubt else None,
    }


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--label", default="", help="What the recordings are; shown with the figures.")
@click.option("--enrol-s", default=10.0, show_default=True, help="Speech of each enrolling call.")
@click.option(
    "--enrol-calls", default=1, show_default=True, type=click.IntRange(1, 10), help="Calls per template."
)
@click.option("--test-s", default=5.0, show_default=True, help="Speech of one test.")
@click.option("--join", is_flag=True, help="Join short files, in the order of their names, into calls.")
@click.option("--synthetic", is_flag=True, help="Say that these voices are made by machines.")
@click.option("--dry-run", is_flag=True, help="Print, but leave the installation's figures as they are.")
@json_option
@guarded
def calibrate(
    source: Path,
    label: str,
    enrol_s: float,
    enrol_calls: int,
    test_s: float,
    join: bool,
    synthetic: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Measure error rates on recordings of known speakers.

    SOURCE is a folder with a folder of WAV files per speaker, one file a call, or a text file with a line
    "speaker<TAB>file.wav" per call. At most twelve calls of a speaker are taken.
    """
    settings = quiet_settings()
    if not 1 <= enrol_s <= 60 or not 1 <= test_s <= 60:
        fail(INVALID, "--enrol-s and --test-s are seconds from 1 to 60")
    plan = Plan(round(enrol_s * 1000), enrol_calls, round(test_s * 1000))
    files = _speakers(source)
    if len(files) < FEWEST_SPEAKERS:
        fail(INVALID, f"{source}: recordings of at least {FEWEST_SPEAKERS} speakers are needed")
    network = _network(settings)
    left_out = LeftOut()
    voices: list[Voice] = []
    for number, paths in enumerate(files, start=1):
        click.echo(f"speaker {number} of {len(files)}", err=True)
        voices.append(hear_speaker(network, _calls(paths, plan, join), plan, left_out))
    try:
        trials = make_trials(voices, plan)
    except ValueError as error:
        fail(INVALID, f"{source}: {error}", f"left out: {left_out}")
    recordings = describe(label or "unnamed set", synthetic, voices, plan, left_out)
    thresholds = upkeep.voice_thresholds(settings)
    measured = calibrated(trials, recordings, thresholds, network.model, app.utc_now())
    if not dry_run:
        save(measured, calibration_path(settings.data_dir))
    if as_json:
        print_json(measured.model_dump(mode="json"))
    else:
        click.echo("\n".join(_lines(measured)))


def _network(settings: Settings) -> VoiceNetwork:
    check_library()
    return VoiceNetwork(network_path(settings.models_dir))


def _speakers(source: Path) -> list[list[Path]]:
    """Files by speaker."""
    if source.is_dir():
        folders = [folder for folder in sorted(source.iterdir()) if folder.is_dir()]
        found = [sorted(folder.rglob("*.wav")) for folder in folders]
        return [files for files in found if files]
    if not source.is_file():
        fail(INVALID, f"{source}: no such folder or file")
    by_speaker: dict[str, list[Path]] = {}
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        speaker, _, name = line.partition("\t")
        if not speaker.strip() or not name.strip():
            fail(INVALID, f"{source}:{number}: not a speaker, a tab and a file")
        by_speaker.setdefault(speaker.strip(), []).append(source.parent / name.strip())
    return list(by_speaker.values())


def _calls(paths: list[Path], plan: Plan, join: bool) -> list[Pcm]:
    sounds = (read_wav(path) for path in paths)
    calls = joined(sounds, plan.enrol_ms + plan.test_ms) if join else sounds
    return list(islice(calls, MOST_CALLS))


def _lines(measured: Calibration) -> list[str]:
    said = measured.recordings
    equal = measured.equal_error
    lines = [
        f"{said.label}: {said.speakers} speakers, {said.calls} calls; {said.enrol_ms / 1000:g} s of "
        f"{said.enrol_calls} calls enrol, {said.test_ms / 1000:g} s test",
        f"equal error rate {equal.value:.2%} ({equal.low:.2%} to {equal.high:.2%} over speakers) at "
        f"{equal.threshold:.3f}",
        _line("accept", measured.accept),
        _line("flag", measured.flag),
    ]
    for one in measured.suggested:
        few = f"false accepts of {one.wanted_far:.2%}: too few trials to show it"
        lines.append(_line(f"false accepts of {one.wanted_far:.2%}", one.at) if one.at else few)
    if said.lone_calls:
        lines.append(f"{said.lone_calls} speakers have one call only: their trials are too easy")
    dropped = (said.calls_too_short, said.speakers_too_few_calls, said.sounds_unusable)
    if any(dropped):
        lines.append("left out: {} calls too short, {} speakers with too few calls, {} sounds".format(*dropped))
    if said.synthetic:
        lines.append("made by machines: these are no error rates of people")
    return lines


def _line(name: str, at: AtThreshold) -> str:
    return f"{name} at {at.threshold:.3f}: false accepts {_share(at.far)}, false rejects {_share(at.frr)}"


def _share(share: Share) -> str:
    return f"{share.value:.3%} ({share.low:.3%} to {share.high:.3%}, {share.count} of {share.of})"
