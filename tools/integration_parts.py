"""Gets the real parts of the integration tests: Asterisk with SIP callers, PostgreSQL, RHVoice, Chromium.

Asterisk, RHVoice (for callers' speech) and, where the machine has none, PostgreSQL are unpacked into `.cache/`
without root; Chromium comes from the system's packages (root, or installed before). Exit code 3 says what is
missing and how to get it. In the end everything is on the disk: what is still being written holds up every commit
of a database, and with it the first callers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def install_chromium() -> str:
    """Find Chromium, or install Debian's; gives an error text, "" when it is there."""
    if shutil.which("chromium"):
        return ""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return "Chromium is missing: apt-get install chromium"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"Chromium could not be installed: {done.stderr.strip()[-300:]}"
    return ""


def main() -> int:
    """Get everything; say what is in the way of the rest."""
    failed = [
        subprocess.call([sys.executable, "-m", "tests.integration.asterisk.install"], cwd=ROOT),
        subprocess.call([sys.executable, "-m", "tests.integration.postgres.install"], cwd=ROOT),
        subprocess.call([sys.executable, "-m", "tools.rhvoice_unpack"], cwd=ROOT),
    ]
    if message := install_chromium():
        print(message, file=sys.stderr)
        failed.append(3)
    os.sync()
    return 3 if any(failed) else 0


if __name__ == "__main__":
    sys.exit(main())
