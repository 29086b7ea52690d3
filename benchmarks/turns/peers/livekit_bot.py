"""A bank's bot in LiveKit Agents: python -m benchmarks.turns.peers.livekit_bot {recommended|fastest} MODELS

Recommended: an `AgentSession` with its defaults, which are its bundled Silero, its bundled turn detector
(turn-detector-v1-mini), interruptions and preemptive generation on. Fastest: no turn model, a turn is over 0.3 s
after the last sound, and the answer's sound is prepared before that. In both the seconds in which a caller cannot
interrupt (for echo cancellers to settle) are off: there is none on a telephone line. No LiveKit server is needed:
sound comes and goes by an `AudioInput` and an `AudioOutput` of our own.
"""

# mypy: ignore-errors
# What it is built with is in the peers' environment only.

from __future__ import annotations

import asyncio
import logging
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import soxr
from livekit import rtc
from livekit.agents import Agent, AgentSession, inference, llm, stt, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from livekit.agents.voice import io

from benchmarks.turns.peers.bank import GREETING, Bank, CallerLine, serve
from ivrbot.model.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm

FASTEST: Final[dict[str, Any]] = {
    "turn_detection": "vad",
    "endpointing": {"min_delay": 0.3},
    "preemptive_generation": {"preemptive_tts": True},
}


class LineInput(io.AudioInput):
    def __init__(self, line: CallerLine) -> None:
        super().__init__(label="AudioSocket")
        self._line = line
        self.closed = asyncio.Event()

    async def __anext__(self) -> rtc.AudioFrame:
        sound = None if self.closed.is_set() else await self._line.frames.get()
        if sound is None:
            self.closed.set()
            raise StopAsyncIteration
        return rtc.AudioFrame(sound, SAMPLE_RATE_HZ, 1, FRAME_SAMPLES)


class LineOutput(io.AudioOutput):
    def __init__(self, line: CallerLine) -> None:
        super().__init__(
            label="AudioSocket",
            capabilities=io.AudioOutputCapabilities(pause=True),
            sample_rate=SAMPLE_RATE_HZ,
        )
        self._line = line
        self._pushed_s = 0.0
        self._played_s = 0.0
        self._interrupted = False
        self._waiting: asyncio.Task[None] | None = None
        line.on_played = self._played

    def _played(self) -> None:
        if not self._played_s:
            self.on_playback_started(created_at=time.time())
        self._played_s += 0.02

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if self._waiting is not None and not self._waiting.done():
            await self._waiting
        self._pushed_s += frame.duration
        self._line.push(bytes(frame.data))

    def flush(self) -> None:
        super().flush()
        self._line.flush()
        if self._pushed_s:
            self._waiting = asyncio.get_running_loop().create_task(self._wait_for_playout())

    def clear_buffer(self) -> None:
        self._line.clear()
        self._line.held = False
        if self._pushed_s:
            self._interrupted = True

    def pause(self) -> None:
        super().pause()
        self._line.held = True

    def resume(self) -> None:
        super().resume()
        self._line.held = False

    async def _wait_for_playout(self) -> None:
        await self._line.wait_played()
        interrupted = self._interrupted
        position_s = min(self._played_s, self._pushed_s) if interrupted else self._pushed_s
        self._pushed_s = self._played_s = 0.0
        self._interrupted = False
        self.on_playback_finished(playback_position=position_s, interrupted=interrupted)


class BankSTT(stt.STT):
    def __init__(self, bank: Bank, line: CallerLine) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
        self._bank, self._line = bank, line

    async def _recognize_impl(
        self, buffer: Any, *, language: object = None, conn_options: APIConnectOptions
    ) -> stt.SpeechEvent:
        del language, conn_options
        frame = rtc.combine_audio_frames(buffer)
        samples = np.frombuffer(frame.data, np.int16)
        if frame.sample_rate != SAMPLE_RATE_HZ:
            samples = soxr.resample(samples, frame.sample_rate, SAMPLE_RATE_HZ)
        text = await self._bank.read(Pcm(samples.tobytes()), self._line.language)
        heard = [stt.SpeechData(language=self._line.language, text=text)]
        return stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=heard)


class BankMind(llm.LLM):
    """In the place of a language model."""

    def __init__(self, bank: Bank, line: CallerLine) -> None:
        super().__init__()
        self.bank, self.line, self.turn = bank, line, 0

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        **options: object,
    ) -> llm.LLMStream:
        del options
        return _Thought(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class _Thought(llm.LLMStream):
    async def _run(self) -> None:
        mind = self._llm
        assert isinstance(mind, BankMind)
        said = [item for item in self._chat_ctx.items if item.type == "message" and item.role == "user"]
        mind.turn += 1
        text = (said[-1].text_content or "") if said else ""
        answer = await mind.bank.answer(text, mind.line.language, mind.turn)
        self._event_ch.send_nowait(llm.ChatChunk(id=str(mind.turn), delta=llm.ChoiceDelta(content=answer)))


class Prompts(tts.TTS):
    def __init__(self, bank: Bank, line: CallerLine) -> None:
        capabilities = tts.TTSCapabilities(streaming=False)
        super().__init__(capabilities=capabilities, sample_rate=SAMPLE_RATE_HZ, num_channels=1)
        self.bank, self.line = bank, line

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _Prompt(tts=self, input_text=text, conn_options=conn_options)


class _Prompt(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        voice = self._tts
        assert isinstance(voice, Prompts)
        output_emitter.initialize(
            request_id="prompt", sample_rate=SAMPLE_RATE_HZ, num_channels=1, mime_type="audio/pcm"
        )
        output_emitter.push(voice.bank.sound(self._input_text.strip(), voice.line.language))
        output_emitter.flush()


async def talk(bank: Bank, line: CallerLine, *, fastest: bool) -> None:
    """One call."""
    session: AgentSession[None] = AgentSession(
        stt=BankSTT(bank, line),
        llm=BankMind(bank, line),
        tts=Prompts(bank, line),
        vad=inference.VAD(),
        aec_warmup_duration=None,
        user_away_timeout=None,
        **({"turn_handling": FASTEST} if fastest else {}),
    )
    heard = LineInput(line)
    session.input.audio = heard
    session.output.audio = LineOutput(line)
    await session.start(Agent(instructions=""), record=False)
    session.say(GREETING, add_to_chat_ctx=False)
    await heard.closed.wait()
    await session.aclose()


def main() -> None:
    kind, models = sys.argv[1:]
    logging.basicConfig(level=logging.WARNING)
    serve(lambda bank, line: talk(bank, line, fastest=kind == "fastest"), Path(models))


if __name__ == "__main__":
    main()
