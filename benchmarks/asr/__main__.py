"""Measure the recognition engines: python -m benchmarks.asr

For each engine with a model of the language, each corpus and each level of noise: word error rate, processor
seconds per second of sound (final readings alone, as a call pays for them at least), wall time of a reading that
was not begun early, and when the first partial comes, in time of the utterance. Prints a Markdown table and the
machine's load; every utterance with --show. `--folder F` measures recordings of one's own instead (WAV files and
texts.tsv).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.asr.corpora import Sample, from_folder, recorded, synthetic, with_noise
from benchmarks.asr.scoring import distance, words
from ivrbot.asr.choose import choose_engine, sherpa_folder, vosk_folder
from ivrbot.asr.transcribe import read_utterance
from ivrbot.config import PROJECT_ROOT, AsrSettings, load_settings
from ivrbot.errors import MissingError
from ivrbot.model.speech import LANGUAGES, Expect, Language, Partial, unheard
from ivrbot.ports import AsrEngine

NOISES: dict[str, float | None] = {"clean": None, "20 dB": 20.0, "10 dB": 10.0}
ASTERISK = PROJECT_ROOT / ".cache" / "asterisk" / "root"
DEADLINE_MS = 60_000
NUMBER_WORDS = "number words"
HEAD = (
    "| engine | corpus | noise | utterances | WER | read whole | CPU s per s of sound | wall p50 / p95 | "
    "first partial p50 |\n|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    engine: str
    corpus: str
    noise: str
    utterances: int
    wer: float
    exact: float
    cpu_s_per_audio_s: float
    wall_ms_p50: int
    wall_ms_p95: int
    first_partial: tuple[int, int] | None

    def __str__(self) -> str:
        at = self.first_partial
        partial = "-" if at is None else f"{at[0]} ms ({at[1]} of {self.utterances})"
        return (
            f"| {self.engine} | {self.corpus} | {self.noise} | {self.utterances} | {self.wer:.2f} "
            f"| {self.exact:.0%} | {self.cpu_s_per_audio_s:.2f} | {self.wall_ms_p50} / {self.wall_ms_p95} ms "
            f"| {partial} |"
        )


def expected(corpus: str) -> Expect:
    """What the bot would be waiting for: engines read figures otherwise than sentences."""
    return Expect.DIGITS if NUMBER_WORDS in corpus else Expect.OPEN


async def read(engine: AsrEngine, sample: Sample, language: Language, expect: Expect) -> tuple[str, float]:
    """Text, and wall time of the decode in milliseconds."""
    stream = engine.open(language, expect, unheard)
    try:
        stream.feed(sample.pcm)
        started = time.monotonic()
        transcript = await stream.decode()
        return transcript.text, (time.monotonic() - started) * 1000.0
    finally:
        stream.close()


async def first_partial(engine: AsrEngine, samples: list[Sample], language: Language) -> tuple[int, int] | None:
    """Median over utterances that have one, in ms of the utterance, and how many have."""
    found = []
    for sample in samples:
        partials: list[Partial] = []
        await read_utterance(engine, sample.pcm, language, on_partial=partials.append)
        found += [partials[0].t_ms] if partials else []
    return (round(statistics.median(found)), len(found)) if found else None


async def measure(
    engine: AsrEngine, name: str, samples: list[Sample], language: Language, show: bool
) -> list[Row]:
    """A corpus at every level of noise."""
    rows = []
    for noise, snr_db in NOISES.items():
        heard = with_noise(samples, snr_db)
        errors = said = exact = 0
        walls, cpu_s = [], time.process_time()
        for sample in heard:
            text, wall_ms = await read(engine, sample, language, expected(name))
            walls.append(wall_ms)
            wrong = distance(words(sample.said, language), words(text, language))
            errors, said, exact = errors + wrong, said + len(words(sample.said, language)), exact + (wrong == 0)
            if show:
                print(f"{wrong}  {noise}  {sample.name}  |  {text}", file=sys.stderr)
        cpu_s = time.process_time() - cpu_s
        audio_s = sum(sample.seconds for sample in heard)
        rows.append(
            Row(
                engine.name,
                name,
                noise,
                len(heard),
                errors / said,
                exact / len(heard),
                cpu_s / audio_s,
                round(statistics.median(walls)),
                round(sorted(walls)[int(0.95 * (len(walls) - 1))]),
                await first_partial(engine, heard, language) if snr_db is None else None,
            )
        )
    return rows


def engines(models_dir: Path, language: Language) -> Iterator[AsrEngine]:
    """Every engine that has a model of the language."""
    kinds = ["sherpa"] if sherpa_folder(models_dir, language) else []
    kinds += ["vosk"] if vosk_folder(models_dir, language) else []
    for kind in (*kinds, "whisper"):
        settings = AsrSettings.model_validate({"engine": kind, "deadline_ms": DEADLINE_MS})
        try:
            yield choose_engine(settings, models_dir, (language,)).engines[language]
        except MissingError as error:
            print(f"{kind}: {error}", file=sys.stderr)


def corpora(language: Language, folder: Path | None, most: int) -> dict[str, list[Sample]]:
    """What is read, by name."""
    if folder is not None:
        return {f"{language}, {folder.name}": from_folder(folder)}
    kind = "prompts" if language == "en" else NUMBER_WORDS
    found = {
        f"{language}, synthetic callers (RHVoice)": synthetic(language),
        f"{language}, recorded {kind} (Asterisk, GSM)": recorded(language, ASTERISK, most),
    }
    return {name: samples for name, samples in found.items() if samples}


async def run(arguments: argparse.Namespace) -> None:
    models_dir = load_settings(Path()).models_dir
    print(HEAD)
    for language in (arguments.lang,) if arguments.lang else LANGUAGES:
        found = corpora(language, arguments.folder, arguments.most)
        for engine in engines(models_dir, language):
            await engine.start()
            try:
                for name, samples in found.items():
                    for row in await measure(engine, name, samples, language, arguments.show):
                        print(row, flush=True)
            finally:
                await engine.close()
    print(f"\nload average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asr")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--lang", choices=LANGUAGES)
    parser.add_argument("--most", type=int, default=24, help="recorded utterances of a language")
    parser.add_argument("--show", action="store_true", help="every utterance on standard error")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
