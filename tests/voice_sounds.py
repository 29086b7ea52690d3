"""Sounds like voices, made by a formula, and a network that tells them apart by their spectrum."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ivrbot.model.audio import Pcm
from ivrbot.models.onnxfile import Graph
from ivrbot.voiceprint.network import network_path


def buzz(pitch_hz: float, formant_hz: float, seconds: float, seed: int = 1) -> Pcm:
    """Something that a voice detector takes for speech: harmonics with a formant, pauses and a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * 8000)) / 8000
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.1 * np.sin(2 * np.pi * 1.3 * time + seed))) / 8000
    sound = np.zeros(len(time))
    for number in range(1, int(3600 / pitch_hz)):
        weight = np.exp(-(((number * pitch_hz - formant_hz) / 500) ** 2)) + 0.1 / number
        sound += weight * np.sin(phase * number) * (1 + 0.7 * np.sin(2 * np.pi * (3.1 * time + number / 9)))
    spoken = np.sin(2 * np.pi * 0.55 * time + seed) > -0.6
    sound = sound * spoken * 6000 / np.abs(sound).max() + rng.normal(0, 15, len(time))
    return Pcm(sound.astype("<i2").tobytes())


def write_small_network(models_dir: Path) -> None:
    """Put a network of two operations where the engine looks for its own: the power of each band over time."""
    graph = Graph("bands")
    squares = graph.node("Mul", ["features", "features"], "squares")
    graph.node("ReduceMean", [squares], "embedding", axes=(1,), keepdims=0)
    path = network_path(models_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(graph.to_bytes(("features", ("batch", "time", 80)), ("embedding", ("batch", 80)), {}))
