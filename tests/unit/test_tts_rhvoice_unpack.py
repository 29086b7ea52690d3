"""Where RHVoice is fetched from: the machine's own mirror, in both formats of apt sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrbot.errors import EngineUnavailable
from ivrbot.tts.rhvoice_library import LIBRARY_NAME, find_installation
from tools import rhvoice_unpack

DEB822 = """Types: deb
# a comment
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/some.gpg

Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/some.gpg
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    monkeypatch.setattr(rhvoice_unpack, "APT_FOLDER", tmp_path)
    monkeypatch.setattr(rhvoice_unpack.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(rhvoice_unpack, "os_release", lambda: {"ID": "debian", "VERSION_CODENAME": "bookworm"})
    return tmp_path


def test_stanzas(apt: Path) -> None:
    (apt / "sources.list.d" / "debian.sources").write_text(DEB822, "utf-8")
    assert rhvoice_unpack.sources_line() == (
        "deb [signed-by=/usr/share/keyrings/some.gpg] http://mirror.example/debian bookworm "
        "main contrib non-free\n"
    )


def test_lines(apt: Path) -> None:
    (apt / "sources.list").write_text(
        "# deb http://old.example/debian bookworm main\n"
        "deb https://other.example/apt stable main\n"
        "deb [trusted=yes] http://mirror.example/debian/ bookworm main\n",
        "utf-8",
    )
    assert rhvoice_unpack.sources_line().startswith(
        "deb [trusted=yes] http://mirror.example/debian/ bookworm main"
    )


def test_ubuntu_keeps_it_elsewhere(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (apt / "sources.list").write_text("deb http://mirror.example/ubuntu noble main\n", "utf-8")
    monkeypatch.setattr(
        rhvoice_unpack,
        "os_release",
        lambda: {"ID": "mint", "ID_LIKE": "ubuntu", "VERSION_CODENAME": "noble"},
    )
    assert rhvoice_unpack.sources_line().endswith("noble main universe multiverse\n")


def test_no_mirror_is_said(apt: Path) -> None:
    with pytest.raises(rhvoice_unpack.UnpackError, match="no debian mirror"):
        rhvoice_unpack.sources_line()


def test_other_systems_are_refused(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rhvoice_unpack, "os_release", lambda: {"ID": "fedora", "VERSION_CODENAME": "x"})
    with pytest.raises(rhvoice_unpack.UnpackError, match="Debian or Ubuntu"):
        rhvoice_unpack.sources_line()


def test_what_is_unpacked_is_not_unpacked_again(apt: Path) -> None:
    (apt / "finished").write_text("", "utf-8")
    assert rhvoice_unpack.unpack(apt) == apt.resolve() / "root"


def test_unpacked_root_is_found(tmp_path: Path) -> None:
    libraries = tmp_path / "usr" / "lib" / "x86_64-linux-gnu"
    data = tmp_path / "usr" / "share" / "RHVoice"
    for voice, language in (("Aleksandr", "Russian"), ("Slt", "English"), ("Magda", "Polish")):
        folder = data / "voices" / voice.lower()
        folder.mkdir(parents=True)
        (folder / "voice.info").write_text(f"name={voice}\nlanguage={language}\n", "utf-8")
    libraries.mkdir(parents=True)
    for name in (LIBRARY_NAME, "libRHVoice_core.so.10", "libsonic.so.0"):
        (libraries / name).touch()
    found = find_installation(tmp_path)
    assert found.library == str(libraries / LIBRARY_NAME)
    assert [file.name for file in found.needs] == ["libsonic.so.0", "libRHVoice_core.so.10"]
    assert found.voices() == {"aleksandr": "ru", "slt": "en"}


def test_empty_root_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="librhvoice5"):
        find_installation(tmp_path)
