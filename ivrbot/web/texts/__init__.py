"""Every text of the pages in English and Russian, one module per page.

Takes nothing, gives `TEXTS` (what templates and scripts ask for) and `LABELS` (names for codes, by kind). May
import `model`; a key that two modules give is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ivrbot.web.texts import common, glossary
from ivrbot.web.texts.both import Text

MODULES: Final = (common, glossary)


def _merged() -> tuple[dict[str, Text], dict[str, Mapping[str, Text]]]:
    texts: dict[str, Text] = {}
    labels: dict[str, Mapping[str, Text]] = {}
    for module in MODULES:
        if twice := (texts.keys() & module.TEXTS.keys()) | (labels.keys() & module.LABELS.keys()):
            raise ValueError(f"{module.__name__}: given twice: {', '.join(sorted(twice))}")
        texts.update(module.TEXTS)
        labels.update(module.LABELS)
    return texts, labels


_ALL = _merged()
TEXTS: Final[Mapping[str, Text]] = _ALL[0]
LABELS: Final[Mapping[str, Mapping[str, Text]]] = _ALL[1]
