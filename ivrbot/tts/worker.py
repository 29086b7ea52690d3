"""The parent's side of a speech library's process: starts it, feeds it job by job, replaces it when it dies.

Takes text and a voice, gives 8 kHz PCM16 as it is made. Jobs queue up in order; a job that makes no progress
within the deadline costs the process its life and the next job gets a fresh one. Sound is taken off the pipe at
once, whatever the pace at which the caller listens, so that a slow listener does not block the voice for others.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

from ivrbot.config import PROJECT_ROOT
from ivrbot.errors import EngineBadOutput, EngineTimeout, EngineUnavailable
from ivrbot.model.audio import SAMPLE_BYTES, Pcm, duration_ms
from ivrbot.tts.text import least_ms, speakable
from ivrbot.tts.worker_process import DONE, ERROR, FRAME_HEAD, READY, REQUEST_HEAD, SOUND

_TRIES = 3
_SILENT_TRIES = 2
"""A library just loaded has been seen to end its first sentence without a sound and without an error."""
_MOST_FRAME_BYTES = 4 << 20
"""More is no sound of a sentence, and no message."""


class _NothingSaidError(Exception):
    """The process died before the job's first sound: the job may simply be given to the next process."""


@dataclass(frozen=True, slots=True)
class _Done:
    cpu_s: float


@dataclass(slots=True)
class _Job:
    """One text; its queue is bounded by the length of the text (5,000 characters, about 6 MB of sound)."""

    text: str
    voice: str
    out: asyncio.Queue[bytes | _Done | Exception] = field(default_factory=asyncio.Queue)
    begun: bool = False
    over: bool = False


class _Process(asyncio.SubprocessProtocol):
    """One life of the child process."""

    def __init__(self, name: str, stall_s: float, on_death: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self._on_death = on_death
        self.ready: asyncio.Future[dict[str, object]] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()
        self._name = name
        self._stall_s = stall_s
        self._loop = loop
        self._buffer = bytearray()
        self._waiting: deque[_Job] = deque()
        self._current: _Job | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.SubprocessTransport | None = None

    @property
    def alive(self) -> bool:
        """Whether jobs may be given to it."""
        return self._transport is not None and not self.gone.done() and self._transport.get_returncode() is None

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._transport is not None
        return self._transport.get_pid()

    def submit(self, job: _Job) -> None:
        """Queue a job."""
        self._waiting.append(job)
        self._next()

    def drop(self, job: _Job) -> None:
        """The listener has gone: stop speaking, or never begin."""
        if job is self._current and not job.over:
            self._send({})
        elif job in self._waiting:
            self._waiting.remove(job)
        job.over = True

    def kill(self) -> None:
        """End it now."""
        if self._transport is not None and self._transport.get_returncode() is None:
            with suppress(ProcessLookupError):
                self._transport.kill()

    def hang_up(self) -> None:
        """Close its standard input: it ends by itself."""
        if self._transport is not None and (pipe := self._transport.get_pipe_transport(0)) is not None:
            pipe.close()

    # --- asyncio.SubprocessProtocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= FRAME_HEAD.size:
            kind, length = FRAME_HEAD.unpack_from(self._buffer)
            end = FRAME_HEAD.size + length
            if kind not in {SOUND, READY, DONE, ERROR} or length > _MOST_FRAME_BYTES:
                self._talks_nonsense()
                return
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[FRAME_HEAD.size : end])
            del self._buffer[:end]
            try:
                self._on_frame(kind, payload)
            except (ValueError, KeyError, TypeError, asyncio.InvalidStateError):
                self._talks_nonsense()
                return

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        started = self.ready.done() and not self.ready.cancelled() and self.ready.exception() is None
        if not self.ready.done():
            self.ready.set_exception(EngineUnavailable(f"{self._name}: the speech process ended while it started"))
            self.ready.exception()  # whoever waits for it still gets it
        if self._current is not None:
            died = EngineUnavailable(f"{self._name}: the speech process died while it spoke")
            self._finish(died if self._current.begun else _NothingSaidError())
        for job in self._waiting:
            job.out.put_nowait(_NothingSaidError())
        self._waiting.clear()
        if self._transport is not None:
            self._transport.close()
        if not self.gone.done():
            self.gone.set_result(None)
        if started:
            self._on_death()

    # --- inside ---

    def _talks_nonsense(self) -> None:
        """What comes is not what was agreed upon: the process is replaced."""
        self._buffer.clear()
        job, self._current = self._current, None
        if job is not None:
            job.over = True
            job.out.put_nowait(EngineBadOutput(f"{self._name}: the speech process talks nonsense"))
        self.kill()

    def _on_frame(self, kind: bytes, payload: bytes) -> None:
        if kind == SOUND and len(payload) % SAMPLE_BYTES:
            raise ValueError("half a sample")
        if kind == SOUND:
            if self._current is not None and not self._current.over:
                self._current.begun = True
                self._current.out.put_nowait(payload)
                self._restart_timer()
            return
        message = json.loads(payload)
        if kind == READY:
            self.ready.set_result(message)
        elif kind == DONE:
            self._finish(_Done(float(message["cpu_s"])))
        elif kind == ERROR and not self.ready.done():
            self.ready.set_exception(EngineUnavailable(str(message["message"])))
        elif kind == ERROR:
            self._finish(EngineBadOutput(str(message["message"])))

    def _finish(self, end: _Done | Exception) -> None:
        self._stop_timer()
        job, self._current = self._current, None
        if job is not None:
            job.over = True
            job.out.put_nowait(end)
        if self.alive:
            self._next()

    def _next(self) -> None:
        if self._current is None and self._waiting:
            self._current = self._waiting.popleft()
            self._send({"text": self._current.text, "voice": self._current.voice})
            self._restart_timer()

    def _send(self, request: dict[str, str]) -> None:
        assert self._transport is not None
        pipe = cast("asyncio.WriteTransport | None", self._transport.get_pipe_transport(0))
        if pipe is not None and not pipe.is_closing():
            body = json.dumps(request).encode()
            pipe.write(REQUEST_HEAD.pack(len(body)) + body)

    def _restart_timer(self) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(self._stall_s, self._stalled)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stalled(self) -> None:
        job, self._current = self._current, None
        if job is not None:
            job.over = True
            job.out.put_nowait(EngineTimeout(f"{self._name}: no sound for {self._stall_s:g} s"))
        self.kill()


class SpeechWorker:
    """A speech library in a process of its own that is always there.

    Args:
        name: for error messages ("rhvoice").
        options: given to the library's `Synth`; strings only.
        start_s: deadline for loading and warming up.
        stall_s: longest time without a sound while speaking.
    """

    def __init__(
        self, name: str, options: Mapping[str, str], start_s: float = 30.0, stall_s: float = 10.0
    ) -> None:
        self._name = name
        self._options = dict(options)
        self._start_s = start_s
        self._stall_s = stall_s
        self._process: _Process | None = None
        self._starting: asyncio.Task[_Process] | None = None
        self._closed = False
        self.cpu_s = 0.0
        """Processor time of all finished jobs."""

    @property
    def pid(self) -> int | None:
        """Process id while there is a process."""
        return self._process.pid if self._process is not None and self._process.alive else None

    async def start(self) -> dict[str, object]:
        """Start the process unless it runs; gives what the library tells of itself.

        Raises:
            EngineUnavailable: it does not load, with its reason; or is closed.
            EngineTimeout: not ready in time.
        """
        process = await self._running()
        return process.ready.result()

    async def speak(self, text: str, voice: str) -> AsyncIterator[bytes]:
        """Speak; gives sound as it comes. Leaving the iterator early stops the speaking.

        Raises:
            EngineError: process dead, too slow, or text refused.
        """
        for _ in range(_TRIES):
            process = await self._running()
            job = _Job(text, voice)
            process.submit(job)
            try:
                while not isinstance(item := await job.out.get(), _Done):
                    if isinstance(item, Exception):
                        raise item
                    yield item
                self.cpu_s += item.cpu_s
                return
            except _NothingSaidError:
                continue
            finally:
                process.drop(job)
        raise EngineUnavailable(f"{self._name}: the speech process died {_TRIES} times before it could speak")

    async def speak_whole(self, text: str, voice: str) -> AsyncIterator[Pcm]:
        """The same for any text, and certain that all of it was spoken; gives 8 kHz PCM16.

        Some libraries leave out what they cannot say, and report no error: only the length tells.

        Raises:
            EngineBadOutput: nothing to say, text too long, or words were left out.
            EngineError: as `speak`.
        """
        cleaned = speakable(text)
        made_ms = 0
        for _ in range(_SILENT_TRIES):
            async for pcm in self.speak(cleaned, voice):
                made_ms += duration_ms(pcm)
                yield Pcm(pcm)
            if made_ms:
                break
        if made_ms < least_ms(cleaned):
            raise EngineBadOutput(f"{self._name} made {made_ms} ms of sound for {len(cleaned)} characters")

    async def close(self) -> None:
        """End the process; idempotent."""
        self._closed = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        process, self._process = self._process, None
        if process is None:
            return
        process.hang_up()
        try:
            async with asyncio.timeout(2):
                await asyncio.shield(process.gone)
        except TimeoutError:
            process.kill()
            await process.gone

    async def _running(self) -> _Process:
        if self._closed:
            raise EngineUnavailable(f"{self._name} is closed")
        if self._process is not None and self._process.alive:
            return self._process
        # Whoever gives up waiting does not stop what the next one waits for.
        return await asyncio.shield(self._begin())

    def _begin(self) -> asyncio.Task[_Process]:
        if self._starting is None or self._starting.done():
            self._starting = asyncio.get_running_loop().create_task(self._spawn())
            self._starting.add_done_callback(_seen)
        return self._starting

    def _died(self) -> None:
        """A process that had come up is gone: the next text shall not wait for another one."""
        if not self._closed:
            self._begin()

    async def _spawn(self) -> _Process:
        path = os.pathsep.join([str(PROJECT_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        _, process = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Process(self._name, self._stall_s, self._died),
            sys.executable,
            "-m",
            "ivrbot.tts.worker_process",
            self._name,
            json.dumps(self._options),
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
        try:
            async with asyncio.timeout(self._start_s):
                await asyncio.shield(process.ready)
        except TimeoutError:
            process.kill()
            await process.gone
            process.ready.exception()
            raise EngineTimeout(f"{self._name}: not ready within {self._start_s:g} s") from None
        except BaseException:
            process.kill()
            raise
        self._process = process
        return process


def _seen(task: asyncio.Task[_Process]) -> None:
    """A start that nobody waits for any more may fail unheard."""
    if not task.cancelled():
        task.exception()
