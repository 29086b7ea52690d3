"""Masks codes in a text: four digits or more in a row, written or spoken, become asterisks. Pure."""

from __future__ import annotations

from ivrbot.language.numbers import digit_readings, find_runs
from ivrbot.language.tokens import Kind, tokenise
from ivrbot.model.speech import Language

MIN_DIGITS = 4
MASK = "***"


def mask_codes(text: str, language: Language) -> str:
    """Replace codes and numbers of four digits or more, however they were said, by `MASK`.

    "четыре два семь один", "сорок два семьдесят один", "4271" and "42-71" are all masked, amounts as well. A text
    without any comes back unchanged; otherwise it comes back in the spelling of `tokens.normalise`.
    """
    tokens = tokenise(text, language)
    hidden: set[int] = set()
    starts: set[int] = set()
    for run in find_runs(tokens, language, code=True):
        if any(len(reading) >= MIN_DIGITS for reading in digit_readings(run)):
            hidden.update(range(run[0].start, run[-1].end))
            starts.add(run[0].start)
    if not hidden:
        return text
    kept = []
    for index, token in enumerate(tokens):
        if index in starts:
            kept.append(MASK)
        elif index not in hidden:
            kept.append(token.text if token.kind is Kind.MARK or not kept else f" {token.text}")
    return "".join(part if part[0] == " " or not part.startswith(MASK) else f" {part}" for part in kept).strip()
