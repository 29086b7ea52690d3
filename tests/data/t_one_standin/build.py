"""Builds model.onnx beside this file: a network with T-one's inputs and outputs that hears loudness, not words.

Run it where the package onnx is installed: python tests/data/t_one_standin/build.py. Each of the ten frames of a
chunk (2400 samples) is read by its mean loudness: quiet is a space, then "а", then "о"; the last token is CTC's
blank.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

CHUNK, FRAMES, STATE = 2400, 10, 219_729
CENTRES = (0.0, 1500.0, 6000.0, 1e6)  # of " ", "а", "о" and the blank, which is never nearest

nodes = [
    h.make_node("Cast", ["signal"], ["sound"], to=T.FLOAT),
    h.make_node("Reshape", ["sound", "shape"], ["frames"]),
    h.make_node("Abs", ["frames"], ["loud"]),
    h.make_node("ReduceMean", ["loud"], ["loudness"], axes=[2], keepdims=1),
    h.make_node("Sub", ["loudness", "centres"], ["apart"]),
    h.make_node("Abs", ["apart"], ["distance"]),
    h.make_node("Mul", ["distance", "scale"], ["logits"]),
    h.make_node("LogSoftmax", ["logits"], ["logprobs"], axis=2),
    h.make_node("Identity", ["state"], ["state_next"]),
]
weights = [
    nh.from_array(np.array([-1, FRAMES, CHUNK // FRAMES], np.int64), "shape"),
    nh.from_array(np.array([[CENTRES]], np.float32), "centres"),
    nh.from_array(np.array(-0.002, np.float32), "scale"),
]
graph = h.make_graph(
    nodes,
    "t-one-standin",
    [
        h.make_tensor_value_info("signal", T.INT32, ["batch", CHUNK, 1]),
        h.make_tensor_value_info("state", T.FLOAT16, ["batch", STATE]),
    ],
    [
        h.make_tensor_value_info("logprobs", T.FLOAT, ["batch", FRAMES, len(CENTRES)]),
        h.make_tensor_value_info("state_next", T.FLOAT16, ["batch", STATE]),
    ],
    weights,
)
model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
for key, value in {"frame_length_ms": 300, "state_dim": STATE, "sample_rate": 8000}.items():
    entry = model.metadata_props.add()
    entry.key, entry.value = key, str(value)
onnx.checker.check_model(model)
Path(__file__).with_name("model.onnx").write_bytes(model.SerializeToString())
Path(__file__).with_name("tokens.txt").write_text("  0\nа 1\nо 2\n<blk> 3\n", encoding="utf-8")
