"""Following queue_log through everything that is done to log files."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ivrbot.errors import StorageUnavailable
from ivrbot.model.queue import LogPosition, QueueRow
from ivrbot.telephony.queue_log import LINGER_S, LogPiece, QueueLogFollower, QueueLogReader

NOW = datetime.now(UTC)


def line(number: int) -> str:
    return f"{1764000000 + number}|call.{number}|balance|NONE|ENTERQUEUE||x|1\n"


def write(path: Path, *numbers: int) -> None:
    with path.open("a", encoding="ascii") as stream:
        stream.writelines(line(number) for number in numbers)


def numbers(pieces: list[LogPiece]) -> list[int]:
    return [int(row.callid.removeprefix("call.")) for piece in pieces for row in piece.rows]


def last(pieces: list[LogPiece]) -> LogPosition:
    position = pieces[-1].position
    assert position is not None
    return position


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue_log"


def test_each_row_once_and_half_a_line_only_when_it_is_whole(path: Path) -> None:
    reader = QueueLogReader(path)
    assert reader.poll(0, NOW) == []
    write(path, 1)
    with path.open("a") as stream:
        stream.write(line(2)[:20])
    assert numbers(reader.poll(1, NOW)) == [1]
    with path.open("a") as stream:
        stream.write(line(2)[20:])
    assert numbers(reader.poll(2, NOW)) == [2]
    assert numbers(reader.poll(3, NOW)) == []
    reader.close()


def test_a_quiet_log_is_told_apart_from_one_that_is_not_there(path: Path) -> None:
    write(path, 1)
    reader = QueueLogReader(path)
    assert last(reader.poll(0, NOW)).read_at == NOW
    later = NOW + timedelta(hours=3)
    assert last(reader.poll(1, later)).read_at == later
    path.unlink()
    assert reader.poll(2, later + timedelta(hours=1)) == []
    reader.close()


def test_a_restart_goes_on_where_the_position_says(path: Path) -> None:
    write(path, 1, 2)
    reader = QueueLogReader(path)
    position = last(reader.poll(0, NOW))
    reader.close()
    write(path, 3)
    again = QueueLogReader(path, position)
    assert numbers(again.poll(0, NOW)) == [3]
    again.close()


def test_rotation_by_renaming_loses_nothing_written_late(path: Path) -> None:
    write(path, 1)
    reader = QueueLogReader(path)
    reader.poll(0, NOW)
    moved = path.rename(path.with_name("queue_log.1"))
    write(moved, 2)  # the PBX still has the old file open
    path.touch()
    assert numbers(reader.poll(1, NOW)) == [2]
    write(moved, 3)
    write(path, 4)
    assert sorted(numbers(reader.poll(2, NOW))) == [3, 4]
    reader.poll(2 + LINGER_S, NOW)
    write(path, 5)
    assert numbers(reader.poll(3 + LINGER_S, NOW)) == [5]
    reader.close()


def test_rotation_while_nobody_reads(path: Path) -> None:
    write(path, 1)
    reader = QueueLogReader(path)
    position = last(reader.poll(0, NOW))
    reader.close()
    write(path, 2)
    path.rename(path.with_name("queue_log.0"))
    write(path, 3)
    again = QueueLogReader(path, position)
    # Rows known already come again; their keys tell.
    assert sorted(set(numbers(again.poll(0, NOW))) | {1}) == [1, 2, 3]
    again.close()


def test_a_log_that_was_copied_and_emptied_is_read_from_its_beginning(path: Path) -> None:
    write(path, *range(20))
    reader = QueueLogReader(path)
    reader.poll(0, NOW)
    write(path, 20)
    shutil.copy(path, path.with_name("queue_log.1"))
    os.truncate(path, 0)
    write(path, 21)
    assert {20, 21} <= set(numbers(reader.poll(1, NOW)) + numbers(reader.poll(2, NOW)))
    reader.close()


def test_a_log_that_was_emptied_and_has_grown_beyond_the_old_place(path: Path) -> None:
    write(path, 1)
    reader = QueueLogReader(path)
    position = last(reader.poll(0, NOW))
    reader.close()
    os.truncate(path, 0)
    write(path, 2, 3, 4)
    again = QueueLogReader(path, position)
    assert numbers(again.poll(0, NOW)) == [2, 3, 4]
    again.close()


def test_lines_that_are_no_rows_are_counted(path: Path) -> None:
    path.write_text("rubbish\n" + line(1))
    reader = QueueLogReader(path)
    (piece,) = reader.poll(0, NOW)
    assert piece.rejected == 1 and numbers([piece]) == [1]
    reader.close()


class Shelf:
    """Takes pieces; refuses the first `refusals`."""

    def __init__(self, refusals: int = 0) -> None:
        self.rows: list[QueueRow] = []
        self.positions: list[LogPosition | None] = []
        self.refusals = refusals

    async def take(self, piece: LogPiece) -> None:
        if self.refusals:
            self.refusals -= 1
            raise StorageUnavailable("away")
        self.rows += piece.rows
        self.positions.append(piece.position)


async def test_rows_wait_for_a_store_that_is_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivrbot.telephony.queue_log.RETRY_S", 0)
    write(path, 1, 2)
    shelf, reader = Shelf(refusals=3), QueueLogReader(path)
    follower = QueueLogFollower(reader, shelf.take, lambda: NOW)
    await follower.step()
    assert len(shelf.rows) == 2 and shelf.refusals == 0
    reader.close()


async def test_a_quiet_log_is_noted_now_and_then_not_each_time(path: Path) -> None:
    write(path, 1)
    shelf, reader = Shelf(), QueueLogReader(path)
    follower = QueueLogFollower(reader, shelf.take, lambda: NOW)
    for _ in range(5):
        await follower.step()
    assert len(shelf.positions) == 1
    write(path, 2)
    await follower.step()
    assert len(shelf.positions) == 2
    reader.close()


async def test_a_missing_log_is_complained_of_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf()
    follower = QueueLogFollower(QueueLogReader(path), shelf.take, lambda: NOW)
    await follower.step()
    await follower.step()
    assert len([record for record in caplog.records if "does not exist" in record.message]) == 1
    assert shelf.positions == []
