"""What a turn means, whatever the engine does; what only the caller should know is not shown to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from ivrbot.errors import EngineBadOutput, EngineError, EngineTimeout
from ivrbot.language.readings import combine
from ivrbot.model.dialogue import Collect
from ivrbot.model.speech import OUT_OF_SCOPE, Hypothesis, Language, NluResult
from ivrbot.ports import NluEngine

log = logging.getLogger(__name__)

READINGS: Final = 3
LEAST_TRUST: Final = 0.01
MOST_EARLY: Final = 16
"""Early readings kept for one question."""

NLU_S: Final = 2.0
"""An engine has its own, shorter deadline; this one is for one that hangs."""


def not_understood(text: str) -> NluResult:
    """What stands for the meaning of a turn that was not shown to an engine."""
    return NluResult(text, OUT_OF_SCOPE, 0.0)


class Understanding:
    """One call's way to the engine.

    Attributes:
        failures: turns in a row whose meaning could not be had.
    """

    def __init__(self, nlu: NluEngine) -> None:
        self._nlu = nlu
        self._early: dict[tuple[str, Language], NluResult] = {}
        self.failures = 0

    def forget(self) -> None:
        """Another question is on the table: nothing has been read early."""
        self._early.clear()

    async def early(self, text: str, collect: Collect, language: Language) -> NluResult:
        """Meaning of a reading before the turn's end; kept until the next question, in case it was the last.

        Raises:
            EngineError: the engine failed, in whatever way; not counted.
        """
        nlu = self._early.get((text.strip(), language))
        if nlu is None:
            nlu = await self.meaning(text, collect, language)
            if len(self._early) < MOST_EARLY:
                self._early[text.strip(), language] = nlu
        return combine([nlu], [1.0])

    async def of_turn(self, text: str, collect: Collect, language: Language) -> NluResult:
        """Meaning of a turn that is over.

        Raises:
            EngineError: the engine failed, in whatever way; counted.
        """
        try:
            nlu = self._early.get((text.strip(), language)) or await self.meaning(text, collect, language)
        except EngineError:
            self.failures += 1
            raise
        self.failures = 0
        return nlu

    async def of_hypotheses(
        self, hypotheses: Sequence[Hypothesis], collect: Collect, language: Language
    ) -> NluResult:
        """Meaning of a turn that the recogniser has read in several ways, weighted by its trust in each.

        Args:
            hypotheses: the likeliest first, at least one.
            collect: what is asked for.
            language: of the texts.

        Raises:
            EngineError: the engine failed, in whatever way; counted.
        """
        different = list({one.text.casefold(): one for one in reversed(hypotheses[:READINGS])}.values())[::-1]
        results = [await self.of_turn(one.text, collect, language) for one in different]
        # One reading means what it means, however sure it is: the same as it did at a pause.
        alone = len(different) == 1
        return combine(results, [1.0 if alone else max(one.confidence, LEAST_TRUST) for one in different])

    async def meaning(self, text: str, collect: Collect, language: Language) -> NluResult:
        """Meaning of a reading.

        Raises:
            EngineError: the engine failed, in whatever way.
        """
        if collect.slot == "fact":
            return not_understood(text)  # until the ladder has seen that it is no secret: see `beside`
        try:
            async with asyncio.timeout(NLU_S):
                return await self._nlu.parse(text, language)
        except EngineError:
            raise
        except TimeoutError as error:
            raise EngineTimeout(f"no meaning within {NLU_S:.0f} s") from error
        except Exception as error:
            log.exception("understanding broke")
            raise EngineBadOutput(type(error).__name__) from error
