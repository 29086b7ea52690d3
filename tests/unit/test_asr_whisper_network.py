"""The network by 8-bit products, against the same arithmetic in numpy with all digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import erf

from ivrbot.asr import mel, whisper_file
from ivrbot.asr.whisper_file import UnknownForm, WhisperFile
from ivrbot.asr.whisper_network import MOST_PIECES, Vocabulary, WhisperNetwork, stoppable, whole_weights
from tests.fakes.whisper_folder import write_folder

SIZE, BANDS, LAYERS, PIECES, POSITIONS, HEADS = 128, mel.BANDS, 2, 60, 40, 2
END, MARKS = 40, 45
NEVER = (3, 17)
VOCABULARY = Vocabulary(np.arange(PIECES), np.array(NEVER), END, MARKS)

Rows = NDArray[np.float64]


def random_weights() -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(5)

    def table(*shape: int) -> NDArray[Any]:
        return rng.normal(0, shape[-1] ** -0.5 if len(shape) == 2 else 0.1, shape).astype(np.float16)

    weights = {
        "encoder/conv1/weight": table(SIZE, BANDS, 3),
        "encoder/conv1/bias": table(SIZE),
        "encoder/conv2/weight": table(SIZE, SIZE, 3),
        "encoder/conv2/bias": table(SIZE),
        "encoder/position_encodings/encodings": table(POSITIONS, SIZE),
        "decoder/position_encodings/encodings": table(POSITIONS, SIZE),
        "decoder/embeddings/weight": (rng.normal(0, 1, (PIECES, SIZE)) * 0.3).astype(np.float16),
    }
    blocks = [(f"{half}/layer_{at}", half) for half in ("encoder", "decoder") for at in range(LAYERS)]
    for name, half in blocks:
        shapes = {"self_attention": [(3 * SIZE, SIZE), (SIZE, SIZE)], "ffn": [(4 * SIZE, SIZE), (SIZE, 4 * SIZE)]}
        if half == "decoder":
            shapes["attention"] = [(SIZE, SIZE), (2 * SIZE, SIZE), (SIZE, SIZE)]
        for part, sizes in shapes.items():
            weights |= _norm(f"{name}/{part}/layer_norm", rng)
            for at, shape in enumerate(sizes):
                weights[f"{name}/{part}/linear_{at}/weight"] = table(*shape)
                weights[f"{name}/{part}/linear_{at}/bias"] = table(shape[0])
    return weights | _norm("encoder/layer_norm", rng) | _norm("decoder/layer_norm", rng)


def _norm(name: str, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    return {
        f"{name}/gamma": (1 + rng.normal(0, 0.1, SIZE)).astype(np.float16),
        f"{name}/beta": rng.normal(0, 0.1, SIZE).astype(np.float16),
    }


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> WhisperFile:
    folder = tmp_path_factory.mktemp("whisper")
    write_folder(folder, random_weights(), [f"p{at}" for at in range(PIECES)])
    return whisper_file.read(folder)


@pytest.fixture(scope="module")
def network(file: WhisperFile) -> WhisperNetwork:
    return WhisperNetwork(file, {"ru": VOCABULARY})


@pytest.fixture(scope="module")
def features() -> NDArray[np.float32]:
    return np.random.default_rng(6).normal(0, 1, (BANDS, 24)).astype(np.float32)


class Exact:
    """The published network, in 64 bits."""

    def __init__(self, file: WhisperFile) -> None:
        self.file = file

    def of(self, name: str) -> Rows:
        return self.file.array(name).astype(np.float64)

    def linear(self, rows: Rows, name: str) -> Rows:
        return rows @ self.of(f"{name}/weight").T + self.of(f"{name}/bias")

    def norm(self, rows: Rows, name: str) -> Rows:
        centred = rows - rows.mean(axis=-1, keepdims=True)
        even = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        return even * self.of(f"{name}/gamma") + self.of(f"{name}/beta")

    def conv(self, rows: Rows, name: str, stride: int) -> Rows:
        weight, padded = self.of(f"{name}/weight"), np.pad(rows, ((1, 1), (0, 0)))
        found = [np.einsum("tc,oct->o", padded[at : at + 3], weight) for at in range(0, len(rows), stride)]
        return _gelu(np.array(found) + self.of(f"{name}/bias"))

    def attention(self, queries: Rows, keys: Rows, values: Rows, *, causal: bool = False) -> Rows:
        width = SIZE // HEADS
        heads = []
        for head in range(HEADS):
            part = slice(head * width, (head + 1) * width)
            weights = queries[:, part] @ keys[:, part].T / np.sqrt(width)
            if causal:
                weights[np.triu_indices(len(queries), 1)] = -np.inf
            weights = np.exp(weights - weights.max(axis=1, keepdims=True))
            heads.append(weights / weights.sum(axis=1, keepdims=True) @ values[:, part])
        return np.concatenate(heads, axis=1)

    def block(self, rows: Rows, name: str, sound: Rows | None) -> Rows:
        normal = self.norm(rows, f"{name}/self_attention/layer_norm")
        parts = np.split(self.linear(normal, f"{name}/self_attention/linear_0"), 3, axis=1)
        looked = self.attention(parts[0], parts[1], parts[2], causal=sound is not None)
        rows = rows + self.linear(looked, f"{name}/self_attention/linear_1")
        if sound is not None:
            queries = self.linear(self.norm(rows, f"{name}/attention/layer_norm"), f"{name}/attention/linear_0")
            keys, values = np.split(self.linear(sound, f"{name}/attention/linear_1"), 2, axis=1)
            rows = rows + self.linear(self.attention(queries, keys, values), f"{name}/attention/linear_2")
        inner = _gelu(self.linear(self.norm(rows, f"{name}/ffn/layer_norm"), f"{name}/ffn/linear_0"))
        return rows + self.linear(inner, f"{name}/ffn/linear_1")

    def sound(self, features: NDArray[np.float32]) -> Rows:
        rows = self.conv(features.T.astype(np.float64), "encoder/conv1", 1)
        rows = self.conv(rows, "encoder/conv2", 2)
        rows = rows + self.of("encoder/position_encodings/encodings")[: len(rows)]
        for at in range(LAYERS):
            rows = self.block(rows, f"encoder/layer_{at}", None)
        return self.norm(rows, "encoder/layer_norm")

    def logits(self, sound: Rows, tokens: list[int]) -> Rows:
        words = self.of("decoder/embeddings/weight")
        rows = words[tokens] + self.of("decoder/position_encodings/encodings")[: len(tokens)]
        for at in range(LAYERS):
            rows = self.block(rows, f"decoder/layer_{at}", sound)
        return self.norm(rows, "decoder/layer_norm") @ words.T


def _gelu(rows: Rows) -> Rows:
    return rows * (1 + erf(rows / np.sqrt(2))) / 2


def logits(network: WhisperNetwork, states: NDArray[np.float32]) -> Rows:
    """All logits at some states, -inf where they are not told."""
    chances = network.chances(states, "ru")
    found = np.full((len(states), PIECES), -np.inf)
    np.put_along_axis(found, chances.places, chances.words.astype(np.float64), axis=1)
    found[:, END], found[:, MARKS:] = chances.end, chances.marks
    return found


def off_by(found: Rows, exact: Rows) -> float:
    """Largest difference of what is told, by how far the exact logits spread."""
    told = np.isfinite(found) & np.isfinite(exact)
    return float(np.abs(found[told] - exact[told]).max() / exact[told].std())


def test_it_is_the_published_network(
    file: WhisperFile, network: WhisperNetwork, features: NDArray[np.float32]
) -> None:
    exact = Exact(file)
    tokens = [1, 7, 30, 12, 9]
    states, _ = network.step(network.encode(features), np.array([tokens]), network.nothing)
    wanted = exact.logits(exact.sound(features), tokens)
    assert off_by(logits(network, states[0]), wanted) < 0.1
    # The same without sound is another thing, so that the comparison can fail.
    silent = exact.logits(exact.sound(np.zeros_like(features)), tokens)
    assert off_by(logits(network, states[0]), silent) > 0.3


def test_piece_after_piece_is_the_same_as_at_once(network: WhisperNetwork, features: NDArray[np.float32]) -> None:
    sound = network.encode(features)
    tokens = np.array([[1, 7, 30, 12, 9]])
    at_once, _ = network.step(sound, tokens, network.nothing)
    past = network.nothing
    for at in range(tokens.shape[1]):
        states, past = network.step(sound, tokens[:, at : at + 1], past)
        assert off_by(logits(network, states[:, -1]), logits(network, at_once[:, at])) < 0.1


def test_readings_beside_each_other_do_not_meet(network: WhisperNetwork, features: NDArray[np.float32]) -> None:
    sound = network.encode(features)
    _, past = network.step(sound, np.array([[1, 7]]), network.nothing)
    both = tuple(np.repeat(half, 2, axis=0) for half in past)
    states, _ = network.step(sound, np.array([[30], [12]]), both)
    for row, token in enumerate((30, 12)):
        alone, _ = network.step(sound, np.array([[token]]), past)
        assert off_by(logits(network, states[row : row + 1, -1]), logits(network, alone[:, -1])) < 0.1


def test_the_chances_told_are_those_of_the_logits(
    file: WhisperFile, network: WhisperNetwork, features: NDArray[np.float32]
) -> None:
    exact = Exact(file)
    states, _ = network.step(network.encode(features), np.array([[1, 7, 30]]), network.nothing)
    (row,) = exact.logits(exact.sound(features), [1, 7, 30])[-1:]
    chances = network.chances(states[:, -1], "ru")
    words = row[:END].copy()
    words[list(NEVER)] = -np.inf
    best = np.argsort(-words)[:MOST_PIECES]
    assert not set(NEVER) & set(chances.places[0].tolist())
    assert len(set(best.tolist()) & set(chances.places[0].tolist())) >= MOST_PIECES - 2
    assert chances.words_sum[0] == pytest.approx(np.log(np.exp(words).sum()), abs=0.1)
    chance = np.exp(row[50]) / (np.exp(words).sum() + np.exp(row[END:]).sum())
    assert chances.share_of(50 - END) == pytest.approx(chance, rel=0.15)
    assert np.array_equal(chances.of(0).marks, chances.marks)


def test_no_two_neighbours_of_the_weights_overflow_sixteen_bits() -> None:
    rng = np.random.default_rng(7)
    weights = rng.normal(0, 1, (64, 32)).astype(np.float32)
    weights[:8] = np.abs(weights[:8])
    weights[8] = 1.0
    weights[9] = 0.0
    whole, scales = whole_weights(weights)
    pairs = whole.astype(np.int32).reshape(64, -1, 2)
    assert np.maximum(pairs, 0).sum(axis=2).max() * 255 <= 32767
    assert np.maximum(-pairs, 0).sum(axis=2).max() * 255 <= 32768
    assert np.abs(whole * scales[:, None] - weights).max() <= scales.max() / 2 * 1.001
    assert np.abs(whole[10:]).max(axis=1).min() > 63, "more than seven bits are used where they can be"


def test_missing_weights_are_named(tmp_path: Path) -> None:
    weights = random_weights()
    del weights["decoder/layer_1/attention/linear_1/bias"]
    write_folder(tmp_path, weights, ["p"] * PIECES)
    with pytest.raises(UnknownForm, match="decoder/layer_1/attention/linear_1/bias"):
        WhisperNetwork(whisper_file.read(tmp_path), {"ru": VOCABULARY})


def test_a_model_of_other_sounds_is_told(tmp_path: Path) -> None:
    weights = random_weights()
    weights["encoder/conv1/weight"] = np.zeros((SIZE, 128, 3), np.float16)
    write_folder(tmp_path, weights, ["p"] * PIECES)
    with pytest.raises(UnknownForm, match="128 bands of sound, known are 80"):
        WhisperNetwork(whisper_file.read(tmp_path), {"ru": VOCABULARY})


def test_a_run_that_nobody_wants_any_more_ends(network: WhisperNetwork, features: NDArray[np.float32]) -> None:
    run = stoppable()
    sound = network.encode(features, run)
    states, _ = network.step(sound, np.array([[1]]), network.nothing, run)
    assert states.shape == (1, 1, SIZE)
    run.terminate = True
    with pytest.raises(Exception, match="terminate"):
        network.encode(features, run)
    with pytest.raises(Exception, match="terminate"):
        network.step(sound, np.array([[1]]), network.nothing, run)
