"""AMI: any cutting of the stream gives the same messages; nothing sent can break out of its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbot.errors import ProtocolError
from ivrbot.telephony.wire.ami import (
    MAX_LINE_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_VALUE_BYTES,
    AmiMessage,
    AmiParser,
    clean_value,
    encode_action,
)

GREETING = b"Asterisk Call Manager/11.0.0\r\n"

names = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True)
values = st.text(max_size=80).map(clean_value)
messages = st.lists(st.tuples(names, values), min_size=1, max_size=8).map(tuple)


def wire(fields: tuple[tuple[str, str], ...]) -> bytes:
    return b"".join(f"{name}: {value}\r\n".encode() for name, value in fields) + b"\r\n"


@given(st.lists(messages, max_size=5), st.lists(st.integers(1, 40), min_size=1))
def test_any_cut_of_the_stream_gives_the_same_messages(
    sent: list[tuple[tuple[str, str], ...]], cuts: list[int]
) -> None:
    stream = GREETING + b"".join(wire(fields) for fields in sent)
    parser = AmiParser()
    got: list[AmiMessage] = []
    while stream:
        size = cuts[len(got) % len(cuts)]
        got += parser.feed(stream[:size])
        stream = stream[size:]
    assert [message.fields for message in got] == sent
    assert parser.version == "11.0.0"


@given(names, st.lists(st.tuples(names, values), max_size=6))
def test_what_is_sent_reads_back_field_by_field(action: str, fields: list[tuple[str, str]]) -> None:
    parser = AmiParser()
    (message,) = parser.feed(GREETING + encode_action(action, fields))
    assert message.fields == (("Action", action), *fields)


@given(st.text())
def test_a_cleaned_value_is_one_short_line(text: str) -> None:
    value = clean_value(text)
    assert len(value.encode()) <= MAX_VALUE_BYTES
    assert value.splitlines() == ([value] if value else [])
    assert len(encode_action("Setvar", (("Value", value),)).split(b"\r\n")) == 4


@given(st.text(), st.sampled_from("\r\n\x00\x85\u2028"), st.text())
def test_line_ends_in_a_value_are_refused(before: str, end: str, after: str) -> None:
    with pytest.raises(ValueError, match="not one line"):
        encode_action("Setvar", (("Value", before + end + after),))


@pytest.mark.parametrize("name", ["", "Chan nel", "Channel:", "Channel\r\nAction", "1x"])
def test_a_bad_field_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not one line"):
        encode_action("Setvar", ((name, "x"),))


def test_a_line_longer_than_the_server_reads_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        encode_action("Setvar", (("Value", "x" * 1000),))


def test_fields_are_found_whatever_their_case_and_the_first_wins() -> None:
    message = AmiMessage((("ActionID", "1"), ("actionid", "2")))
    assert message.get("ACTIONID") == "1"
    assert message.get("Response") == ""


@given(st.binary(max_size=300))
def test_garbage_never_raises_anything_but_a_protocol_error(garbage: bytes) -> None:
    parser = AmiParser()
    parser.feed(GREETING)
    try:
        parsed = parser.feed(garbage)
    except ProtocolError:
        return
    assert all(message.fields for message in parsed)


@pytest.mark.parametrize(
    "stream",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        GREETING + b"x" * (MAX_LINE_BYTES + 1),
        GREETING + b"x" * (MAX_LINE_BYTES + 1) + b"\r\n",
        GREETING + (b"Output: " + b"x" * 1000 + b"\r\n") * (MAX_MESSAGE_BYTES // 1000 + 1),
    ],
    ids=["another protocol", "endless line", "long line", "endless message"],
)
def test_a_stream_beyond_its_limits_is_a_protocol_error(stream: bytes) -> None:
    with pytest.raises(ProtocolError):
        AmiParser().feed(stream)
