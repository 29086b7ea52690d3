"""Measure the recognition engines: python -m benchmarks.asr FOLDER --lang ru

FOLDER holds 8 kHz WAV files and texts.tsv (file name, tab, what is said). For each engine with a model of the
language: word error rate, processor seconds per utterance and per second of sound, wall time from the end of the
sound to the reading (the part of the response gap that recognition costs if nothing is decoded early), and how the
time grows when several callers speak at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
import wave
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.asr.scoring import distance, words
from ivrbot.asr.choose import vosk_folder
from ivrbot.asr.vosk import VoskEngine
from ivrbot.asr.whisper import WhisperEngine
from ivrbot.config import load_settings
from ivrbot.model.audio import SAMPLE_RATE_HZ, Pcm
from ivrbot.model.speech import Expect, Language
from ivrbot.ports import AsrEngine


@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    said: str
    pcm: Pcm

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Result:
    engine: str
    utterances: int
    audio_s: float
    wer: float
    exact: float
    cpu_s_per_utterance: float
    cpu_s_per_audio_s: float
    wall_ms_p50: int
    wall_ms_p95: int
    at_once: int
    at_once_speed_up: float


def read_samples(folder: Path) -> list[Sample]:
    samples = []
    for line in (folder / "texts.tsv").read_text("utf-8").splitlines():
        name, said = line.split("\t", 1)
        with wave.open(str(folder / name)) as file:
            if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (SAMPLE_RATE_HZ, 1, 2):
                sys.exit(f"{folder / name}: 8 kHz, mono, 16 bit is wanted")
            samples.append(Sample(name, said, Pcm(file.readframes(file.getnframes()))))
    return samples


async def read(engine: AsrEngine, sample: Sample, language: Language) -> tuple[str, float]:
    """Text, and wall time of the decode in milliseconds."""
    stream = engine.open(language, Expect.OPEN, lambda _: None)
    try:
        stream.feed(sample.pcm)
        started = time.monotonic()
        transcript = await stream.decode()
        return transcript.text, (time.monotonic() - started) * 1000.0
    finally:
        stream.close()


async def measure(
    engine: AsrEngine, samples: list[Sample], language: Language, at_once: int, show: bool
) -> Result:
    await engine.start()
    try:
        errors = said = exact = 0
        walls = []
        cpu, begun = time.process_time(), time.monotonic()
        for sample in samples:
            text, wall_ms = await read(engine, sample, language)
            walls.append(wall_ms)
            wrong = distance(words(sample.said), words(text))
            errors += wrong
            said += len(words(sample.said))
            exact += wrong == 0
            if show:
                print(f"{wrong}  {sample.name}  {sample.said}  |  {text}", file=sys.stderr)
        cpu, alone_s = time.process_time() - cpu, time.monotonic() - begun
        begun = time.monotonic()
        for start in range(0, len(samples), at_once):
            await asyncio.gather(*(read(engine, one, language) for one in samples[start : start + at_once]))
        together_s = time.monotonic() - begun
    finally:
        await engine.close()
    audio_s = sum(sample.seconds for sample in samples)
    return Result(
        engine=engine.name,
        utterances=len(samples),
        audio_s=round(audio_s, 1),
        wer=round(errors / said, 3),
        exact=round(exact / len(samples), 3),
        cpu_s_per_utterance=round(cpu / len(samples), 3),
        cpu_s_per_audio_s=round(cpu / audio_s, 3),
        wall_ms_p50=round(statistics.median(walls)),
        wall_ms_p95=round(sorted(walls)[int(0.95 * (len(walls) - 1))]),
        at_once=at_once,
        at_once_speed_up=round(alone_s / together_s, 2),
    )


def engines(models_dir: Path, language: Language, second_pass_ms: int) -> list[AsrEngine]:
    found: list[AsrEngine] = []
    if folder := vosk_folder(models_dir, language):
        found.append(VoskEngine({language: folder}))
    if (models_dir / "whisper-base").is_dir():
        found.append(
            WhisperEngine(
                models_dir / "whisper-base", partials=False, deadline_ms=60_000, second_pass_ms=second_pass_ms
            )
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asr")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lang", choices=("ru", "en"), default="ru")
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--second-pass-ms", type=int, default=1500)
    parser.add_argument("--show", action="store_true", help="every utterance on standard error")
    arguments = parser.parse_args()
    samples = read_samples(arguments.folder)
    for engine in engines(load_settings(Path()).models_dir, arguments.lang, arguments.second_pass_ms):
        result = asyncio.run(measure(engine, samples, arguments.lang, arguments.at_once, arguments.show))
        print(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
