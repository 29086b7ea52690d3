"""The error rates of the installed model on the bank's own recordings, as a file that a page can show.

Takes trials and the bank's thresholds, gives the document of `data_dir/voiceprint/calibration.json`. It holds
figures only: no speaker's name, no file's name, no vector.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ivrbot.model.voiceprint import VoiceThresholds
from ivrbot.stats.intervals import share_interval
from ivrbot.stats.verification import Rates, Scores
from ivrbot.voiceprint.trials import LeftOut, Plan, Trials, Voice

SCHEMA: Final = 1
CURVE_POINTS: Final = 101
WANTED_FAR: Final = (0.01, 0.001, 0.0001)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Share(_Part):
    """`count` of `of` trials; `low` and `high` are Wilson's 95 % interval, as if all trials were independent."""

    count: int
    of: int
    value: float
    low: float
    high: float


class AtThreshold(_Part):
    """Errors of accepting at `threshold` and above."""

    threshold: float
    far: Share
    frr: Share


class Suggested(_Part):
    """The lowest threshold that kept false accepts at or below `wanted_far`; none where the set is too small."""

    wanted_far: float
    at: AtThreshold | None


class EqualError(_Part):
    """Equal error rate with a 95 % interval over speakers."""

    value: float
    low: float
    high: float
    threshold: float


class RecordingSet(_Part):
    """What was measured on.

    Attributes:
        label: the bank's words for it.
        synthetic: made by machines: says nothing of people.
        lone_calls: speakers with one call only; their genuine trials are of one call and too easy.
    """

    label: str
    synthetic: bool
    speakers: int
    calls: int
    lone_calls: int
    enrol_ms: int
    enrol_calls: int
    test_ms: int
    calls_too_short: int
    speakers_too_few_calls: int
    sounds_unusable: int


class Calibration(_Part):
    """The document.

    Attributes:
        measured_at: aware UTC.
        model: of the engine that was measured; another engine's rates are another's.
        accept: errors at the bank's `accept`.
        flag: errors at its `flag`: `frr` is the share of owners who would be flagged.
        curve: [threshold, far, frr] from the lowest score to the highest (the DET curve's points).
    """

    format: Literal[1] = SCHEMA
    measured_at: datetime
    model: str
    recordings: RecordingSet
    equal_error: EqualError
    accept: AtThreshold
    flag: AtThreshold
    suggested: tuple[Suggested, ...]
    curve: tuple[tuple[float, float, float], ...]


def describe(label: str, synthetic: bool, voices: list[Voice], plan: Plan, left_out: LeftOut) -> RecordingSet:
    """What was measured on, in numbers."""
    used = [voice for voice in voices if voice.enrolling]
    return RecordingSet(
        label=label,
        synthetic=synthetic,
        speakers=len(used),
        calls=sum(len(voice.enrolling) for voice in used),
        lone_calls=sum(voice.lone for voice in used),
        enrol_ms=plan.enrol_ms,
        enrol_calls=plan.enrol_calls,
        test_ms=plan.test_ms,
        calls_too_short=left_out.calls_too_short,
        speakers_too_few_calls=left_out.speakers_too_few_calls,
        sounds_unusable=left_out.sounds_unusable,
    )


def calibrated(
    trials: Trials, recordings: RecordingSet, thresholds: VoiceThresholds, model: str, at: datetime
) -> Calibration:
    """The document of one measurement.

    Args:
        trials: scored.
        recordings: what they are of.
        thresholds: the bank's, in force.
        model: of the engine.
        at: aware UTC.
    """
    scores = Scores(trials.genuine.astype(float).tolist(), trials.impostor.astype(float).tolist())
    value, threshold = scores.equal_error()
    low, high = trials.eer_interval()
    curve = [
        (_short(rates.threshold), _short(rates.far), _short(rates.frr)) for rates in scores.curve(CURVE_POINTS)
    ]
    return Calibration(
        measured_at=at,
        model=model,
        recordings=recordings,
        equal_error=EqualError(value=value, low=min(low, value), high=max(high, value), threshold=threshold),
        accept=_at(scores.at(thresholds.accept)),
        flag=_at(scores.at(thresholds.flag)),
        suggested=tuple(_suggested(scores, wanted) for wanted in WANTED_FAR),
        curve=tuple(curve),
    )


def calibration_path(data_dir: Path) -> Path:
    """Where the document of an installation lies."""
    return data_dir / "voiceprint" / "calibration.json"


def save(calibration: Calibration, path: Path) -> None:
    """Write it, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.new")
    fresh.write_text(calibration.model_dump_json(indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)


def load(path: Path) -> Calibration | None:
    """The document; None when there is none or it is not one (it is made anew by calibrating)."""
    try:
        return Calibration.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        return None


def _suggested(scores: Scores, wanted: float) -> Suggested:
    rates = scores.for_far(wanted)
    return Suggested(wanted_far=wanted, at=None if rates is None else _at(rates))


def _at(rates: Rates) -> AtThreshold:
    return AtThreshold(
        threshold=rates.threshold,
        far=_share(rates.false_accepts, rates.impostors),
        frr=_share(rates.false_rejects, rates.genuines),
    )


def _share(count: int, of: int) -> Share:
    low, high = share_interval(count, of) or (0.0, 1.0)
    return Share(count=count, of=of, value=count / of, low=low, high=high)


def _short(value: float) -> float:
    return round(value, 6)
