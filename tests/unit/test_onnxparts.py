"""ONNX files put together and taken apart again, and read by the real onnxruntime."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from ivrbot import onnxparts
from ivrbot.onnxparts import Value
from ivrbot.protowire import NotAMessage

TABLE = np.arange(6, dtype=np.float32).reshape(2, 3) - 2


def doubled() -> bytes:
    """Adds a table to what is given, then joins the result with itself."""
    return onnxparts.model(
        [
            onnxparts.node("Add", ["given", "table"], "sum"),
            onnxparts.node("Concat", ["sum", "sum"], "joined", attributes={"axis": 1}),
        ],
        [onnxparts.tensor("table", TABLE)],
        [Value("given", "<f4", ("rows", 3))],
        [Value("joined", "<f4", ("rows", 6))],
        {"": 17},
    )


def test_a_written_model_runs() -> None:
    session = onnxruntime.InferenceSession(doubled(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"given": np.ones((2, 3), np.float32)})
    assert np.array_equal(found, np.hstack([TABLE + 1, TABLE + 1]))
    assert session.get_inputs()[0].shape == ["rows", 3]


def test_attributes_of_each_kind() -> None:
    graph = onnxparts.model(
        [
            onnxparts.node(
                "LayerNormalization", ["given", "ones"], "level", attributes={"axis": -1, "epsilon": 0.5}
            ),
            onnxparts.node("Transpose", ["level"], "turned", attributes={"perm": (1, 0)}),
        ],
        [onnxparts.tensor("ones", np.ones(2, np.float32))],
        [Value("given", "<f4", (1, 2))],
        [Value("turned", "<f4", (2, 1))],
        {"": 17},
    )
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"given": np.array([[1.0, 3.0]], np.float32)})
    assert found.ravel() == pytest.approx([-1 / 1.5**0.5, 1 / 1.5**0.5])


def test_a_model_taken_apart_has_its_parts() -> None:
    found = onnxparts.parts(memoryview(doubled()))
    assert set(found.nodes) == {"sum", "joined"}
    assert onnxparts.inputs_of(found.nodes["sum"]) == ["given", "table"]
    assert np.array_equal(found.array("table"), TABLE)
    with pytest.raises(NotAMessage, match="no tensor other"):
        found.array("other")


def test_numbers_that_are_not_raw() -> None:
    """Scales and zeros of the published model stand in typed fields: floats (4) and packed whole numbers (5)."""
    scale = b"\x10\x01" + b"\x42\x05scale" + b"\x22\x04" + np.float32(0.25).tobytes()
    zero = b"\x10\x03" + b"\x42\x04zero" + b"\x2a\x0a" + b"\xfd\xff\xff\xff\xff\xff\xff\xff\xff\x01"
    graph = onnxparts.model(
        [onnxparts.node("Neg", ["a"], "b")],
        [scale, zero],
        [Value("a", "<f4", (1,))],
        [Value("b", "<f4", (1,))],
        {"": 17},
    )
    found = onnxparts.parts(memoryview(graph))
    assert found.array("scale").item() == 0.25
    assert found.array("zero").item() == -3


@pytest.mark.parametrize("content", [b"", b"no model", b"\x3a\xff\x01", b"\x3a\x02\x0a\x05", b"\xff" * 20])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(NotAMessage):
        onnxparts.parts(memoryview(content))


def test_a_tensor_cut_short_is_refused() -> None:
    cut = b"\x08\x09" + b"\x10\x01" + b"\x42\x01t" + b"\x4a\x04\x00\x00\x00\x00"
    graph = onnxparts.model([onnxparts.node("Neg", ["a"], "b")], [cut], [], [], {"": 17})
    with pytest.raises(NotAMessage, match="tensor t"):
        onnxparts.parts(memoryview(graph)).array("t")
