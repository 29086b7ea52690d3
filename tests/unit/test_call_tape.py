"""The sound of a call on its way to a recording: one time line, nothing before it was announced, no secrets."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from ivrbot.call.tape import AFTER_MS, BEFORE_MS, MAX_AHEAD_FRAMES, NOTHING, CallTape, Recorded
from ivrbot.model.audio import FRAME_BYTES, FRAME_MS, Frame, Pcm
from ivrbot.model.call import CallId
from ivrbot.ports import RecordingFile

CALL = CallId("0b7c2a4e-0000-4000-8000-000000000001")
CALLER, BOT = Frame(Pcm(b"\x01\x01" * (FRAME_BYTES // 2))), Frame(Pcm(b"\x02\x02" * (FRAME_BYTES // 2)))


@dataclass
class Sheet:
    """A file in memory: sample columns of caller and bot."""

    sound: bytearray = field(default_factory=bytearray)
    closed: int = 0

    def write(self, at_ms: int, stereo: bytes) -> None:
        self.sound.extend(bytes(max(0, at_ms * 32 - len(self.sound))))
        self.sound[at_ms * 32 : at_ms * 32 + len(stereo)] = stereo

    def silence_caller(self, from_ms: int, to_ms: int) -> None:
        columns = np.frombuffer(bytes(self.sound), "<i2").reshape(-1, 2).copy()
        columns[from_ms * 8 : to_ms * 8, 0] = 0
        self.sound[:] = columns.tobytes()

    def close(self) -> None:
        self.closed += 1

    def marks(self, side: int) -> list[bool]:
        """For each 20 ms, whether anything of a side can be heard."""
        column = np.frombuffer(bytes(self.sound), "<i2").reshape(-1, 2)[:, side]
        return [bool(part.any()) for part in np.split(column, len(column) // 160)]


class Shelf:
    def __init__(self, sheet: Sheet | None) -> None:
        self.sheet = sheet

    def open(self, call_id: CallId) -> RecordingFile | None:
        assert call_id == CALL
        return self.sheet


class Deck:
    """A tape with a clock."""

    def __init__(self, sheet: Sheet | None) -> None:
        self.now_ms = 0
        self.tape = CallTape(Shelf(sheet), CALL, lambda: self.now_ms)

    def run(self, ms: int, caller: Frame | None, bot: Frame | None) -> None:
        for _ in range(ms // FRAME_MS):
            if caller is not None:
                self.tape.hear(caller)
            self.tape.tick(bot)
            self.now_ms += FRAME_MS


def test_both_sides_from_the_announcement_on() -> None:
    sheet = Sheet()
    deck = Deck(sheet)
    deck.run(400, CALLER, BOT)
    assert deck.tape.ready and deck.tape.start()
    deck.run(1200, None, BOT)
    deck.run(600, CALLER, None)
    assert deck.tape.close() == Recorded(1800, 0)
    assert sheet.marks(0) == [False] * 60 + [True] * 30
    assert sheet.marks(1) == [True] * 60 + [False] * 30
    assert sheet.closed == 1
    assert deck.tape.close() is None


def test_a_secret_question_is_answered_off_the_tape() -> None:
    sheet = Sheet()
    deck = Deck(sheet)
    deck.tape.start()
    deck.run(200, CALLER, None)
    deck.tape.pause(True)
    deck.run(400, CALLER, BOT)
    deck.tape.pause(False)
    deck.run(200, CALLER, None)
    assert deck.tape.close() == Recorded(800, 400)
    assert sheet.marks(0) == [True] * 10 + [False] * 20 + [True] * 10
    assert sheet.marks(1) == [False] * 10 + [True] * 20 + [False] * 10


def test_a_volunteered_secret_is_taken_out_again() -> None:
    sheet = Sheet()
    deck = Deck(sheet)
    deck.tape.start()
    deck.run(6000, CALLER, BOT)
    deck.tape.hide(2000, 3000)
    hidden_ms = 1000 + BEFORE_MS + AFTER_MS
    assert deck.tape.close() == Recorded(6000, hidden_ms)
    assert sheet.marks(0).count(False) * FRAME_MS == hidden_ms
    assert sheet.marks(0)[100:150] == [False] * 50
    assert all(sheet.marks(1))


def test_a_stall_of_the_process_loses_nothing_of_the_caller() -> None:
    """The loop stood still for a second; what the caller said meanwhile comes in one burst."""
    sheet = Sheet()
    deck = Deck(sheet)
    deck.tape.start()
    deck.run(200, CALLER, BOT)
    deck.now_ms += 1000
    for _ in range(50):
        deck.tape.hear(CALLER)
    deck.run(400, CALLER, BOT)
    deck.tape.close()
    assert all(sheet.marks(0)) and len(sheet.marks(0)) == 80
    assert sheet.marks(1) == [True] * 10 + [False] * 50 + [True] * 20


def test_what_waits_of_a_turn_is_taken_out_with_it() -> None:
    sheet = Sheet()
    deck = Deck(sheet)
    deck.tape.start()
    deck.run(1000, CALLER, None)
    for _ in range(100):
        deck.tape.hear(CALLER)  # a burst: two seconds at once
    deck.run(200, None, None)
    deck.tape.hide(0, 1200)
    deck.run(2000, None, None)
    deck.tape.close()
    assert not any(sheet.marks(0))


def test_a_clock_that_skips_leaves_a_hole_and_no_shift() -> None:
    sheet = Sheet()
    deck = Deck(sheet)
    deck.tape.start()
    deck.run(100, CALLER, None)
    deck.now_ms += 400
    deck.run(100, CALLER, None)
    deck.tape.close()
    assert sheet.marks(0) == [True] * 6 + [False] * 20 + [True] * 4


def test_sound_that_comes_in_bursts_is_not_heaped_up() -> None:
    sheet = Sheet()
    deck = Deck(sheet)
    deck.tape.start()
    for _ in range(1000):
        deck.tape.hear(CALLER)
    deck.run(5000, None, BOT)
    deck.tape.close()
    assert sum(sheet.marks(0)) == MAX_AHEAD_FRAMES


@pytest.mark.parametrize("tape", [NOTHING, Deck(None).tape], ids=["no recordings", "no room for one"])
def test_without_a_recording_nothing_happens(tape: CallTape) -> None:
    assert not tape.ready and not tape.start()
    tape.hear(CALLER)
    tape.tick(BOT)
    tape.pause(True)
    tape.hide(0, 1000)
    assert tape.close() is None


def test_what_was_never_announced_leaves_no_file() -> None:
    sheet = Sheet()
    deck = Deck(sheet)
    deck.run(2000, CALLER, BOT)
    deck.tape.hide(0, 1000)
    assert deck.tape.close() is None
    assert not sheet.sound and sheet.closed == 1
