"""Measure the recogniser's network beside CTranslate2: python -m benchmarks.asr.network

Callers' sentences by voices that the bot does not use, without and with noise, read by the product's own decoder
and by CTranslate2 (8 bits, one thread, same file, window and beam), in turn in one process. Prints word errors,
the time of both halves of a reading, and the ratio of whole readings, sentence by sentence, in the median.
SYNTHETIC speech.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.asr.corpora import VOICES, Sample, edged, with_noise
from benchmarks.asr.scoring import distance, words
from benchmarks.nlu import sample
from ivrbot.asr import guards
from ivrbot.asr.whisper_model import DecodeOptions, WhisperModel
from ivrbot.config import load_settings
from ivrbot.model.audio import Pcm
from ivrbot.model.speech import LANGUAGES, Language
from tests.caller_speech import caller_pcm

NOISES_DB = (None, 20)


@dataclass
class Row:
    """What one reader made of all sentences."""

    errors: int = 0
    encoding_s: list[float] = field(default_factory=list)
    decoding_s: list[float] = field(default_factory=list)

    def whole_s(self) -> list[float]:
        return [one + other for one, other in zip(self.encoding_s, self.decoding_s, strict=True)]


class Reference:
    """The same model file by CTranslate2, with the words of all languages."""

    def __init__(self, folder: Path, ours: WhisperModel) -> None:
        import ctranslate2
        from tokenizers import Tokenizer

        how = {"device": "cpu", "compute_type": "int8", "inter_threads": 1, "intra_threads": 1}
        self._model = ctranslate2.models.Whisper(str(folder), **how)
        self._view = ctranslate2.StorageView.from_array
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._ours = ours

    def encode(self, pcm: Pcm, language: Language, options: DecodeOptions) -> Any:
        features = self._ours.features(pcm, options)
        return language, self._model.encode(self._view(np.ascontiguousarray(features[None])))

    def decode(self, encoded: Any) -> str:
        language, features = encoded
        prompt = [
            self._tokenizer.token_to_id(f"<|{name}|>") for name in ("startoftranscript", language, "transcribe")
        ]
        found = self._model.generate(features, [prompt], beam_size=DecodeOptions().beam, max_length=200)[0]
        end = self._tokenizer.token_to_id("<|endoftext|>")
        return str(self._tokenizer.decode([token for token in found.sequences_ids[0] if token < end]))


Readers = dict[str, tuple[Callable[..., Any], Callable[[Any], str]]]


def compare(readers: Readers, samples: list[Sample], language: Language, speech: str) -> None:
    """Print a row for each reader."""
    rows = {name: Row() for name in readers}
    said = 0
    for one in samples:
        wanted = words(one.said, language)
        said += len(wanted)
        for name, (encode, decode) in readers.items():
            began_s = time.perf_counter()
            encoded = encode(one.pcm, language, DecodeOptions())
            half_s = time.perf_counter()
            read = decode(encoded)
            rows[name].encoding_s.append(half_s - began_s)
            rows[name].decoding_s.append(time.perf_counter() - half_s)
            rows[name].errors += distance(wanted, words(guards.unloop(guards.clean(read)), language))
    against = rows["CTranslate2"].whole_s()
    for name, row in rows.items():
        ratio = median(one / other for one, other in zip(row.whole_s(), against, strict=True))
        print(
            f"| {speech} | {name} | {row.errors / said:.1%} | {median(row.encoding_s) * 1000:.0f} ms |"
            f" {median(row.decoding_s) * 1000:.0f} ms | {ratio:.2f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asr.network")
    parser.add_argument("--count", type=int, default=60, help="sentences, each with every noise")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder = load_settings(Path.cwd()).models_dir / "whisper-base"
    ours = WhisperModel(folder)
    reference = Reference(folder, ours)
    readers: Readers = {
        "CTranslate2": (reference.encode, reference.decode),
        "ivrbot": (ours.encode, lambda encoded: ours.decode(encoded).texts[0][0]),
    }
    print("| speech | reader | word errors | encoding, median | decoding, median | whole reading, ratio |")
    print("|---|---|---|---|---|---|")
    for language in LANGUAGES:
        voices = VOICES[language]
        samples = [
            Sample(topic, text, edged(caller_pcm(text, voices[at % len(voices)])))
            for at, (topic, text) in enumerate(sample(language, arguments.count, arguments.seed))
        ]
        for noise_db in NOISES_DB:
            speech = f"{language}, {'clean' if noise_db is None else f'noise at {noise_db} dB'}"
            compare(readers, with_noise(samples, noise_db), language, speech)


if __name__ == "__main__":
    main()
