"""Files of recordings: whole, private, erasable; a disk that fails costs no call anything."""

from __future__ import annotations

import errno
import os
import wave
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ivrbot.metrics import REGISTRY
from ivrbot.model.call import CallId
from ivrbot.storage import recordings
from ivrbot.storage.recordings import MAX_WAITING_BLOCKS, UNWELL_S, RecordingArchive
from tests.unit.web_fixture import open_site

CALL = CallId("0b7c2a4e-0000-4000-8000-000000000001")
OTHER = CallId("ffffffff-0000-4000-8000-000000000002")
SECOND = np.stack([np.full(8000, 7, "<i2"), np.full(8000, 9, "<i2")], axis=1).tobytes()


class Hands:
    """An archive whose clock a test holds."""

    def __init__(self, folder: Path, *, enabled: bool = True, min_free_bytes: int = 0) -> None:
        self.now_s = 1000.0
        self.archive = RecordingArchive(
            folder, enabled=enabled, min_free_bytes=min_free_bytes, clock=lambda: self.now_s
        )


@pytest.fixture
def hands(tmp_path: Path) -> Iterator[Hands]:
    made = Hands(tmp_path / "recordings")
    made.archive.start()
    yield made
    made.archive.close()


def record(archive: RecordingArchive, call_id: CallId = CALL, seconds: int = 3) -> None:
    file = archive.open(call_id)
    assert file is not None
    for second in range(seconds):
        file.write(second * 1000, SECOND)
    file.close()
    file.close()


def failures(cause: str) -> float:
    return REGISTRY.get_sample_value("ivrbot_recording_failures_total", {"cause": cause}) or 0.0


def test_a_whole_file_that_only_its_owner_reads(hands: Hands) -> None:
    record(hands.archive)
    hands.archive.close()
    path = hands.archive.find(CALL)
    assert path is not None
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 8000, 24000)
        assert file.readframes(1) == b"\x07\x00\x09\x00"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == path.parent.parent.stat().st_mode & 0o777 == 0o700


def test_what_is_silenced_is_gone_from_the_file(hands: Hands) -> None:
    file = hands.archive.open(CALL)
    assert file is not None
    for second in range(3):
        file.write(second * 1000, SECOND)
    file.silence_caller(500, 99_000)
    file.close()
    hands.archive.close()
    path = hands.archive.find(CALL)
    assert path is not None
    sound = np.frombuffer(path.read_bytes()[44:], "<i2").reshape(-1, 2)
    assert sound[:4000, 0].all() and not sound[4000:, 0].any() and sound[:, 1].all()


def test_a_full_disk_costs_the_recording_and_the_next_minute_of_recordings(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = failures("disk_full")
    with monkeypatch.context() as patch:
        patch.setattr(recordings, "_write_all", full)
        record(hands.archive)
        record(hands.archive, OTHER)
        hands.archive.close()
    assert failures("disk_full") > before
    assert not [*hands.archive.folder.glob("*/*")]
    hands.archive.start()
    assert hands.archive.open(CALL) is None
    hands.now_s += UNWELL_S + 1
    record(hands.archive)
    hands.archive.close()
    assert hands.archive.find(CALL)


def test_too_little_space_begins_no_recording(tmp_path: Path) -> None:
    hands = Hands(tmp_path / "r", min_free_bytes=2**60)
    hands.archive.start()
    record(hands.archive)  # the first one finds it out
    hands.archive.close()
    hands.archive.start()
    assert hands.archive.open(OTHER) is None
    hands.archive.close()


def test_a_slow_disk_costs_blocks_and_never_the_taking_out_of_secrets(tmp_path: Path) -> None:
    hands = Hands(tmp_path / "r")
    file = recordings._File(hands.archive, tmp_path / "r" / "x.wav")  # nobody writes: the thread is not running
    for second in range(MAX_WAITING_BLOCKS + 5):
        file.write(second * 1000, b"\0" * 32000)
    file.silence_caller(0, 1000)
    assert len(hands.archive._jobs) == MAX_WAITING_BLOCKS + 1


def test_what_a_crash_left_is_made_whole(tmp_path: Path) -> None:
    hands = Hands(tmp_path / "r")
    folder = tmp_path / "r" / CALL[:2]
    folder.mkdir(parents=True)
    (folder / f"{CALL}.wav.part").write_bytes(bytes(44) + SECOND)
    (folder / "empty.wav.part").write_bytes(b"")
    hands.archive.start()
    hands.archive.close()
    path = hands.archive.find(CALL)
    assert path is not None
    with wave.open(str(path)) as file:
        assert file.getnframes() == 8000
    assert [one.name for one in folder.iterdir()] == [path.name]


def test_erased_with_the_caller_and_when_its_days_are_over(hands: Hands) -> None:
    record(hands.archive)
    record(hands.archive, OTHER)
    hands.archive.close()
    old = hands.archive.find(OTHER)
    assert old is not None and hands.archive.find(CALL)
    os.utime(old, (0, 0))
    assert hands.archive.erase_before(datetime.now(UTC) - timedelta(days=30)) == 1
    assert hands.archive.find(OTHER) is None
    assert hands.archive.erase(CALL) and not hands.archive.erase(CALL)
    assert hands.archive.find(CALL) is None


def test_switched_off_it_makes_nothing(tmp_path: Path) -> None:
    hands = Hands(tmp_path / "r", enabled=False)
    hands.archive.start()
    assert hands.archive.open(CALL) is None
    hands.archive.close()
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "0b7c", "0B7C2A4E-0000-4000-8000-00000000000Z"])
def test_no_name_leads_out_of_the_folder(hands: Hands, name: str) -> None:
    assert hands.archive.find(CallId(name)) is None
    assert not hands.archive.erase(CallId(name))


async def test_hearing_a_call_is_noted_once_and_comes_in_parts(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        archive = site.parts.recordings
        assert archive is not None
        archive.start()
        record(archive)
        archive.close()
        url = f"{site.url}/calls/{CALL}/audio"
        async with site.api.get(url) as response:
            assert response.status == 200 and response.content_type == "audio/wav"
            whole = await response.read()
        async with site.api.get(url, headers={"Range": "bytes=44-47"}) as response:
            assert response.status == 206 and await response.read() == whole[44:48]
        rows = [row for row in await site.parts.activity.read() if row.kind == "recording"]
        assert [(row.action, row.ref) for row in rows] == [("view", CALL)]
        for missing in (OTHER, "..%2F..%2Fetc", "x"):
            async with site.api.get(f"{site.url}/calls/{missing}/audio") as response:
                assert response.status == 404
