"""The AudioSocket parser, byte by byte."""

from __future__ import annotations

import uuid
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbot.errors import ProtocolError
from ivrbot.model.audio import FRAME_BYTES
from ivrbot.model.call import CallId
from ivrbot.telephony.wire.audiosocket import (
    MAX_AUDIO_BYTES,
    Audio,
    Error,
    Hangup,
    Key,
    Message,
    Parser,
    Uuid,
    audio_frame,
    error_frame,
    hangup_frame,
    key_frame,
    to_bytes,
    uuid_frame,
    whole_frames,
)

CALL = CallId("40325ec2-5efd-4bd3-805f-53576e581d13")

uuids = st.uuids().map(lambda value: Uuid(CallId(str(value))))
sounds = st.binary(min_size=1, max_size=400).map(lambda half: Audio(half + half))
keys = st.sampled_from("0123456789*#ABCD").map(Key)
errors = st.one_of(st.none(), st.integers(0, 255)).map(Error)
messages = st.one_of(uuids, sounds, st.just(Audio(bytes(FRAME_BYTES))), keys, st.just(Hangup()), errors)


def test_the_documented_bytes() -> None:
    assert Parser().feed(bytes.fromhex("010010 40325ec25efd4bd3805f53576e581d13")) == [Uuid(CALL)]
    assert Parser().feed(bytes.fromhex("100004 01000200")) == [Audio(b"\x01\x00\x02\x00")]
    assert Parser().feed(bytes.fromhex("030001 35")) == [Key("5")]
    assert Parser().feed(bytes.fromhex("000000")) == [Hangup()]
    assert Parser().feed(bytes.fromhex("ff0001 02")) == [Error(2)]
    assert Parser().feed(bytes.fromhex("ff0000")) == [Error(None)]


def test_serialisers_write_the_documented_bytes() -> None:
    assert uuid_frame(CALL) == bytes.fromhex("010010 40325ec25efd4bd3805f53576e581d13")
    assert audio_frame(b"\1\0\2\0") == bytes.fromhex("100004 01000200")
    assert audio_frame(bytes(FRAME_BYTES)) == b"\x10\x01\x40" + bytes(FRAME_BYTES)
    assert key_frame("#") == bytes.fromhex("030001 23")
    assert hangup_frame() == bytes.fromhex("000000")
    assert error_frame(4) == bytes.fromhex("ff0001 04")
    assert error_frame() == bytes.fromhex("ff0000")


@pytest.mark.parametrize(
    ("data", "is_idle"),
    [("", True), ("00", False), ("1000", False), ("100002 00", False), ("100002 0000", True), ("7f0000", False)],
)
def test_a_parser_is_idle_between_messages_only(data: str, is_idle: bool) -> None:
    parser = Parser()
    parser.feed(key_frame("1") + bytes.fromhex(data))
    assert parser.is_idle is is_idle


def test_every_kind_of_message_is_generated_here() -> None:
    assert set(get_args(Message)) == {Uuid, Audio, Key, Hangup, Error}


@given(st.lists(messages, max_size=12), st.data())
def test_any_cut_gives_the_same_messages(sent: list[Message], data: st.DataObject) -> None:
    stream = b"".join(map(to_bytes, sent))
    parser = Parser()
    received: list[Message] = []
    at = 0
    while at < len(stream):
        size = data.draw(st.integers(1, min(700, len(stream) - at)))
        received += parser.feed(stream[at : at + size])
        at += size
    assert received == sent
    assert parser.error is None
    parser.finish()


whole = st.binary(min_size=FRAME_BYTES, max_size=FRAME_BYTES).map(Audio)
other = st.one_of(keys, st.just(Hangup()), st.just(Audio(bytes(FRAME_BYTES - 2))))


@given(st.lists(whole, max_size=6), st.lists(other, max_size=1), st.integers(0, 6), st.integers(0, FRAME_BYTES))
def test_whole_frames_are_what_the_parser_finds(
    frames: list[Message], between: list[Message], at: int, missing: int
) -> None:
    sent = [*frames[:at], *between, *frames[at:]]
    data = b"".join(map(to_bytes, sent))
    assert whole_frames(data) == ([] if between else [frame.pcm for frame in frames if isinstance(frame, Audio)])
    cut = data[: len(data) - missing]
    assert len(cut) == len(data) or all(len(frame) == FRAME_BYTES for frame in whole_frames(cut))
    parsed = Parser()
    heard = [message.pcm for message in parsed.feed(cut) if isinstance(message, Audio)]
    assert whole_frames(cut) in ([], heard)
    assert not whole_frames(cut) or parsed.is_idle


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_noise_never_does_worse_than_an_error(pieces: list[bytes]) -> None:
    parser = Parser()
    for piece in pieces:
        parser.feed(piece)
    try:
        parser.finish()
    except ProtocolError:
        assert parser.error
    else:
        assert parser.error is None


@given(st.binary(max_size=400), st.integers(1, 400))
def test_noise_gives_the_same_messages_however_it_is_cut(noise: bytes, cut: int) -> None:
    whole, parts = Parser(), Parser()
    expected = whole.feed(noise)
    received = parts.feed(noise[:cut]) + parts.feed(noise[cut:])
    assert received == expected
    assert str(parts.error) == str(whole.error)


BROKEN = {
    "sound of no length": "100000",
    "sound of half a sample": "100003",
    "sound of 65535 bytes": "10ffff",
    "sound longer than a second": "103e82",
    "UUID too short": "01000f",
    "UUID too long": "010011",
    "UUID of 65535 bytes": "01ffff",
    "key of no length": "030000",
    "two keys in one": "030002",
    "key that is none": "030001 78",
    "key beyond ASCII": "030001 ff",
    "hang-up with a payload": "000001",
    "error of two bytes": "ff0002",
    "unknown type 0x02": "020000",
    "unknown type 0x7f": "7f0000",
    "unknown type of 65535 bytes": "42ffff",
    "12 kHz": "110140",
    "16 kHz": "120280",
    "192 kHz": "180140",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_frame_is_refused_at_its_header(data: str) -> None:
    parser = Parser()
    assert parser.feed(key_frame("1") + bytes.fromhex(data)) == [Key("1")], "what came before counts"
    assert isinstance(parser.error, ProtocolError)
    assert parser.feed(hangup_frame()) == [], "what comes after does not"
    assert parser.feed(audio_frame(bytes(FRAME_BYTES))) == []
    with pytest.raises(ProtocolError):
        parser.finish()


def test_other_sample_rates_are_named() -> None:
    parser = Parser()
    parser.feed(b"\x12\x02\x80")
    assert str(parser.error) == "sound at 16000 Hz; allowed: 8000 Hz"


@pytest.mark.parametrize("kept_bytes", range(1, 19))
def test_half_a_frame_at_the_end_is_an_error(kept_bytes: int) -> None:
    parser = Parser()
    assert parser.feed(uuid_frame(CALL)[:kept_bytes]) == []
    with pytest.raises(ProtocolError, match=f"ended {kept_bytes} bytes into a frame"):
        parser.finish()


def test_an_end_between_frames_is_none() -> None:
    parser = Parser()
    parser.feed(uuid_frame(CALL))
    parser.finish()


def test_the_longest_sound_passes() -> None:
    sound = Audio(bytes(MAX_AUDIO_BYTES))
    assert Parser().feed(to_bytes(sound)) == [sound]


@pytest.mark.parametrize("pcm", [b"", b"\0", bytes(MAX_AUDIO_BYTES + 2)])
def test_sound_that_cannot_be_carried_is_not_sent(pcm: bytes) -> None:
    with pytest.raises(ValueError, match="bytes of sound"):
        audio_frame(pcm)


@pytest.mark.parametrize("key", ["", "12", "x", "é", "٣"])
def test_keys_that_are_none_are_not_sent(key: str) -> None:
    with pytest.raises(ValueError, match="no such key"):
        key_frame(key)


def test_a_call_id_that_is_no_uuid_is_not_sent() -> None:
    with pytest.raises(ValueError, match="UUID"):
        uuid_frame(CallId("../../etc/passwd"))


def test_call_ids_come_out_in_canonical_form() -> None:
    sent = uuid.UUID(int=2**128 - 1)
    assert Parser().feed(uuid_frame(CallId(str(sent).upper()))) == [
        Uuid(CallId("f" * 8 + "-ffff-ffff-ffff-" + "f" * 12))
    ]
