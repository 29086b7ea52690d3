"""The number words of every language that is spoken. Takes nothing, gives `LEXICONS`."""

from __future__ import annotations

from typing import Final

from ivrbot.language.lexicon import NumberLexicon
from ivrbot.language.numbers_en import LEXICON as _EN
from ivrbot.language.numbers_ru import LEXICON as _RU
from ivrbot.model.speech import Language

LEXICONS: Final[dict[Language, NumberLexicon]] = {"ru": _RU, "en": _EN}
