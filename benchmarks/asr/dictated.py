"""Measure dictated codes: python -m benchmarks.asr.dictated

Random codes of four digits, said one by one by voices that the bot does not use, without and with noise. They are
read as a call reads them: a first reading that holds just four figures stands, any other is made good by all that
the engine can do. Prints how many were right, wrong and to be asked for again, and how many were read twice, which
the caller waits for. SYNTHETIC speech; the codes are drawn, and never written down but with --show.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections import Counter
from pathlib import Path

from num2words import num2words

from benchmarks.asr.__main__ import DEADLINE_MS, NOISES
from benchmarks.asr.corpora import VOICES, Sample, edged, with_noise
from ivrbot.asr.choose import choose_engine
from ivrbot.call.early_readings import may_stand
from ivrbot.config import AsrSettings, load_settings
from ivrbot.language.codes import parse_digits
from ivrbot.model.speech import LANGUAGES, Expect, Language, Transcript, unheard
from ivrbot.ports import AsrEngine, Guessing
from tests.caller_speech import caller_pcm

DIGITS = 4
TEMPOS = (0.9, 1.0, 1.15)
GAPS = (" ", ", ", ". ")
"""Without a break between figures, with a short one, and each for itself."""


def dictated(language: Language, count: int, seed: str) -> list[Sample]:
    """Codes, the voices in turn; the name of each is its figures."""
    chance = random.Random(f"{language}{seed}")
    samples = []
    for index in range(count):
        code = "".join(chance.choice("0123456789") for _ in range(DIGITS))
        said = chance.choice(GAPS).join(str(num2words(int(digit), lang=language)) for digit in code)
        voice = VOICES[language][index % len(VOICES[language])]
        samples.append(Sample(code, said, edged(caller_pcm(said, voice, chance.choice(TEMPOS)))))
    return samples


async def read(engine: AsrEngine, sample: Sample, language: Language) -> tuple[Transcript, bool]:
    """What a call takes for the answer, and whether its first reading did not do."""
    stream = engine.open(language, Expect.DIGITS, unheard)
    try:
        stream.feed(sample.pcm)
        if isinstance(stream, Guessing):
            guess = await stream.guess()
            if guess.text and may_stand(guess, language, Expect.DIGITS, DIGITS):
                return guess, False
        return await stream.decode(), True
    finally:
        stream.close()


async def run(arguments: argparse.Namespace) -> None:
    language: Language = arguments.lang
    settings = AsrSettings.model_validate({"engine": "whisper", "deadline_ms": DEADLINE_MS})
    engine = choose_engine(settings, load_settings(Path()).models_dir, (language,)).engines[language]
    samples = dictated(language, arguments.count, arguments.seed)
    await engine.start()
    print("| noise | codes | right | wrong | asked again | read twice |\n|---|---|---|---|---|---|")
    try:
        for noise, snr_db in NOISES.items():
            found: Counter[str] = Counter()
            for sample in with_noise(samples, snr_db):
                transcript, twice = await read(engine, sample, language)
                code = next(
                    (c for one in transcript.hypotheses if (c := parse_digits(one.text, language, DIGITS))), None
                )
                found.update(("none" if code is None else "right" if code == sample.name else "wrong",))
                found["twice"] += twice
                if arguments.show:
                    print(f"{noise}  {sample.said}  |  {transcript.text}  |  {code}", file=sys.stderr)
            figures = (found[name] for name in ("right", "wrong", "none", "twice"))
            print(f"| {language}, {noise} | {len(samples)} | {' | '.join(map(str, figures))} |", flush=True)
    finally:
        await engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asr.dictated")
    parser.add_argument("--lang", choices=LANGUAGES, default="ru")
    parser.add_argument("--count", type=int, default=36, help="codes, each with every noise")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--show", action="store_true", help="every reading on standard error")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
