"""Many short calls through one running server: memory, open files, threads and tasks before and after.

    python -m benchmarks.soak [--calls 200] [--lanes 4] [--warm-up 40]

Starts `ivrbot serve --demo` in a folder of its own. Callers come over AudioSocket as from a PBX: one hangs up
during the greeting, one asks for an operator by key, one says something (a recorded prompt of the bot), one says
nothing and leaves, one speaks over the greeting. Linux only: the figures are the worker's in /proc.

Exit code 1 when something grows from call to call.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp

from ivrbot.config import load_settings
from ivrbot.media.wav import read_wav
from ivrbot.model.call import CallId
from ivrbot.telephony.audiosocket_client import AudioSocketCall
from ivrbot.telephony.pacer import Pacer

HOST = "127.0.0.1"
READY_S = 300.0
CALL_S = 120.0
SETTLE_S = 15.0
QUIET_MS = 500
GROWTH_MB_PER_100 = 5.0
"""More than this a hundred calls, in the second half, is a leak worth looking for."""
SPARE = 4
"""Files, threads and tasks may differ by so many: timers and connections that are being closed."""


@dataclass(frozen=True, slots=True)
class Size:
    """The worker at one moment."""

    calls: int
    rss_mb: float
    files: int
    threads: int
    tasks: int


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    api: str
    media_port: int
    token: str


@dataclass(frozen=True, slots=True)
class Line:
    """The same with a client of its web pages."""

    server: Server
    web: aiohttp.ClientSession

    def worker(self) -> int:
        """The worker's process id; changes when the supervisor starts another."""
        pid = self.server.process.pid
        (worker,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(worker)

    async def size(self, calls: int) -> Size:
        """As it is now."""
        async with self.web.get("/metrics") as response:
            tasks = re.search(r"^ivrbot_tasks (\S+)$", await response.text(), re.MULTILINE)
        assert tasks is not None
        rss_kb, threads, files = of_process(self.worker())
        return Size(calls, round(rss_kb / 1024, 1), files, threads, int(float(tasks[1])))


def of_process(pid: int) -> tuple[int, int, int]:
    """Resident memory in KiB, threads, open files."""
    folder = Path(f"/proc/{pid}")
    found = dict(re.findall(r"^(VmRSS|Threads):\s+(\d+)", (folder / "status").read_text(), re.MULTILINE))
    return int(found["VmRSS"]), int(found["Threads"]), sum(1 for _ in (folder / "fd").iterdir())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running() -> Iterator[Server]:
    """The product on free ports."""
    settings = load_settings(Path.cwd())
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder, web, media = Path(name), free_port(), free_port()
        own = {"DATA_DIR": name, "MODELS__DIR": str(settings.models_dir), "WEB__PORT": web, "MEDIA__PORT": media}
        environment = {**os.environ, **{f"IVRBOT_{key}": str(value) for key, value in own.items()}}
        with (folder / "serve.log").open("wb") as log:
            command = [sys.executable, "-m", "ivrbot", "serve", "--demo"]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        try:
            ready(process, folder / "serve.log")
            yield Server(process, f"http://{HOST}:{web}", media, (folder / "api.token").read_text().strip())
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def ready(process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until calls are taken."""
    ends_s = time.monotonic() + READY_S
    while "ready" not in log.read_text().splitlines():
        if process.poll() is not None or time.monotonic() > ends_s:
            raise SystemExit(f"the server did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.2)


async def ring(line: Line, number: int, speech: bytes, pacer: Pacer) -> str:
    """One call; gives how it ended."""
    call_id = CallId(str(uuid.uuid4()))
    form = {
        "uuid": call_id,
        "caller": f"+7999{number:07d}",
        "called": "",
        "channel": "",
        "uniqueid": "",
        "linkedid": "",
    }
    async with line.web.post("/api/v1/calls", json=form, headers={"Accept": "application/json"}) as response:
        assert (await response.json())["status"] == "ok"
    phone = AudioSocketCall(pacer)
    await phone.connect(HOST, line.server.media_port, call_id)
    async with asyncio.timeout(CALL_S):
        match number % 5:
            case 0:
                await asyncio.sleep(1.0)
            case 1:
                await phone.wait_answered(0, quiet_ms=QUIET_MS, deadline_s=30)
                phone.press("0")
                await phone.wait_closed()
            case 2:
                await phone.wait_answered(0, quiet_ms=QUIET_MS, deadline_s=30)
                phone.send(speech)
                await phone.wait_said()
                await phone.wait_answered(phone.elapsed_ms, quiet_ms=QUIET_MS, deadline_s=30)
            case 3:
                await phone.wait_answered(0, quiet_ms=QUIET_MS, deadline_s=30)
            case _:
                phone.send(speech)
                await phone.wait_said()
    phone.hang_up()
    return await phone.wait_closed()


async def soak(line: Line, numbers: range, lanes: int, speech: bytes) -> None:
    """Place calls, a few at the same time."""
    waiting = iter(numbers)
    pacer = Pacer()

    async def lane() -> None:
        for number in waiting:
            await ring(line, number, speech, pacer)

    async with asyncio.TaskGroup() as group:
        for _ in range(lanes):
            group.create_task(lane())
    await asyncio.sleep(SETTLE_S)


def some_speech() -> bytes:
    """Three seconds of the longest recorded prompt: words, but no answer to anything."""
    prompts = load_settings(Path.cwd()).tts.prompts_dir / "ru"
    return read_wav(max(prompts.glob("*.wav"), key=lambda path: path.stat().st_size))[: 8000 * 2 * 3]


async def measure(server: Server, calls: int, lanes: int, warm_up: int) -> list[Size]:
    """Place the calls; sizes before, after the warm-up, and after each quarter."""
    speech, headers = some_speech(), {"Authorization": f"Bearer {server.token}"}
    async with aiohttp.ClientSession(server.api, headers=headers) as web:
        line = Line(server, web)
        sizes = [await line.size(0)]
        pid = line.worker()
        steps = [warm_up, *(warm_up + calls * part // 4 for part in (1, 2, 3, 4))]
        for began, ended in zip([0, *steps], steps, strict=False):
            await soak(line, range(began, ended), lanes, speech)
            sizes.append(await line.size(ended))
            print(json.dumps(asdict(sizes[-1])), flush=True)
        assert line.worker() == pid, "the worker was replaced meanwhile"
        return sizes


def grown(sizes: list[Size]) -> list[str]:
    """What grows after the warm-up; of memory the second half, for caches and heaps fill slowly."""
    warm, half, last = sizes[1], sizes[len(sizes) // 2], sizes[-1]
    per_100 = (last.rss_mb - half.rss_mb) / (last.calls - half.calls) * 100
    found = [f"memory: {per_100:.1f} MB a hundred calls"] if per_100 > GROWTH_MB_PER_100 else []
    for name in ("files", "threads", "tasks"):
        if getattr(last, name) > getattr(warm, name) + SPARE:
            found.append(f"{name}: {getattr(warm, name)} after the warm-up, {getattr(last, name)} at the end")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=200, help="after the warm-up")
    parser.add_argument("--lanes", type=int, default=4, help="calls at the same time")
    parser.add_argument("--warm-up", type=int, default=40, help="calls before the first figure that counts")
    arguments = parser.parse_args()
    with running() as server:
        sizes = asyncio.run(measure(server, arguments.calls, arguments.lanes, arguments.warm_up))
    leaks = grown(sizes)
    print("\n".join(leaks) or "nothing grows")
    raise SystemExit(bool(leaks))


if __name__ == "__main__":
    main()
