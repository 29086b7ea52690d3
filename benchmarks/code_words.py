"""Measure code words: python -m benchmarks.code_words sound voices [--words N] [--list FILE]

Every part prints one JSON line per measurement. The words are proposed by `ivrbot code-words propose` with a fixed
seed, so that the measurement can be repeated; needs the extra `code-words`.

- sound: 300 code words by their keys against a large word list: how many other words of the list would be accepted
  for each. The list is the 52,574 most frequent words of the frequency library, and with `--list` any other, one
  word a line (hunspell's `.dic` too). Bar: on average 0.5 at most, never over 5.
- voices: some of them spoken by three SYNTHETIC voices (RHVoice) over telephone sound, read by the embedded
  recogniser and judged as a call judges them, in three tries: the word alone, "my code word is ...", the word
  slower. Share of owners accepted with the first try and within three; share of (reading, other code word) pairs
  that would be accepted; for how many words of the large list a reading stands. By step: the best reading alone,
  five as in calls, ten, five of both passes. They are no measure of people's speech.
  `--readings FILE` keeps what was heard there, or judges what it already holds.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from statistics import mean
from typing import Final

from ivrbot.asr.guards import clean, is_invented
from ivrbot.asr.whisper_model import DecodeOptions, WhisperModel
from ivrbot.cli.code_words import open_code_words
from ivrbot.config import load_settings
from ivrbot.identity.facts import readings
from ivrbot.identity.word_lists import open_lexicon
from ivrbot.language.phonetic import phonetic_key
from ivrbot.media.wav import read_wav
from ivrbot.model.bank import Fact
from ivrbot.model.speech import Language
from tests.caller_speech import CallerVoice, caller_wav

CODE_WORDS: Final = 300
LIST_WORDS: Final = 52_574
SEED: Final = 2026
TODAY: Final = date(2026, 3, 9)
VOICES: Final[dict[Language, tuple[CallerVoice, ...]]] = {
    "ru": ("anna", "elena", "irina"),
    "en": ("bdl", "clb", "alan"),
}
CARRIER: Final[dict[Language, str]] = {"ru": "моё кодовое слово {}", "en": "my code word is {}"}
SLOWER: Final = 0.8
FIVE: Final = DecodeOptions(beam=5, hypotheses=5, lead_ms=0)  # as calls read secrets
STEPS: Final[Mapping[str, tuple[DecodeOptions, ...]]] = {
    "best": (FIVE,),
    "five": (FIVE,),
    "ten": (DecodeOptions(beam=10, hypotheses=10, lead_ms=0),),
    "both_passes": (FIVE, DecodeOptions(tail_frames=700, beam=5, hypotheses=5)),
}


@dataclass(frozen=True, slots=True)
class Try:
    """One recording read in one way."""

    voice: CallerVoice
    word: str
    number: int
    step: str
    texts: tuple[str, ...]


def listed(file: Path | None, language: Language) -> list[str]:
    """Words to compare with, each once, "ё" as "е"."""
    if file is None:
        ranked = open_lexicon(language).words(0.0)
        return [word for _, word in zip(range(LIST_WORDS), ranked, strict=False)]
    spelt = re.compile("[а-яё]+" if language == "ru" else "[a-z]+")
    lines = (line.split("/")[0].strip() for line in file.read_text("utf-8").splitlines())
    return list(dict.fromkeys(word.replace("ё", "е") for word in lines if spelt.fullmatch(word)))


def sound(words: Sequence[str], language: Language, file: Path | None) -> dict[str, object]:
    """Other words of a list that share the key of each code word."""
    compared = listed(file, language)
    keys = Counter(phonetic_key(word, language) for word in compared)
    present = set(compared)
    others = [keys[phonetic_key(word, language)] - (word in present) for word in words]
    every = mean(keys[phonetic_key(word, language)] - 1 for word in compared)
    return {
        "part": "sound",
        "language": language,
        "code_words": len(words),
        "list_words": len(compared),
        "others_accepted_mean": round(mean(others), 3),
        "others_accepted_max": max(others),
        "of_any_word_mean": round(every, 3),
    }


# --- voices -----------------------------------------------------------------------------------------------


def spoken(word: str, voice: CallerVoice, language: Language) -> Iterator[Path]:
    """The three tries of one owner."""
    yield caller_wav(word, voice)
    yield caller_wav(CARRIER[language].format(word), voice)
    yield caller_wav(word, voice, SLOWER)


def read_all(words: Sequence[str], language: Language) -> Iterator[Try]:
    """Every word in every voice and try, read in every way."""
    model = WhisperModel(load_settings(Path.cwd()).models_dir / "whisper-base")
    for word in words:
        for voice in VOICES[language]:
            for number, file in enumerate(spoken(word, voice, language)):
                yield from read_one(model, file, language, Try(voice, word, number, "", ()))


def read_one(model: WhisperModel, file: Path, language: Language, spoken_by: Try) -> Iterator[Try]:
    """One recording read in every way, each pass made once."""
    pcm = read_wav(file)
    heard: dict[DecodeOptions, tuple[str, ...]] = {}
    for options in dict.fromkeys(options for step in STEPS.values() for options in step):
        texts = [clean(text) for text, _ in model.transcribe(pcm, language, options).texts]
        heard[options] = tuple(text for text in texts if not is_invented(text))
    for step, passes in STEPS.items():
        together = tuple(dict.fromkeys(text for options in passes for text in heard[options]))
        yield replace(spoken_by, step=step, texts=together[:1] if step == "best" else together)


def accepted(one: Try, language: Language) -> frozenset[str]:
    """Keys that a reading stands for, as a call judges it."""
    found: set[str] = set()
    for text in one.texts:
        found.update(readings(Fact.CODE_WORD, (text,), False, language, TODAY))
    return frozenset(found)


def judged(tries: Sequence[Try], words: Sequence[str], language: Language) -> dict[str, object]:
    """Shares over the tries of one step."""
    keys = {word: phonetic_key(word, language) for word in words}
    common = Counter(phonetic_key(word, language) for word in listed(None, language))
    owners: dict[tuple[str, str], list[bool]] = {}
    heard_right: list[list[bool]] = [[], [], []]
    strangers, stand_for = 0, 0
    for one in tries:
        stood = accepted(one, language)
        owners.setdefault((one.voice, one.word), []).append(keys[one.word] in stood)
        heard_right[one.number].append(keys[one.word] in stood)
        strangers += sum(key in stood for word, key in keys.items() if word != one.word)
        stand_for += sum(common[key] for key in stood if key != keys[one.word])
    by_try = [mean(heard) for heard in heard_right]
    return {
        "owners": len(owners),
        "accepted_first_try": round(by_try[0], 3),
        "accepted_each_try": [round(share, 3) for share in by_try],
        "accepted_within_three": round(mean(any(heard) for heard in owners.values()), 3),
        "other_owners_words_accepted": round(strangers / (len(tries) * (len(words) - 1)), 6),
        "list_words_stood_for": round(stand_for / len(tries), 2),
        "readings": round(mean(len(one.texts) for one in tries), 1),
    }


def kept(file: Path | None, sample: Sequence[str], language: Language) -> list[Try]:
    """What was heard, from the file when it is there."""
    if file is not None and file.is_file():
        return [Try(**json.loads(line)) for line in file.read_text("utf-8").splitlines()]
    tries: list[Try] = []
    with file.open("w", encoding="utf-8") if file is not None else nullcontext() as out:
        for one in read_all(sample, language):
            tries.append(one)
            if out is not None:
                out.write(json.dumps(asdict(one), ensure_ascii=False) + "\n")
                out.flush()
    return tries


def voices(words: Sequence[str], count: int, language: Language, file: Path | None) -> Iterator[dict[str, object]]:
    """The spoken part, one row per step and one per voice for the step of calls."""
    sample = random.Random(SEED).sample(list(words), count)
    tries = kept(file, sample, language)
    for step in STEPS:
        of_step = [one for one in tries if one.step == step]
        row = {"part": "voices", "label": "SYNTHETIC voices", "language": language, "step": step}
        yield row | judged(of_step, words, language)
        if step == "five":
            for voice in VOICES[language]:
                yield {**row, "voice": voice} | judged(
                    [one for one in of_step if one.voice == voice], words, language
                )


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("parts", nargs="+", choices=["sound", "voices"])
    parser.add_argument("--lang", choices=["ru", "en"], default="ru")
    parser.add_argument("--words", type=int, default=60, help="spoken in each voice")
    parser.add_argument("--list", type=Path, default=None)
    parser.add_argument("--readings", type=Path, default=None)
    chosen = parser.parse_args()
    judge = open_code_words(load_settings(Path.cwd()), chosen.lang)
    words = judge.propose(CODE_WORDS, random.Random(SEED))
    rows: list[dict[str, object]] = []
    if "sound" in chosen.parts:
        rows.append(sound(words, chosen.lang, None))
        if chosen.list is not None:
            rows.append({"list": chosen.list.name} | sound(words, chosen.lang, chosen.list))
    for row in rows:
        print(json.dumps(row, ensure_ascii=False), flush=True)
    if "voices" in chosen.parts:
        for row in voices(words, chosen.words, chosen.lang, chosen.readings):
            print(json.dumps(row, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
