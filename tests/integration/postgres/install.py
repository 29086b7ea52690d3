"""Finds PostgreSQL 15 or newer on the machine, or unpacks Debian's into a cache folder, without root.

apt runs with lists and an archive folder of its own below the cache folder, the machine's own sources and its own
list of installed packages: what is missing is downloaded and unpacked with `dpkg-deb -x`. The server finds its
files relative to its program, and the libraries that came along by LD_LIBRARY_PATH.

    python -m tests.integration.postgres.install [CACHE_DIR]
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ivrbot.errors import MissingError

OLDEST = 15
REPOSITORY = Path(__file__).resolve().parents[3]
DEFAULT_CACHE = REPOSITORY / ".cache" / "postgres"
APT_TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Programs:
    """Where initdb and postgres are.

    Attributes:
        folder: holds them.
        libraries: for LD_LIBRARY_PATH, "" for the system's own.
    """

    folder: Path
    libraries: str = ""

    def environment(self) -> dict[str, str]:
        """The process environment they need."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return inherited | {"LC_ALL": "C.UTF-8"} | ({"LD_LIBRARY_PATH": self.libraries} if self.libraries else {})


def install(cache: Path = DEFAULT_CACHE, status: Path = Path("/var/lib/dpkg/status")) -> Programs:
    """Find the system's PostgreSQL, else what was unpacked before, else fetch it.

    Args:
        cache: folder to work in; some 150 MB when PostgreSQL has to be fetched.
        status: dpkg's list of what the machine has.

    Raises:
        MissingError: a program or the network is missing.
    """
    if found := _newest(Path("/")):
        return Programs(found)
    cache = cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs may start at once
        return fetch(cache, status)


def fetch(cache: Path, status: Path) -> Programs:
    """Download and unpack, unless that has been done."""
    root = cache / "root"
    if not (cache / "installed").is_file():
        for program in ("apt-get", "dpkg-deb"):
            if shutil.which(program) is None:
                raise MissingError(f"{program} was not found", "Install PostgreSQL 15 or newer for the tests.")
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        for deb in _download(cache / "apt", status):
            _run(["dpkg-deb", "-x", str(deb), str(root)], f"unpacking {deb.name}")
            deb.unlink()
        (cache / "installed").touch()
    folder = _newest(root)
    if folder is None:
        raise MissingError(f"no PostgreSQL {OLDEST} or newer in {root}", "Install PostgreSQL for the tests.")
    return Programs(folder, ":".join(str(path) for path in sorted(root.glob("usr/lib/*-linux-*"))))


def _newest(root: Path) -> Path | None:
    found = [path.parent for path in root.glob("usr/lib/postgresql/*/bin/postgres")]
    numbered = [(int(path.parent.name), path) for path in found if path.parent.name.isdigit()]
    return max(((number, path) for number, path in numbered if number >= OLDEST), default=(0, None))[1]


def _download(apt: Path, status: Path) -> list[Path]:
    for folder in ("lists/partial", "archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    settings = {
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": status,
        "Dir::Cache": apt,
        "Dir::Cache::archives": apt / "archives",
        "Acquire::Languages": "none",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",
        "DPkg::Post-Invoke::": "true",
    }
    command = ["apt-get", "-q", "-y"]
    for name, value in settings.items():
        command += ["-o", f"{name}={value}"]
    _run([*command, "update"], "reading the package lists")
    _run([*command, "--download-only", "install", "postgresql"], "downloading PostgreSQL")
    return sorted((apt / "archives").glob("*.deb"))


def _run(command: list[str], what: str) -> None:
    environment = os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=APT_TIMEOUT_S, check=False
    )
    if done.returncode:
        raise MissingError(
            f"{what} failed: {done.stderr.strip()[-300:]}",
            "Check the network and the machine's apt sources, or install PostgreSQL 15 or newer.",
        )


def main(arguments: list[str]) -> int:
    """Command line: prints where the programs are; exit code 3 when something outside is missing."""
    if len(arguments) > 1 or arguments[:1] in (["-h"], ["--help"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(install(Path(arguments[0]) if arguments else DEFAULT_CACHE).folder)
    except MissingError as error:
        print(error, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
