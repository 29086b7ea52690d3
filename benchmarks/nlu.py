"""Measure understanding: python -m benchmarks.nlu text noise calibration voices rasa

Every part prints one JSON line per measurement; `--mistakes` lists what was got wrong on standard error.

- text: the held-out sentences of tests/data, none of them trained on. `nlu_callers_*` were written before the
  training data was read, by who then wrote part of it; `nlu_heldout_*` are older. With the sentence encoder and
  without; negated sentences (a refusal without another wish is right as deny, cancel or out_of_scope); the share
  of sentences of other intents that would block a card; processor time of one parse.
  Floors: topics 91 % (goal 95), negated 90 %, false block_card at most 0.5 %, 2 ms.
- noise: the same sentences with 20 % of the words lost and 30 % of the rest misheard (tests/heavy_noise.py), three
  draws. Floor 85 %. Beside it, what is lost with the words alone, and how often no telling word is left.
- calibration: how often a confidence of 0.1 to 0.2, 0.2 to 0.3 ... is right, and the expected calibration error
  (Guo et al., "On Calibration of Modern Neural Networks", 2017), on the same sentences, clean and noised.
- voices: a seeded sample of `nlu_callers_*` spoken by three SYNTHETIC voices (RHVoice) over telephone sound and
  read by the embedded recogniser. Floor 80 %, goal 90. They are no measure of people's speech.
- rasa: Rasa 3.6 trained on the same nlu_data (light: logistic regression, diet: DIETClassifier), beside the
  embedded classifier on the same sentences; builds and trains what is missing.

Public data sets: benchmarks/nlu_public.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from ivrbot.asr.whisper import WhisperEngine
from ivrbot.config import PROJECT_ROOT, load_settings
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import Pcm
from ivrbot.model.speech import LANGUAGES, OUT_OF_SCOPE, Expect, Language, NluResult
from ivrbot.nlu.data import load_training_data
from ivrbot.nlu.embedded import EmbeddedNlu
from ivrbot.nlu.encoder import ENCODER_FILE
from ivrbot.nlu.evaluate import Row, read_rows
from ivrbot.nlu.rasa import RasaNlu
from ivrbot.nlu.text import normalise
from tests.caller_speech import CallerVoice, caller_wav
from tests.heavy_noise import ERROR_CHANCE, HeavyNoise
from tests.integration.rasa_server import running_rasa

ACTS: Final = frozenset(["affirm", "deny", "repeat", "help", "wait", "cancel", "goodbye", "greet"])
REFUSALS: Final = frozenset(["deny", "cancel", OUT_OF_SCOPE])
SETS: Final = ("callers", "heldout", "negated")
VOICES: Final[dict[Language, tuple[CallerVoice, ...]]] = {
    "ru": ("anna", "elena", "irina"),
    "en": ("bdl", "clb", "alan"),
}
SAMPLE: Final[dict[Language, int]] = {"ru": 60, "en": 30}

Parse = Callable[[str, Language], Awaitable[NluResult]]


def rows_of(name: str, language: Language) -> tuple[Row, ...]:
    """Sentences of one set of tests/data."""
    return read_rows(PROJECT_ROOT / "tests" / "data" / f"nlu_{name}_{language}.tsv")


def right(name: str, expected: str, found: str) -> bool:
    """Whether a finding counts; in the negated set all ways of doing nothing are one."""
    return found == expected or (name == "negated" and expected == "deny" and found in REFUSALS)


def figures(name: str, pairs: Sequence[tuple[str, str]]) -> dict[str, object]:
    """Shares over (expected, found)."""

    def share(chosen: list[tuple[str, str]]) -> float | None:
        return round(sum(right(name, *pair) for pair in chosen) / len(chosen), 3) if chosen else None

    others = [found for expected, found in pairs if expected != "block_card"]
    return {
        "n": len(pairs),
        "all": share(list(pairs)),
        "topics": share([pair for pair in pairs if pair[0] not in ACTS and pair[0] != OUT_OF_SCOPE]),
        "acts": share([pair for pair in pairs if pair[0] in ACTS]),
        "oos_recall": share([pair for pair in pairs if pair[0] == OUT_OF_SCOPE]),
        "false_block": f"{others.count('block_card')} of {len(others)}",
    }


async def measure_text(engine: str, parse: Parse, mistakes: bool) -> None:
    """Every set in both languages."""
    for language in LANGUAGES:
        for name in SETS:
            rows = rows_of(name, language)
            cpu = time.process_time()
            pairs = [(intent, (await parse(text, language)).intent) for intent, text in rows]
            cpu_ms = 1000 * (time.process_time() - cpu) / len(rows)
            tell("text", engine, language, name, {**figures(name, pairs), "cpu_ms_per_parse": round(cpu_ms, 2)})
            if mistakes:
                for (expected, found), (_, text) in zip(pairs, rows, strict=True):
                    if not right(name, expected, found):
                        print(f"{engine} {name}: {expected} -> {found}: {text}", file=sys.stderr)


async def measure_noise(engine: str, parse: Parse, draws: int = 3) -> None:
    """Both sets of plain sentences after heavy noise: words misheard by sound, as other words, and lost only."""
    data = load_training_data(PROJECT_ROOT / "nlu_data")
    kinds = {
        "noise": (False, ERROR_CHANCE),
        "noise with real words": (True, ERROR_CHANCE),
        "words lost": (False, 0.0),
    }
    for language in LANGUAGES:
        words = {word for one in data[language].examples for word in normalise(one.text).split()}
        for kind, (real_words, error_chance) in kinds.items():
            for name in SETS[:2]:
                pairs = []
                for seed in range(draws):
                    noise = HeavyNoise(language, words, seed, real_words=real_words, error_chance=error_chance)
                    for intent, text in rows_of(name, language):
                        pairs.append((intent, (await parse(noise(normalise(text)), language)).intent))
                tell(kind, engine, language, name, figures(name, pairs))


async def measure_calibration(engine: str, parse: Parse) -> None:
    """Confidence beside the share right, in ten bins, over both sets of plain sentences."""
    data = load_training_data(PROJECT_ROOT / "nlu_data")
    for language in LANGUAGES:
        words = {word for one in data[language].examples for word in normalise(one.text).split()}
        noise = HeavyNoise(language, words, 0)
        for kind in ("clean", "noised"):
            bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
            for intent, text in (row for name in SETS[:2] for row in rows_of(name, language)):
                result = await parse(text if kind == "clean" else noise(normalise(text)), language)
                bins[min(9, int(result.confidence * 10))].append((result.confidence, result.intent == intent))
            count = sum(map(len, bins.values()))
            off = sum(abs(sum(sure - hit for sure, hit in own)) for own in bins.values())
            table = {
                f"{place / 10:.1f}": [len(own), round(sum(hit for _, hit in own) / len(own), 2)]
                for place, own in sorted(bins.items())
            }
            tell("calibration", engine, language, kind, {"n": count, "ece": round(off / count, 3), "bins": table})


def measure_loss(draws: int = 3) -> None:
    """How often heavy noise takes every telling word of a topic's sentence.

    A word is telling when at least half of the training sentences with it are of the sentence's topic. Such a
    sentence can be understood only by what is left of a misheard word, or by words that tell little.
    """
    data = load_training_data(PROJECT_ROOT / "nlu_data")
    for language in LANGUAGES:
        of_word: dict[str, Counter[str]] = defaultdict(Counter)
        for one in data[language].examples:
            for word in set(normalise(one.text).split()):
                of_word[word][one.intent] += 1
        telling = {
            (word, intent)
            for word, intents in of_word.items()
            for intent, count in intents.items()
            if intents.total() > 1 and 2 * count >= intents.total()
        }
        rows = [row for name in SETS[:2] for row in rows_of(name, language) if row[0] not in {*ACTS, OUT_OF_SCOPE}]
        had, garbled, lost = 0, 0, 0
        for seed in range(draws):
            for intent, text in rows:
                words = normalise(text)
                if not any((word, intent) in telling for word in words.split()):
                    continue
                had += 1
                for error_chance in (ERROR_CHANCE, 0.0):
                    left = HeavyNoise(language, (), seed * 100_003 + had, error_chance=error_chance)(words).split()
                    none_left = not any((word, intent) in telling for word in left)
                    garbled += none_left and error_chance > 0
                    lost += none_left and error_chance == 0
        shares = {"with_telling_word": round(had / draws / len(rows), 3), "none_intact": round(garbled / had, 3)}
        tell("loss", "none", language, "callers and heldout", {**shares, "all_lost": round(lost / had, 3)})


def sample(language: Language, count: int | None = None, seed: int = 7) -> list[Row]:
    """Sentences of topics, drawn from `nlu_callers_*`."""
    rows = [row for row in rows_of("callers", language) if row[0] not in ACTS and row[0] != OUT_OF_SCOPE]
    return random.Random(seed).sample(rows, SAMPLE[language] if count is None else count)


async def measure_voices(parse: Parse, models_dir: Path, mistakes: bool) -> None:
    """Spoken, recognised, understood."""
    asr = WhisperEngine(models_dir / "whisper-base", partials=False, deadline_ms=60_000)
    await asr.start()
    try:
        for language in LANGUAGES:
            for voice in VOICES[language]:
                pairs = []
                for intent, text in sample(language):
                    heard = await read(asr, read_wav(caller_wav(text, voice)), language)
                    found = (await parse(heard, language)).intent
                    pairs.append((intent, found))
                    if mistakes and found != intent:
                        print(f"{voice}: {intent} -> {found}: {text} | {heard}", file=sys.stderr)
                tell("synthetic voice", "embedded", language, voice, figures("callers", pairs))
    finally:
        await asr.close()


async def read(asr: WhisperEngine, pcm: Pcm, language: Language) -> str:
    """What the recogniser hears."""
    stream = asr.open(language, Expect.OPEN, lambda _: None)
    try:
        stream.feed(pcm)
        return (await stream.decode()).text
    finally:
        stream.close()


async def measure_rasa(config: str, mistakes: bool) -> None:
    """A real Rasa server trained on the same data."""
    with tempfile.TemporaryDirectory() as folder, running_rasa(config, Path(folder) / "rasa.log") as (server, _):
        engine = RasaNlu(server)
        try:
            await measure_text(f"rasa {config}", engine.parse, mistakes)
            await measure_noise(f"rasa {config}", engine.parse, draws=1)
        finally:
            await engine.close()


def tell(part: str, engine: str, language: str, data: str, result: dict[str, object]) -> None:
    print(json.dumps({"part": part, "engine": engine, "lang": language, "set": data, **result}), flush=True)


async def run(arguments: argparse.Namespace) -> None:
    settings = load_settings(Path())
    encoder = settings.models_dir / ENCODER_FILE
    parts = set(arguments.parts)
    if parts & {"text", "noise", "calibration", "voices"}:
        start, cpu = time.monotonic(), time.process_time()
        with_encoder = EmbeddedNlu.train(settings.nlu_data_dir, encoder, cache_dir=settings.data_dir / "nlu")
        ready = {"wall_s": round(time.monotonic() - start, 2), "cpu_s": round(time.process_time() - cpu, 2)}
        tell("ready", "embedded", "", "nlu_data", {**ready, "encoder": with_encoder.has_encoder})
        words_alone = EmbeddedNlu.train(settings.nlu_data_dir, None, cache_dir=settings.data_dir / "nlu")
        for name, engine in (("embedded", with_encoder), ("embedded, words alone", words_alone)):
            if "text" in parts:
                await measure_text(name, engine.parse, arguments.mistakes)
            if "noise" in parts:
                await measure_noise(name, engine.parse)
            if "calibration" in parts:
                await measure_calibration(name, engine.parse)
        if "noise" in parts:
            measure_loss()
        if "voices" in parts:
            await measure_voices(with_encoder.parse, settings.models_dir, arguments.mistakes)
        await with_encoder.close()
        await words_alone.close()
    if "rasa" in parts:
        for config in ("light", "diet"):
            await measure_rasa(config, arguments.mistakes)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nlu")
    parser.add_argument("parts", nargs="+", choices=("text", "noise", "calibration", "voices", "rasa"))
    parser.add_argument("--mistakes", action="store_true", help="every mistake on standard error")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
