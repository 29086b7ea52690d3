"""Which words Whisper is taken to have written: a beam of readings, and the rules of its marks of time.

Takes the chances of the next piece for each reading so far, gives finished readings, best first. Pure but for the
network that it asks. Tokens go by their place in one language's vocabulary: pieces of words, then the end, then
tokens that are never written, then the marks of time.

The rules are the published ones but for three, which cost no word and save a tenth of the work (decision 84): a
reading begins with the mark of the sound's begin, which is nearly always written anyhow; of all marks that may
follow only the likeliest is followed, with the chance of all, so that the readings of a beam differ in words and
less is invented of silence; and a mark at the end of the sound ends the reading.
Sources: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", section 4.5 (rules of
the marks); Sutskever et al. 2014, "Sequence to Sequence Learning with Neural Networks", section 3.2 (beams);
Wu et al. 2016, "Google's Neural Machine Translation System", section 7 (scores by length).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np

from ivrbot.asr.whisper_file import Array
from ivrbot.asr.whisper_network import Chances

MARK_S: Final = 0.02
"""Marks are so far apart."""

NEAR_END_S: Final = 0.7
"""A closing mark so near to the sound's end closes the reading, and not only a sentence of it."""

UNLIKELY: Final = 7.0
"""An end a thousand times less likely than what else may follow is none, though nothing else may follow here."""


@dataclass(frozen=True, slots=True)
class Found:
    """A finished reading.

    Attributes:
        places: of the pieces and marks that were written.
        score: logarithm of its probability, by its length.
    """

    places: tuple[int, ...]
    score: float


@dataclass(frozen=True, slots=True)
class Limits:
    """When to end.

    Attributes:
        beam: readings followed at once.
        wanted: finished readings that are wanted, at most `beam`.
        pieces: a reading that has not ended after so many is broken off.
        sound_s: length of the sound.
    """

    beam: int
    wanted: int
    pieces: int
    sound_s: float


class Reader(Protocol):
    """The network at one sound, with the prompt and the first mark read; `marks` is the place of that mark."""

    marks: int
    end: int

    def begin(self) -> tuple[Chances, Chances]:
        """What may follow the prompt, and what may follow the first mark after it."""
        ...

    def go_on(self, parents: Sequence[int], places: Sequence[int]) -> Chances:
        """Go on from some of the readings, each with one more piece or mark; tell what may follow each."""
        ...


@dataclass(frozen=True, slots=True)
class _Next:
    """A piece or mark that may follow, with logarithms of probabilities.

    Attributes:
        chance: of a mark that of all marks.
        of_marks: its share of them; 0 of a piece.
    """

    place: int
    chance: float
    of_marks: float = 0.0


@dataclass(frozen=True, slots=True)
class _Branch:
    """A reading so far.

    Attributes:
        places: of its pieces and marks.
        total: logarithm of its probability, among readings that differ in words.
        of_marks: what is to be added for its marks to be these.
    """

    places: tuple[int, ...]
    total: float
    of_marks: float

    def grown(self, by: _Next) -> _Branch:
        return _Branch((*self.places, by.place), self.total + by.chance, self.of_marks + by.of_marks)

    def score(self, length: int) -> float:
        return (self.total + self.of_marks) / length


def search(reader: Reader, limits: Limits) -> list[Found]:
    """Find the likeliest readings, at most as many as are wanted, best first."""
    first, chances = reader.begin()
    of_first = float(first.marks[0].max() - _sum_of(first.marks[0]))
    branches = [_Branch((reader.marks,), 0.0, of_first)]
    found: list[Found] = []
    while True:
        grown = [
            (parent, branch.grown(by))
            for parent, branch in enumerate(branches)
            for by in _may_follow(chances, parent, branch.places, reader)
        ]
        grown.sort(key=lambda one: -one[1].total)
        del grown[2 * limits.beam :]
        least = grown[0][1].total - UNLIKELY
        found += [
            _finished(one, reader)
            for _, one in grown[: limits.beam]
            if one.total > least and _ends(one, reader, limits)
        ]
        going = [(parent, one) for parent, one in grown if not _ends(one, reader, limits)][: limits.beam]
        branches = [one for _, one in going]
        if not branches or len(found) >= limits.beam:
            break
        if len(branches[0].places) >= limits.pieces:
            found += [Found(one.places, one.score(len(one.places))) for one in branches]
            break
        chances = reader.go_on([parent for parent, _ in going], [one.places[-1] for one in branches])
    found.sort(key=lambda one: -one.score)
    return found[: limits.wanted]


def _ends(branch: _Branch, reader: Reader, limits: Limits) -> bool:
    last, before = branch.places[-1], branch.places[-2]
    if last < reader.marks:
        return last == reader.end
    return before < reader.marks and (last - reader.marks) * MARK_S >= limits.sound_s - NEAR_END_S


def _finished(branch: _Branch, reader: Reader) -> Found:
    pieces = len(branch.places)
    if branch.places[-1] == reader.end:
        return Found(branch.places[:-1], branch.score(pieces))
    # The end, which would follow for certain, counts as a piece.
    return Found(branch.places, branch.score(pieces + 1))


def _may_follow(chances: Chances, row: int, written: tuple[int, ...], reader: Reader) -> list[_Next]:
    """What the rules let follow."""
    likeliest = zip(chances.places[row].tolist(), chances.words[row].tolist(), strict=True)
    words = [_Next(place, logit) for place, logit in likeliest]
    words_sum, end = float(chances.words_sum[row]), _Next(reader.end, float(chances.end[row]))
    latest = max(place for place in written if place >= reader.marks) - reader.marks
    after_mark = written[-1] >= reader.marks
    if after_mark and (len(written) == 1 or written[-2] >= reader.marks):
        return _shares([*words, end], words_sum, end.chance)
    rest = chances.marks[row, latest if after_mark else latest + 1 :]
    if not len(rest):
        return _shares([end] if after_mark else [*words, end], words_sum, end.chance)
    best, marks_sum = int(rest.argmax()), _sum_of(rest)
    place = reader.marks + chances.marks.shape[1] - len(rest) + best
    mark = _Next(place, marks_sum, float(rest[best]) - marks_sum)
    if after_mark:
        return _shares([end, mark], end.chance, marks_sum)
    if marks_sum > max(words[0].chance, end.chance):
        return _shares([mark], marks_sum)
    return _shares([*words, end, mark], words_sum, end.chance, marks_sum)


def _sum_of(logits: Array) -> float:
    """Logarithm of the sum of the chances."""
    highest = float(logits.max())
    return highest + math.log(float(np.exp(logits - highest).sum()))


def _shares(logits: list[_Next], *parts: float) -> list[_Next]:
    """Logits to logarithms of probabilities, by the logits of all that may follow."""
    highest = max(parts)
    of_all = highest + math.log(sum(math.exp(part - highest) for part in parts))
    return [replace(one, chance=one.chance - of_all) for one in logits]
