"""Folders of Whisper models in CTranslate2's form, with weights of one's own."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivrbot.asr.whisper_file import BINARY_VERSION

_TYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 4}


def write_folder(
    folder: Path,
    weights: Mapping[str, NDArray[Any]],
    pieces: Sequence[str],
    *,
    suppressed: Sequence[int] = (),
    version: int = BINARY_VERSION,
) -> None:
    """Write model.bin, config.json and vocabulary.txt (no tokenizer)."""
    content = struct.pack("<I", version) + _string("WhisperSpec") + struct.pack("<II", 3, len(weights))
    for name, value in weights.items():
        content += _string(name) + struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
        content += struct.pack("<BI", _TYPES[value.dtype], value.nbytes) + value.tobytes()
    (folder / "model.bin").write_bytes(content + struct.pack("<I", 0))
    (folder / "config.json").write_text(json.dumps({"suppress_ids": list(suppressed)}), "utf-8")
    (folder / "vocabulary.txt").write_text("\n".join(pieces) + "\n", "utf-8")


def _string(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"
