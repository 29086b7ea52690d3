"""Pipecat's echo over the same sockets: `PEERS_PYTHON pipecat_server.py [silero]` prints its port and serves.

Runs in the peers' environment, so it imports nothing of ours. A pipeline per connection: a transport's input, a
processor that says what it hears, the transport's output, at 8 kHz with 20 ms chunks. The transport speaks
AudioSocket over an `asyncio.Protocol`, which is less work than the WebSockets that Pipecat's own transports speak;
the output's pacing is written as theirs is. With "silero" Pipecat's own detector looks at every frame.
"""

# mypy: ignore-errors
# Checked in the peers' environment only: neither Pipecat nor its types are installed with ours.
from __future__ import annotations

import asyncio
import sys
import time

import uvloop
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import Frame, InputAudioRawFrame, OutputAudioRawFrame, StartFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

RATE_HZ, FRAME_BYTES, FRAME_S = 8000, 320, 0.02
HEADER = bytes([0x10, 1, 0x40])


class Input(BaseInputTransport):
    is_ready = False

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        self.is_ready = True


class Output(BaseOutputTransport):
    def __init__(self, params: TransportParams, write: asyncio.Transport) -> None:
        super().__init__(params)
        self._out = write
        self._next_s = 0.0

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self._out.write(HEADER + frame.audio)
        wait_s = max(0.0, self._next_s - time.monotonic())
        await asyncio.sleep(wait_s)
        self._next_s = self._next_s + FRAME_S / 2 if wait_s else time.monotonic() + FRAME_S / 2
        return True


class Echo(FrameProcessor):
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            await self.push_frame(OutputAudioRawFrame(frame.audio, RATE_HZ, 1))
        else:
            await self.push_frame(frame, direction)


class Leg(asyncio.Protocol):
    def __init__(self, detect: bool) -> None:
        self._detect = detect
        self._rest = b""
        self._frames: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        params = TransportParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            audio_in_sample_rate=RATE_HZ,
            audio_out_sample_rate=RATE_HZ,
            audio_out_10ms_chunks=2,
        )
        self._input = Input(params)
        vad = [VADProcessor(vad_analyzer=SileroVADAnalyzer(sample_rate=RATE_HZ))] if self._detect else []
        stages = [self._input, *vad, Echo(), Output(params, transport)]
        worker = PipelineWorker(
            Pipeline(stages),
            params=PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ),
            idle_timeout_secs=None,
            enable_rtvi=False,
        )
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._start(worker)), loop.create_task(self._hear())]

    async def _start(self, worker: PipelineWorker) -> None:
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while len(self._rest) >= 3:
            end = 3 + int.from_bytes(self._rest[1:3], "big")
            if len(self._rest) < end:
                return
            if self._rest[0] == HEADER[0] and self._input.is_ready:  # what came before is not held against it
                self._frames.put_nowait(self._rest[3:end])
            self._rest = self._rest[end:]

    async def _hear(self) -> None:
        while True:
            sound = await self._frames.get()
            await self._input.push_audio_frame(InputAudioRawFrame(sound, RATE_HZ, 1))


async def main() -> None:
    logger.remove()
    detect = "silero" in sys.argv
    server = await asyncio.get_running_loop().create_server(lambda: Leg(detect), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
