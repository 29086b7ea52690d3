"""The dialects of media WebSockets: garbage does no more than raise ProtocolError; what is sent is well-formed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbot.errors import ProtocolError
from ivrbot.model.audio import SILENCE
from ivrbot.telephony.wire.chan_websocket import MAX_COMMAND_BYTES, ChanWebsocket
from ivrbot.telephony.wire.media_messages import Began, Dialect, Ended, KeyPress, Played, Sound
from ivrbot.telephony.wire.media_streams import MediaStreams, signature

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=12,
)
NAMES = ("MEDIA_START", "DTMF_END", "MEDIA_MARK_PROCESSED", "start", "media", "dtmf", "mark", "stop", "connected")
EVENTS = st.builds(
    lambda name, rest, parts: json.dumps({**rest, **parts, "event": name}),
    st.sampled_from(NAMES),
    st.dictionaries(st.text(max_size=8), JSON, max_size=4),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("start", "media", "dtmf", "mark", "stop", "digit"), JSON)),
)


@pytest.mark.parametrize("make", [ChanWebsocket, MediaStreams])
@given(data=st.text(max_size=60) | st.binary(max_size=60) | EVENTS)
def test_nothing_but_a_protocol_error_comes_of_garbage(make: type[Dialect], data: str | bytes) -> None:
    try:
        items = make().parse(data)
    except ProtocolError:
        return
    assert all(isinstance(item, Began | Sound | KeyPress | Played | Ended) for item in items)
    assert all(len(item.pcm) % 2 == 0 for item in items if isinstance(item, Sound))
    assert all(item.key in "0123456789*#" for item in items if isinstance(item, KeyPress))


def test_asterisk_is_told_in_few_words() -> None:
    dialect = ChanWebsocket()
    said = [dialect.mark("m" * 60), dialect.clear(), dialect.hang_up()]
    assert all(len(text.encode()) <= MAX_COMMAND_BYTES for text in said)
    assert [json.loads(text)["command"] for text in said] == ["MARK_MEDIA", "FLUSH_MEDIA", "HANGUP"]
    with pytest.raises(ProtocolError):
        dialect.mark("m" * 100)


@pytest.mark.parametrize("kind", ["ulaw", "slin16", ""])
def test_asterisk_must_send_what_was_asked_for(kind: str) -> None:
    with pytest.raises(ProtocolError, match=r"c\(slin\)"):
        ChanWebsocket().parse(json.dumps({"event": "MEDIA_START", "format": kind}))


def started() -> MediaStreams:
    dialect = MediaStreams()
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    start: dict[str, Any] = {"callSid": "CA1", "mediaFormat": form, "customParameters": {"call_id": "c"}}
    assert dialect.parse(json.dumps({"event": "start", "streamSid": "MZ1", "start": start})) == (
        Began("c", "CA1"),
    )
    return dialect


def test_a_provider_is_answered_in_its_own_stream() -> None:
    dialect = started()
    media = json.loads(dialect.sound(SILENCE))
    assert media["streamSid"] == "MZ1"
    assert base64.b64decode(media["media"]["payload"]) == b"\xff" * 160
    assert json.loads(dialect.mark("7")) == {"event": "mark", "streamSid": "MZ1", "mark": {"name": "7"}}
    assert json.loads(dialect.clear()) == {"event": "clear", "streamSid": "MZ1"}


def test_what_the_bot_said_itself_is_not_heard() -> None:
    media = {"event": "media", "media": {"track": "outbound", "payload": "////"}}
    assert started().parse(json.dumps(media)) == ()


@pytest.mark.parametrize("value", [("encoding", "audio/opus"), ("sampleRate", 16000), ("channels", 2)])
def test_another_format_is_refused(value: tuple[str, object]) -> None:
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1} | dict([value])
    with pytest.raises(ProtocolError, match="mu-law"):
        MediaStreams().parse(json.dumps({"event": "start", "streamSid": "M", "start": {"mediaFormat": form}}))


def test_a_signature_covers_address_and_every_field() -> None:
    token, url, form = b"12345", "https://bank.example/twilio/voice", {"CallSid": "CA1", "From": "+79161234567"}
    good = signature(token, url, form.items())
    # the order of the fields does not matter, everything else does
    assert good == signature(token, url, reversed(form.items()))
    others = [
        signature(b"12346", url, form.items()),
        signature(token, url + "?", form.items()),
        signature(token, url, {**form, "From": "+79161234568"}.items()),
        signature(token, url, {**form, "X": ""}.items()),
        signature(token, url),
    ]
    assert good not in others
    assert len(base64.b64decode(good)) == 20
