"""The grammar of spoken numbers, one for all languages; the words come from a `NumberLexicon`.

Takes tokens, gives runs of atoms (number words and digit strings that belong together) and reads numbers off them.
A number is a falling sequence: hundreds, tens, units, then a scale; what does not fit begins the next number, so
"сорок два семьдесят один" is 42 and 71.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from ivrbot.language.by_ear import put_right, written_in_two
from ivrbot.language.lexicon import NumberLexicon, NumberWord, Rank
from ivrbot.language.lexicons import LEXICONS
from ivrbot.language.tokens import Kind, Token
from ivrbot.model.speech import Language

_SOFT_MARKS = frozenset(",.;:-/")
_PAUSES = frozenset(",.;:")
# More than this is babble, not a code: it has no reading, and hearing it costs no time.
_MAX_READINGS = 64
_MAX_ATOMS = 64


@dataclass(frozen=True, slots=True)
class Atom:
    """A number word or a digit string in its place.

    Attributes:
        word: its meaning; None for a digit string.
        digits: the digits as they stand ("0472", "00" for "два нуля"); "" for a word.
        start: index of its first token.
        end: one past its last token.
        paused: a comma or the like stands before it.
        half: "с половиной".
        ordinal: "5-го".
    """

    word: NumberWord | None
    digits: str
    start: int
    end: int
    paused: bool = False
    half: bool = False
    ordinal: bool = False


Run = tuple[Atom, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """A number read off a run.

    Attributes:
        value: never negative; a fraction for "полторы" and decimals.
        end: index of the atom after it.
        ordinal: whether it was said as an ordinal.
    """

    value: Fraction
    end: int
    ordinal: bool


# --- tokens -> runs ---------------------------------------------------------------------------------------


def _is_half(tokens: Sequence[Token], at: int, lexicon: NumberLexicon) -> int:
    for phrase in lexicon.half_after:
        if tuple(token.text for token in tokens[at : at + len(phrase)]) == phrase:
            return len(phrase)
    return 0


def _ordinal_suffix_end(tokens: Sequence[Token], at: int, lexicon: NumberLexicon) -> int:
    """Give the end of an ending glued to the digits before `at` ("-го", "th"), or `at`."""
    dashed = at < len(tokens) and tokens[at].text == "-" and not tokens[at].spaced
    at_word = at + 1 if dashed else at
    if at_word < len(tokens) and not tokens[at_word].spaced and tokens[at_word].text in lexicon.ordinal_suffixes:
        return at_word + 1
    return at


def _atom_at(tokens: Sequence[Token], at: int, lexicon: NumberLexicon) -> Atom | None:
    token = tokens[at]
    if token.kind is Kind.DIGITS:
        end = _ordinal_suffix_end(tokens, at + 1, lexicon)
        return Atom(None, token.text, at, end, ordinal=end > at + 1)
    if half := _is_half(tokens, at, lexicon):
        return Atom(None, "", at, at + half, half=True)
    following = tokens[at + 1].text if at + 1 < len(tokens) else ""
    after = lexicon.words.get(following)
    if token.text in lexicon.repeats:
        digit = following if len(following) == 1 and following.isdigit() else ""
        if after is not None and after.rank in (Rank.ZERO, Rank.UNIT) and not after.ordinal:
            digit = str(int(after.value))
        return Atom(None, digit * lexicon.repeats[token.text], at, at + 2) if digit else None
    if token.text in lexicon.articles:
        if after is None or after.rank < Rank.TIMES_HUNDRED:
            return None
        return Atom(after, "", at, at + 2)
    word = lexicon.words.get(token.text)
    return None if word is None else Atom(word, "", at, at + 1)


def _counted(run: list[Atom], atom: Atom) -> Atom | None:
    """Read "два нуля", "three zeros": the number before multiplies the digit."""
    if atom.word is None or not atom.word.countable or not run:
        return None
    before = run[-1]
    value = int(before.digits) if before.digits else int(before.word.value) if before.word else 0
    is_unit = before.word is None or before.word.rank is Rank.UNIT
    if not is_unit or not 1 <= value <= 6 or len(before.digits) > 1 or before.ordinal:
        return None
    digit = str(int(atom.word.value))
    return Atom(None, digit * value, before.start, atom.end, paused=before.paused)


def _transparent(token: Token, lexicon: NumberLexicon, *, code: bool) -> bool:
    if token.kind is Kind.MARK:
        return token.text in _SOFT_MARKS
    return token.text in lexicon.joiners or (code and token.text in lexicon.fillers)


def find_runs(tokens: Sequence[Token], language: Language, *, code: bool) -> Iterator[Run]:
    """Cut the numbers out of a sentence.

    Args:
        tokens: of one utterance.
        language: chooses the lexicon.
        code: a dictated code: hesitations and linking words do not interrupt it, and words written as they sound
            or in two parts are put right.

    Yields:
        Non-empty sequences of atoms with nothing but pauses between them.
    """
    lexicon = LEXICONS[language]
    if code:
        tokens = put_right(tokens, language)
    run: list[Atom] = []
    paused = False
    at = 0
    while at < len(tokens):
        whole = written_in_two(tokens, at, language) if code else None
        atom = Atom(whole, "", at, at + 2) if whole is not None else _atom_at(tokens, at, lexicon)
        if atom is not None:
            counted = _counted(run, atom)
            if counted is not None:
                run[-1] = counted
            else:
                run.append(replace(atom, paused=paused and bool(run)))
            at, paused = atom.end, False
            continue
        if _transparent(tokens[at], lexicon, code=code):
            paused = paused or tokens[at].text in _PAUSES
        elif run:
            yield tuple(run)
            run = []
        at += 1
    if run:
        yield tuple(run)


# --- runs -> numbers --------------------------------------------------------------------------------------


class _Sum:
    """Adds atoms up as long as they form one number."""

    def __init__(self) -> None:
        self.total = Fraction(0)
        self.group = Fraction(0)
        self.ceiling: int = Rank.TIMES_HUNDRED
        self.last_scale: Fraction | None = None
        self.closed = False
        self.ordinal = False
        self.taken = 0

    def take(self, atom: Atom) -> bool:
        """Add the atom, or answer False and stay as before."""
        if self.closed:
            return False
        if atom.half:
            done = self._take_half()
        elif atom.word is None:
            done = self._take_digits(atom.digits)
        elif atom.word.rank is Rank.SCALE:
            done = self._take_scale(atom.word)
        elif atom.word.rank is Rank.TIMES_HUNDRED:
            done = self._take_hundred(atom.word)
        else:
            done = self._take_part(atom.word)
        if done:
            self.taken += 1
            if atom.ordinal or (atom.word is not None and atom.word.ordinal):
                self.ordinal = self.closed = True
        return done

    def _take_half(self) -> bool:
        if not self.group or self.group.denominator != 1:
            return False
        self.group += Fraction(1, 2)
        self.ceiling = Rank.ZERO
        return True

    def _take_digits(self, digits: str) -> bool:
        first = not self.taken
        fits = self.last_scale is not None and not self.group and len(digits) <= 3 and digits[0] != "0"
        if not first and not fits:
            return False
        self.group = Fraction(int(digits))
        self.ceiling = Rank.ZERO
        # "0472" is a code, never the beginning of a larger number.
        self.closed = len(digits) > 1 and digits[0] == "0"
        return True

    def _take_part(self, word: NumberWord) -> bool:
        if word.rank is Rank.ZERO:
            self.closed = not self.taken
            return not self.taken
        if word.rank >= self.ceiling or (word.value.denominator != 1 and self.group):
            return False
        self.group += word.value
        self.ceiling = {Rank.HUNDRED: Rank.HUNDRED, Rank.TEN: Rank.TEEN}.get(word.rank, Rank.UNIT)
        return True

    def _take_hundred(self, word: NumberWord) -> bool:
        if not self.group:
            if not word.bare_scale:
                return False
            self.group = word.value
        elif self.group < 100 and self.ceiling != Rank.HUNDRED:
            self.group *= word.value
        else:
            return False
        self.ceiling = Rank.HUNDRED
        return True

    def _take_scale(self, word: NumberWord) -> bool:
        if self.last_scale is not None and word.value >= self.last_scale:
            return False
        if not self.group and not word.bare_scale:
            return False
        # "ноль шесть тысяча девятьсот": the singular follows 1, 21, 31 ... only, so it begins the next number.
        if word.singular and self.group and (self.group % 10 != 1 or self.group % 100 == 11):
            return False
        self.total += (self.group or Fraction(1)) * word.value
        self.group = Fraction(0)
        self.last_scale = word.value
        self.ceiling = Rank.TIMES_HUNDRED
        return True


def _begins_hundred(run: Sequence[Atom], at: int, so_far: _Sum) -> bool:
    """Tell the "three" of "two hundred and ninety three hundred": it belongs to the next number."""
    following = run[at + 1].word if at + 1 < len(run) else None
    return so_far.group >= 100 and following is not None and following.rank is Rank.TIMES_HUNDRED


def read_number(run: Sequence[Atom], start: int, stop: int | None = None) -> Number | None:
    """Read the longest number that begins at an atom.

    Args:
        run: atoms.
        start: index of the first atom.
        stop: index that may not be passed, or None.

    Returns:
        The number, or None where none can begin ("тысяч", "нулей").
    """
    sum_ = _Sum()
    at = start
    limit = len(run) if stop is None else stop
    while at < limit and not _begins_hundred(run, at, sum_) and sum_.take(run[at]):
        at += 1
    if at == start:
        return None
    return Number(sum_.total + sum_.group, at, sum_.ordinal)


def read_whole(run: Sequence[Atom]) -> Number | None:
    """Read a run as exactly one number, or None (two numbers, or none)."""
    number = read_number(run, 0)
    return number if number is not None and number.end == len(run) else None


# --- runs -> digit strings --------------------------------------------------------------------------------


def _numbers_at(run: Sequence[Atom], at: int) -> Iterator[tuple[str, int]]:
    """Give every way to read digits at an atom: as written, as a number, as a number that ends at a pause."""
    atom = run[at]
    if atom.digits:
        yield atom.digits, at + 1
        following = run[at + 1] if at + 1 < len(run) else None
        if following is None:
            return
        if following.word is None:
            # Recognisers that write each word as a number give "40 2" for "сорок два".
            if _completes(atom.digits, following.digits):
                yield str(int(atom.digits) + int(following.digits)), at + 2
            return
        if following.word.rank < Rank.TIMES_HUNDRED:
            return
    longest = read_number(run, at)
    if longest is None:
        return
    stops = [index for index in range(at + 1, longest.end) if run[index].paused]
    for stop in [*stops, longest.end]:
        number = read_number(run, at, stop)
        if number is not None and not number.ordinal and number.value.denominator == 1:
            yield str(int(number.value)), number.end


def _completes(tens: str, unit: str) -> bool:
    whole = len(unit) == 1 and unit != "0"
    if len(tens) == 2:
        return whole and tens[1] == "0" and tens[0] > "1"
    return len(tens) == 4 and tens.endswith("000") and len(unit) in (1, 2, 3) and unit[:1] not in ("", "0")


def digit_readings(run: Sequence[Atom]) -> frozenset[str]:
    """Give every digit string that a dictated run may stand for.

    Words are read as the largest number that they form, except across a pause, where both readings count. Digit
    strings count as written, and as words would where a recogniser wrote each word apart ("40 2").
    """
    if len(run) > _MAX_ATOMS:
        return frozenset()
    found: list[set[str]] = [set() for _ in range(len(run) + 1)]
    found[0].add("")
    for at in range(len(run)):
        if not found[at]:
            continue
        for digits, end in _numbers_at(run, at):
            found[end].update(before + digits for before in found[at])
            if len(found[end]) > _MAX_READINGS:
                return frozenset()
    return frozenset(found[-1])
