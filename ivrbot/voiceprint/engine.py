"""Speaker embeddings of callers, off the event loop.

Takes sound of one caller, gives samples. One thread computes; a few requests may wait for it, more are refused at
once: a caller whose voice cannot be compared now is asked for a code, he does not wait. Sound and embeddings are
dropped with the request and never logged.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from ivrbot.errors import EngineBadOutput, EngineTimeout, EngineUnavailable
from ivrbot.model.audio import SAMPLE_BYTES, Pcm
from ivrbot.model.voiceprint import VoiceSample
from ivrbot.priority import MODELS, give_way
from ivrbot.voiceprint.features import check_library, hear
from ivrbot.voiceprint.network import VoiceNetwork, network_path

DEADLINE_S: Final = 5.0
MOST_WAITING: Final = 4


class OnnxVoiceprint:
    """`VoiceprintEngine` over an ONNX network; all methods belong to one event loop."""

    def __init__(self, models_dir: Path, deadline_s: float = DEADLINE_S, most_waiting: int = MOST_WAITING) -> None:
        """Make an engine that is not started.

        Args:
            models_dir: the models folder.
            deadline_s: seconds that a sample may take with its waiting.
            most_waiting: samples that may wait while one is computed.
        """
        self._path = network_path(models_dir)
        self._deadline_s = deadline_s
        self._room = most_waiting + 1
        self._at_work = 0
        self._executor: ThreadPoolExecutor | None = None
        self._network: VoiceNetwork | None = None

    @property
    def model(self) -> str:
        """SHA-256 of the network's file and the version of the features before it, hexadecimal.

        Raises:
            EngineUnavailable: not started.
        """
        return self._started().model

    async def start(self) -> None:
        """Load and warm up; a second start does nothing.

        Raises:
            EngineUnavailable: library or model is missing or damaged.
        """
        if self._network is not None:
            return
        executor = ThreadPoolExecutor(1, "voiceprint", initializer=give_way, initargs=(MODELS,))
        try:
            self._network = await asyncio.get_running_loop().run_in_executor(executor, _load, self._path)
        except BaseException:
            executor.shutdown(wait=False)
            raise
        self._executor = executor

    async def sample(self, pcm: Pcm) -> VoiceSample:
        """Embed the speech in a sound; the first minute of speech of the first ten minutes of sound.

        Raises:
            EngineUnavailable: not started, closed, or too many wait.
            EngineTimeout: not done by the deadline.
            EngineBadOutput: half a sample, hardly any speech, or an unusable answer.
        """
        network, executor = self._started(), self._executor
        if executor is None or self._at_work >= self._room:
            raise EngineUnavailable("comparing voices: closed, or too many wait already")
        if len(pcm) % SAMPLE_BYTES:
            raise EngineBadOutput("half a sample at the end of a sound")
        self._at_work += 1
        work = asyncio.get_running_loop().run_in_executor(executor, sampled, network, pcm)
        work.add_done_callback(self._done)
        try:
            async with asyncio.timeout(self._deadline_s):
                return await asyncio.shield(work)
        except asyncio.CancelledError as error:
            # The work itself is only ever cancelled by `close`; whoever cancels the caller cancels just him.
            if work.cancelled():
                raise EngineUnavailable("comparing voices: closed meanwhile") from error
            raise
        except TimeoutError as error:
            raise EngineTimeout(f"a voice was not compared within {self._deadline_s:.1f} s") from error

    async def close(self) -> None:
        """Wait for the sample at work, drop those that wait. Idempotent."""
        executor, self._executor, self._network = self._executor, None, None
        if executor is not None:
            await asyncio.to_thread(executor.shutdown, wait=True, cancel_futures=True)

    def _done(self, work: asyncio.Future[VoiceSample]) -> None:
        # A late failure has nobody to hear of it: it is marked as seen here.
        self._at_work -= 1
        if not work.cancelled():
            work.exception()

    def _started(self) -> VoiceNetwork:
        if self._network is None:
            raise EngineUnavailable("comparing voices: not started")
        return self._network


def sampled(network: VoiceNetwork, pcm: bytes) -> VoiceSample:
    """A sample of the speech in 8 kHz PCM16 sound; blocks.

    Raises:
        EngineBadOutput: hardly any speech, or an unusable answer.
    """
    heard = hear(pcm)
    embedding = network.embed(heard.features)
    return VoiceSample(tuple(map(float, embedding)), network.model, heard.speech_ms, heard.snr_db)


def _load(path: Path) -> VoiceNetwork:
    check_library()
    return VoiceNetwork(path)
