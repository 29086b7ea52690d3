"""Sentence embeddings: USE-multilingual-3, quantised, by onnxruntime.

Takes sentences of any of 16 languages (Russian and English among them), gives vectors of length 1 whose products
tell nearness of meaning across languages.

The published graph spends more time on looking up words (17 tables of a split one, 250 nodes) and on the borders
of its windows than on arithmetic: 700 nodes a sentence. Its weights are therefore put into a graph of 80 nodes
that does the same quantised products; words are looked up in the file itself, which stays on disk and is shared
between processes. Several sentences are read at once with a gap between them that no window bridges. The
quantisation takes its scale from all that is read at once, so that a sentence reads a little otherwise in other
company (a product of 0.9986 with itself alone on average, as in the published graph).
Source: Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval", 2019 (the CNN); model
Apache-2.0.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ivrbot import onnxparts
from ivrbot.errors import EngineUnavailable
from ivrbot.onnxparts import Parts, Value
from ivrbot.protowire import NotAMessage

ENCODER_FILE: Final = "use-multilingual/embedding_model_quantized.onnx"
"""Place under the model folder."""

EMBEDDING_SIZE: Final = 512
_TABLES: Final = 17
"""The word table is split by the remainder of the word's number."""

_ROOT: Final = "StatefulPartitionedCall/EncoderDNN/"
_TOKENS: Final = "StatefulPartitionedCall/text_preprocessor/SentenceTokenizer/SentencepieceTokenizeOp:"
_WINDOWS: Final = {2: (0, 1), 3: (-1, 0, 1), 5: (-2, -1, 0, 1, 2)}
"""Words that each kind of window sees, by their distance."""

_GAP: Final = 2
"""Empty rows between sentences: as far as the widest window sees."""

_AT_ONCE: Final = 32
_EPSILON: Final = 1e-12
_MICROSOFT: Final = "com.microsoft"


class SentenceEncoder:
    """Sentences to unit vectors. Safe to call from several threads (onnxruntime sessions are)."""

    def __init__(self, model_path: Path) -> None:
        """Loads the model (about 0.2 s).

        Args:
            model_path: the ONNX file.

        Raises:
            EngineUnavailable: the file or the runtime cannot be loaded.
        """
        try:
            with model_path.open("rb") as file:
                content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            found = onnxparts.parts(content)
            self._tables = [_table(found, number) for number in range(1, _TABLES + 1)]
            self._tokenizer = _session(_tokenizer_graph(found))
            self._network = _session(_Network(found).graph())
        except Exception as error:  # onnxruntime raises classes of its own
            raise EngineUnavailable(f"sentence encoder {model_path}: {error}") from error

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape (len(texts), 512), float32, each of length 1."""
        vectors = np.zeros((len(texts), EMBEDDING_SIZE), np.float32)
        if not texts:
            return vectors
        words, ends = self._tokenizer.run(None, {"inputs": np.array(texts, dtype=object)})
        sentences = [words[ends[row] : ends[row + 1]] for row in range(len(texts))]
        rows = [row for row, own in enumerate(sentences) if len(own)]
        for start in range(0, len(rows), _AT_ONCE):
            chosen = rows[start : start + _AT_ONCE]
            vectors[chosen] = self._read([sentences[row] for row in chosen])
        vectors /= np.maximum(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)), _EPSILON)[:, None]
        return vectors

    def _read(self, sentences: Sequence[NDArray[np.int32]]) -> NDArray[np.float32]:
        """One run of the network: sentences of at least one word to vectors, not yet of length 1."""
        size = sum(len(own) + _GAP for own in sentences) - _GAP
        words = np.zeros((size, EMBEDDING_SIZE), np.float32)
        present = np.zeros((size, 1), np.float32)
        shares = np.zeros((len(sentences), size), np.float32)
        start = 0
        for row, own in enumerate(sentences):
            here = slice(start, start + len(own))
            self._look_up(own, words[here])
            present[here] = 1.0
            # The published pooling: the sum over the words by the root of their number.
            shares[row, here] = len(own) ** -0.5
            start += len(own) + _GAP
        given = {"words": words, "present": present, "shares": shares}
        found: NDArray[np.float32] = self._network.run(None, given)[0]
        return found

    def _look_up(self, numbers: NDArray[np.int32], rows_of_words: NDArray[np.float32]) -> None:
        """Writes the vectors of words, by their numbers, into rows of 512."""
        for row, word in enumerate(numbers.tolist()):
            rows, scale, zero = self._tables[word % _TABLES]
            np.subtract(rows[word // _TABLES], zero, out=rows_of_words[row], dtype=np.float32)
            rows_of_words[row] *= scale


def _session(graph: bytes) -> Any:
    import onnxruntime
    from onnxruntime_extensions import get_library_path

    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(get_library_path())
    # One call is a fraction of a millisecond; more threads only take the core from speech recognition.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _table(found: Parts, number: int) -> tuple[NDArray[np.uint8], np.float32, np.float32]:
    """One part of the word table: rows, scale and zero."""
    name = f"Func/StatefulPartitionedCall/input/_{number}:0_"
    rows = found.array(f"{name}quantized").astype(np.uint8, copy=False)
    if rows.ndim != 2 or rows.shape[1] != EMBEDDING_SIZE:
        raise NotAMessage(f"word table of shape {rows.shape}")
    return (
        rows,
        np.float32(found.array(f"{name}scale").item()),
        np.float32(found.array(f"{name}zero_point").item()),
    )


def _tokenizer_graph(found: Parts) -> bytes:
    """The published tokenizer alone: sentences to numbers of words, and where each sentence ends."""
    node = found.nodes[f"{_TOKENS}0"]
    given, *settings = onnxparts.inputs_of(node)
    return onnxparts.model(
        [node],
        [found.tensors[name] for name in settings],
        [Value(given, "string", ("sentences",))],
        [Value(f"{_TOKENS}0", "<i4", ("words",)), Value(f"{_TOKENS}1", "<i8", ("ends",))],
        {"": 17, "ai.onnx.contrib": 1},
    )


class _Network:
    """Puts the published weights into a graph of their own."""

    def __init__(self, found: Parts) -> None:
        self._found = found
        self._nodes: list[bytes] = []
        self._tensors: dict[str, bytes | memoryview] = {}

    def graph(self) -> bytes:
        """Words to sentences.

        Takes `words` (rows of 512, 0 in a gap), `present` (1 for a word, 0 in a gap) and `shares` (a row a
        sentence: how much of each word goes into it); gives `vectors` (a row of 512 a sentence).
        """
        towers = [self._tower(size) for size in _WINDOWS]
        joined = self._normed(
            self._add("Concat", ["words", *towers], {"axis": 1}), f"{_ROOT}CNN_layers/LayerNorm/"
        )
        dense = f"{_ROOT}CNN_layers/dense/"
        meanings = self._product(joined, f"{dense}kernel:0", f"{dense}bias:0")
        sentence = self._add("MatMul", ["shares", meanings])
        layers = f"{_ROOT}DNN/ResidualHidden_"
        first = self._add("Relu", [self._product(sentence, f"{layers}0/dense/kernel:0")])
        aside = self._product(sentence, f"{layers}1/AdjustDepth/projection/kernel:0")
        second = self._add("Relu", [self._add("Add", [self._product(first, f"{layers}1/dense/kernel:0"), aside])])
        third = self._add("Relu", [self._product(second, f"{layers}2/dense/kernel:0")])
        aside = self._product(second, f"{layers}3/AdjustDepth/projection/kernel:0")
        last = self._add("Add", [self._product(third, f"{layers}3/dense/kernel:0"), aside])
        self._nodes.append(onnxparts.node("Tanh", [last], "vectors"))
        return onnxparts.model(
            self._nodes,
            list(self._tensors.values()),
            [
                Value("words", "<f4", ("words", EMBEDDING_SIZE)),
                Value("present", "<f4", ("words", 1)),
                Value("shares", "<f4", ("sentences", "words")),
            ],
            [Value("vectors", "<f4", ("sentences", EMBEDDING_SIZE))],
            {"": 17, _MICROSOFT: 1},
        )

    def _tower(self, size: int) -> str:
        """Windows of one size over the words, twice, each added to what it read."""
        own = f"{_ROOT}CNN_layers/ngram_order_{size}/"
        dense = f"{own}input_size_projection/dense/"
        read = self._normed(self._product("words", f"{dense}kernel:0", f"{dense}bias:0"), f"{own}LayerNorm/")
        for layer in (f"{own}Ngram-{size}-Conv/", f"{own}Ngram-{size}-Conv_1/"):
            read = self._add("Mul", [read, "present"])
            seen = self._add(
                "Relu", [self._product(self._windows(read, size), f"{layer}weights:0", f"{layer}bias:0")]
            )
            read = self._add("Add", [seen, read])
        return read

    def _windows(self, read: str, size: int) -> str:
        """Each word beside its neighbours; beyond the sentence there is nothing."""
        distances = _WINDOWS[size]
        before, after = -distances[0], distances[-1]
        padding = self._constant(f"padding{size}", np.array([before, 0, after, 0]))
        padded = self._add("Pad", [read, padding])
        axis = self._constant("axis", np.array([0]))
        shifted = []
        for shift in range(size):
            start = self._constant(f"start{shift}", np.array([shift]))
            end = shift - (size - 1)
            stop = self._constant(f"stop{-end}", np.array([end if end else np.iinfo(np.int64).max]))
            shifted.append(self._add("Slice", [padded, start, stop, axis]))
        return self._add("Concat", shifted, {"axis": 1})

    def _normed(self, read: str, layer: str) -> str:
        """Layer normalisation with the published scale and shift."""
        gamma, beta = self._published(f"{layer}gamma:0"), self._published(f"{layer}beta:0")
        return self._add("LayerNormalization", [read, gamma, beta], {"axis": -1, "epsilon": _EPSILON})

    def _product(self, read: str, kernel: str, bias: str = "") -> str:
        """Product with a published quantised matrix."""
        inputs = [read, *(self._published(f"{kernel}_{part}") for part in ("quantized", "scale", "zero_point"))]
        if bias:
            inputs.append(self._constant(bias, self._found.array(bias).reshape(-1)))
        return self._add("DynamicQuantizeMatMul", inputs, domain=_MICROSOFT)

    def _add(
        self,
        operator: str,
        inputs: list[str],
        attributes: dict[str, onnxparts.Attribute] | None = None,
        domain: str = "",
    ) -> str:
        output = f"{operator}{len(self._nodes)}"
        self._nodes.append(onnxparts.node(operator, inputs, output, domain=domain, attributes=attributes))
        return output

    def _published(self, name: str) -> str:
        self._tensors[name] = self._found.tensors[name]
        return name

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        self._tensors[name] = onnxparts.tensor(name, value)
        return name
