"""Asterisk's queue_log: lines to rows, whatever the file holds and however it is cut."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ivrbot.model.queue import QueueRow, RejectedLine
from ivrbot.telephony.wire.queue_log import MAX_LINE_BYTES, Parsed, QueueLogParser, parse_line

SAMPLE = b"""1764000000|NONE|NONE|NONE|QUEUESTART|
1764000010|1764000009.1|balance|NONE|ENTERQUEUE||79990000001|1
1764000020.25|1764000009.1|balance|PJSIP/100|CONNECT|10|1764000012.2|3

1764000080|1764000009.1|balance|PJSIP/100|COMPLETECALLER|10|60|1\r
not a row
"""


def whole(data: bytes) -> Parsed:
    parser = QueueLogParser()
    first, last = parser.feed(data), parser.finish()
    return Parsed(first.rows + last.rows, first.rejected + last.rejected, first.read + last.read)


def test_rows_of_a_call() -> None:
    found = whole(SAMPLE)
    assert found.read == 5
    assert found.rejected == (RejectedLine(6, "fewer than five fields"),)
    assert [row.event for row in found.rows] == ["QUEUESTART", "ENTERQUEUE", "CONNECT", "COMPLETECALLER"]
    assert found.rows[2] == QueueRow(
        1764000020_250000, "1764000009.1", "balance", "PJSIP/100", "CONNECT", ("10", "1764000012.2", "3")
    )
    assert found.rows[1].at.isoformat() == "2025-11-24T16:00:10+00:00"
    assert found.rows[0].data == ()


def test_a_torn_last_line_is_refused_and_counted() -> None:
    found = whole(SAMPLE + b"1764000090|1764000009.1|balance|NONE|ENTERQ")
    assert [line.why for line in found.rejected] == ["fewer than five fields", "the last line has no end"]
    assert found.read == 6


def test_lines_that_are_no_rows() -> None:
    for line, why in (
        (b"yesterday|a|q|NONE|CONNECT", "the first field is no time"),
        (b"1764000000||q|NONE|CONNECT", "no call id or no event"),
        (b"1764000000|a|q|NONE|", "no call id or no event"),
        (b"1764000000|a|q|NONE|<script>", "the fifth field is no event"),
        (b"1764000000|" + b"a" * MAX_LINE_BYTES + b"|q|NONE|CONNECT", "longer than 8192 bytes"),
    ):
        assert parse_line(line) == why


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    parser = QueueLogParser()
    for _ in range(100):
        parser.feed(b"x" * 4096)
        assert parser.pending_bytes <= MAX_LINE_BYTES + 1 + 4096
    found = parser.feed(b"\n1764000000|a|q|NONE|CONNECT|1\n")
    assert [line.why for line in found.rejected] == ["longer than 8192 bytes"]
    assert len(found.rows) == 1


@given(st.binary(max_size=400))
def test_any_bytes_are_rows_or_refused_lines(data: bytes) -> None:
    found = whole(data)
    assert found.read == len(found.rows) + len(found.rejected)
    assert found.read == sum(bool(line.strip()) for line in data.split(b"\n"))


@given(st.lists(st.integers(0, len(SAMPLE)), max_size=8))
def test_any_cut_of_the_stream_gives_the_same_rows(cuts: list[int]) -> None:
    parser, rows, rejected = QueueLogParser(), [], []
    borders = [0, *sorted(cuts), len(SAMPLE)]
    for begin, end in pairwise(borders):
        found = parser.feed(SAMPLE[begin:end])
        rows += found.rows
        rejected += found.rejected
    assert (tuple(rows), tuple(rejected)) == (whole(SAMPLE).rows, whole(SAMPLE).rejected)


def test_the_key_of_a_row_tells_fields_apart() -> None:
    assert QueueRow(1, "a", "b", "c", "E", ("1", "2")).key != QueueRow(1, "a", "b", "c", "E", ("12",)).key
    assert QueueRow(1, "a", "b", "c", "E", ("1",)).key == QueueRow(1, "a", "b", "c", "E", ("1",)).key
