"""Russian number words: every case and gender, ordinals, colloquial forms.

Takes nothing, gives `LEXICON`. Forms after Zaliznyak's paradigms of the numerals, "ё" written as "е".
"""

from __future__ import annotations

from fractions import Fraction

from ivrbot.language.lexicon import NumberLexicon, NumberWord, Rank, listed

_UNITS = {
    1: "один одна одно одни одного одной одному одну одним одною одном одних одними",
    2: "два две двух двум двумя двое двоих",
    3: "три трех трем тремя трое троих",
    4: "четыре четырех четырем четырьмя четверо",
    5: "пять пяти пятью",
    6: "шесть шести шестью",
    7: "семь семи семью",
    8: "восемь восьми восемью восьмью",
    9: "девять девяти девятью",
}
_TEEN_STEMS = {
    10: "десят",
    11: "одиннадцат",
    12: "двенадцат",
    13: "тринадцат",
    14: "четырнадцат",
    15: "пятнадцат",
    16: "шестнадцат",
    17: "семнадцат",
    18: "восемнадцат",
    19: "девятнадцат",
}
_TENS = {
    20: "двадцать двадцати двадцатью",
    30: "тридцать тридцати тридцатью",
    40: "сорок сорока",
    50: "пятьдесят пятидесяти пятьюдесятью пятидесятью",
    60: "шестьдесят шестидесяти шестьюдесятью шестидесятью",
    70: "семьдесят семидесяти семьюдесятью семидесятью",
    80: "восемьдесят восьмидесяти восемьюдесятью восьмьюдесятью восьмидесятью",
    90: "девяносто девяноста",
}
_HUNDREDS = {
    100: "сто ста стольник",
    200: "двести двухсот двумстам двумястами двухстах",
    300: "триста трехсот тремстам тремястами трехстах",
    400: "четыреста четырехсот четыремстам четырьмястами четырехстах",
    500: "пятьсот пятисот пятистам пятьюстами пятистах",
    600: "шестьсот шестисот шестистам шестьюстами шестистах",
    700: "семьсот семисот семистам семьюстами семистах",
    800: "восемьсот восьмисот восьмистам восемьюстами восьмьюстами восьмистах",
    900: "девятьсот девятисот девятистам девятьюстами девятистах",
}
# First the forms that may stand alone for "one ...", then those that need a number before them.
_SCALES = {
    1_000: (
        "тысяча тысячу тысяче тысячей тысячью тыща тыщу косарь",
        "тысячи тысяч тысячам тысячами тысячах тыщи тыщ тыс косаря косарей",
    ),
    1_000_000: (
        "миллион миллиону миллионом миллионе лям",
        "миллиона миллионов миллионам миллионами миллионах млн ляма лямов",
    ),
    1_000_000_000: (
        "миллиард миллиарду миллиардом миллиарде",
        "миллиарда миллиардов миллиардам миллиардами миллиардах млрд",
    ),
}
_TIMES_HUNDRED = (
    "сотня сотню сотне сотней сотка сотку сотке соткой",
    "сотни сотен сотням сотнями сотнях сотки соток",
)
_DIGIT_NOUNS = {  # nominative and accusative singular, then forms that a number before them counts
    0: (
        "ноль нуль нолик нулик нолем нулем нолю нулю ноле нуле",
        "ноля нуля нолика нулика нолей нулей ноликов нуликов нули ноли",
    ),
    1: ("единица единицу единичка единичку", "единицы единиц единички единичек"),
    2: ("двойка двойку двоечка", "двойки двоек двоечки"),
    3: ("тройка тройку троечка", "тройки троек троечки"),
    4: ("четверка четверку четверочка", "четверки четверок четверочки"),
    5: ("пятерка пятерку пятерочка", "пятерки пятерок пятерочки"),
    6: ("шестерка шестерку шестерочка", "шестерки шестерок шестерочки"),
    7: ("семерка семерку семерочка", "семерки семерок семерочки"),
    8: ("восьмерка восьмерку восьмерочка", "восьмерки восьмерок восьмерочки"),
    9: ("девятка девятку девяточка", "девятки девяток девяточки"),
}
_HARD_ENDINGS = listed("ый ой ий ая ое ые ого ому ым ом ую ою ых ыми")
_ORDINALS = {
    1: (("перв",), Rank.UNIT),
    2: (("втор",), Rank.UNIT),
    4: (("четверт",), Rank.UNIT),
    5: (("пят",), Rank.UNIT),
    6: (("шест",), Rank.UNIT),
    7: (("седьм",), Rank.UNIT),
    8: (("восьм",), Rank.UNIT),
    9: (("девят",), Rank.UNIT),
    20: (("двадцат",), Rank.TEN),
    30: (("тридцат",), Rank.TEN),
    40: (("сороков",), Rank.TEN),
    50: (("пятидесят",), Rank.TEN),
    60: (("шестидесят",), Rank.TEN),
    70: (("семидесят",), Rank.TEN),
    80: (("восьмидесят",), Rank.TEN),
    90: (("девяност",), Rank.TEN),
    100: (("сот",), Rank.HUNDRED),
    200: (("двухсот",), Rank.HUNDRED),
    300: (("трехсот",), Rank.HUNDRED),
    400: (("четырехсот",), Rank.HUNDRED),
    500: (("пятисот",), Rank.HUNDRED),
    600: (("шестисот",), Rank.HUNDRED),
    700: (("семисот",), Rank.HUNDRED),
    800: (("восьмисот",), Rank.HUNDRED),
    900: (("девятисот",), Rank.HUNDRED),
    1_000: (("тысячн",), Rank.SCALE),
    1_000_000: (("миллионн",), Rank.SCALE),
}
_THIRD = "третий третья третье третьи третьего третьей третьему третью третьим третьем третьих третьими"
_HALVES = "полтора полторы полутора"
_FILLERS = (
    "э ээ эээ эм эмм мм ммм ну так и потом дальше затем значит пауза вот тире дефис дробь пробел после далее "
    "это опять снова цифра"
)


def _cardinals() -> dict[str, NumberWord]:
    found: dict[str, NumberWord] = {}
    for value, stem in _TEEN_STEMS.items():
        for ending in ("ь", "и", "ью"):
            found[stem + ending] = NumberWord(Fraction(value), Rank.TEEN)
    for rank, table in ((Rank.UNIT, _UNITS), (Rank.TEN, _TENS), (Rank.HUNDRED, _HUNDREDS)):
        for value, forms in table.items():
            for form in forms.split():
                found[form] = NumberWord(Fraction(value), rank)
    for value, (alone, counted) in [*_SCALES.items(), (100, _TIMES_HUNDRED)]:
        rank = Rank.TIMES_HUNDRED if value == 100 else Rank.SCALE
        for forms, bare in ((alone, True), (counted, False)):
            for form in forms.split():
                found[form] = NumberWord(Fraction(value), rank, bare_scale=bare, singular=bare)
    return found


def _ordinals() -> dict[str, NumberWord]:
    found: dict[str, NumberWord] = {}
    stems = [(value, stem, rank) for value, (stems, rank) in _ORDINALS.items() for stem in stems]
    stems += [(value, stem, Rank.TEEN) for value, stem in _TEEN_STEMS.items()]
    for value, stem, rank in stems:
        for ending in _HARD_ENDINGS:
            found[stem + ending] = NumberWord(Fraction(value), rank, ordinal=True)
    for form in _THIRD.split():
        found[form] = NumberWord(Fraction(3), Rank.UNIT, ordinal=True)
    # "двухтысячного", "трехтысячного": one word for a whole year.
    for thousands, prefix in enumerate(listed("двух трех четырех пяти шести семи восьми девяти"), 2):
        for ending in _HARD_ENDINGS:
            found[f"{prefix}тысячн{ending}"] = NumberWord(Fraction(thousands * 1_000), Rank.SCALE, ordinal=True)
    return found


def _nouns_and_halves() -> dict[str, NumberWord]:
    found: dict[str, NumberWord] = {}
    for value, (single, counted) in _DIGIT_NOUNS.items():
        rank = Rank.UNIT if value else Rank.ZERO
        for forms, countable in ((single, False), (counted, True)):
            for form in forms.split():
                found[form] = NumberWord(Fraction(value), rank, countable=countable)
    for form in _HALVES.split():
        found[form] = NumberWord(Fraction(3, 2), Rank.UNIT)
    for form, value in (("полтысячи", 500), ("полтыщи", 500), ("полсотни", 50), ("полмиллиона", 500_000)):
        found[form] = NumberWord(Fraction(value), Rank.HUNDRED)
    found["пол"] = NumberWord(Fraction(1, 2), Rank.UNIT)
    return found


LEXICON = NumberLexicon(
    words={**_ordinals(), **_cardinals(), **_nouns_and_halves()},
    joiners=frozenset(),
    articles=frozenset(),
    repeats={"дважды": 2, "трижды": 3},
    half_after=(("с", "половиной"),),
    fillers=frozenset(_FILLERS.split()),
    ordinal_suffixes=frozenset(listed("го ого е ое й ый ой му ом м я ая")),
)
