"""Whisper's two halves as onnxruntime runs them: sound to what the decoder looks at, pieces to the next one.

Takes the weights of a model file, gives sessions of 8-bit products: a scale per column of the weights, and per run
or per row of what comes in. The decoder looks at the sound through keys and values that are worked out once, with
the encoder. Sources: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", section
2.2; Vaswani et al. 2017, "Attention Is All You Need", section 3 (the blocks); Dettmers et al. 2022, "LLM.int8()",
section 3.1 (a scale per row and per column).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.asr import mel
from ivrbot.asr.whisper_file import Array, UnknownForm, WhisperFile
from ivrbot.model.speech import Language
from ivrbot.onnxparts import Attribute, Value, model, node, tensor

WIDTH_OF_A_HEAD: Final = 64
"""Of every size of Whisper."""

MOST_PIECES: Final = 10
"""Twice the widest beam."""

_LEAST: Final = 1e-9
_ROWS_AT_ONCE: Final = 256
_NEVER: Final = -1e9
_WEIGHED: Final = ("words", "places", "words_sum", "others")
_EPSILON: Final = 1e-5
_MICROSOFT: Final = "com.microsoft"
_OPERATORS: Final[Mapping[str, int]] = {"": 17, _MICROSOFT: 1}

Sound = tuple[Array, ...]
"""What the decoder looks at: keys and values [1, heads, positions, 64] of each layer in turn."""

Past = tuple[Array, ...]
"""Keys and values [readings, heads, pieces, 64] of each layer in turn, of the pieces so far."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What can be written in one language.

    Attributes:
        tokens: for each place the number in the model file, ascending: pieces of words first.
        never: places that are never written.
        end: place of the token that ends a reading, behind the last piece of a word.
        marks: place of the first mark of time; all that follow are marks.
    """

    tokens: NDArray[np.int64]
    never: NDArray[np.int64]
    end: int
    marks: int


@dataclass(frozen=True, slots=True)
class Chances:
    """What may follow each of some readings: logits, of one row for each.

    Attributes:
        words: of the likeliest pieces, [readings, MOST_PIECES], best first.
        places: these pieces' places.
        words_sum: logarithm of the sum over all pieces, [readings].
        others: of the end, of what is never written, and of the marks of time, [readings, others].
        first_mark: where the marks begin among these.
    """

    words: Array
    places: NDArray[np.int64]
    words_sum: Array
    others: Array
    first_mark: int

    @property
    def end(self) -> Array:
        """Of the end, [readings]."""
        return self.others[:, 0]

    @property
    def marks(self) -> Array:
        """Of the marks of time, [readings, marks]."""
        return self.others[:, self.first_mark :]

    def share_of(self, other: int) -> float:
        """Probability of one of the others among all that could follow the first reading."""
        row = np.append(self.others[0], self.words_sum[0])
        chances = np.exp(row - row.max())
        return float(chances[other] / chances.sum())

    def of(self, reading: int) -> Chances:
        """Those of one reading alone."""
        here = slice(reading, reading + 1)
        return Chances(
            self.words[here], self.places[here], self.words_sum[here], self.others[here], self.first_mark
        )


class WhisperNetwork:
    """The network of one model, for any number of threads (onnxruntime sessions are safe)."""

    def __init__(self, file: WhisperFile, vocabularies: Mapping[Language, Vocabulary]) -> None:
        """Build the sessions, about a second.

        Args:
            file: the model.
            vocabularies: what can be written in each language.

        Raises:
            UnknownForm: weights are missing, or those of another kind of model.
        """
        bands = file.stored("encoder/conv1/weight").shape[1]
        if bands != mel.BANDS:
            raise UnknownForm(f"the model listens to {bands} bands of sound, known are {mel.BANDS}")
        self._embeddings = file.stored("decoder/embeddings/weight")
        self._positions = file.array("decoder/position_encodings/encodings")
        self._sound_positions = file.array("encoder/position_encodings/encodings")
        self.size = self._embeddings.shape[1]
        self.layers = _layers(file, "decoder")
        self._encoder = _session(_encoder(file))
        self._decoder = _session(_decoder(file))
        self.vocabularies = vocabularies
        self._words = {
            language: _session(_words(self._embeddings[own.tokens], own)) for language, own in vocabularies.items()
        }
        heads = self.size // WIDTH_OF_A_HEAD
        self._nothing = tuple(np.zeros((1, heads, 0, WIDTH_OF_A_HEAD), np.float32) for _ in range(2 * self.layers))
        self._sound_names = [f"{kind}{layer}" for layer in range(self.layers) for kind in ("keys", "values")]
        self._past_names = [f"past_{name}" for name in self._sound_names]

    @property
    def nothing(self) -> Past:
        """The past of a reading that has not begun."""
        return self._nothing

    def encode(self, features: Array, run: Any = None) -> Sound:
        """Look at sound.

        Args:
            features: log-mel, [80, an even number of steps of 10 ms].
            run: by which it may be stopped, see `stoppable`.
        """
        steps = features.shape[1] // 2
        given = {"features": features[None], "positions": self._sound_positions[:steps]}
        return tuple(self._encoder.run(self._sound_names, given, run))

    def step(self, sound: Sound, tokens: NDArray[np.int64], past: Past, run: Any = None) -> tuple[Array, Past]:
        """Read on.

        Args:
            sound: from `encode`.
            tokens: [readings, new pieces], by their number in the model file.
            past: of what stands before them.
            run: by which it may be stopped, see `stoppable`.

        Returns:
            States [readings, new pieces, size], which `chances` weighs, and the past with these pieces.
        """
        before, new = past[0].shape[2], tokens.shape[1]
        rows = self._embeddings[tokens].astype(np.float32) + self._positions[before : before + new]
        given = {"rows": rows}
        given.update(zip(self._sound_names, sound, strict=True))
        given.update(zip(self._past_names, past, strict=True))
        found = self._decoder.run(None, given, run)
        return found[0], tuple(found[1:])

    def chances(self, states: Array, language: Language) -> Chances:
        """Weigh what may follow each of some states, [n, size]."""
        words, places, words_sum, others = self._words[language].run(_WEIGHED, {"states": states})
        vocabulary = self.vocabularies[language]
        return Chances(words, places, words_sum[:, 0], others, vocabulary.marks - vocabulary.end)


@dataclass(slots=True)
class _Graph:
    """A graph under construction: values go by name, weights come from the file."""

    file: WhisperFile
    nodes: list[bytes] = field(default_factory=list)
    tensors: list[bytes] = field(default_factory=list)
    _names: int = 0

    def op(self, operator: str, *inputs: str, domain: str = "", **attributes: Attribute) -> str:
        return self.ops(operator, *inputs, outputs=1, domain=domain, **attributes)[0]

    def ops(
        self, operator: str, *inputs: str, outputs: int, domain: str = "", **attributes: Attribute
    ) -> list[str]:
        names = [self._name() for _ in range(outputs)]
        self.nodes.append(node(operator, inputs, names, domain=domain, attributes=attributes))
        return names

    def named(self, value: str, name: str) -> None:
        self.nodes.append(node("Identity", [value], name))

    def constant(self, value: NDArray[Any]) -> str:
        name = self._name()
        self.tensors.append(tensor(name, value))
        return name

    def whole(self, *numbers: int) -> str:
        return self.constant(np.array(numbers, np.int64))

    def number(self, value: float) -> str:
        return self.constant(np.array(value, np.float32))

    def weights(self, name: str) -> str:
        return self.constant(self.file.array(name))

    def _name(self) -> str:
        self._names += 1
        return f"v{self._names}"

    def norm(self, value: str, name: str) -> str:
        return self.op(
            "LayerNormalization",
            value,
            self.weights(f"{name}/gamma"),
            self.weights(f"{name}/beta"),
            axis=-1,
            epsilon=_EPSILON,
        )

    def linear(self, value: str, name: str, *, by_row: bool = False) -> str:
        """A layer's product, 8 bits by 8 bits."""
        bias = self.constant(self.file.array(f"{name}/bias"))
        weight = self.file.stored(f"{name}/weight")
        if by_row:
            return self.op("Add", self.product_by_row(value, weight), bias)
        return self.product(value, weight, bias)

    def product(self, value: str, weight: NDArray[Any], *bias: str) -> str:
        """Rows of `value`, all with one scale, by rows of `weight`."""
        whole, scales = whole_weights(weight)
        zero = self.constant(np.zeros(len(scales), np.int8))
        inputs = (self.constant(np.ascontiguousarray(whole.T)), self.constant(scales), zero, *bias)
        return self.op("DynamicQuantizeMatMul", value, *inputs, domain=_MICROSOFT)

    def product_by_row(self, value: str, weight: NDArray[Any]) -> str:
        """The same with a scale for each row: for many rows, of which some are loud."""
        largest = self.op("ReduceMax", self.op("Abs", value), axes=[-1], keepdims=1)
        largest = self.op("Max", largest, self.number(_LEAST))
        return self.op("Mul", self.product(self.op("Div", value, largest), weight), largest)

    def look(self, heads: int, *inputs: str, present: bool = False) -> list[str]:
        """Attention of several heads."""
        return self.ops(
            "MultiHeadAttention",
            *inputs,
            outputs=3 if present else 1,
            domain=_MICROSOFT,
            num_heads=heads,
            unidirectional=int(present),
        )

    def split(self, value: str, count: int) -> list[str]:
        return self.ops("Split", value, outputs=count, axis=-1)

    def feed_forward(self, rows: str, name: str, *, by_row: bool = False) -> str:
        inner = self.linear(self.norm(rows, f"{name}/layer_norm"), f"{name}/linear_0")
        inner = self.op("Gelu", inner, domain=_MICROSOFT)
        return self.op("Add", rows, self.linear(inner, f"{name}/linear_1", by_row=by_row))

    def bytes(self, inputs: Sequence[Value], outputs: Sequence[Value]) -> bytes:
        return model(self.nodes, self.tensors, inputs, outputs, _OPERATORS)


def whole_weights(weight: NDArray[Any]) -> tuple[NDArray[np.int8], Array]:
    """Weights in 8 bits with a scale for each row, of which no neighbours overflow.

    Processors without 8-bit dot products (AVX2) add the products of two neighbours, each by up to 255, in 16 bits
    that saturate: no such pair may be above 128.

    Returns:
        Whole numbers of the shape of `weight`; scales, one per row.
    """
    whole = np.empty(weight.shape, np.int8)
    scales = np.empty(len(weight), np.float32)
    for start in range(0, len(weight), _ROWS_AT_ONCE):
        here = slice(start, start + _ROWS_AT_ONCE)
        rows = np.asarray(weight[here], np.float32)
        above, below = np.maximum(rows, 0), np.maximum(-rows, 0)
        pairs = [(half[:, ::2] + half[:, 1::2]).max(axis=1) for half in (above, below)]
        largest = np.maximum(np.maximum(*pairs), _LEAST)
        # Rounding may add a half to each of a pair.
        scales[here] = largest / 127
        whole[here] = np.rint(rows * (127 / largest)[:, None])
    return whole, scales


def stoppable() -> Any:
    """A run of the network that ends with an error, within a layer's time, once its `terminate` is true."""
    import onnxruntime

    return onnxruntime.RunOptions()


def _layers(file: WhisperFile, half: str) -> int:
    count = 0
    while f"{half}/layer_{count}/ffn/layer_norm/gamma" in file.variables:
        count += 1
    return count


def _encoder(file: WhisperFile) -> bytes:
    """Features [1, 80, 2n] to keys and values of n positions."""
    graph = _Graph(file)
    size, bands, _ = file.stored("encoder/conv1/weight").shape
    heads = size // WIDTH_OF_A_HEAD
    value = "features"
    for name, stride in (("encoder/conv1", 1), ("encoder/conv2", 2)):
        value = graph.op(
            "Conv",
            value,
            graph.weights(f"{name}/weight"),
            graph.weights(f"{name}/bias"),
            kernel_shape=[3],
            pads=[1, 1],
            strides=[stride],
        )
        value = graph.op("Gelu", value, domain=_MICROSOFT)
    rows = graph.op("Add", graph.op("Transpose", value, perm=[0, 2, 1]), "positions")
    for layer in range(_layers(file, "encoder")):
        name = f"encoder/layer_{layer}"
        normal = graph.norm(rows, f"{name}/self_attention/layer_norm")
        parts = graph.split(graph.linear(normal, f"{name}/self_attention/linear_0"), 3)
        looked = graph.look(heads, *parts)[0]
        rows = graph.op("Add", rows, graph.linear(looked, f"{name}/self_attention/linear_1", by_row=True))
        rows = graph.feed_forward(rows, f"{name}/ffn", by_row=True)
    rows = graph.norm(rows, "encoder/layer_norm")
    by_head = graph.whole(0, 0, heads, WIDTH_OF_A_HEAD)
    outputs = []
    for layer in range(_layers(file, "decoder")):
        parts = graph.split(graph.linear(rows, f"decoder/layer_{layer}/attention/linear_1"), 2)
        for kind, part in zip(("keys", "values"), parts, strict=True):
            graph.named(
                graph.op("Transpose", graph.op("Reshape", part, by_head), perm=[0, 2, 1, 3]), f"{kind}{layer}"
            )
        outputs += _sound_values(layer, heads)
    inputs = [Value("features", "<f4", (1, bands, "steps")), Value("positions", "<f4", ("positions", size))]
    return graph.bytes(inputs, outputs)


def _decoder(file: WhisperFile) -> bytes:
    """Rows of new pieces, with what stands before them, to their states."""
    graph = _Graph(file)
    size = file.variables["decoder/embeddings/weight"].shape[1]
    heads = size // WIDTH_OF_A_HEAD
    inputs = [Value("rows", "<f4", ("readings", "new", size))]
    outputs = [Value("states", "<f4", ("readings", "new", size))]
    one_after_the_other = graph.whole(1, -1, size)
    shape = graph.op("Shape", "rows")
    rows = "rows"
    for layer in range(_layers(file, "decoder")):
        name = f"decoder/layer_{layer}"
        normal = graph.norm(rows, f"{name}/self_attention/layer_norm")
        parts = graph.split(graph.linear(normal, f"{name}/self_attention/linear_0"), 3)
        past = [f"past_{kind}{layer}" for kind in ("keys", "values")]
        looked, *present = graph.look(heads, *parts, "", "", "", *past, present=True)
        for kind, was, now in zip(("keys", "values"), past, present, strict=True):
            graph.named(now, f"now_{kind}{layer}")
            inputs.append(Value(was, "<f4", ("readings", heads, "before", WIDTH_OF_A_HEAD)))
            outputs.append(Value(f"now_{kind}{layer}", "<f4", ("readings", heads, "all", WIDTH_OF_A_HEAD)))
        rows = graph.op("Add", rows, graph.linear(looked, f"{name}/self_attention/linear_1"))

        # All readings look at the same sound: one long row of pieces.
        normal = graph.norm(rows, f"{name}/attention/layer_norm")
        queries = graph.op("Reshape", graph.linear(normal, f"{name}/attention/linear_0"), one_after_the_other)
        looked = graph.op("Reshape", graph.look(heads, queries, f"keys{layer}", f"values{layer}")[0], shape)
        rows = graph.op("Add", rows, graph.linear(looked, f"{name}/attention/linear_2"))
        inputs += _sound_values(layer, heads)
        rows = graph.feed_forward(rows, f"{name}/ffn")
    graph.named(graph.norm(rows, "decoder/layer_norm"), "states")
    return graph.bytes(inputs, outputs)


def _sound_values(layer: int, heads: int) -> list[Value]:
    return [
        Value(f"{kind}{layer}", "<f4", (1, heads, "positions", WIDTH_OF_A_HEAD)) for kind in ("keys", "values")
    ]


def _words(rows: NDArray[Any], vocabulary: Vocabulary) -> bytes:
    """States to logits, and to the likeliest pieces."""
    graph = _Graph(WhisperFile({}, (), ()))
    size, count = rows.shape[1], len(rows)
    logits = graph.product("states", rows)
    never = np.zeros((1, vocabulary.end), np.float32)
    never[0, vocabulary.never[vocabulary.never < vocabulary.end]] = _NEVER
    end, last = graph.whole(vocabulary.end), graph.whole(1)
    pieces = graph.op("Slice", logits, graph.whole(0), end, last)
    pieces = graph.op("Add", pieces, graph.constant(never))
    best, places = graph.ops("TopK", pieces, graph.whole(MOST_PIECES), outputs=2, axis=-1)
    highest = graph.op("ReduceMax", pieces, axes=[-1], keepdims=1)
    total = graph.op("ReduceSum", graph.op("Exp", graph.op("Sub", pieces, highest)), last, keepdims=1)
    found = (
        best,
        places,
        graph.op("Add", highest, graph.op("Log", total)),
        graph.op("Slice", logits, end, graph.whole(count), last),
    )
    for value, name in zip(found, _WEIGHED, strict=True):
        graph.named(value, name)
    shapes: list[tuple[int | str, ...]] = [("n", MOST_PIECES), ("n", MOST_PIECES), ("n", 1), ("n", "others")]
    outputs = [
        Value(name, "<i8" if name == "places" else "<f4", shape)
        for name, shape in zip(_WEIGHED, shapes, strict=True)
    ]
    return graph.bytes([Value("states", "<f4", ("n", size))], outputs)


def _session(graph: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Several instances with a thread each serve more callers than one with several.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
