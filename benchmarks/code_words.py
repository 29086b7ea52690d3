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
  five, ten, five of each pass (what calls do); by key: the strict one, and the loose one that fit words are kept
  by as well. They are no measure of people's speech.
  `--readings FILE` keeps what was heard there, or judges what it already holds.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Final

from ivrbot.asr.guards import clean, is_invented, unloop
from ivrbot.asr.whisper_model import DecodeOptions, WhisperModel
from ivrbot.cli.code_words import open_code_words
from ivrbot.config import load_settings
from ivrbot.identity.code_words import CodeWords
from ivrbot.identity.facts import readings
from ivrbot.identity.word_lists import open_lexicon
from ivrbot.language.phonetic import loose_key, phonetic_key
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
FIVE: Final = DecodeOptions(beam=5, hypotheses=5, lead_ms=0)
STEPS: Final[Mapping[str, tuple[DecodeOptions, ...]]] = {
    "best": (FIVE,),
    "five": (FIVE,),
    "ten": (DecodeOptions(beam=10, hypotheses=10, lead_ms=0),),
    "both_passes": (FIVE, DecodeOptions(tail_frames=700, beam=5, hypotheses=5)),
}
IN_CALLS: Final = "both_passes"
KEYS: Final[Mapping[str, Callable[[str, Language], str]]] = {
    "strict": phonetic_key,
    "loose": lambda word, language: loose_key(word, language) or phonetic_key(word, language),
}


@dataclass(frozen=True, slots=True)
class Try:
    """One recording read in one way."""

    voice: CallerVoice
    word: str
    number: int
    step: str
    texts: tuple[str, ...]


@cache
def listed(file: Path | None, language: Language) -> list[str]:
    """Words to compare with, each once, "ё" as "е"."""
    if file is None:
        ranked = open_lexicon(language).words(0.0)
        return [word for _, word in zip(range(LIST_WORDS), ranked, strict=False)]
    spelt = re.compile("[а-яё]+" if language == "ru" else "[a-z]+")
    lines = (line.split("/")[0].strip() for line in file.read_text("utf-8").splitlines())
    return list(dict.fromkeys(word.replace("ё", "е") for word in lines if spelt.fullmatch(word)))


def sound(words: Sequence[str], language: Language, file: Path | None) -> Iterator[dict[str, object]]:
    """Other words of a list that share the key of each code word, by either key."""
    compared = listed(file, language)
    present = set(compared)
    for name, key_of in KEYS.items():
        keys = Counter(key_of(word, language) for word in compared)
        others = [keys[key_of(word, language)] - (word in present) for word in words]
        yield {
            "part": "sound",
            "language": language,
            "list": file.name if file is not None else "frequency library",
            "list_words": len(compared),
            "code_words": len(words),
            "key": name,
            "others_accepted_mean": round(mean(others), 3),
            "others_accepted_max": max(others),
            "of_any_word_mean": round(mean(keys[key_of(word, language)] - 1 for word in compared), 3),
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
    texts = [unloop(text) for text in one.texts]
    return frozenset(readings(Fact.CODE_WORD, texts, False, language, TODAY))


def judged(tries: Sequence[Try], words: Sequence[str], language: Language, key: str) -> dict[str, object]:
    """Shares over the tries of one step, where code words are kept by one key."""
    keys = {word: KEYS[key](word, language) for word in words}
    common = Counter(KEYS[key](word, language) for word in listed(None, language))
    owners: dict[tuple[str, str], list[bool]] = {}
    heard_right: list[list[bool]] = [[], [], []]
    strangers, stand_for = 0, 0
    for one in tries:
        stood = accepted(one, language)
        owners.setdefault((one.voice, one.word), []).append(keys[one.word] in stood)
        heard_right[one.number].append(keys[one.word] in stood)
        strangers += sum(other in stood for word, other in keys.items() if word != one.word)
        stand_for += sum(common[other] for other in stood if other != keys[one.word])
    return {
        "key": key,
        "owners": len(owners),
        "accepted_each_try": [round(mean(heard), 3) for heard in heard_right],
        "accepted_within_three": round(mean(any(heard) for heard in owners.values()), 3),
        "other_code_words_accepted": round(strangers / (len(tries) * (len(words) - 1)), 6),
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


def voices(
    judge: CodeWords, words: Sequence[str], count: int, language: Language, file: Path | None
) -> Iterator[dict[str, object]]:
    """The spoken part: a row per step and key, and one per voice for what calls do."""
    found = kept(file, random.Random(SEED).sample(list(words), count), language)
    # What an earlier version of the tool let pass may be in the file.
    tries = [one for one in found if judge.judge(one.word).fit]
    every = list(dict.fromkeys((*words, *(one.word for one in tries))))
    for step in STEPS:
        of_step = [one for one in tries if one.step == step]
        row: dict[str, object] = {"part": "voices", "label": "SYNTHETIC", "language": language, "step": step}
        for key in KEYS:
            yield row | judged(of_step, every, language, key)
        if step == IN_CALLS:
            for voice in VOICES[language]:
                of_voice = [one for one in of_step if one.voice == voice]
                yield row | {"voice": voice} | judged(of_voice, every, language, "loose")


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
    words = judge.propose(CODE_WORDS, random.Random(SEED).shuffle)
    if "sound" in chosen.parts:
        for file in dict.fromkeys((None, chosen.list)):
            for row in sound(words, chosen.lang, file):
                print(json.dumps(row, ensure_ascii=False), flush=True)
    if "voices" in chosen.parts:
        for row in voices(judge, words, chosen.words, chosen.lang, chosen.readings):
            print(json.dumps(row, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
