from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ivrbot.media.framing import Framer, frames_of
from ivrbot.model.audio import FRAME_BYTES


@given(st.lists(st.binary(max_size=1000), max_size=20))
def test_frames_hold_all_bytes_in_order(pieces: list[bytes]) -> None:
    framer = Framer()
    frames = [frame for piece in pieces for frame in framer.feed(piece)]
    assert all(len(frame) == FRAME_BYTES for frame in frames)
    last = framer.flush()
    total = sum(map(len, pieces))
    assert len(frames) == total // FRAME_BYTES
    assert (last is None) == (total % FRAME_BYTES == 0)
    padded = b"".join(pieces).ljust((len(frames) + (last is not None)) * FRAME_BYTES, b"\0")
    assert b"".join(frames) + (last or b"") == padded
    assert framer.flush() is None


@given(st.binary(max_size=3000))
def test_frames_of_a_stretch_are_what_a_framer_gives(pcm: bytes) -> None:
    framer = Framer()
    streamed = framer.feed(pcm)
    if last := framer.flush():
        streamed.append(last)
    assert list(frames_of(pcm)) == streamed
