"""Builds the environment of the peers: python -m benchmarks.turns.peers.build

Installs requirements.lock of this folder (exact versions with hashes, for Linux on x86_64) into
`.cache/turns-peers`, only when the lock or the interpreter has changed, and prints that environment's Python.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

from ivrbot.config import PROJECT_ROOT
from ivrbot.errors import MissingError

LOCK: Final = Path(__file__).with_name("requirements.lock")
PLACE: Final = PROJECT_ROOT / ".cache" / "turns-peers"


def build() -> Path:
    """The peers' Python, built when missing or out of date.

    Raises:
        MissingError: the packages cannot be had.
    """
    wanted = hashlib.sha256(f"{sys.version}\n".encode() + LOCK.read_bytes()).hexdigest()
    stamp, python = PLACE / "built-from", PLACE / "bin" / "python"
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return python
    _run([sys.executable, "-m", "venv", "--clear", str(PLACE)])
    _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
          "--require-hashes", "--no-deps", "-r", str(LOCK)])  # fmt: skip
    stamp.write_text(wanted)
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        told = (done.stderr or done.stdout).strip()[-500:]
        raise MissingError(f"{' '.join(command[:4])} ...: {told}", "check the network and the package index")


if __name__ == "__main__":
    print(build())
