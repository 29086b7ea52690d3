"""`python -m benchmarks.media`: CPU time, memory and jitter of the media path, each server a process (Linux).

Every round measures each server once, so that what else the machine does meets all of them; a row is the median of
its rounds. Ratios are to the uvloop echo of the same round.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.media.client import FEW_LEGS

HERE = Path(__file__).parent
PEERS_PYTHON = HERE.parents[1] / ".cache" / "turns-peers" / "bin" / "python"
"""Where `benchmarks/turns` keeps the peers; another by TURNS_PEERS_PYTHON."""
ECHO = "uvloop-echo"
ROWS = (
    ("c-epoll-echo", "C epoll echo (floor)"),
    (ECHO, "uvloop Protocol echo (floor in Python)"),
    ("gateway", "ivrbot gateway that echoes"),
    ("gateway-webrtcvad", "ivrbot gateway that echoes, webrtcvad on every frame"),
    ("calls", "**ivrbot, the whole media path of a call**"),
    ("pipecat", "Pipecat echo"),
    ("pipecat-silero", "Pipecat echo, its Silero on every frame"),
)
PEER_LEGS = 10
"""A peer gets so many legs at most: of 200 it would serve a part only, and look cheap."""


@dataclass(frozen=True, slots=True)
class Result:
    """One server in one round."""

    legs: int
    cpu_ms_per_call_s: float
    mb_per_call: float | None
    frames_per_call_s: float
    jitter_p50_ms: float
    jitter_p99_ms: float


def cpu_s(pid: int) -> float:
    """CPU time of a process, user and system (proc(5), fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    found = re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) / 1024


def server_command(name: str, folder: Path) -> list[str] | str:
    """How to start a server; what is missing when this machine cannot."""
    if name.startswith("pipecat"):
        python = os.environ.get("TURNS_PEERS_PYTHON", str(PEERS_PYTHON))
        if shutil.which(python) is None:
            return "no peers' environment here (see benchmarks/turns)"
        return [python, str(HERE / "pipecat_server.py"), *name.split("-")[1:]]
    if name != "c-epoll-echo":
        return [sys.executable, "-m", "benchmarks.media.servers", name]
    compiler = shutil.which("cc")
    if compiler is None:
        return "no C compiler (cc) here"
    program = folder / "echo"
    subprocess.run([compiler, "-O2", "-o", program, HERE / "echo.c"], check=True)
    return [str(program)]


def run(command: list[str], legs: int, warm_up_s: float, seconds: float) -> Result:
    """Measure one server once."""
    # A killed server's peers complain at length; what it has to say before comes with its exit.
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout
            port = server.stdout.readline().strip()
            client_command = [sys.executable, "-m", "benchmarks.media.client", port, str(legs)]
            client_command += [str(warm_up_s), str(seconds)]
            with subprocess.Popen(client_command, stdout=subprocess.PIPE, text=True) as client:
                assert client.stdout
                few_mb = None
                said = client.stdout.readline().strip()
                if not port:
                    raise SystemExit(f"it did not start: {' '.join(command)}")
                if said == "few":
                    few_mb = resident_mb(server.pid)
                    said = client.stdout.readline().strip()
                if said != "measuring":
                    raise SystemExit("the client failed")
                before_s = cpu_s(server.pid)
                measured = json.loads(client.stdout.readline())
                used_s = cpu_s(server.pid) - before_s
                grown_mb = None if few_mb is None else resident_mb(server.pid) - few_mb
        finally:
            server.kill()
    per_call = None if grown_mb is None else grown_mb / (legs - FEW_LEGS)
    return Result(legs, used_s * 1000 / (legs * seconds), per_call, **measured)


def row(title: str, results: list[Result], floors: list[Result]) -> str:
    """One line of the table: medians over the rounds."""

    def middle(values: list[float]) -> float:
        return statistics.median(values)

    cpu = [result.cpu_ms_per_call_s for result in results]
    ratio = "-"
    if floors:
        pairs = zip(cpu, floors, strict=True)
        ratio = f"{middle([used / floor.cpu_ms_per_call_s for used, floor in pairs]):.2f}"
    memory = [result.mb_per_call for result in results if result.mb_per_call is not None]
    return (
        f"| {title} | {results[0].legs} | {middle(cpu):.2f} ({min(cpu):.2f} to {max(cpu):.2f}) | {ratio} "
        f"| {f'{max(0.0, middle(memory)):.3f} MB' if memory else '-'} "
        f"| {middle([result.frames_per_call_s for result in results]):.1f} "
        f"| {middle([result.jitter_p50_ms for result in results]):.1f} ms "
        f"| {middle([result.jitter_p99_ms for result in results]):.1f} ms |"
    )


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.media", description=__doc__)
    parser.add_argument("--legs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=12, help="a whole turn of the callers, or several")
    parser.add_argument("--warm-up", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[name for name, _ in ROWS], help="names of servers")
    options = parser.parse_args()
    results: dict[str, list[Result]] = {}
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for name, _ in ROWS:
                if name not in options.only or name in missing:
                    continue
                command = server_command(name, Path(folder))
                if isinstance(command, str):
                    missing[name] = command
                    continue
                legs = min(options.legs, PEER_LEGS) if name.startswith("pipecat") else options.legs
                results.setdefault(name, []).append(run(command, legs, options.warm_up, options.seconds))
    print(f"{options.legs} legs, {options.rounds} rounds of {options.seconds:g} s, 20 ms frames both ways, one")
    print(f"server process; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores at the end")
    print()
    print("| server | legs | CPU ms per call-second | ratio | memory per call | frames/s | jitter p50 | p99 |")
    print("|---|---|---|---|---|---|---|---|")
    for name, title in ROWS:
        if name in results:
            print(row(title, results[name], results.get(ECHO, [])))
    for name, why in missing.items():
        print(f"missing: {name}: {why}")


if __name__ == "__main__":
    main()
