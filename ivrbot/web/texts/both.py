"""One text in both languages, without a line break between a number and its per cent sign."""

from __future__ import annotations

from collections.abc import Mapping

from ivrbot.model.speech import Language

Text = Mapping[Language, str]


def both(en: str, ru: str) -> Text:
    """English and Russian."""
    return {"en": _held(en), "ru": _held(ru)}


def _held(text: str) -> str:
    return text.replace(" %", "\u00a0%")
