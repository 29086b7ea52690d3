"""Sounds of English words, from their spelling.

Takes one word in lower case, gives its key. Capital letters in a key are sounds that two letters spell (C "ch",
S "sh", T "th", N "ng") and long vowels (A E I O U). Not a pronouncing dictionary: homophones of regular spelling
share a key, "colonel" and "kernel" do not.
"""

from __future__ import annotations

import re
from typing import Final

_Rules = tuple[tuple[re.Pattern[str], str], ...]


def _rules(*pairs: tuple[str, str]) -> _Rules:
    return tuple((re.compile(pattern), replacement) for pattern, replacement in pairs)


_NO_LETTER: Final = re.compile(r"[^a-z]")
_DOUBLE: Final = re.compile(r"(.)\1+")
_DOUBLE_CONSONANT: Final = re.compile(r"([^aeiou])\1+")

_CONSONANTS: Final = _rules(
    (r"^(?:kn|gn|pn)", "n"),
    (r"ei?gn(?=s?$)", "ain"),  # "reign" as "rain"
    (r"ould$", "ood"),
    (r"^wr", "r"),
    (r"^ps", "s"),
    (r"^x", "z"),
    (r"^who(?=[^o]e)", "ho"),  # "whole"
    (r"(?<=s)c(?=[eiy])", ""),  # "scent"
    (r"mb(?=s?$)", "m"),
    (r"mn$", "m"),
    (r"tch", "C"),
    (r"sch", "sk"),
    (r"ch(?=r)", "k"),  # "chrome"
    (r"ch", "C"),
    (r"sh|ti(?=on)|ci(?=an|ous)|si(?=on)", "S"),
    (r"ph", "f"),
    (r"th", "T"),
    (r"[ae]igh", "A"),  # "eight", "straight"
    (r"igh", "I"),
    (r"[ao]ugh(?=t)", "o"),  # "caught", "bought"
    (r"gh(?=t)", ""),
    (r"(?<=.)gh$", ""),
    (r"wh", "w"),
    (r"qu", "kw"),
    (r"ck|q", "k"),
    (r"dg(?=[eiy])", "j"),
    (r"c(?=[eiy])", "s"),
    (r"c", "k"),
    (r"x", "ks"),
    (r"z", "s"),
    (r"ng(?=$|s$)", "N"),
)
_VOWELS: Final = _rules(
    # The weak ending of "colour", "centre", "sailor" in a word that has another vowel.
    (r"^(.*[aeiouyAI].*[^aeiou])(?:ou?r|er|ar|re)(?=s?$)", r"\1R"),
    (r"(?<=[aeiou][^aeiou])(?:ey|ie)(?=s?$)", "i"),  # "honey", "cookie"
    (r"ee|ea|ie(?!$)|ei", "E"),
    (r"oo|ou|ew|ue", "U"),
    (r"ai|ay|ey", "A"),
    (r"oa|ow", "O"),
    (r"au|aw", "o"),
    # The silent "e" that makes the vowel before it long: "tale" as "tail".
    (r"a([^aeiouyAEIOU])e(?=s?$)", r"A\1"),
    (r"e([^aeiouyAEIOU])e(?=s?$)", r"E\1"),
    (r"[iy]([^aeiouyAEIOU])e(?=s?$)", r"I\1"),
    (r"o([^aeiouyAEIOU])e(?=s?$)", r"O\1"),
    (r"u([^aeiouyAEIOU])e(?=s?$)", r"U\1"),
    (r"(?<=[^aeiouAEOUI])e$", ""),
    (r"y", "i"),
)


def key_en(word: str) -> str:
    """Give the key of a word.

    Args:
        word: lower case; anything but English letters is left out.
    """
    letters = _DOUBLE_CONSONANT.sub(r"\1", _NO_LETTER.sub("", word))
    for pattern, replacement in (*_CONSONANTS, *_VOWELS):
        letters = pattern.sub(replacement, letters)
    return _DOUBLE.sub(r"\1", letters)
