"""English number words: cardinals, ordinals, "oh", "double", "a hundred", spoken years by pairs.

Takes nothing, gives `LEXICON`.
"""

from __future__ import annotations

from fractions import Fraction

from ivrbot.language.lexicon import NumberLexicon, NumberWord, Rank, listed

_CARDINALS = {
    Rank.ZERO: {0: "zero oh o nought naught nil"},
    Rank.UNIT: dict(enumerate(listed("one two three four five six seven eight nine"), 1)),
    Rank.TEEN: dict(
        enumerate(
            listed("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"),
            10,
        )
    ),
    Rank.TEN: {
        20: "twenty",
        30: "thirty",
        40: "forty fourty",
        50: "fifty",
        60: "sixty",
        70: "seventy",
        80: "eighty",
        90: "ninety",
    },
}
_SCALES = {1_000: "thousand grand", 1_000_000: "million mln", 1_000_000_000: "billion bn"}
_ORDINALS = {
    Rank.UNIT: dict(enumerate(listed("first second third fourth fifth sixth seventh eighth ninth"), 1)),
    Rank.TEEN: dict(
        enumerate(
            listed(
                "tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth "
                "nineteenth"
            ),
            10,
        )
    ),
    Rank.TEN: {
        20: "twentieth",
        30: "thirtieth",
        40: "fortieth",
        50: "fiftieth",
        60: "sixtieth",
        70: "seventieth",
        80: "eightieth",
        90: "ninetieth",
    },
}
_COUNTABLE = {
    0: "zeros zeroes ohs os",
    1: "ones",
    2: "twos",
    3: "threes",
    4: "fours",
    5: "fives",
    6: "sixes",
    7: "sevens",
    8: "eights",
    9: "nines",
}


def _words() -> dict[str, NumberWord]:
    found: dict[str, NumberWord] = {}
    for tables, ordinal in ((_CARDINALS, False), (_ORDINALS, True)):
        for rank, table in tables.items():
            for value, forms in table.items():
                for form in forms.split():
                    found[form] = NumberWord(Fraction(value), rank, ordinal=ordinal)
    for value, forms in _SCALES.items():
        for form in forms.split():
            found[form] = NumberWord(Fraction(value), Rank.SCALE)
        plural = forms.split()[0]
        found[plural + "s"] = NumberWord(Fraction(value), Rank.SCALE, bare_scale=False)
        found[plural + "th"] = NumberWord(Fraction(value), Rank.SCALE, ordinal=True)
    found["hundred"] = NumberWord(Fraction(100), Rank.TIMES_HUNDRED)
    found["hundreds"] = NumberWord(Fraction(100), Rank.TIMES_HUNDRED, bare_scale=False)
    found["hundredth"] = NumberWord(Fraction(100), Rank.TIMES_HUNDRED, ordinal=True)
    for value, forms in _COUNTABLE.items():
        for form in forms.split():
            found[form] = NumberWord(Fraction(value), Rank.UNIT if value else Rank.ZERO, countable=True)
    return found


LEXICON = NumberLexicon(
    words=_words(),
    joiners=frozenset({"and"}),
    articles=frozenset({"a", "an"}),
    repeats={"double": 2, "triple": 3, "treble": 3, "quadruple": 4, "twice": 2},
    half_after=(("and", "a", "half"),),
    fillers=frozenset(listed("a an uh um er erm hmm then and dash hyphen space next so well like")),
    ordinal_suffixes=frozenset({"st", "nd", "rd", "th"}),
)
