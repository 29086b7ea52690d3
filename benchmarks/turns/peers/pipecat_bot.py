"""A bank's bot in Pipecat: python -m benchmarks.turns.peers.pipecat_bot {recommended|fastest} MODELS

Recommended: as its telephone examples do, 8 kHz, Silero with the default parameters, the default turn strategies
(interruptions on; the smart-turn model of the wheel decides when a turn is over). Fastest: no turn model, a turn
is over 0.1 s after Silero's 0.2 s of silence; no silence is appended to what is recognised.
"""

# mypy: ignore-errors
# What it is built with is in the peers' environment only.

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    StartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.settings import STTSettings, TTSSettings
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

from benchmarks.turns.peers.bank import GREETING, Bank, CallerLine, serve
from ivrbot.model.audio import SAMPLE_RATE_HZ, Pcm

FASTEST_WAIT_S: Final = 0.1


class LineInput(BaseInputTransport):
    def __init__(self, params: TransportParams, line: CallerLine) -> None:
        super().__init__(params)
        self._line = line

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        self._reading = self.create_task(self._read())
        await self.set_transport_ready(frame)

    async def _read(self) -> None:
        while (sound := await self._line.frames.get()) is not None:
            await self.push_audio_frame(InputAudioRawFrame(sound, SAMPLE_RATE_HZ, 1))
        await self.push_frame(EndFrame())


class LineOutput(BaseOutputTransport):
    def __init__(self, params: TransportParams, line: CallerLine) -> None:
        super().__init__(params)
        self._line = line

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self._line.clear()

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self._line.push(frame.audio)
        await self._line.wait_played(left_frames=1)  # as a sound card does
        return True


class BankSTT(SegmentedSTTService):
    def __init__(self, bank: Bank, line: CallerLine, **options: float) -> None:
        super().__init__(settings=STTSettings(model="base", language=None), ttfs_p99_latency=1.0, **options)
        self._bank, self._line = bank, line

    @property
    def wants_wav_segments(self) -> bool:
        return False

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame, None]:
        text = await self._bank.read(Pcm(audio), self._line.language)
        if text:
            yield TranscriptionFrame(text, self._user_id, time_now_iso8601())


class BankMind(FrameProcessor):
    """In the place of a language model."""

    def __init__(self, bank: Bank, line: CallerLine) -> None:
        super().__init__()
        self._bank, self._line, self._turn = bank, line, 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        said = [message for message in frame.context.get_messages() if message.get("role") == "user"]
        self._turn += 1
        answer = await self._bank.answer(str(said[-1]["content"]) if said else "", self._line.language, self._turn)
        await self.push_frame(LLMFullResponseStartFrame())
        await self.push_frame(LLMTextFrame(answer))
        await self.push_frame(LLMFullResponseEndFrame())


class Prompts(TTSService):
    def __init__(self, bank: Bank, line: CallerLine) -> None:
        settings = TTSSettings(model=None, voice=None, language=None)
        super().__init__(
            push_start_frame=True, push_stop_frames=True, settings=settings, sample_rate=SAMPLE_RATE_HZ
        )
        self._bank, self._line = bank, line

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        sound = self._bank.sound(text.strip(), self._line.language)
        yield TTSAudioRawFrame(sound, SAMPLE_RATE_HZ, 1, context_id=context_id)


async def talk(bank: Bank, line: CallerLine, *, fastest: bool) -> None:
    """One call."""
    params = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
    stop = [SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=FASTEST_WAIT_S)] if fastest else None
    aggregators = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(
            vad_analyzer=SileroVADAnalyzer(), user_turn_strategies=UserTurnStrategies(stop=stop)
        ),
    )
    pipeline = Pipeline(
        [
            LineInput(params, line),
            BankSTT(bank, line, **({"trailing_silence_secs": 0.0} if fastest else {})),
            aggregators.user(),
            BankMind(bank, line),
            Prompts(bank, line),
            LineOutput(params, line),
            aggregators.assistant(),
        ]
    )
    rates = PipelineParams(audio_in_sample_rate=SAMPLE_RATE_HZ, audio_out_sample_rate=SAMPLE_RATE_HZ)
    worker = PipelineWorker(pipeline, params=rates, idle_timeout_secs=None)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await worker.queue_frames([TTSSpeakFrame(GREETING)])
    await runner.run()


def main() -> None:
    kind, models = sys.argv[1:]
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    serve(lambda bank, line: talk(bank, line, fastest=kind == "fastest"), Path(models))


if __name__ == "__main__":
    main()
