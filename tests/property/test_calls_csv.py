"""CSV files of calls, whatever they hold: every line is a call, a repetition or refused."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from ivrbot.analytics.calls_csv import COLUMNS, read_calls
from ivrbot.config import PROJECT_ROOT

_FIELDS = {
    "call_id": st.sampled_from(["a", "b", "", "x" * 200]),
    "started_at": st.sampled_from(["2026-09-01T10:00:00Z", "2026-09-01", "now", "2026-09-01T10:00:00+03:00"]),
    "branch": st.sampled_from(["balance", ""]),
}
_ANY = st.one_of(
    st.sampled_from(["", "1", "5", "yes", "caller", "resolved", "-1", "nan", "1e9"]), st.text(max_size=6)
)


def unit_of(number: str, call_id: str) -> str:
    return f"{number}/{call_id}"


@given(st.data())
def test_every_line_is_accounted_for(data: st.DataObject) -> None:
    header = data.draw(st.permutations(list(COLUMNS)))
    line = st.tuples(*(_FIELDS.get(name, _ANY) for name in header)).map(
        lambda fields: ",".join(field.replace(",", "").replace('"', "") for field in fields)
    )
    text = "\n".join([",".join(header), *data.draw(st.lists(line, max_size=8))])
    found = read_calls(io.StringIO(text, newline=""), unit_of)
    assert found.header == ""
    assert found.read == len(found.notes) + found.duplicate + len(found.rejected)
    assert len({note.call_id for note in found.notes}) == len(found.notes)
    for note in found.notes:
        assert note.call_id and note.branch and note.started_at.tzinfo is not None
        assert note.score is None or 1 <= note.score <= 5


@given(st.text(max_size=300))
def test_any_text_is_read_to_its_end(text: str) -> None:
    found = read_calls(io.StringIO(text, newline=""), unit_of)
    assert found.header or found.read == len(found.notes) + found.duplicate + len(found.rejected)


def test_every_column_is_documented() -> None:
    page = (PROJECT_ROOT / "docs" / "how-to" / "bring-in-human-calls.md").read_text("utf-8")
    for name, meaning in COLUMNS.items():
        assert f"| `{name}` | {meaning} |" in page
