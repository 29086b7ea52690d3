"""`ivrbot code-words`: judge a customer's choice of a code word, propose good ones. No word is logged."""

from __future__ import annotations

import random
import secrets
import sys
from pathlib import Path
from typing import Final

import click

from ivrbot.cli.console import (
    FAILED,
    INVALID,
    fail,
    guarded,
    json_option,
    language_option,
    print_json,
    quiet_settings,
)
from ivrbot.config import Settings
from ivrbot.identity.code_words import CodeWords, Fault, syllables
from ivrbot.identity.word_lists import open_lexicon
from ivrbot.language.tokens import words
from ivrbot.model.speech import Language
from ivrbot.nlu.data import load_training_data

MAX_PROPOSED: Final = 1000
_WHY: Final[dict[Fault, str]] = {
    Fault.NOT_WORDS: "not written in letters of its language",
    Fault.TOO_MANY_WORDS: "more than two words: callers change their order or leave one out",
    Fault.TOO_SHORT: "too short: too few sounds to tell it from other words over a telephone",
    Fault.TOO_FREQUENT: "too frequent: among the first words somebody would guess",
    Fault.UNKNOWN: "unknown to the word list: recognisers do not write such words",
    Fault.NUMBER: "a number: it would be heard as digits of a card",
    Fault.DATE: "a day or a month: it would be heard as a date of birth",
    Fault.NAME: "a name: the first thing somebody who knows the customer would guess",
    Fault.DIALOGUE: "a word of our own dialogue: callers say it anyway",
    Fault.SOUNDS_LIKE_FREQUENT: "sounds like another frequent word, which would be accepted too",
    Fault.REFUSED_BY_BANK: "on the bank's own list of refused words",
}
refused_option = click.option(
    "--refused",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="Words the bank does not want (coarse ones, its brands), one a line, UTF-8.",
)


@click.group("code-words")
def code_words() -> None:
    """Judge a code word, propose good ones."""


@code_words.command()
@click.argument("word")
@language_option
@refused_option
@json_option
@guarded
def check(word: str, lang: Language, refused: Path | None, as_json: bool) -> None:
    """Whether WORD is fit; every reason against it. "-" reads it from standard input: no history keeps it."""
    said = (sys.stdin.readline() if word == "-" else word).strip()
    if not said:
        fail(INVALID, "no word was given")
    judgement = open_code_words(quiet_settings(), lang, refused).judge(said)
    if as_json:
        reasons = [{"code": fault.value, "detail": _WHY[fault]} for fault in judgement.faults]
        print_json({"ok": judgement.fit, "reasons": reasons, "neighbours": judgement.neighbours})
    else:
        for fault in judgement.faults:
            click.echo(f"{fault.value}: {_WHY[fault]}")
        if judgement.fit:
            click.echo("fit")
    if not judgement.fit:
        sys.exit(FAILED)


@code_words.command()
@language_option
@click.option(
    "--count", type=click.IntRange(1, MAX_PROPOSED), default=2, show_default=True, help="How many words."
)
@click.option("--seed", type=int, default=None, help="Repeatable, for measurements; never for a customer's word.")
@refused_option
@json_option
@guarded
def propose(lang: Language, count: int, seed: int | None, refused: Path | None, as_json: bool) -> None:
    """Fit words, far apart in sound from each other: the customer takes one, or the operator draws again."""
    chance = secrets.SystemRandom() if seed is None else random.Random(seed)
    proposed = open_code_words(quiet_settings(), lang, refused).propose(count, chance.shuffle)
    if as_json:
        print_json({"words": [{"word": word, "syllables": syllables(word, lang)} for word in proposed]})
    else:
        for word in proposed:
            click.echo(word)
    if len(proposed) < count:
        fail(FAILED, f"only {len(proposed)} words are far enough apart; ask for fewer")


def open_code_words(settings: Settings, language: Language, refused: Path | None = None) -> CodeWords:
    """The judge of a language, with the words of the bot's training sentences as its dialogue."""
    lexicon = open_lexicon(language)
    sentences = load_training_data(settings.nlu_data_dir)[language].examples
    said = {word for sentence in sentences for word in words(sentence.text, language)}
    unwanted = refused.read_text("utf-8").split() if refused is not None else ()
    return CodeWords(lexicon, language, said, unwanted)
