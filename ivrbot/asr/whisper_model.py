"""One loaded Whisper model: 8 kHz sound in, readings out. Blocking; runs in worker threads only.

Takes a model folder (CTranslate2 form: model.bin, config.json, tokenizer.json, a vocabulary). Measured choices:
8 bits and one thread per instance, several instances scale where several threads on one do not; the encoder sees
the sound and two seconds of zero features instead of 30 s, a fifth of the work; the token <|notimestamps|> is
left out and no prompt is given, because with a short window either of them makes the decoder talk nonsense; two
beams, because the greedy decoder hangs in loops that cost more than the second beam; the words of one language
only (`whisper_vocabulary`). All instances share one network in memory.
Source: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", sections 2.3 and 4.5.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

import numpy as np
import soxr
from numpy.typing import NDArray

from ivrbot.asr import mel, whisper_file
from ivrbot.asr.whisper_network import Chances, Past, Sound, Vocabulary, WhisperNetwork, stoppable
from ivrbot.asr.whisper_search import Limits, search
from ivrbot.asr.whisper_vocabulary import spoken
from ivrbot.errors import EngineBadOutput, EngineUnavailable
from ivrbot.model.audio import SAMPLE_RATE_HZ, Pcm
from ivrbot.model.speech import LANGUAGES, Language

FULL_WINDOW_FRAMES: Final = 3000
TAIL_FRAMES: Final = 200
LEAD_MS: Final = 100
MAX_AUDIO_MS: Final = 29_000
MIN_AUDIO_MS: Final = 100
FILES: Final = ("model.bin", "config.json", "tokenizer.json")
VOCABULARIES: Final = ("vocabulary.json", "vocabulary.txt")
_TOKENS_BASE: Final = 24
_TOKENS_PER_S: Final = 16
_MOST_TOKENS: Final = 224
"""The network knows twice as many positions; the other half is for prompts."""


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How hard to try.

    Attributes:
        tail_frames: empty window after the sound, in steps of 10 ms.
        min_frames: shortest window, in steps of 10 ms.
        beam: how many readings are followed at once; 1 is greedy.
        hypotheses: how many readings are wanted, at most `beam`.
        lead_ms: silence put before the sound.
    """

    tail_frames: int = TAIL_FRAMES
    min_frames: int = 0
    beam: int = 2
    hypotheses: int = 1
    lead_ms: int = LEAD_MS


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model heard, unfiltered.

    Attributes:
        texts: best first, each with its average log-probability per token.
        no_speech: probability that there is no speech at all, 0..1.
        cpu_ms: processor time of features and model.
    """

    texts: tuple[tuple[str, float], ...]
    no_speech: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Encoded:
    """Sound as the decoder wants it: half of the work on a short utterance.

    Attributes:
        sound: what the decoder looks at.
        language: spoken.
        options: how it is to be decoded.
        seconds: length of the sound.
        cpu_ms: processor time so far.
    """

    sound: Sound
    language: Language
    options: DecodeOptions
    seconds: float
    cpu_ms: float


@dataclass(frozen=True, slots=True, weakref_slot=True)
class _Loaded:
    """What the instances of a model share."""

    network: WhisperNetwork
    tokenizer: Any
    prompts: dict[Language, NDArray[np.int64]]
    no_speech: dict[Language, int]
    first_special: int


class WhisperModel:
    """A reader of sound; one caller at a time, any number of instances beside each other."""

    def __init__(self, folder: Path) -> None:
        """Load, or share what another instance has loaded.

        Raises:
            EngineUnavailable: the library or a file is missing, or a file is damaged.
        """
        check_folder(folder)
        self._loaded = _shared(folder)
        self._run = stoppable()

    def transcribe(self, pcm: Pcm, language: Language, options: DecodeOptions) -> Reading:
        """Read one utterance.

        Args:
            pcm: 8 kHz; beyond 29 s only the last 29 s are read.
            language: language spoken.
            options: window and beam.

        Raises:
            EngineBadOutput: the library failed on this sound.
        """
        return self.decode(self.encode(pcm, language, options))

    def encode(self, pcm: Pcm, language: Language, options: DecodeOptions) -> Encoded:
        """The first half of `transcribe`, which takes its arguments and raises what it raises."""
        started = time.thread_time()
        self._run = stoppable()
        try:
            sound = self._loaded.network.encode(self.features(pcm, options), self._run)
        except Exception as error:  # onnxruntime raises classes of its own
            raise EngineBadOutput(f"whisper failed: {error}") from error
        seconds = min(len(pcm) / 2 / SAMPLE_RATE_HZ, MAX_AUDIO_MS / 1000)
        return Encoded(sound, language, options, seconds, (time.thread_time() - started) * 1000.0)

    def decode(self, encoded: Encoded) -> Reading:
        """The second half.

        Raises:
            EngineBadOutput: the library failed on this sound.
        """
        started = time.thread_time()
        options = encoded.options
        self._run = stoppable()
        reader = _AtOneSound(self._loaded, encoded, self._run)
        limits = Limits(
            beam=options.beam,
            wanted=options.hypotheses,
            # The guard against endless repetition.
            pieces=min(_MOST_TOKENS, int(_TOKENS_BASE + _TOKENS_PER_S * encoded.seconds)),
            sound_s=options.lead_ms / 1000 + encoded.seconds,
        )
        try:
            texts = tuple((reader.text(one.places), one.score) for one in search(reader, limits))
        except Exception as error:  # onnxruntime raises classes of its own
            raise EngineBadOutput(f"whisper failed: {error}") from error
        if not all(math.isfinite(score) for _, score in texts):
            raise EngineBadOutput("whisper failed: its weights are damaged, readings have no probability")
        cpu_ms = encoded.cpu_ms + (time.thread_time() - started) * 1000.0
        return Reading(texts, reader.no_speech, cpu_ms)

    def give_up(self) -> None:
        """Have the half that runs in another thread fail, within milliseconds: nobody wants it any more."""
        self._run.terminate = True

    def close(self) -> None:
        """Give the memory back, when no other instance shares it."""
        del self._loaded

    def features(self, pcm: Pcm, options: DecodeOptions) -> mel.Features:
        """What `encode` takes of sound: log-mel bands with the silence before and behind."""
        keep_bytes = MAX_AUDIO_MS * SAMPLE_RATE_HZ // 1000 * 2
        samples = np.frombuffer(pcm[-keep_bytes:], dtype="<i2").astype(np.float32) / 32768.0
        # Speech that begins with the very first sample is often taken for no speech at all.
        samples = np.concatenate((np.zeros(options.lead_ms * SAMPLE_RATE_HZ // 1000, np.float32), samples))
        features = mel.log_mel(soxr.resample(samples, SAMPLE_RATE_HZ, mel.SAMPLE_RATE_HZ, quality="HQ"))
        frames = max(features.shape[1] + options.tail_frames, options.min_frames)
        # The encoder halves the number of steps.
        return mel.pad_frames(features, min(FULL_WINDOW_FRAMES, frames + frames % 2))


class _AtOneSound:
    """The network at one sound: readings so far, and what may follow them."""

    def __init__(self, loaded: _Loaded, encoded: Encoded, run: Any) -> None:
        self._loaded, self._language, self._sound, self._run = loaded, encoded.language, encoded.sound, run
        self._vocabulary = loaded.network.vocabularies[encoded.language]
        self._past: Past = loaded.network.nothing
        self.marks, self.end = self._vocabulary.marks, self._vocabulary.end
        self.no_speech = 0.0

    def begin(self) -> tuple[Chances, Chances]:
        prompt = self._loaded.prompts[self._language]
        states, self._past = self._loaded.network.step(self._sound, prompt[None], self._past, self._run)
        # Whether anything is said is asked where the reading begins.
        chances = self._loaded.network.chances(states[0, [0, -2, -1]], self._language)
        self.no_speech = chances.share_of(self._loaded.no_speech[self._language] - self.end)
        return chances.of(1), chances.of(2)

    def go_on(self, parents: Sequence[int], places: Sequence[int]) -> Chances:
        if list(parents) != list(range(len(self._past[0]))):
            rows = list(parents)
            self._past = tuple(half[rows] for half in self._past)
        tokens = self._vocabulary.tokens[list(places)][:, None]
        states, self._past = self._loaded.network.step(self._sound, tokens, self._past, self._run)
        return self._loaded.network.chances(states[:, -1], self._language)

    def text(self, places: Sequence[int]) -> str:
        tokens = self._vocabulary.tokens[list(places)]
        words = tokens[tokens < self._loaded.first_special]
        return str(self._loaded.tokenizer.decode(words.tolist())).strip()


_LOADED: WeakValueDictionary[tuple[Path, int, int], _Loaded] = WeakValueDictionary()
_LOADING = threading.Lock()


def _shared(folder: Path) -> _Loaded:
    """The model of a folder, loaded once for all who use it at a time."""
    try:
        file = (folder / "model.bin").stat()
        key = (folder.resolve(), file.st_size, file.st_mtime_ns)
        with _LOADING:
            loaded = _LOADED.get(key)
            if loaded is None:
                loaded = _LOADED[key] = _load(folder)
        return loaded
    except ImportError as error:
        raise EngineUnavailable(
            f"speech recognition library is missing ({error}): install ivrbot's dependencies"
        ) from error
    # The libraries raise bare Exception and classes of their own for damaged files.
    except Exception as error:
        raise EngineUnavailable(
            f"{folder} holds no usable Whisper model ({error}); fetch it again with `ivrbot models pull`"
        ) from error


def _load(folder: Path) -> _Loaded:
    from tokenizers import Tokenizer

    file = whisper_file.read(folder)
    numbers = {piece: number for number, piece in enumerate(file.pieces)}

    def number(*names: str) -> int:
        for name in names:
            if f"<|{name}|>" in numbers:
                return numbers[f"<|{name}|>"]
        raise whisper_file.UnknownForm(f"the vocabulary lacks <|{names[0]}|>")

    vocabularies, prompts, no_speech = {}, {}, {}
    for language in LANGUAGES:
        tokens = spoken(file.pieces, language)
        marks_of = [number("endoftext"), number("0.00"), number("nocaptions", "nospeech")]
        end, marks, quiet = np.searchsorted(tokens, marks_of)
        never = np.searchsorted(tokens, np.intersect1d(tokens, file.suppressed))
        vocabularies[language] = Vocabulary(tokens, never, int(end), int(marks))
        no_speech[language] = int(quiet)
        prompts[language] = np.array(
            [number(name) for name in ("startoftranscript", language, "transcribe", "0.00")], dtype=np.int64
        )
    network = WhisperNetwork(file, vocabularies)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return _Loaded(network, tokenizer, prompts, no_speech, number("endoftext"))


def check_folder(folder: Path) -> None:
    """See whether a folder can hold the model.

    Raises:
        EngineUnavailable: names the missing files and says how to get them.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in VOCABULARIES):
        missing.append(" or ".join(VOCABULARIES))
    if missing:
        raise EngineUnavailable(
            f"no Whisper model in {folder} (missing: {', '.join(missing)}); run `ivrbot models pull whisper-base`"
        )
