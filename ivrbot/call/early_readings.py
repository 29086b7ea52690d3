"""What a reading made before the end of a turn is good for: does it end the turn, and does it need a better one?

Takes the words, what understanding made of them and what was asked; gives how complete the turn is. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ivrbot.language.answers import is_lone_no, parse_yes_no
from ivrbot.language.commands import universal
from ivrbot.language.standing import Standing, standing
from ivrbot.language.telling import tells_only
from ivrbot.model.speech import Expect, Language, Transcript
from ivrbot.speech.endpointing import Completeness

SURE: Final = 0.5
"""Confidence from which any answer is believed in a guess."""
LEAST_MS_A_LETTER: Final = 50
"""Nobody says more than some twenty sounds a second. Where that was not kept, the voice said something else ("ну"
and "не" by three voices: 80 to 180 ms); of 24 answers that meant a yes or a no none was so short."""
HARDLY_ANYTHING_MS: Final = 300
"""Who has spoken longer has said something; words too many are the recogniser's then."""

_COUNTED: Final = frozenset((Expect.DIGITS, Expect.DATE))
"""Of these it is known when all is there, whatever it means."""

_COMPLETENESS: Final[Mapping[Standing, Completeness]] = {
    Standing.OPEN: Completeness.UNFINISHED,
    Standing.BARE: Completeness.UNFINISHED,
    Standing.WHOLE: Completeness.COMPLETE,
    Standing.ENOUGH: Completeness.COMPLETE,
    Standing.UNKNOWN: Completeness.UNKNOWN,
}


def completeness(
    text: str, language: Language, expect: Expect, digits: int, *, answered: bool, in_full: bool = False
) -> Completeness:
    """What understanding and the end of the sentence make of a reading together.

    Args:
        text: what has been read.
        language: of the text.
        expect: kind of answer that was asked for.
        digits: figures wanted, 0 where their number is open.
        answered: understanding takes it for an answer.
        in_full: a person's name is wanted, with all that belongs to it; a city's is one word.
    """
    one_word = expect is Expect.NAME and not in_full
    stands = standing(text, language, Expect.YES_NO if one_word else expect, digits)
    if stands is Standing.WHOLE and expect in _COUNTED:
        return Completeness.ANSWERED
    if answered and stands is not Standing.OPEN:
        if expect is Expect.YES_NO and is_lone_no(text, language):
            return Completeness.DENIED
        if expect is not Expect.OPEN or universal(text, language):
            return Completeness.ANSWERED
        if stands is Standing.BARE:
            # A topic guessed from a verb alone ("could you block") may be right, and its noun be still to come.
            return Completeness.UNFINISHED
        return Completeness.TOLD if tells_only(text, language) else Completeness.ANSWERED
    if stands is Standing.UNKNOWN and expect in _COUNTED:
        # "I do not have it with me": he is not dictating, and no more figures are to be waited for.
        stands = Standing.WHOLE if standing(text, language, Expect.OPEN) is Standing.WHOLE else stands
    return _COMPLETENESS[stands]


def most_are_whole(reading: Transcript, language: Language, expect: Expect, digits: int) -> bool:
    """Whether most of what may have been said holds all the figures, or a day with its year.

    The best reading of a doubtful answer lacks a figure as often as not. Of 60 beginnings of dictated figures, by
    six voices, one had most readings so; eleven had one at least.
    """
    if expect not in _COUNTED:
        return False
    found = [standing(one.text, language, expect, digits) for one in reading.hypotheses]
    return 2 * found.count(Standing.WHOLE) > len(found)


def may_stand(guess: Transcript, language: Language, expect: Expect, digits: int) -> bool:
    """Whether a guess with words in it needs no better reading.

    Asked only of what answers the question. A topic survives a misheard word, and a name that was found in a list
    is seldom another one misheard. Figures and days do not survive, but where just as many were read as are
    wanted, a second reading is no better than the first, however sure that was (of 51 unsure ones 47 were right,
    and 43 of their second readings). Short words are never sure; a yes or a no is when all readings of it that
    mean either mean the same.
    """
    if expect is Expect.OPEN or guess.hypotheses[0].confidence >= SURE:
        return True
    if expect is Expect.NAME:
        return universal(guess.text, language) is None
    if expect in _COUNTED:
        return standing(guess.text, language, expect, digits) is Standing.WHOLE
    if expect is not Expect.YES_NO:
        return False
    meant = [parse_yes_no(one.text, language) for one in guess.hypotheses]
    return len({one for one in meant if one is not None}) == 1 and meant[0] is not None


def is_too_short(
    reading: Transcript, language: Language, expect: Expect, spoken_ms: int, *, answered: bool = True
) -> bool:
    """Whether so little was said where a yes or a no was asked for that it can only be the beginning of an answer.

    A "ну" with which an answer only begins is often read as "нет", and as surely as that, or as some other word.

    Args:
        reading: with words in it.
        language: of it.
        expect: kind of answer that was asked for.
        spoken_ms: length of the voice.
        answered: understanding takes it for an answer.
    """
    if expect is not Expect.YES_NO or spoken_ms >= HARDLY_ANYTHING_MS:
        return False
    meant = parse_yes_no(reading.text, language)
    if meant is None:
        return not answered
    return not meant and spoken_ms < LEAST_MS_A_LETTER * sum(map(str.isalpha, reading.text))
