"""`python -m benchmarks.media`: CPU time and jitter of the media path, each server in its own process (Linux)."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROWS = (
    ("c-epoll-echo", "C epoll echo (floor)"),
    ("uvloop-echo", "uvloop Protocol echo (floor in Python)"),
    ("gateway", "ivrbot gateway, no VAD"),
    ("gateway-webrtcvad", "ivrbot gateway + webrtcvad"),
    ("gateway-silero", "ivrbot gateway + webrtcvad gate + Silero"),
    ("gateway-webrtcvad-asyncio", "ivrbot gateway + webrtcvad, asyncio's own loop"),
)


@dataclass(frozen=True, slots=True)
class Result:
    cpu_ms_per_call_s: float
    frames_per_call_s: float
    jitter_p50_ms: float
    jitter_p99_ms: float


def cpu_s(pid: int) -> float:
    """CPU time of a process, user and system (proc(5), fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def server_command(name: str, folder: Path) -> list[str] | None:
    """How to start a server; None when this machine cannot."""
    if name != "c-epoll-echo":
        return [sys.executable, "-m", "benchmarks.media.servers", name]
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    program = folder / "echo"
    subprocess.run([compiler, "-O2", "-o", program, HERE / "echo.c"], check=True)
    return [str(program)]


def run(command: list[str], legs: int, warm_up_s: float, seconds: float) -> Result:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            port = server.stdout.readline().strip()
            client_command = [sys.executable, "-m", "benchmarks.media.client", port, str(legs)]
            client_command += [str(warm_up_s), str(seconds)]
            with subprocess.Popen(client_command, stdout=subprocess.PIPE, text=True) as client:
                assert client.stdout
                if client.stdout.readline().strip() != "measuring":
                    raise SystemExit("the client failed")
                before_s = cpu_s(server.pid)
                measured = json.loads(client.stdout.readline())
                used_s = cpu_s(server.pid) - before_s
        finally:
            server.kill()
    return Result(used_s * 1000 / (legs * seconds), **measured)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.media", description=__doc__)
    parser.add_argument("--legs", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--warm-up", type=float, default=2)
    parser.add_argument("--only", nargs="*", default=[name for name, _ in ROWS], help="names of servers")
    options = parser.parse_args()
    results: dict[str, Result] = {}
    missing = []
    with tempfile.TemporaryDirectory() as folder:
        for name, _ in ROWS:
            if name in options.only:
                command = server_command(name, Path(folder))
                if command is None:
                    missing.append(f"{name}: no C compiler (cc) here")
                else:
                    results[name] = run(command, options.legs, options.warm_up, options.seconds)
    print(f"{options.legs} legs, {options.seconds:g} s, 20 ms frames both ways, one server process, load average")
    print(f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores at the end")
    print()
    print("| server | CPU ms per call-second | ratio to the uvloop echo | frames/s | jitter p50 | p99 |")
    print("|---|---|---|---|---|---|")
    floor = results.get("uvloop-echo")
    for name, title in ROWS:
        if result := results.get(name):
            ratio = f"{result.cpu_ms_per_call_s / floor.cpu_ms_per_call_s:.2f}" if floor else "-"
            print(
                f"| {title} | {result.cpu_ms_per_call_s:.2f} | {ratio} | {result.frames_per_call_s:.1f} "
                f"| {result.jitter_p50_ms:.1f} ms | {result.jitter_p99_ms:.1f} ms |"
            )
    for line in missing:
        print(f"missing: {line}")


if __name__ == "__main__":
    main()
