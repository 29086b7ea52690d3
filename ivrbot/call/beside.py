"""Tells what a caller says beside a secret question from an answer to it, once it has proven nothing.

The secret is compared first, so that a code word that is also a topic is never lost. Only then the words are shown
to an engine that lives in this process and keeps nothing; what announces a secret or holds figures is never shown.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from ivrbot.errors import EngineError
from ivrbot.identity.words import CUES
from ivrbot.language.masking import holds_figures
from ivrbot.language.tokens import words
from ivrbot.model.dialogue import Authenticate
from ivrbot.model.speech import OUT_OF_SCOPE, Language, NluResult
from ivrbot.ports import NluEngine

log = logging.getLogger(__name__)

LEAST_WORDS: Final = 3
SURE: Final = 0.8
"""Least confidence at which words that are no question are taken for another topic and not for a wrong answer."""

Meaning = Callable[[str, Language], Awaitable[NluResult | None]]
"""What words mean that are no secret; None where nobody may look, or nobody knows."""


def may_be_shown(text: str, language: Language) -> bool:
    """Whether words that have proven nothing can hold no secret: no figures, and none is announced."""
    said = words(text, language)
    if holds_figures(text, language):
        return False
    return not any(
        said[at : at + len(cue)] == cue
        for cues in CUES[language].values()
        for cue in cues
        for at in range(len(said))
    )


def inside(engine: NluEngine | None) -> Meaning:
    """The meaning by an engine of this process; without one, nobody looks."""

    async def meaning(text: str, language: Language) -> NluResult | None:
        if engine is None or not may_be_shown(text, language):
            return None
        try:
            return await engine.parse(text, language)
        except EngineError as error:
            log.info("words beside a secret were not understood: %s", error.code)
            return None

    return meaning


async def nobody_looks(_text: str, _language: Language) -> NluResult | None:
    """Where there is no engine in this process."""
    return None


async def beside(act: Authenticate, language: Language, meaning: Meaning) -> NluResult | None:
    """What the caller said instead of answering; None: it was an answer, and a wrong or unusable one.

    Args:
        act: a spoken answer that has proven nothing.
        language: of the call.
        meaning: see `inside`.
    """
    if act.keyed or not act.answers:
        return None
    text = act.answers[0]
    understood = await meaning(text, language)
    if act.beside or act.wish:
        return understood or NluResult(text, OUT_OF_SCOPE, 0.0)
    if understood is None or understood.intent == OUT_OF_SCOPE or understood.confidence < SURE:
        return None
    return understood if len(words(text, language)) >= LEAST_WORDS else None
