"""A beam of readings and the rules of marks, on networks that are tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from ivrbot.asr.whisper_network import Chances
from ivrbot.asr.whisper_search import Found, Limits, search

A, B, C, END, NEVER = range(5)
MARKS = 5
"""Place of the mark of 0.00 s; the tables know ten marks, up to 0.18 s."""
COUNT = MARKS + 10

Row = Mapping[int, float]
"""Probabilities by place; what is not there has next to none."""


class Table:
    """A network that looks up what follows in a function of what was written; counts what it was asked."""

    marks = MARKS
    end = END

    def __init__(self, follows: Callable[[tuple[int, ...]], Row]) -> None:
        self.follows = follows
        self.written: list[tuple[int, ...]] = []
        self.asked = 0

    def begin(self) -> tuple[Chances, Chances]:
        self.written = [(MARKS,)]
        return self._chances([()]), self._chances(self.written)

    def go_on(self, parents: Sequence[int], places: Sequence[int]) -> Chances:
        self.written = [(*self.written[parent], place) for parent, place in zip(parents, places, strict=True)]
        return self._chances(self.written)

    def _chances(self, written: Sequence[tuple[int, ...]]) -> Chances:
        self.asked += 1
        logits = np.full((len(written), COUNT), -30.0, np.float32)
        for row, own in enumerate(written):
            for place, probability in self.follows(own).items():
                logits[row, place] = math.log(probability)
        words = logits[:, :END]
        order = np.argsort(-words, axis=1, kind="stable")
        sums = np.log(np.exp(words).sum(axis=1))
        return Chances(np.take_along_axis(words, order, 1), order, sums, logits[:, END:], MARKS - END)


def read(
    follows: Callable[[tuple[int, ...]], Row],
    *,
    beam: int = 2,
    wanted: int = 1,
    pieces: int = 12,
    sound_s: float = 10.0,
) -> list[Found]:
    return search(Table(follows), Limits(beam=beam, wanted=wanted, pieces=pieces, sound_s=sound_s))


def by_last(table: Mapping[int, Row], first: Row | None = None) -> Callable[[tuple[int, ...]], Row]:
    """What follows depends on the last place only (`first`: on none); nothing else goes on."""
    return lambda written: table.get(written[-1], {END: 1.0}) if written else first or {MARKS: 1.0}


def test_words_up_to_the_end_are_read_with_their_probability() -> None:
    follows = by_last({MARKS: {A: 0.5, B: 0.25, END: 0.25}, A: {END: 1.0}, B: {END: 1.0}})
    (best,) = read(follows)
    assert best.places == (MARKS, A)
    assert best.score == pytest.approx(math.log(0.5) / 3, abs=1e-3)


def test_a_likelier_whole_beats_a_likelier_beginning() -> None:
    table = {MARKS: {A: 0.6, B: 0.4}, A: {A: 0.3, B: 0.3, C: 0.3, END: 0.1}, B: {C: 1.0}, C: {END: 1.0}}
    assert read(by_last(table), beam=1)[0].places[:2] == (MARKS, A)
    assert read(by_last(table), beam=2)[0].places == (MARKS, B, C)


def test_several_readings_come_best_first() -> None:
    table = {MARKS: {A: 0.5, B: 0.3, C: 0.2}, A: {END: 1.0}, B: {END: 1.0}, C: {END: 1.0}}
    found = read(by_last(table), beam=3, wanted=3)
    assert [one.places[-1] for one in found] == [A, B, C]
    assert found[0].score > found[1].score > found[2].score


def test_readings_of_a_beam_differ_in_words_not_in_marks() -> None:
    def follows(written: tuple[int, ...]) -> Row:
        if written[-1:] == (MARKS,):
            return {A: 0.9, B: 0.1}
        return {MARKS + 4: 0.4, MARKS + 5: 0.3, MARKS + 6: 0.3} if written else {MARKS: 1.0}

    found = read(follows, wanted=2, sound_s=0.1)
    assert [one.places for one in found] == [(MARKS, A, MARKS + 4), (MARKS, B, MARKS + 4)]


def test_marks_that_together_outweigh_the_words_close_with_the_likeliest() -> None:
    marks = {MARKS + 4: 0.2, MARKS + 5: 0.15, MARKS + 6: 0.15}
    follows = by_last({MARKS: {A: 1.0}, A: {B: 0.3, END: 0.2, **marks}}, first={MARKS: 0.5, MARKS + 1: 0.5})
    (best,) = read(follows, sound_s=0.1)
    assert best.places == (MARKS, A, MARKS + 4)
    # Of the marks that may follow it is 0.4, as the first one is 0.5 of its own.
    assert best.score == pytest.approx((math.log(0.5) + math.log(0.4)) / 4, abs=1e-3)


def test_marks_count_together_against_a_word_that_is_likelier_than_each() -> None:
    marks = {MARKS + 4 + at: 0.05 for at in range(6)}
    follows = by_last({MARKS: {A: 1.0}, A: {B: 0.4, C: 0.2, **marks}})
    found = read(follows, beam=2, wanted=2)
    assert {one.places[2] for one in found} == {B, MARKS + 4}


def test_a_closing_mark_at_the_end_of_the_sound_ends_the_reading_unasked() -> None:
    table = {MARKS: {A: 1.0}, A: {MARKS + 5: 1.0}, MARKS + 5: {END: 1.0}}
    at_end, before = Table(by_last(table)), Table(by_last(table))
    limits = Limits(beam=2, wanted=1, pieces=12, sound_s=0.12)
    (short,) = search(at_end, limits)
    (long,) = search(before, Limits(beam=2, wanted=1, pieces=12, sound_s=5.0))
    assert short.places == long.places
    assert short.score == pytest.approx(long.score, abs=1e-6)
    assert at_end.asked == before.asked - 1


def test_a_closing_mark_within_the_sound_lets_another_sentence_follow() -> None:
    def follows(written: tuple[int, ...]) -> Row:
        sentences = {
            (): {MARKS: 1.0},
            (MARKS,): {A: 1.0},
            (MARKS, A): {MARKS + 3: 1.0},
            # A word would be likelier, but nothing is said between two sentences.
            (MARKS, A, MARKS + 3): {B: 0.8, MARKS + 3: 0.2},
            (MARKS, A, MARKS + 3, MARKS + 3): {MARKS + 8: 0.6, B: 0.4},
            (MARKS, A, MARKS + 3, MARKS + 3, B): {END: 1.0},
        }
        return sentences.get(written, {END: 1.0})

    assert read(follows)[0].places == (MARKS, A, MARKS + 3, MARKS + 3, B)


def test_marks_never_go_back() -> None:
    def follows(written: tuple[int, ...]) -> Row:
        if written and written[-1] == A:
            return {MARKS + 1: 0.7, MARKS + 6: 0.3} if len(written) > 4 else {MARKS + 4: 1.0}
        return {MARKS + 4: 0.5, A: 0.5} if written[1:] else {A: 1.0}

    marks = [place for place in read(follows, pieces=9)[0].places if place >= MARKS]
    assert marks == sorted(marks)
    assert MARKS + 1 not in marks


def test_a_network_that_never_ends_is_broken_off() -> None:
    found = read(lambda written: {A: 0.9, B: 0.1}, pieces=6, wanted=2)
    assert [len(one.places) for one in found] == [6, 6]


def test_a_sound_without_words_is_an_empty_reading() -> None:
    assert read(by_last({MARKS: {END: 1.0}}))[0].places == (MARKS,)


def test_what_is_never_written_is_not_written() -> None:
    assert NEVER not in read(lambda written: {NEVER: 0.98, A: 0.01, END: 0.01}, pieces=5)[0].places
