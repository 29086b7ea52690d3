"""The export: what is read again, what is not, and what survives."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from ivrbot.analytics.export import Export, read_manifest
from ivrbot.analytics.report_queries import Filters, ReportReader
from ivrbot.errors import StorageUnavailable
from tests.unit.report_data import DAY, HABITS, FactsInMemory, at, export_of, fact

EVERYBODY = Filters(arms=("control", "treatment", ""))


def total(folder: Path, kpi: str) -> tuple[float | None, int, int]:
    found = ReportReader(folder).groups(EVERYBODY, ())[0].figure(kpi)
    return found.value, found.n, found.maturing


async def test_only_changed_days_are_read_again(tmp_path: Path) -> None:
    source = FactsInMemory([fact(f"c{day}", day + 0.5) for day in range(4)])
    await export_of(tmp_path, source, at(4)).refresh()
    assert sorted(source.asked) == [DAY, DAY + 1, DAY + 2, DAY + 3]
    source.asked.clear()
    source.rows.append(late := fact("late", 2.6))
    source.mark([late])
    await export_of(tmp_path, source, at(4)).refresh()
    assert source.asked == [DAY + 2]
    assert ReportReader(tmp_path).groups(EVERYBODY, ())[0].calls == 5


async def test_a_windowed_kpi_counts_once_its_window_has_passed(tmp_path: Path) -> None:
    source = FactsInMemory([fact("first", 0.5, unit="u"), fact("again", 3.5, unit="u"), fact("other", 0.6)])
    await export_of(tmp_path, source, at(5)).refresh()
    assert total(tmp_path, "true_resolution") == (None, 0, 2)  # a follow-up belongs to the first contact
    await export_of(tmp_path, source, at(7.55)).refresh()
    assert total(tmp_path, "true_resolution") == (0.0, 1, 1)
    await export_of(tmp_path, source, at(9)).refresh()
    assert total(tmp_path, "true_resolution") == (0.5, 2, 0)
    assert total(tmp_path, "repeat_7d") == (0.5, 2, 0)
    assert total(tmp_path, "handle_time_s") == (60.0, 3, 0)


async def test_operators_data_that_ends_early_keeps_windows_open(tmp_path: Path) -> None:
    source = FactsInMemory([fact("first", 0.5)], complete_at=at(7))
    await export_of(tmp_path, source, at(30)).refresh()
    assert total(tmp_path, "true_resolution") == (None, 0, 1)


async def test_a_late_row_changes_days_that_have_counted(tmp_path: Path) -> None:
    source = FactsInMemory([fact("first", 0.5, unit="u")])
    await export_of(tmp_path, source, at(20)).refresh()
    assert total(tmp_path, "true_resolution") == (1.0, 1, 0)
    source.rows.append(again := fact("again", 4.5, unit="u"))
    source.mark([again])
    await export_of(tmp_path, source, at(20)).refresh()
    assert total(tmp_path, "true_resolution") == (0.0, 1, 0)


async def test_erased_contacts_leave_the_files(tmp_path: Path) -> None:
    source = FactsInMemory([fact("gone", 0.5, unit="unit-erased"), fact("stays", 1.5)])
    await export_of(tmp_path, source, at(3)).refresh()
    gone = source.rows.pop(0)
    source.mark([gone])
    await export_of(tmp_path, source, at(3)).refresh()
    files = sorted(tmp_path.rglob("*.parquet"))  # noqa: ASYNC240
    for file in files:
        assert b"unit-erased" not in file.read_bytes()
        rows = duckdb.sql(f"SELECT * FROM '{file}'").fetchall()
        assert not [row for row in rows if "gone" in row]
    assert ReportReader(tmp_path).groups(EVERYBODY, ())[0].calls == 1


async def test_a_broken_or_older_folder_is_written_anew(tmp_path: Path) -> None:
    source = FactsInMemory([fact("one", 0.5)])
    await export_of(tmp_path, source, at(2)).refresh()
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 0}))
    assert read_manifest(tmp_path) is None
    await export_of(tmp_path, source, at(2)).refresh()
    assert source.asked == [DAY, DAY]
    manifest.write_text("{")
    await export_of(tmp_path, source, at(2)).refresh()
    assert total(tmp_path, "first_call_resolution") == (1.0, 1, 0)


async def test_another_window_of_the_plan_recomputes_without_the_store(tmp_path: Path) -> None:
    source = FactsInMemory([fact("one", 0.5)])
    await export_of(tmp_path, source, at(4)).refresh()
    assert total(tmp_path, "true_resolution") == (None, 0, 1)
    shorter = replace(HABITS, windows={"balance": timedelta(days=2)})
    await export_of(tmp_path, source, at(4), shorter).refresh()
    assert total(tmp_path, "true_resolution") == (1.0, 1, 0)
    assert source.asked == [DAY]


async def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    await export_of(folder, FactsInMemory([fact("one", 0.5)]), at(2)).refresh()
    assert folder.stat().st_mode & 0o077 == 0


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    export = Export(tmp_path / "file" / "export", FactsInMemory([]), lambda: HABITS, lambda: at(1))
    with pytest.raises(StorageUnavailable, match="cannot be written"):
        await export.refresh()


async def test_no_export_gives_no_rows(tmp_path: Path) -> None:
    reader = ReportReader(tmp_path / "none")
    assert reader.groups(EVERYBODY, ("branch",)) == []
    assert reader.funnel(EVERYBODY) == {}
    assert reader.days() is None


async def test_branches_that_may_not_be_seen_are_not_counted(tmp_path: Path) -> None:
    source = FactsInMemory([fact("one", 0.5), fact("two", 0.5, branch="loans")])
    await export_of(tmp_path, source, at(2)).refresh()
    reader = ReportReader(tmp_path)
    for seen, calls in ((frozenset({"loans"}), 1), (None, 2)):
        assert reader.groups(replace(EVERYBODY, branches=seen), ())[0].calls == calls
    assert reader.groups(replace(EVERYBODY, branches=frozenset()), ("branch",)) == []
