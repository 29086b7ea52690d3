"""Takes a real Asterisk and SIPp from Debian sid into a cache folder: no root, the system stays untouched.

Debian 12 and 13 carry no asterisk package, sid does. apt runs with a state of its own (sources, lists, an empty
dpkg status, an archive folder) below the cache folder and only downloads; the packages are unpacked with
`dpkg-deb -x` into one root folder, whose programs are then started through that root's own dynamic loader.
The archive's address is read from the machine's own apt sources, so a mirror set there is used here too.

    python -m tests.integration.asterisk.install [CACHE_DIR]
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ivrbot.errors import MissingError

SUITE = "sid"
PACKAGES = (
    "asterisk",
    "asterisk-modules",
    "asterisk-core-sounds-en-gsm",
    "asterisk-core-sounds-ru-gsm",
    "sip-tester",
)
REPOSITORY = Path(__file__).resolve().parents[3]
DEFAULT_CACHE = REPOSITORY / ".cache" / "asterisk"
STAMP = "installed"
APT_TIMEOUT_S = 900


@dataclass(frozen=True, slots=True)
class Archive:
    """A Debian archive that the machine already trusts.

    Attributes:
        uri: its base address.
        signed_by: path of the keyring, or "" for apt's default.
    """

    uri: str
    signed_by: str


@dataclass(frozen=True, slots=True)
class Installation:
    """An unpacked root.

    Attributes:
        root: folder that holds usr/, etc/ and var/.
    """

    root: Path

    @property
    def libraries(self) -> Path:
        """Folder of the shared libraries of this architecture."""
        return self.loader.parent

    @property
    def loader(self) -> Path:
        """The root's own dynamic loader: its libc is newer than the machine's."""
        return next(iter(sorted(self.root.glob("usr/lib/*-linux-*/ld-linux-*.so.*"))))

    def command(self, program: str) -> list[str]:
        """Start of a command line that runs `program` (path inside the root) with the root's libraries."""
        return [str(self.loader), "--library-path", str(self.libraries), str(self.root / program)]


def install(cache: Path = DEFAULT_CACHE) -> Installation:
    """Download and unpack, unless that has been done for this list of packages.

    Args:
        cache: folder to work in; about 500 MB are used.

    Returns:
        The unpacked root.

    Raises:
        MissingError: a program, the archive's address or the network is missing.
    """
    cache = cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        # two test runs may start at once; the second one waits and finds the work done
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _install(cache)


def _install(cache: Path) -> Installation:
    root = cache / "root"
    wanted = hashlib.sha256(repr((SUITE, PACKAGES)).encode()).hexdigest()
    stamp = cache / STAMP
    if stamp.is_file() and stamp.read_text() == wanted:
        return Installation(root)
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise MissingError(
                f"{program} was not found", "Asterisk for the tests is taken from Debian: run on Debian or Ubuntu"
            )
    debs = _download(cache, _machine_archive())
    _unpack(debs, root)
    for deb in debs:
        deb.unlink()
    stamp.write_text(wanted)
    return Installation(root)


def _machine_archive(etc: Path = Path("/etc/apt")) -> Archive:
    """The Debian main archive named in the machine's apt sources."""
    for archive, suites in _archives(etc):
        # security and third-party archives have no suite called sid
        if any(re.fullmatch(r"[a-z]+", suite) for suite in suites) and re.search(r"/debian/?$", archive.uri):
            return archive
    raise MissingError(
        f"no Debian archive is named in {etc}",
        "add a Debian mirror to the apt sources: its sid suite has Asterisk",
    )


def _archives(etc: Path) -> Iterator[tuple[Archive, list[str]]]:
    lists = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
    for path in lists:
        if not path.is_file():
            continue
        text = path.read_text(errors="replace")
        yield from _deb822(text) if path.suffix == ".sources" else _one_line(text)


def _deb822(text: str) -> Iterator[tuple[Archive, list[str]]]:
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if line and not line.startswith("#")]
        fields = dict(line.split(":", 1) for line in lines if ":" in line and not line[0].isspace())
        fields = {name.strip().lower(): value.strip() for name, value in fields.items()}
        key = fields.get("signed-by", "")
        for uri in fields.get("uris", "").split():
            yield Archive(uri, key if key.startswith("/") else ""), fields.get("suites", "").split()


def _one_line(text: str) -> Iterator[tuple[Archive, list[str]]]:
    pattern = re.compile(r"^deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)", re.MULTILINE)
    for match in pattern.finditer(text):
        key = re.search(r"signed-by=(\S+)", match["options"] or "")
        yield Archive(match["uri"], key[1] if key else ""), [match["suite"]]


def _download(cache: Path, archive: Archive) -> list[Path]:
    """Let apt resolve and fetch everything into the cache folder; returns the packages' files."""
    apt = cache / "apt"
    for folder in ("lists/partial", "archives/partial", "parts"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    (apt / "status").write_text("")
    option = f"[signed-by={archive.signed_by}] " if archive.signed_by else ""
    (apt / "sources.list").write_text(f"deb {option}{archive.uri} {SUITE} main\n")
    settings = {
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": apt / "parts",
        "Dir::Etc::preferences": apt / "preferences",
        "Dir::Etc::preferencesparts": apt / "parts",
        "Dir::State": apt,
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt,
        "Dir::Cache::archives": apt / "archives",
        "Acquire::Check-Valid-Until": "false",
        "Acquire::Languages": "none",
        "APT::Update::Error-Mode": "any",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",
        "DPkg::Post-Invoke::": "true",
    }
    command = ["apt-get", "-q", "-y"]
    for name, value in settings.items():
        command += ["-o", f"{name}={value}"]
    _run([*command, "update"], f"reading the package lists of {SUITE}")
    _run([*command, "--download-only", "install", *PACKAGES], f"downloading {', '.join(PACKAGES)}")
    return sorted((apt / "archives").glob("*.deb"))


def _unpack(debs: list[Path], root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    for folder in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / folder).mkdir(parents=True, exist_ok=True)
        # usrmerge: packages unpack into bin/ as well as usr/bin/, so the links must be there first
        (root / folder).symlink_to(f"usr/{folder}")
    for deb in debs:
        _run(["dpkg-deb", "-x", str(deb), str(root)], f"unpacking {deb.name}")
    sounds = root / "usr/share/asterisk/sounds"
    russian = sorted(sounds.glob("ru_RU*"))
    if not russian:
        raise MissingError(f"no Russian sounds below {sounds}", "remove the cache folder and install again")
    if not (sounds / "ru").exists():
        (sounds / "ru").symlink_to(russian[0].name)


def _run(command: list[str], what: str) -> None:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=APT_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:", "dpkg"))]
        raise MissingError(
            f"{what} failed: " + "; ".join(lines[-3:] or [done.stderr[-300:]]),
            "check the network and the machine's apt sources, then run the same command again",
        )


def main(arguments: list[str]) -> int:
    """Command line: installs and prints the root; exit code 3 when something outside is missing."""
    if len(arguments) > 1 or arguments[:1] in (["-h"], ["--help"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        done = install(Path(arguments[0]) if arguments else DEFAULT_CACHE)
    except MissingError as error:
        print(error, file=sys.stderr)
        return 3
    print(done.root)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
