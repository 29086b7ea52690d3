"""Builds the environment of the statistics peers: gbstats needs numpy below 2 and cannot live beside the product.

Run: python -m tools.peers. Installs tests/stats/peers/requirements.lock into `.cache/peers`, only when the lock or
the interpreter has changed, and prints that environment's Python. Exit code 3 says what is missing.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "tests" / "stats" / "peers" / "requirements.lock"
PLACE = ROOT / ".cache" / "peers"
# pandas below 2 has ready-made wheels up to this Python.
NEWEST = (3, 11)


class PeersError(Exception):
    """The environment cannot be built; the text says what to do."""


def interpreter() -> str:
    """A Python that the peers run on.

    Raises:
        PeersError: none was found.
    """
    if sys.version_info[:2] <= NEWEST:
        return sys.executable
    wanted = f"python{NEWEST[0]}.{NEWEST[1]}"
    found = shutil.which(wanted)
    if found is None:
        raise PeersError(f"the statistics peers need {wanted}: install it beside Python {sys.version.split()[0]}")
    return found


def build() -> Path:
    """The peers' Python, built when missing or out of date.

    Raises:
        PeersError: no suitable interpreter, or the packages could not be had.
    """
    base = interpreter()
    wanted = hashlib.sha256(f"{base}\n".encode() + LOCK.read_bytes()).hexdigest()
    stamp, python = PLACE / "built-from", PLACE / "bin" / "python"
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return python
    _run([base, "-m", "venv", "--clear", str(PLACE)])
    _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
          "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)])  # fmt: skip
    stamp.write_text(wanted)
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeersError(f"{' '.join(command[:4])} ...: {(done.stderr or done.stdout).strip()[-500:]}")


def main() -> int:
    """Build and say where."""
    try:
        print(build())
    except PeersError as error:
        print(error, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
