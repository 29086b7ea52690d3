"""Texts with variables into speakable pieces: "... на {card}, блокирую, верно?" -> static, fragments, static.

A static piece is the text between variables, exactly as it is recorded; a variable is spoken from the closed
inventory of fragments of its kind (`ivrbot.language.verbalise`). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date

from ivrbot.dialogue.schema import Domain, FlowSet, SlotKind, SlotSpec
from ivrbot.language.verbalise import Case, say_count, say_date, say_digits, say_money, say_percent
from ivrbot.model.dialogue import Piece, Say, Utterance, Value
from ivrbot.model.speech import Language

_VARIABLE = re.compile(r"\{(\w+)(?::(\w+))?\}")

SPEAKABLE: frozenset[SlotKind] = frozenset({"digits", "money", "count", "date", "percent", "choice", "name"})
"""Kinds whose values have recorded fragments in every language."""

CURRENCY = "RUB"

DATE_FORMS: dict[str, tuple[Case, bool]] = {
    "": ("nominative", True),
    "nominative": ("nominative", True),
    "genitive": ("genitive", True),
    "day": ("nominative", False),
    "of_day": ("genitive", False),
}
"""By form of a variable `{slot:form}`: case of the day in Russian, and whether the year is said."""


def split_template(text: str) -> tuple[str | tuple[str, str], ...]:
    """Static texts and (variable, form) pairs, in order; punctuation without words is dropped."""
    parts: list[str | tuple[str, str]] = []
    position = 0
    for match in _VARIABLE.finditer(text):
        parts.append(static_text(text[position : match.start()]))
        parts.append((match.group(1), match.group(2) or ""))
        position = match.end()
    parts.append(static_text(text[position:]))
    return tuple(part for part in parts if part)


def static_text(text: str) -> str:
    """A static stretch as it is recorded: no leading separators; "" when no word is left."""
    text = text.strip().lstrip(",.;:!? ").strip()
    return text if re.search(r"\w", text) else ""


def static_pieces(flow_set: FlowSet, language: Language) -> tuple[str, ...]:
    """Every static text of a language's responses and every option that can be named, sorted, once each."""
    texts = {
        part
        for text in flow_set.responses[language].values()
        for part in split_template(text)
        if isinstance(part, str)
    }
    for spec in flow_set.domain.slots.values():
        texts |= {option.say[language] for option in spec.options.values() if language in option.say}
    return tuple(sorted(texts))


def render(flow_set: FlowSet, say: Say, language: Language) -> Utterance:
    """Put values into a response.

    Args:
        flow_set: responses and slot kinds.
        say: the act; its own language, where set, wins over `language`.
        language: of the call.

    Raises:
        KeyError: unknown response (the loader has checked all that flows use).
    """
    language = say.language or language
    template = flow_set.responses[language][say.response]
    pieces: list[Piece] = []
    for part in split_template(template):
        if isinstance(part, str):
            pieces.append(Piece(part, "static"))
        else:
            pieces.extend(_spoken(flow_set.domain, part, say.values, language))

    def shown(spec: SlotSpec, value: Value) -> str:
        return _shown(spec, value, language)

    def masked(spec: SlotSpec, value: Value) -> str:
        return "***" if spec.personal else _shown(spec, value, language)

    return Utterance(
        language,
        _filled(flow_set.domain, template, say.values, shown),
        _filled(flow_set.domain, template, say.values, masked),
        tuple(pieces),
    )


def _spoken(domain: Domain, part: tuple[str, str], values: Mapping[str, Value], language: Language) -> list[Piece]:
    name, form = part
    value, spec = values.get(name), domain.slots[name]
    if value is None:
        return []
    if spec.kind == "choice":
        option = spec.options.get(str(value))
        return [Piece(option.say[language], "fragment")] if option and language in option.say else []
    if spec.kind == "name":
        return [Piece(str(value), "fragment")]
    return [Piece(fragment, "fragment") for fragment in _fragments(spec.kind, form, value, language)]


def _fragments(kind: SlotKind, form: str, value: Value, language: Language) -> tuple[str, ...]:
    """A value in recorded words; "" of a kind that cannot be spoken (the loader lets none through)."""
    match kind:
        case "digits":
            return say_digits(str(value), language)
        case "date":
            case, with_year = DATE_FORMS[form]
            return say_date(date.fromisoformat(str(value)), language, case, with_year=with_year)
        case "money" if isinstance(value, int):
            return say_money(value, CURRENCY, language)
        case "count" if isinstance(value, int):
            return say_count(value, form, language)
        case "percent" if isinstance(value, int):
            return say_percent(value, language)
        case _:
            return ()


def _filled(
    domain: Domain,
    template: str,
    values: Mapping[str, Value],
    show: Callable[[SlotSpec, Value], str],
) -> str:
    return _VARIABLE.sub(lambda match: show(domain.slots[match.group(1)], values.get(match.group(1))), template)


def _shown(spec: SlotSpec, value: Value, language: Language) -> str:
    if spec.kind == "money" and isinstance(value, int):
        whole, part = divmod(abs(value), 100)
        return ("−" if value < 0 else "") + f"{whole:,}".replace(",", "\u00a0") + f",{part:02d} ₽"
    if spec.kind == "percent" and isinstance(value, int):
        return f"{value / 100:g} %"
    if spec.kind == "choice" and str(value) in spec.options:
        return spec.options[str(value)].say.get(language, str(value))
    return "" if value is None else str(value)
