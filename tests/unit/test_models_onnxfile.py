"""ONNX files written by hand are read by onnxruntime and compute what they say."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from ivrbot.models.onnxfile import Graph


def run(file: bytes, values: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, {"x": values})[0]
    return result


def affine(notes: dict[str, str]) -> bytes:
    graph = Graph("affine")
    graph.floats("w", (2, 3), np.array([[1, 2, 3], [4, 5, -6]], "<f4").tobytes())
    graph.ints("last", (-1,))
    product = graph.node("Gemm", ["x", "w"], "product", transB=1, alpha=0.5)
    graph.node("ReduceSum", [product, "last"], "y", keepdims=1)
    return graph.to_bytes(("x", ("batch", 3)), ("y", ("batch", 1)), notes)


def test_it_computes_what_it_says() -> None:
    file = affine({"licence": "Apache-2.0", "source": "Слова"})
    values = np.array([[1, 1, 1], [0, 2, 0], [-1, 0, 300]], np.float32)
    assert run(file, values).ravel().tolist() == [4.5, 7.0, -452.5]
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == {"licence": "Apache-2.0", "source": "Слова"}
    assert [(each.name, each.shape) for each in session.get_inputs()] == [("x", ["batch", 3])]


def test_the_same_network_is_the_same_bytes() -> None:
    assert affine({"a": "b"}) == affine({"a": "b"})


def test_weights_of_another_size_or_twice() -> None:
    graph = Graph("g")
    with pytest.raises(ValueError, match="7 bytes"):
        graph.floats("w", (2,), bytes(7))
    graph.floats("w", (2,), bytes(8))
    with pytest.raises(ValueError, match="twice"):
        graph.ints("w", (1,))
