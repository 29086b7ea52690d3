"""One text in both languages."""

from __future__ import annotations

from collections.abc import Mapping

from ivrbot.model.speech import Language

Text = Mapping[Language, str]


def both(en: str, ru: str) -> Text:
    """English and Russian."""
    return {"en": en, "ru": ru}
