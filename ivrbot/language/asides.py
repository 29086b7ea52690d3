"""What callers say where a secret was asked for, and is none: "зачем вам это?", "I'd rather say my birthday".

Takes recogniser text, gives truth values and names. The secret itself is compared before anybody looks here.
"""

from __future__ import annotations

from typing import Final

from ivrbot.language.lexicon import listed
from ivrbot.language.options import fits
from ivrbot.language.tokens import words
from ivrbot.model.speech import Language

_LONGEST: Final = 9
"""More words are a story and no question beside the matter."""
_LONGEST_WISH: Final = 14

_OPENING: Final[dict[Language, frozenset[str]]] = {
    "ru": frozenset(
        listed(
            "а и но ну так вот слушайте послушайте скажите подскажите девушка подождите погодите извините "
            "простите алло пожалуйста эй ой стоп мне мы вы вам вас я это еще"
        )
    ),
    "en": frozenset(listed("and but so well hey listen tell me please wait sorry excuse hold on uh um er okay")),
}
_ASKING: Final[dict[Language, frozenset[str]]] = {
    "ru": frozenset(
        listed(
            "что чего чем кто кого кому какой какая какое какие какую каким сколько где куда откуда когда почему "
            "зачем отчего как который которую разве можно нельзя долго"
        )
    ),
    "en": frozenset(
        listed(
            "what what's how how's where where's when why who who's which whose can could do does did is are will "
            "would should may am has have"
        )
    ),
}
_ASKING_LAST: Final[dict[Language, frozenset[str]]] = {
    "ru": frozenset(listed("какой какая какое какие сколько где когда почему зачем как")),
    "en": frozenset(),
}
_WHY: Final[dict[Language, tuple[str, ...]]] = {
    "ru": (
        "зачем",
        "почему",
        "для чего",
        "=это обязательно",
        "=обязательно ли",
        "=это безопасно",
        "=безопасно ли",
    ),
    "en": ("=why", "=what for", "=is it safe", "=is this safe", "=do i have", "=do i need", "=is that necessary"),
}
_ASKED: Final[dict[Language, tuple[str, ...]]] = {
    "ru": ("вам", "вас", "вы", "это", "спрашива", "надо", "нужн", "назыв", "говор", "кодов", "слов", "дат", "имя"),
    "en": ("you", "it", "that", "this", "ask", "need", "tell", "say", "my", "give", "word"),
}
"""Beside a "why" these show that it is about the question, unless nothing stands beside it."""
_HOW_LONG: Final[dict[Language, tuple[str, ...]]] = {
    "ru": (
        "сколько займ", "сколько это займ", "сколько времени займ", "сколько времени это займ",
        "сколько это времени", "сколько по времени", "сколько это по времени", "сколько врем", "сколько еще ждать",
        "сколько ждать",
        "сколько это буд", "=это долго", "=долго ли", "=долго еще", "=еще долго", "=долго это", "=надолго",
    ),
    "en": (
        "=how long", "=how much time", "=how much longer", "=take long", "=takes long", "=be long",
        "=many minutes",
    ),
}  # fmt: skip
_MEANWHILE: Final[dict[Language, tuple[str, ...]]] = {
    "ru": (
        "пока жд",
        "пока я жд",
        "пока подожд",
        "пока ожида",
        "друг вопрос",
        "=другой вопрос",
        "=другим вопросом",
    ),
    "en": (
        "meanwhile",
        "=while i wait",
        "=while i'm waiting",
        "=while waiting",
        "=another question",
        "=other question",
    ),
}
_PREFERRING: Final[dict[Language, tuple[str, ...]]] = {
    "ru": ("лучше", "давайте", "давай", "могу", "можно", "скажу", "назову", "дам", "набер", "вместо", "помню"),
    "en": (
        "=can",
        "=could",
        "=may",
        "=rather",
        "=instead",
        "=let",
        "=give",
        "=tell",
        "=use",
        "=remember",
        "=know",
    ),
}
_FACTS: Final[dict[Language, dict[str, tuple[str, ...]]]] = {
    "ru": {
        "last_four": ("номер карт", "номером карт", "цифры карт", "цифр карт", "последние цифр", "четыре цифр"),
        "code_word": ("кодов", "секретн слов", "пароль"),
        "date_of_birth": ("дату рожд", "дата рожд", "день рожд", "год рожд", "когда родил"),
        "full_name": ("фамили", "=имя", "фио", "=полное имя"),
        "phone": ("номер телефон", "=телефон", "номером телефон"),
    },
    "en": {
        "last_four": (
            "card number",
            "number of the card",
            "number of my card",
            "=card digits",
            "last four",
            "=digits",
        ),
        "code_word": ("code word", "codeword", "password", "secret word"),
        "date_of_birth": ("date of birth", "birthday", "birth date", "birthdate", "when i was born"),
        "full_name": ("=my name", "full name", "surname", "last name"),
        "phone": ("phone number", "=phone", "telephone"),
    },
}
_CANNOT: Final[dict[Language, frozenset[str]]] = {
    "ru": frozenset({"не", "нет", "забыл", "забыла"}),
    "en": frozenset({"not", "no", "don't", "can't", "cannot", "forgot", "won't"}),
}


def is_question(text: str, language: Language) -> bool:
    """Whether it begins or ends like a question, courtesies aside; one word alone is none, but "why"."""
    rest = [word for word in words(text, language) if word not in _OPENING[language]]
    if len(rest) < 2:
        return asks_why(text, language)
    return rest[0] in _ASKING[language] or rest[-1] in _ASKING_LAST[language]


def asks_why(text: str, language: Language) -> bool:
    """Whether the caller wants to know what the question is for: "зачем вам это", "why do you need that"."""
    said = words(text, language)
    if len(said) > _LONGEST or not _has(said, _WHY[language]):
        return False
    rest = [word for word in said if word not in _OPENING[language]]
    return len(rest) < 2 or any(fits(word, stem) for word in said for stem in _ASKED[language])


def asks_how_long(text: str, language: Language) -> bool:
    """Whether the caller wants to know how long the call will take."""
    said = words(text, language)
    return len(said) <= _LONGEST and _has(said, _HOW_LONG[language])


def wants_meanwhile(text: str, language: Language) -> bool:
    """Whether the caller wants something else while he waits: "пока жду, скажите баланс"."""
    return _has(words(text, language), _MEANWHILE[language])


def preferred_fact(text: str, language: Language) -> str:
    """What the caller would rather name than what he was asked for; "" when he does not say, or says two.

    Returns:
        "last_four", "code_word", "date_of_birth", "full_name", "phone" or "".
    """
    said = words(text, language)
    if len(said) > _LONGEST_WISH or not _has(said, _PREFERRING[language]):
        return ""
    wanted: set[str] = set()
    mood = undecided = ""
    for at, word in enumerate(said):
        unable = at > 0 and said[at - 1] in _CANNOT[language]
        if word in _CANNOT[language]:
            mood, undecided = "cannot", ""
        elif not unable and any(fits(word, stem) for stem in _PREFERRING[language]):
            mood = "prefers"
        elif fact := _fact_at(said, at, language):
            wanted |= {undecided} - {""}
            undecided = "" if mood == "cannot" else fact
            mood = "" if mood == "cannot" else mood
    wanted |= {undecided} - {""}
    return wanted.pop() if len(wanted) == 1 else ""


def _fact_at(said: tuple[str, ...], at: int, language: Language) -> str:
    """Give the fact whose name begins at a word, "" where none does."""
    for name, forms in _FACTS[language].items():
        if any(_stands(said, at, form) for form in forms):
            return name
    return ""


def _has(said: tuple[str, ...], forms: tuple[str, ...]) -> bool:
    return any(_stands(said, at, form) for form in forms for at in range(len(said)))


def _stands(said: tuple[str, ...], at: int, form: str) -> bool:
    """Tell whether a form's words stand there in a row; "=" before it asks for whole words in all of it."""
    whole = form.startswith("=")
    stems = [f"={stem}" if whole else stem for stem in form.removeprefix("=").split()]
    rest = said[at : at + len(stems)]
    return len(rest) == len(stems) and all(fits(word, stem) for word, stem in zip(rest, stems, strict=True))
