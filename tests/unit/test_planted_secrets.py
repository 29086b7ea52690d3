"""The search for planted secrets itself: it looks into what a file keeps squeezed, and finds every spelling."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import duckdb
import pytest

from tests.planted import Secret, files_of, leaks

CODE, WORD, CARD = Secret("otp", "736918"), Secret("word", "глициния"), Secret("card", "4539871236548719")


def places_of(folder: Path) -> set[str]:
    return {line.partition(": ")[0] for line in leaks(files_of(folder), [CODE, WORD, CARD])}


def test_a_backup_is_unpacked(tmp_path: Path) -> None:
    row = json.dumps({"text": f"кодовое слово {WORD.value}"}) + "\n"
    with zipfile.ZipFile(tmp_path / "backup.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", "{}")
        archive.writestr("events.jsonl", row * 100)
    assert places_of(tmp_path) == {"backup.zip!events.jsonl"}


@pytest.mark.parametrize("codec", ["zstd", "snappy"])
def test_the_rows_of_a_parquet_file_are_read(tmp_path: Path, codec: str) -> None:
    file = tmp_path / "calls.parquet"
    columns = f"SELECT 'код {CODE.value}' AS said, range AS n FROM range(1000)"
    duckdb.sql(f"COPY ({columns}) TO '{file}' (FORMAT parquet, COMPRESSION {codec})")
    assert "calls.parquet!rows" in places_of(tmp_path)


def test_the_same_files_without_a_secret_are_clean(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "backup.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("events.jsonl", '{"text": "***", "id": "736918a4-0000-4000-8000-000000000000"}')
    duckdb.sql(f"COPY (SELECT '***' AS said) TO '{tmp_path / 'calls.parquet'}' (FORMAT parquet)")
    names = [name for name, _ in files_of(tmp_path)]
    assert names == ["backup.zip", "backup.zip!events.jsonl", "calls.parquet", "calls.parquet!rows"]
    assert places_of(tmp_path) == set()


def test_spoken_and_grouped_numbers_are_found(tmp_path: Path) -> None:
    spoken = " ".join(CARD.said("ru", 3).split())
    (tmp_path / "serve.log").write_text(f"номер {spoken}\nкод {CODE.value[:3]} {CODE.value[3:]}\n", "utf-8")
    assert len(leaks(files_of(tmp_path), [CODE, CARD])) == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Код 736918: перевод", True),
        ("Ваш код 736918. Никому", True),
        ('{"digits":"736918"}', True),
        ("at 12:736918", False),
        ("0.736918", False),
        ("736918:12", False),
        ("id 736918a4-0000", False),
    ],
)
def test_a_code_is_told_from_a_part_of_an_id_or_a_time(text: str, found: bool) -> None:
    assert bool(leaks([("here", text)], [CODE])) == found
