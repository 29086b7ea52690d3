"""Voices against voices: what a set of recordings says of the engine's errors.

Takes calls of known speakers (sound), gives scores of genuine trials (a speaker against his own template of other
calls) and impostor trials (everybody against all others), as the bot would make them: templates of calls, tests
of short stretches. Nothing of the sound is kept; speakers are numbers from here on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.errors import EngineBadOutput
from ivrbot.model.audio import SAMPLE_BYTES, Pcm
from ivrbot.voiceprint.engine import sampled
from ivrbot.voiceprint.features import as_samples, telephone_band
from ivrbot.voiceprint.network import VoiceNetwork
from ivrbot.voiceprint.speech import STEP_MS, STEP_SAMPLES, Speech, find_speech

MOST_TESTS: Final = 6
"""Tests taken of one call: more of the same call say little new."""
RESAMPLES: Final = 200

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Plan:
    """How trials are cut.

    Attributes:
        enrol_ms: speech of each enrolling call that is used.
        enrol_calls: calls that a template is the mean of.
        test_ms: speech of one test.
    """

    enrol_ms: int = 10_000
    enrol_calls: int = 1
    test_ms: int = 5_000


@dataclass(slots=True)
class Voice:
    """What is kept of one speaker: vectors by call.

    Attributes:
        enrolling: one per call that had speech enough.
        tests: of each call; a lone call is cut in two, its begin enrols and the rest tests.
    """

    enrolling: list[Vector] = field(default_factory=list)
    tests: list[list[Vector]] = field(default_factory=list)
    lone: bool = False


@dataclass(slots=True)
class LeftOut:
    """What could not be used, counted."""

    calls_too_short: int = 0
    speakers_too_few_calls: int = 0
    sounds_unusable: int = 0


@dataclass(frozen=True, slots=True)
class Trials:
    """Scores with who was who.

    Attributes:
        scores: float32 [templates, tests].
        owners: speaker of each template.
        speakers: speaker of each test.
        tried: which pairs are trials (a call is not tested against its own template).
    """

    scores: NDArray[np.float32]
    owners: NDArray[np.int64]
    speakers: NDArray[np.int64]
    tried: NDArray[np.bool_]

    @property
    def _same(self) -> NDArray[np.bool_]:
        return np.asarray(self.owners[:, None] == self.speakers[None, :])

    @property
    def genuine(self) -> NDArray[np.float32]:
        """Scores of owners."""
        return self.scores[self._same & self.tried]

    @property
    def impostor(self) -> NDArray[np.float32]:
        """Scores of others."""
        return self.scores[~self._same & self.tried]

    def eer_interval(self, seed: int = 1) -> tuple[float, float]:
        """95 % interval of the equal error rate: percentiles over draws of whole speakers.

        Trials of one speaker hang together, so speakers are drawn, not trials.
        """
        generator = np.random.default_rng(seed)
        names = np.unique(self.owners)
        rows, columns = np.nonzero(self.tried)
        scores = self.scores[rows, columns]
        order = np.argsort(scores)
        owners, speakers = (np.searchsorted(names, one) for one in (self.owners[rows], self.speakers[columns]))
        same = (owners == speakers)[order]
        owners, speakers = owners[order], speakers[order]
        rates = []
        for _ in range(RESAMPLES):
            drawn = np.bincount(generator.integers(0, len(names), len(names)), minlength=len(names)).astype(float)
            weights = np.where(same, drawn[owners], drawn[owners] * drawn[speakers])
            rates.append(_weighted_eer(weights, same))
        low, high = np.percentile([rate for rate in rates if np.isfinite(rate)] or [0.0, 1.0], [2.5, 97.5])
        return float(low), float(high)


def _weighted_eer(weights: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    genuine, impostor = (np.cumsum(np.where(side, weights, 0.0)) for side in (same, ~same))
    if not genuine[-1] or not impostor[-1]:
        return float("nan")
    rejected, accepted = genuine / genuine[-1], 1 - impostor / impostor[-1]
    place = int(np.argmin(np.abs(rejected - accepted)))
    return float((rejected[place] + accepted[place]) / 2)


def stretches(pcm: bytes, speech_ms: int) -> Iterator[Pcm]:
    """Cut a sound into parts that hold so much speech each; what is left at the end is dropped."""
    spoken = np.cumsum(_speech(pcm).flags) * STEP_MS
    begin = 0
    total = int(spoken[-1]) if len(spoken) else 0
    for wanted in range(speech_ms, total + 1, speech_ms):
        end = int(np.searchsorted(spoken, wanted)) + 1
        yield Pcm(pcm[begin * STEP_SAMPLES * SAMPLE_BYTES : end * STEP_SAMPLES * SAMPLE_BYTES])
        begin = end


def joined(sounds: Iterable[Pcm], speech_ms: int) -> Iterator[Pcm]:
    """Join short recordings, in their order, into calls that hold at least so much speech."""
    held = bytearray()
    spoken = 0
    for pcm in sounds:
        held += pcm
        spoken += _speech(pcm).duration_ms
        if spoken >= speech_ms:
            yield Pcm(bytes(held))
            held.clear()
            spoken = 0


def _speech(pcm: bytes) -> Speech:
    return find_speech(pcm, telephone_band(as_samples(pcm)))


def hear_speaker(network: VoiceNetwork, calls: Sequence[Pcm], plan: Plan, left_out: LeftOut) -> Voice:
    """Embed one speaker's calls.

    Args:
        network: loaded.
        calls: sound of each call.
        plan: how it is cut.
        left_out: counts what is of no use.
    """
    voice = Voice(lone=len(calls) == 1)
    for pcm in calls:
        try:
            _hear_call(network, pcm, plan, voice)
        except EngineBadOutput:
            left_out.sounds_unusable += 1
        except _TooShort:
            left_out.calls_too_short += 1
    if len(voice.enrolling) < (1 if voice.lone else 2):
        left_out.speakers_too_few_calls += 1
    return voice


class _TooShort(Exception):
    pass


def _hear_call(network: VoiceNetwork, pcm: Pcm, plan: Plan, voice: Voice) -> None:
    first = next(stretches(pcm, plan.enrol_ms), None)
    if first is None:
        raise _TooShort
    begin = len(first) if voice.lone else 0
    tests = [
        _vector(network, part)
        for part, _ in zip(stretches(pcm[begin:], plan.test_ms), range(MOST_TESTS), strict=False)
    ]
    if voice.lone and not tests:
        raise _TooShort
    voice.enrolling.append(_vector(network, first))
    voice.tests.append(tests)


def _vector(network: VoiceNetwork, pcm: Pcm) -> Vector:
    return np.array(sampled(network, pcm).embedding, np.float32)


def make_trials(voices: Sequence[Voice], plan: Plan, cohort: NDArray[np.float32] | None = None) -> Trials:
    """Score every template against every test but those of its own calls.

    Args:
        voices: of the speakers.
        plan: how many calls make a template.
        cohort: unit vectors [n, size] of other speakers; with them scores are normalised (see `normalised`).

    Raises:
        ValueError: fewer than two speakers, or none with a genuine trial.
    """
    templates: list[Vector] = []
    owners: list[int] = []
    used: list[tuple[int, frozenset[int]]] = []
    tests = [(number, call, vector) for number, voice in enumerate(voices)
             for call, vectors in enumerate(voice.tests) for vector in vectors]  # fmt: skip
    for number, voice in enumerate(voices):
        for calls in _groups(len(voice.enrolling), plan.enrol_calls):
            mean = np.sum([voice.enrolling[call] for call in calls], axis=0)
            templates.append(mean / np.linalg.norm(mean))
            owners.append(number)
            used.append((number, frozenset() if voice.lone else calls))
    if len({number for number, _, _ in tests} & set(owners)) < 2:
        raise ValueError("at least two speakers with speech enough are needed")
    tried = np.array([[not (number == own and call in calls) for number, call, _ in tests] for own, calls in used])
    rows, columns = np.array(templates), np.array([vector for _, _, vector in tests])
    scores = np.clip(rows @ columns.T, -1.0, 1.0)
    if cohort is not None:
        scores = normalised(scores, rows @ cohort.T, columns @ cohort.T)
    trials = Trials(scores, np.array(owners), np.array([number for number, _, _ in tests]), tried)
    if not len(trials.genuine) or not len(trials.impostor):
        raise ValueError("no speaker has a call to enrol and another one to test")
    return trials


def normalised(
    scores: NDArray[np.float32], templates: NDArray[np.float32], tests: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Symmetric score normalisation (S-norm; Kenny, Odyssey 2010): how far a score lies above those of strangers.

    Args:
        scores: [templates, tests].
        templates: scores of each template with a cohort, [templates, cohort].
        tests: the same of each test, [tests, cohort].
    """
    of_rows = (scores - templates.mean(1)[:, None]) / templates.std(1)[:, None]
    of_columns = (scores - tests.mean(1)[None]) / tests.std(1)[None]
    return np.asarray((of_rows + of_columns) / 2, dtype=np.float32)


def _groups(calls: int, size: int) -> Iterator[frozenset[int]]:
    """Each run of `size` calls that leaves one to test; of a lone call, itself."""
    if calls == 1:
        yield frozenset({0})
    else:
        size = min(size, calls - 1)
        for first in range(0, calls - size + 1, size):
            yield frozenset(range(first, first + size))
