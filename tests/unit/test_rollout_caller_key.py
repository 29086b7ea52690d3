"""The secret key of units."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ivrbot.errors import ConfigError, MissingError
from ivrbot.rollout.drawing.caller_key import load_caller_key


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    key = load_caller_key(folder)
    assert len(key) == 32
    assert load_caller_key(folder) == key
    assert [path.name for path in folder.iterdir()] == ["caller.key"]
    assert stat.S_IMODE((folder / "caller.key").stat().st_mode) == 0o600


def test_folders_have_keys_of_their_own(tmp_path: Path) -> None:
    assert load_caller_key(tmp_path / "a") != load_caller_key(tmp_path / "b")


@pytest.mark.parametrize("content", ["", "xyz", "00" * 31, "00" * 33, "ключ"])
def test_a_damaged_key_is_never_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "caller.key"
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigError, match=r"caller\.key"):
        load_caller_key(tmp_path)
    assert path.read_text("utf-8") == content


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MissingError, match="file"):
        load_caller_key(tmp_path / "file")
