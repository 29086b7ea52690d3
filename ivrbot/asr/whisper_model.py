"""One loaded Whisper model: 8 kHz sound in, readings out. Blocking; runs in worker threads only.

Takes a model folder (CTranslate2 form: model.bin, config.json, tokenizer.json, a vocabulary). Measured choices:
int8 and one thread per instance, several instances scale where several threads on one do not; the encoder sees
the sound and three seconds of zero features instead of 30 s, a fifth of the work; the token <|notimestamps|> is
left out and no prompt is given, because with a short window either of them makes the decoder talk nonsense; two
beams, because the greedy decoder hangs in loops that cost more than the second beam; one copy per language with
the words of that language only (`whisper_vocabulary`), which takes a third of a Russian reading's work away.
Source: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", sections 2.3 and 4.5.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soxr

from ivrbot.asr import mel
from ivrbot.asr.whisper_vocabulary import Ids, UnknownForm, narrowed
from ivrbot.errors import EngineBadOutput, EngineUnavailable
from ivrbot.model.audio import SAMPLE_RATE_HZ, Pcm
from ivrbot.model.speech import LANGUAGES, Language

log = logging.getLogger(__name__)

FULL_WINDOW_FRAMES: Final = 3000
TAIL_FRAMES: Final = 200
LEAD_MS: Final = 100
MAX_AUDIO_MS: Final = 29_000
MIN_AUDIO_MS: Final = 100
FILES: Final = ("model.bin", "config.json", "tokenizer.json")
VOCABULARIES: Final = ("vocabulary.json", "vocabulary.txt")
_TOKENS_BASE: Final = 24
_TOKENS_PER_S: Final = 16


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
        cpu_ms: processor time of features and model, 0 where the system does not tell.
    """

    texts: tuple[tuple[str, float], ...]
    no_speech: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Encoded:
    """Sound as the decoder wants it: half of the work on a short utterance.

    Attributes:
        features: the library's, [1, positions of 20 ms, 512] of float32.
        language: spoken.
        options: how it is to be decoded.
        seconds: length of the sound.
        cpu_ms: processor time so far.
    """

    features: Any
    language: Language
    options: DecodeOptions
    seconds: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class _Speaker:
    """The network with one language's words.

    Attributes:
        model: the library's.
        ids: for each of its tokens the tokenizer's number, ascending; None where they are the same.
    """

    model: Any
    ids: Ids | None

    def old(self, tokens: list[int]) -> list[int]:
        return tokens if self.ids is None else [int(self.ids[token]) for token in tokens]

    def new(self, tokens: list[int]) -> list[int]:
        return tokens if self.ids is None else [int(token) for token in np.searchsorted(self.ids, tokens)]


class WhisperModel:
    """A model in memory; one caller at a time."""

    def __init__(self, folder: Path) -> None:
        """Load.

        Raises:
            EngineUnavailable: the library or a file is missing, or a file is damaged.
        """
        check_folder(folder)
        try:
            import ctranslate2
            from tokenizers import Tokenizer
        except ImportError as error:
            raise EngineUnavailable(
                f"speech recognition library is missing ({error}): install ivrbot's dependencies"
            ) from error
        before = _thread_ids()
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._speakers = _speakers(folder, ctranslate2.models.Whisper)
        # Both libraries raise bare Exception and RuntimeError for damaged files.
        except Exception as error:
            raise EngineUnavailable(
                f"{folder} holds no usable Whisper model ({error}); fetch it again with `ivrbot models pull`"
            ) from error
        self._worker_ids = tuple(_thread_ids() - before)
        self._storage: Any = ctranslate2.StorageView.from_array
        self._first_special = self._token("<|endoftext|>")
        self._prompts = {language: self._prompt(language) for language in LANGUAGES}

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
        started = self._cpu_s()
        features = self._storage(np.ascontiguousarray(self._features(pcm, options)[None]))
        try:
            encoded = self._speakers[language].model.encode(features)
        except (RuntimeError, ValueError) as error:
            raise EngineBadOutput(f"whisper failed: {error}") from error
        seconds = len(pcm) / 2 / SAMPLE_RATE_HZ
        return Encoded(encoded, language, options, seconds, (self._cpu_s() - started) * 1000.0)

    def decode(self, encoded: Encoded) -> Reading:
        """The second half.

        Raises:
            EngineBadOutput: the library failed on this sound.
        """
        started = self._cpu_s()
        options, speaker = encoded.options, self._speakers[encoded.language]
        try:
            result = speaker.model.generate(
                encoded.features,
                [self._prompts[encoded.language]],
                beam_size=options.beam,
                num_hypotheses=options.hypotheses,
                # The library halves this figure; it is the guard against endless repetition.
                max_length=min(448, 2 * int(_TOKENS_BASE + _TOKENS_PER_S * encoded.seconds)),
                return_scores=True,
                return_no_speech_prob=True,
            )[0]
        except (RuntimeError, ValueError) as error:
            raise EngineBadOutput(f"whisper failed: {error}") from error
        texts = tuple(
            (self._text(speaker.old(ids)), score)
            for ids, score in zip(result.sequences_ids, result.scores, strict=True)
        )
        cpu_ms = encoded.cpu_ms + (self._cpu_s() - started) * 1000.0
        return Reading(texts, float(result.no_speech_prob), cpu_ms)

    def close(self) -> None:
        """Give the memory back."""
        for speaker in self._speakers.values():
            speaker.model.unload_model()

    def _features(self, pcm: Pcm, options: DecodeOptions) -> mel.Features:
        keep_bytes = MAX_AUDIO_MS * SAMPLE_RATE_HZ // 1000 * 2
        samples = np.frombuffer(pcm[-keep_bytes:], dtype="<i2").astype(np.float32) / 32768.0
        # Speech that begins with the very first sample is often taken for no speech at all.
        samples = np.concatenate((np.zeros(options.lead_ms * SAMPLE_RATE_HZ // 1000, np.float32), samples))
        features = mel.log_mel(soxr.resample(samples, SAMPLE_RATE_HZ, mel.SAMPLE_RATE_HZ, quality="HQ"))
        frames = max(features.shape[1] + options.tail_frames, options.min_frames)
        # The encoder halves the number of steps.
        return mel.pad_frames(features, min(FULL_WINDOW_FRAMES, frames + frames % 2))

    def _text(self, ids: list[int]) -> str:
        words = [token for token in ids if token < self._first_special]
        return str(self._tokenizer.decode(words)).strip()

    def _prompt(self, language: Language) -> list[int]:
        tokens = [self._token(f"<|{name}|>") for name in ("startoftranscript", language, "transcribe")]
        return self._speakers[language].new(tokens)

    def _token(self, name: str) -> int:
        token = self._tokenizer.token_to_id(name)
        if token is None:
            raise EngineUnavailable(
                f"the Whisper model's tokenizer lacks {name}; fetch it again with `ivrbot models pull`"
            )
        return int(token)

    def _cpu_s(self) -> float:
        """Processor time of this thread and of the library's worker."""
        return time.thread_time() + sum(_cpu_of(thread_id) for thread_id in self._worker_ids)


def _speakers(folder: Path, load: Callable[..., Any]) -> dict[Language, _Speaker]:
    """One network per language, or one for all where the files have another form than is known."""
    how = {"device": "cpu", "compute_type": "int8", "inter_threads": 1, "intra_threads": 1}
    try:
        speakers = {}
        for language in LANGUAGES:
            with narrowed(folder, language) as (own, ids):
                speakers[language] = _Speaker(load(str(own), **how), ids)
        return speakers
    except UnknownForm as error:
        log.info("the recogniser keeps the words of all languages, which is slower: %s", error)
    model = _Speaker(load(str(folder), **how), None)
    return dict.fromkeys(LANGUAGES, model)


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


def _thread_ids() -> set[int]:
    """Threads of this process; empty where the system does not tell."""
    tasks = Path("/proc/self/task")
    return {int(task.name) for task in tasks.iterdir()} if tasks.is_dir() else set()


def _cpu_of(thread_id: int) -> float:
    """Processor time of a thread in seconds (first field of Linux's schedstat, nanoseconds)."""
    try:
        return int(Path(f"/proc/self/task/{thread_id}/schedstat").read_text("ascii").split()[0]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
