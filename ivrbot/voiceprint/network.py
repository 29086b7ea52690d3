"""The network that turns features of speech into an embedding, run by onnxruntime.

Takes float32 [frames, 80], gives a unit vector. Any ONNX file with that input and one vector per batch as output
serves; ivrbot's own is CAM++ (see `models/campplus.py`).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.errors import EngineBadOutput, EngineUnavailable
from ivrbot.voiceprint.features import BANDS, VERSION, Features

FEWEST_FRAMES: Final = 50
"""Half a second of speech: the network pools over time, and over less there is nothing to pool."""
FOLDER: Final = "campplus"
FILE: Final = "campplus.onnx"
_FIX: Final = f"fetch it: ivrbot models pull {FOLDER}"


def network_path(models_dir: Path) -> Path:
    """Where the network lies in a models folder."""
    return models_dir / FOLDER / FILE


class VoiceNetwork:
    """A loaded network; one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Load and try out (about 0.2 s).

        Args:
            path: the ONNX file.

        Raises:
            EngineUnavailable: the library or the file is missing, damaged, or another kind of network.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise EngineUnavailable("comparing voices needs onnxruntime: install ivrbot's dependencies") from error
        if not path.is_file():
            raise EngineUnavailable(f"the model that compares voices is missing: {path}; {_FIX}")
        content = path.read_bytes()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            self._input = self._session.get_inputs()[0].name
            self.embed(np.sin(np.arange(2 * FEWEST_FRAMES * BANDS, dtype=np.float32)).reshape(-1, BANDS))
        # The library raises a dozen kinds of its own over a damaged or foreign file.
        except Exception as error:
            raise EngineUnavailable(f"{path} is no network that compares voices; {_FIX}") from error
        self.model: str = hashlib.sha256(VERSION.encode() + b"\0" + content).hexdigest()

    def embed(self, features: Features) -> NDArray[np.float32]:
        """One unit vector for all frames.

        Raises:
            EngineBadOutput: too few frames, or an answer that has no direction.
        """
        if len(features) < FEWEST_FRAMES:
            raise EngineBadOutput(f"only {len(features) * 10} ms of speech, too little to tell a voice by")
        answer = np.asarray(self._session.run(None, {self._input: features[None]})[0], np.float32)
        length = float(np.linalg.norm(answer))
        if answer.ndim != 2 or answer.shape[0] != 1 or not np.isfinite(length) or length < 1e-6:
            raise EngineBadOutput("the network that compares voices gave no usable answer")
        unit: NDArray[np.float32] = answer[0] / np.float32(length)
        return unit
