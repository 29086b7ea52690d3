"""Made-up secrets, the ways people say them, and a search that knows them in every spelling.

Takes a seed, gives secrets and sentences. The words are our own: nothing of the product's number grammar is used,
so that a fault in it cannot hide here.
"""

from __future__ import annotations

import random
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

Kind = Literal["card", "last_four", "cvv", "pin", "otp", "phone", "passport", "snils", "word", "email"]


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split())


DIGITS = {
    "ru": _listed("ноль один два три четыре пять шесть семь восемь девять"),
    "en": _listed("zero one two three four five six seven eight nine"),
}
TEENS = {
    "ru": _listed(
        "десять одиннадцать двенадцать тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать "
        "девятнадцать"
    ),
    "en": _listed("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"),
}
TENS = {
    "ru": _listed("двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто"),
    "en": _listed("twenty thirty forty fifty sixty seventy eighty ninety"),
}
WORDS = ("берендей", "глициния", "ковчег", "marigold", "lighthouse", "мандрагора")

SENTENCES: dict[Kind, dict[str, tuple[str, ...]]] = {
    "card": {"ru": ("номер карты {}", "{}", "заблокируйте карту {} срочно"), "en": ("my card number is {}", "{}")},
    "last_four": {"ru": ("карта кончается на {}", "карта {} пропала"), "en": ("it ends in {}",)},
    "cvv": {"ru": ("цвв {}", "три цифры на обороте {}"), "en": ("the cvv is {}",)},
    "pin": {"ru": ("мой пин код {}", "пин {} не подходит"), "en": ("my pin is {}",)},
    "otp": {"ru": ("код из смс {}", "пришёл код {}"), "en": ("the code is {}",)},
    "phone": {"ru": ("перезвоните на {}", "мой номер {}"), "en": ("call me on {}",)},
    "passport": {"ru": ("паспорт {}", "серия и номер {}"), "en": ("my passport is {}",)},
    "snils": {"ru": ("снилс {}",), "en": ("insurance number {}",)},
    "word": {"ru": ("кодовое слово {}", "моё кодовое слово это {}"), "en": ("my code word is {}",)},
    "email": {"ru": ("моя почта {}", "пишите на {}"), "en": ("write to {}",)},
}


@dataclass(frozen=True)
class Secret:
    """One made-up value."""

    kind: Kind
    value: str

    @property
    def is_digits(self) -> bool:
        return self.value.isdigit()

    def said(self, language: str, way: int) -> str:
        """The value as somebody would say or type it: 0 figures, 1 groups, 2 digit by digit, 3 in pairs."""
        if not self.is_digits:
            return self.value
        return (
            self.value,
            " ".join(_groups(self.value, 4)),
            " ".join(DIGITS[language][int(digit)] for digit in self.value),
            " ".join(_pair(pair, language) for pair in _groups(self.value, 2)),
        )[way % 4]

    def sentences(self, language: str) -> Iterator[str]:
        """Every sentence of its kind, each in another way of saying the value."""
        for way, sentence in enumerate(SENTENCES[self.kind][language] * (2 if self.is_digits else 1)):
            yield sentence.format(self.said(language, way))

    def is_in(self, text: str) -> bool:
        """Whether a text (as `plain` makes it) holds the value in any spelling."""
        if not self.is_digits:
            return self.value.split("@")[0] in text
        if any(words in text for words in self._spoken()):
            return True
        # Short values count between spaces and quotes only: ids and times are full of digits.
        joined = "_.:-" if len(self.value) < 10 else ""
        return any(_stands_alone(figures, text, joined) for figures in self._figures())

    def _spoken(self) -> Iterator[str]:
        for language in DIGITS:
            yield self.said(language, 2)
            yield self.said(language, 3)

    def _figures(self) -> Iterator[str]:
        yield self.value
        for mark in (" ", "-"):
            for size in (1, 2, 3, 4):
                yield mark.join(_groups(self.value, size))


def _stands_alone(figures: str, text: str, joined: str) -> bool:
    """Whether figures stand in a text with no digit (and, where told, no such sign and no letter) beside them.

    A colon or a point behind them joins them to what follows at once only: "code 123456: ..." is a sentence.
    """
    at = text.find(figures)
    while at >= 0:
        end = at + len(figures)
        behind = text[end : end + 2]
        if joined and behind[:1] in (":", ".") and not behind[1:].isalnum():
            behind = ""
        beside = text[max(0, at - 1) : at] + behind[:1]
        if not any(sign.isdigit() or (joined and (sign.isalpha() or sign in joined)) for sign in beside):
            return True
        at = text.find(figures, at + 1)
    return False


def _groups(value: str, size: int) -> list[str]:
    return [value[at : at + size] for at in range(0, len(value), size)]


def _pair(pair: str, language: str) -> str:
    number = int(pair)
    if len(pair) == 1 or pair.startswith("0"):
        return " ".join(DIGITS[language][int(digit)] for digit in pair)
    if number < 20:
        return TEENS[language][number - 10]
    unit = f" {DIGITS[language][number % 10]}" if number % 10 else ""
    return TENS[language][number // 10 - 2] + unit


def _luhn(body: str) -> str:
    """A card number's check digit put behind it (ISO/IEC 7812-1)."""
    total = 0
    for at, digit in enumerate(reversed(body)):
        doubled = int(digit) * 2 if at % 2 == 0 else int(digit)
        total += doubled - 9 if doubled > 9 else doubled
    return body + str(-total % 10)


def plant(seed: int = 5) -> list[Secret]:
    """Fifty secrets, always the same."""
    rng = random.Random(seed)

    def digits(count: int) -> str:
        while len(set(made := "".join(rng.choice("123456789") for _ in range(count)))) < min(3, count):
            pass
        return made

    secrets: list[Secret] = []
    plan: list[tuple[Kind, int, int]] = [
        ("last_four", 6, 4), ("cvv", 3, 3), ("pin", 5, 4), ("otp", 6, 6), ("passport", 4, 10), ("snils", 3, 11),
    ]  # fmt: skip
    secrets += [Secret("card", _luhn("4" + digits(14))) for _ in range(10)]
    secrets += [Secret("phone", "79" + digits(9)) for _ in range(4)]
    for kind, count, length in plan:
        secrets += [Secret(kind, digits(length)) for _ in range(count)]
    secrets += [Secret("word", word) for word in WORDS]
    secrets += [Secret("email", f"{name}@example.ru") for name in ("zvonareva77", "petr.kalach", "osip_b")]
    assert len(secrets) == len(set(secrets)) == 50
    return secrets


def plain(text: str) -> str:
    """One spelling: small letters, "ё" as "е", one space between words and no comma."""
    return " ".join(text.lower().replace("ё", "е").replace(", ", " ").split())


def leaks(texts: Iterable[tuple[str, str]], secrets: Iterable[Secret]) -> list[str]:
    """Where something was found: `place: kind value`; `texts` are (place, text)."""
    wanted = tuple(secrets)
    found = []
    for place, text in texts:
        searched = plain(text)
        found += [f"{place}: {secret.kind} {secret.value}" for secret in wanted if secret.is_in(searched)]
    return found


def files_of(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file below a folder as (path, text); bytes that are no UTF-8 become spaces, escapes become letters.

    What a file keeps squeezed (a backup's members, a Parquet file's rows) is unpacked, each a place of its own.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = str(path.relative_to(folder))
            yield name, _readable(path.read_bytes())
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    for member in archive.namelist():
                        yield f"{name}!{member}", _readable(archive.read(member))
            elif path.suffix == ".parquet":
                yield f"{name}!rows", "\n".join(map(str, duckdb.read_parquet(str(path)).fetchall()))


def _readable(raw: bytes) -> str:
    return unescaped(raw.decode("utf-8", "replace").replace("\ufffd", " "))


def unescaped(text: str) -> str:
    r"""JSON's \uXXXX as letters, so that no spelling escapes."""
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
