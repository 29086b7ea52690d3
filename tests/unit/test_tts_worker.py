"""The parent of a speech process, with a process that is alive and talks nonsense."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ivrbot.errors import EngineBadOutput, EngineTimeout, EngineUnavailable
from ivrbot.tts import worker as worker_module
from ivrbot.tts.worker import SpeechWorker

CHILD = """
import json, os, struct, sys, time
def send(kind, payload, length=None):
    os.write(1, struct.pack("<cI", kind, len(payload) if length is None else length) + payload)
def text():
    head = os.read(0, 4)
    return json.loads(os.read(0, struct.unpack("<I", head)[0]))["text"] if head else None
send(b"R", b"{}")
while (said := text()) is not None:
    ANSWER
"""

WELL = """send(b"A", bytes(320)); send(b"D", b'{"cpu_s": 0}')"""

ANSWERS = {
    "an unknown kind": 'send(b"Z", b"??")',
    "a frame without an end": 'send(b"A", b"x", 2**31)',
    "half a sample": 'send(b"A", b"abc")',
    "a message that is no JSON": 'send(b"D", b"{")',
    "a message without what it should hold": 'send(b"D", b"{}")',
    "a message that is no object": 'send(b"D", b"[]")',
    "ready once more": 'send(b"R", b"{}")',
}


def answers(script: Path, line: str) -> None:
    """What the next process will do with a text."""
    script.write_text(CHILD.replace("ANSWER", line))


@pytest.fixture
def spawns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The script that the parent starts instead of its own."""
    script = tmp_path / "child.py"
    runner = tmp_path / "python"
    runner.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{script}"\n')
    runner.chmod(0o755)
    monkeypatch.setattr(worker_module.sys, "executable", str(runner))
    return script


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))
async def test_a_process_that_talks_nonsense_is_replaced(spawns: Path, answer: str) -> None:
    answers(spawns, answer)
    worker = SpeechWorker("nonsense", {}, stall_s=5)
    await worker.start()
    try:
        first = worker.pid
        with pytest.raises(EngineBadOutput, match="nonsense"):
            [pcm async for pcm in worker.speak("hello", "x")]
        # The next text meets a fresh process.
        answers(spawns, WELL)
        assert b"".join([pcm async for pcm in worker.speak("hello", "x")]) == bytes(320)
        assert worker.pid != first
    finally:
        await worker.close()


async def test_a_process_that_says_nothing_is_given_up(spawns: Path) -> None:
    answers(spawns, "time.sleep(60)")
    worker = SpeechWorker("nonsense", {}, stall_s=0.1)
    await worker.start()
    try:
        with pytest.raises(EngineTimeout):
            [pcm async for pcm in worker.speak("hello", "x")]
    finally:
        await worker.close()


async def test_a_process_that_dies_at_every_text_is_given_up(spawns: Path) -> None:
    answers(spawns, "sys.exit(1)")
    worker = SpeechWorker("nonsense", {})
    await worker.start()
    try:
        with pytest.raises(EngineUnavailable, match="died 3 times"):
            [pcm async for pcm in worker.speak("hello", "x")]
    finally:
        await worker.close()
