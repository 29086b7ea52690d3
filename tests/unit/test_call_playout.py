"""The bot's mouth, frame by frame."""

from __future__ import annotations

import pytest

from ivrbot.call.playout import Playout
from ivrbot.model.audio import FRAME_BYTES, Pcm


class Mouth:
    """A playout that notes what it tells."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.playout = Playout(lambda: self.told.append("first"), lambda: self.told.append("drained"))

    def play(self, frames: int = 1000) -> bytes:
        """First byte of every frame until silence."""
        out = bytearray()
        for _ in range(frames):
            frame = self.playout.next_frame()
            if frame is None:
                break
            assert len(frame) == FRAME_BYTES
            out.append(frame[0])
        return bytes(out)


def phrase(mark: int, frames: int = 2) -> Pcm:
    """Frames marked `mark`, `mark` + 1, ..."""
    return Pcm(b"".join(bytes([mark + number]) * FRAME_BYTES for number in range(frames)))


@pytest.fixture
def mouth() -> Mouth:
    return Mouth()


def test_phrases_follow_each_other(mouth: Mouth) -> None:
    mouth.playout.add(phrase(1))
    mouth.playout.add(phrase(11))
    assert mouth.playout.speaking
    assert mouth.play() == bytes([1, 2, 11, 12])
    assert mouth.told == ["first", "drained"]
    assert not mouth.playout.speaking


def test_the_last_frame_is_filled_up(mouth: Mouth) -> None:
    mouth.playout.add(Pcm(b"\x05" * (FRAME_BYTES + 2)))
    first, second = mouth.playout.next_frame(), mouth.playout.next_frame()
    assert first == b"\x05" * FRAME_BYTES
    assert second == b"\x05\x05" + bytes(FRAME_BYTES - 2)


def test_an_empty_phrase_is_nothing(mouth: Mouth) -> None:
    mouth.playout.add(Pcm(b""))
    assert not mouth.playout.speaking
    assert mouth.told == []


def test_pausing_is_immediate_and_going_on_starts_the_phrase_again(mouth: Mouth) -> None:
    mouth.playout.add(phrase(1, 3))
    mouth.playout.add(phrase(11, 3))
    assert mouth.play(5) == bytes([1, 2, 3, 11, 12])
    mouth.playout.pause()
    assert mouth.playout.next_frame() is None
    assert mouth.playout.speaking
    mouth.playout.resume()
    assert mouth.play() == bytes([11, 12, 13])
    assert mouth.told == ["first", "drained"]


def test_flushing_drops_the_rest(mouth: Mouth) -> None:
    mouth.playout.add(phrase(1, 3))
    assert mouth.play(1) == bytes([1])
    mouth.playout.pause()
    mouth.playout.flush()
    assert mouth.playout.next_frame() is None
    assert not mouth.playout.paused
    assert mouth.told == ["first", "drained"]
    mouth.playout.add(phrase(21))
    assert mouth.play() == bytes([21, 22])
    assert mouth.told == ["first", "drained", "first", "drained"]


def test_what_must_be_heard_is_neither_paused_nor_dropped(mouth: Mouth) -> None:
    mouth.playout.add(phrase(1, 3), interruptible=False)
    mouth.playout.add(phrase(11, 3))
    assert mouth.play(1) == bytes([1])
    mouth.playout.pause()
    assert not mouth.playout.paused
    mouth.playout.flush()
    assert mouth.play() == bytes([2, 3])


def test_what_must_be_heard_survives_the_flush_of_what_comes_before(mouth: Mouth) -> None:
    mouth.playout.add(phrase(1, 3))
    mouth.playout.add(phrase(11, 2), interruptible=False)
    mouth.play(2)
    mouth.playout.flush()
    assert mouth.play() == bytes([11, 12])


def test_when_nobody_listens_everything_is_dropped(mouth: Mouth) -> None:
    mouth.playout.add(phrase(1, 3), interruptible=False)
    mouth.play(1)
    mouth.playout.stop()
    assert not mouth.playout.speaking
    assert mouth.told == ["first", "drained"]


def test_while_more_is_coming_running_dry_is_not_the_end(mouth: Mouth) -> None:
    mouth.playout.hold()
    mouth.playout.add(phrase(1))
    assert mouth.play() == bytes([1, 2])
    assert mouth.told == ["first"]
    mouth.playout.add(phrase(3))
    assert mouth.play() == bytes([3, 4])
    assert mouth.told == ["first"]
    mouth.playout.release()
    assert mouth.told == ["first", "drained"]


async def test_waiting_for_the_end(mouth: Mouth) -> None:
    await mouth.playout.drained()
    mouth.playout.add(phrase(1))
    mouth.play()
    await mouth.playout.drained()


def a_recording(*levels: int) -> Pcm:
    """A frame for each amplitude, of a tone that is marked by it."""
    return Pcm(b"".join((level.to_bytes(2, "little", signed=True)) * (FRAME_BYTES // 2) for level in levels))


@pytest.mark.parametrize(
    ("frames", "left"),
    [
        ((3, 60, 8000), 1),  # the margin of a recording: 20 ms in which the voice is about to begin
        ((0, 0, 0, 60, 8000), 1),  # a live voice that takes its time
        ((60, 100, 120, 8000), 3),  # a soft consonant is heard but for its very first
        ((8000, 8000), 2),
        ((0, 0), 2),  # silence that was asked for
    ],
)
def test_an_answer_begins_with_its_voice(mouth: Mouth, frames: tuple[int, ...], left: int) -> None:
    mouth.playout.add(a_recording(*frames))
    assert len(mouth.play()) == left


def test_joints_keep_their_margins(mouth: Mouth) -> None:
    mouth.playout.add(a_recording(8000))
    mouth.playout.add(a_recording(3, 60, 8000))
    assert len(mouth.play()) == 4
    mouth.playout.hold()
    mouth.playout.add(a_recording(8000))
    assert len(mouth.play()) == 1  # it ran dry, and more is coming
    mouth.playout.add(a_recording(3, 60, 8000))
    mouth.playout.release()
    assert len(mouth.play()) == 3
