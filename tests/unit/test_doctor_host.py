"""What the doctor sees on the machine: each fault is found, named, and comes with the way to mend it."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ivrbot import app
from ivrbot.cli import doctor_host
from ivrbot.cli.doctor_checks import NotInUse
from ivrbot.config import AsteriskSettings, RecordingSettings, Settings, TracingSettings
from ivrbot.errors import MissingError
from ivrbot.model.call import CallId
from ivrbot.model.events import CallEvent, EventType

Usage = namedtuple("Usage", "total used free")


async def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data_dir=tmp_path / "not" / "yet", recording=RecordingSettings(enabled=True))
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(2**40, 0, 2**31))
    assert "2.0 GB" in await doctor_host.space(settings)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(2**40, 0, 5 * 2**20))
    with pytest.raises(MissingError, match=r"5\.0 MB left"):
        await doctor_host.space(settings)


async def test_a_clock_behind_the_newest_event(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert "UTC" in await doctor_host.clock(settings)
    at = datetime.now(UTC) + timedelta(hours=2)
    async with app.store_of(settings) as store:
        await store.append([CallEvent(CallId("0b7c"), 0, EventType.CALL_STARTED, 0, at)])
    with pytest.raises(MissingError, match="the newest event"):
        await doctor_host.clock(settings)


async def test_a_secret_that_others_may_read(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert await doctor_host.secrets(settings) == "none yet"
    token = tmp_path / "api.token"
    token.touch(0o600)
    assert await doctor_host.secrets(settings) == "1 files, for their owner only"
    token.chmod(0o644)
    with pytest.raises(MissingError, match=r"api\.token") as found:
        await doctor_host.secrets(settings)
    assert found.value.fix == f"chmod 600 {token}"


async def test_events_that_nobody_writes(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert await doctor_host.journal(settings) == "empty"
    file = tmp_path / "ivrbot.sqlite.journal.jsonl"
    file.write_text("{}\n")
    assert await doctor_host.journal(settings) == "1 being written"
    os.utime(file, (0, 0))
    with pytest.raises(MissingError, match=r"ivrbot\.sqlite\.journal\.jsonl"):
        await doctor_host.journal(settings)


async def test_the_folder_of_recordings(tmp_path: Path) -> None:
    with pytest.raises(NotInUse, match="0 earlier"):
        await doctor_host.recordings(Settings(data_dir=tmp_path))
    settings = Settings(data_dir=tmp_path, recording=RecordingSettings(enabled=True))
    assert "0 in" in await doctor_host.recordings(settings)
    settings.recordings_dir.mkdir(mode=0o755)
    with pytest.raises(MissingError, match="others may open"):
        await doctor_host.recordings(settings)


async def test_a_queue_log_out_of_reach(tmp_path: Path) -> None:
    with pytest.raises(NotInUse):
        await doctor_host.queue_log(Settings(data_dir=tmp_path))
    settings = Settings(data_dir=tmp_path, asterisk=AsteriskSettings(queue_log=str(tmp_path / "queue_log")))
    with pytest.raises(MissingError, match="No such file"):
        await doctor_host.queue_log(settings)
    (tmp_path / "queue_log").write_text("1|NONE|NONE|NONE|QUEUESTART|\n")
    assert "bytes" in await doctor_host.queue_log(settings)


async def test_a_collector_that_does_not_answer(tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="needs the extra tracing")
    settings = Settings(data_dir=tmp_path, tracing=TracingSettings(endpoint="http://127.0.0.1:9/v1/traces"))
    with pytest.raises(MissingError, match="no collector answers"):
        await doctor_host.tracing(settings)
    with pytest.raises(NotInUse):
        await doctor_host.tracing(Settings(data_dir=tmp_path))
