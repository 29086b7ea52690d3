"""A real Rasa server trained on nlu_data, for the time of a test session."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ivrbot.nlu.rasa import RasaServer
from tests.ports import free_port
from tools import rasa

READY_S = 480.0
"""For loading TensorFlow and the model behind everything else that this machine does."""


@contextmanager
def running_rasa(
    config: str, log: Path, deadline_ms: int = 60_000, data: Path = rasa.NLU_DATA, epochs: int | None = None
) -> Iterator[tuple[RasaServer, int]]:
    """Build and train what is missing, start the server, wait for its model.

    Args:
        config: "light" or "diet".
        log: file for the server's output.
        deadline_ms: of the client; generous, since tests share the machine.
        data: training data, of the repository or in the same format.
        epochs: in place of the configuration's.

    Yields:
        The server and its process id.

    Raises:
        tools.rasa.RasaMissing: there is no Python 3.10.
    """
    program = rasa.build()
    model = rasa.train(program, config, data, epochs)
    port = free_port()
    command = rasa.server_command(program, model, "127.0.0.1", port)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=rasa.CACHE, env={**os.environ, **rasa.QUIET}, stdout=output, stderr=output
        )
    server = RasaServer(f"http://127.0.0.1:{port}", rasa.token_file().read_text().strip(), deadline_ms)
    try:
        _wait(port, process, log)
        yield server, process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the port is open, which Rasa does after loading the model."""
    give_up = time.monotonic() + READY_S
    while time.monotonic() < give_up and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.5)
    raise TimeoutError(f"Rasa did not start:\n{log.read_text('utf-8', 'replace')[-2000:]}")
