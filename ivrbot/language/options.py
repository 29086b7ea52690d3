"""Which of a closed list of options was named ("зарплатную", "the credit one", "вторая"). Pure.

Takes recogniser text and stems, gives names of options; a refused one ("не кредитную, а зарплатную") is not named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ivrbot.language.tokens import words
from ivrbot.model.speech import Language

_REFUSED_BY: dict[Language, frozenset[str]] = {
    "ru": frozenset({"не", "кроме", "ни"}),
    "en": frozenset({"not", "except", "isn't", "don't"}),
}
_ARTICLES = frozenset({"the", "a", "an", "my", "one", "эту", "ту", "эта", "мою"})


def named_options(text: str, language: Language, stems: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Options that the text names, in the order of `stems`.

    Args:
        text: one utterance.
        language: of the utterance.
        stems: per option, beginnings of words in lower case, "ё" as "е"; "=" before one asks for the whole word,
            several with spaces between must follow each other.
    """
    said = words(text, language)
    return tuple(name for name, forms in stems.items() if any(_named(said, form, language) for form in forms))


def _named(said: Sequence[str], form: str, language: Language) -> bool:
    wanted = form.split()
    for at in range(len(said) - len(wanted) + 1):
        if all(fits(word, stem) for word, stem in zip(said[at:], wanted, strict=False)):
            before = [word for word in said[:at] if word not in _ARTICLES]
            if not before or before[-1] not in _REFUSED_BY[language]:
                return True
    return False


def fits(word: str, stem: str) -> bool:
    """Whether a word begins with a stem, or is it when "=" stands before."""
    return word == stem[1:] if stem.startswith("=") else word.startswith(stem)
