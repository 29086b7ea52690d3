"""`make rasa`: a Rasa 3.6 server that understands nlu_data, in an environment of its own.

Finds Python 3.10 (Rasa 3.6 runs on nothing newer), installs the pinned requirements into `.cache/rasa/venv`
(2.7 GB), validates nlu_data, trains when the data or the configuration has changed, and starts the server. Then
set `nlu.engine = "rasa"`. Exit code 3 says what is missing.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "rasa"
FILES = ROOT / "deploy" / "rasa"
NLU_DATA = ROOT / "nlu_data"
VERSION = (3, 10)
HELP = """Rasa 3.6 needs Python 3.10, and none was found. Any of these will do:
  - name one: RASA_PYTHON=/path/to/python3.10 make rasa
  - pyenv install 3.10
  - a container: docker run -p 5005:5005 -v "$PWD":/app -w /app python:3.10 make rasa RASA_HOST=0.0.0.0
    (or Rasa's own image rasa/rasa:3.6.21, with deploy/rasa/config-light.yml)"""

QUIET: Mapping[str, str] = {
    "RASA_TELEMETRY_ENABLED": "false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
    "PYTHONWARNINGS": "ignore",
}


class RasaMissing(Exception):
    """Python 3.10 or Rasa is not there and cannot be had; says what to do."""


def _candidates() -> Iterator[str]:
    yield os.environ.get("RASA_PYTHON", "")
    yield "python3.10"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    yield from (str(path) for path in sorted(pyenv.glob("3.10*/bin/python")))
    yield sys.executable


def find_python() -> str:
    """A Python 3.10.

    Raises:
        RasaMissing: none is there.
    """
    code = "import sys; print(*sys.version_info[:2])"
    for name in _candidates():
        path = shutil.which(name) if name else None
        if path is None:
            continue
        asked = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
        if asked.stdout.split() == [str(part) for part in VERSION]:
            return path
    raise RasaMissing(HELP)


def build() -> Path:
    """The program `rasa`, installed unless it is there in the pinned version.

    Raises:
        RasaMissing: no Python 3.10, or the installation failed.
    """
    lock = FILES / "requirements.lock"
    stamp, program = CACHE / "installed", CACHE / "venv" / "bin" / "rasa"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if program.is_file() and stamp.is_file() and stamp.read_text() == wanted:
        return program
    python = find_python()
    print("installing Rasa into .cache/rasa (2.7 GB, some minutes)", file=sys.stderr)
    shutil.rmtree(CACHE / "venv", ignore_errors=True)
    own = CACHE / "venv" / "bin" / "python"
    options = ["--quiet", "--disable-pip-version-check", "--no-cache-dir", "--require-hashes"]
    for command in (
        [python, "-m", "venv", str(CACHE / "venv")],
        [str(own), "-m", "pip", "install", *options, "-r", str(lock)],
    ):
        if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
            raise RasaMissing(f"the installation of Rasa failed at: {' '.join(command[-3:])}")
    stamp.write_text(wanted)
    return program


def _run(program: Path, *arguments: str) -> None:
    """Raises RasaMissing with the end of its output when a Rasa command fails."""
    done = subprocess.run(
        [str(program), *arguments],
        cwd=CACHE,
        env={**os.environ, **QUIET},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RasaMissing(f"rasa {' '.join(arguments[:2])} failed:\n{done.stdout[-2000:]}")


def _domain(data: Path) -> Path:
    """A domain that names every intent of the training data, which validation wants."""
    intents = {
        line.split(":", 1)[1].strip()
        for file in sorted(data.rglob("*.yml"))
        for line in file.read_text("utf-8").splitlines()
        if line.startswith("- intent:")
    }
    path = CACHE / "domain.yml"
    lines = ['version: "3.1"', "intents:", *(f"  - {name}" for name in sorted(intents))]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def train(program: Path, config: str, data: Path = NLU_DATA, epochs: int | None = None) -> Path:
    """The trained model of a configuration ("light", "diet"); trained unless neither it nor the data changed.

    Args:
        program: what `build` gives.
        config: name of the configuration.
        data: folder with the training data.
        epochs: in place of those of the configuration, which must name some; None leaves them.

    Raises:
        RasaMissing: the data does not validate, or the training failed.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    source = FILES / f"config-{config}.yml"
    content = source.read_text("utf-8")
    if epochs is not None:
        content, changed = re.subn(r"(?m)^( +epochs:) \d+$", rf"\1 {epochs}", content)
        if changed != 1:
            raise RasaMissing(f"{source.name} has no epochs")
    digest = hashlib.sha256(content.encode())
    for file in sorted(data.rglob("*.yml")):
        digest.update(file.read_bytes())
    name = f"{config}-{digest.hexdigest()[:16]}"
    model = CACHE / "models" / f"{name}.tar.gz"
    if not model.is_file():
        # Rasa writes hints into its configuration file: it gets a copy.
        copy = CACHE / source.name
        copy.write_text(content, "utf-8")
        validated = (
            "data",
            "validate",
            "--domain",
            str(_domain(data)),
            "--data",
            str(data),
            "--config",
            str(copy),
        )
        _run(program, *validated)
        print(f"training Rasa ({config})", file=sys.stderr)
        out = ("--out", str(model.parent), "--fixed-model-name", name)
        _run(program, "train", "nlu", "--nlu", str(data), "--config", str(copy), *out)
    return model


def token_file() -> Path:
    """The server's token, made on first use and readable by its owner only."""
    path = CACHE / "token"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)
        path.write_text(secrets.token_urlsafe(32) + "\n")
    return path


def server_command(program: Path, model: Path, host: str, port: int) -> list[str]:
    """What starts the server; run it with `QUIET` in the environment."""
    token = token_file().read_text().strip()
    where = ["-i", host, "-p", str(port)]
    return [str(program), "run", "--enable-api", "-m", str(model), *where, "--auth-token", token]


def main() -> int:
    """Everything, up to the running server."""
    parser = argparse.ArgumentParser(description="Build, train and start a Rasa server on nlu_data.")
    parser.add_argument("--config", choices=["light", "diet"], default="light")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5005)
    parser.add_argument("--no-server", action="store_true", help="build and train only")
    options = parser.parse_args()
    try:
        program = build()
        model = train(program, options.config)
    except RasaMissing as error:
        print(error, file=sys.stderr)
        return 3
    if options.no_server:
        print(model)
        return 0
    print(
        f'set nlu.engine = "rasa", nlu.rasa_url = "http://{options.host}:{options.port}", '
        f'nlu.rasa_token_file = "{token_file().relative_to(ROOT)}"',
        file=sys.stderr,
    )
    return subprocess.call(
        server_command(program, model, options.host, options.port), cwd=CACHE, env={**os.environ, **QUIET}
    )


if __name__ == "__main__":
    sys.exit(main())
