"""Every text of the pages in English and Russian, one module per page.

Takes nothing, gives `TEXTS` (what templates and scripts ask for) and `LABELS` (names for codes, by kind). May
import `model`; a key that two modules give is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ivrbot.web.texts import (
    audit,
    calls,
    common,
    desk,
    docs,
    glossary,
    people,
    quality,
    reports,
    rollout,
    voiceprint,
)
from ivrbot.web.texts.both import Text

MODULES: Final = (common, glossary, people, calls, quality, reports, desk, rollout, audit, docs, voiceprint)


def _merged() -> tuple[dict[str, Text], dict[str, Mapping[str, Text]]]:
    texts: dict[str, Text] = {}
    labels: dict[str, Mapping[str, Text]] = {}
    for module in MODULES:
        if twice := (texts.keys() & module.TEXTS.keys()) | (labels.keys() & module.LABELS.keys()):
            raise ValueError(f"{module.__name__}: given twice: {', '.join(sorted(twice))}")
        texts.update(module.TEXTS)
        labels.update(module.LABELS)
    return texts, labels


def _for_scripts() -> frozenset[str]:
    given = [module for module in MODULES if getattr(module, "FOR_SCRIPTS", True)]
    return frozenset(name for module in given for name in (*module.TEXTS, *module.LABELS))


_ALL = _merged()
TEXTS: Final[Mapping[str, Text]] = _ALL[0]
LABELS: Final[Mapping[str, Mapping[str, Text]]] = _ALL[1]
SCRIPT_NAMES: Final = _for_scripts()
"""Texts and kinds of labels that pages hand to scripts: of modules that do not say `FOR_SCRIPTS = False`."""
