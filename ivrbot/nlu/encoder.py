"""Sentence embeddings: USE-multilingual-3, quantised, by onnxruntime.

Takes sentences of any of 16 languages (Russian and English among them), gives vectors of length 1 whose products
tell nearness of meaning across languages. The tokenizer is inside the ONNX graph (onnxruntime_extensions).
Source: Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval", 2019; model Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.errors import EngineUnavailable

ENCODER_FILE: Final = "use-multilingual/embedding_model_quantized.onnx"
"""Place under the model folder."""

EMBEDDING_SIZE: Final = 512
_BATCH: Final = 64


class SentenceEncoder:
    """Sentences to unit vectors. Safe to call from several threads (onnxruntime sessions are)."""

    def __init__(self, model_path: Path) -> None:
        """Loads the model (about 0.9 s).

        Args:
            model_path: the ONNX file.

        Raises:
            EngineUnavailable: the file or the runtime cannot be loaded.
        """
        try:
            import onnxruntime
            from onnxruntime_extensions import get_library_path

            options = onnxruntime.SessionOptions()
            options.register_custom_ops_library(get_library_path())
            # One call is a fraction of a millisecond; more threads only take the core from speech recognition.
            options.intra_op_num_threads = 1
            options.inter_op_num_threads = 1
            options.log_severity_level = 3
            self._session: Any = onnxruntime.InferenceSession(
                str(model_path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises classes of its own
            raise EngineUnavailable(f"sentence encoder {model_path}: {error}") from error
        self._input: str = self._session.get_inputs()[0].name

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape (len(texts), 512), float32, each of length 1."""
        if not texts:
            return np.zeros((0, EMBEDDING_SIZE), np.float32)
        # Sentences of like length share a batch, or short ones pay for the padding of long ones.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        vectors = np.empty((len(texts), EMBEDDING_SIZE), np.float32)
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            batch = np.array([texts[index] for index in chosen], dtype=object)
            vectors[chosen] = self._session.run(None, {self._input: batch})[0]
        return vectors
