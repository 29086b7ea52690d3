"""One engine in front of another: whenever the first fails or is too slow, the second answers, and it is counted.

Takes two engines, gives one. After some failures in a row the first is left alone for a while, so that a dead
server does not cost every caller its deadline.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from ivrbot.errors import EngineError
from ivrbot.model.speech import Language, NluResult
from ivrbot.ports import NluEngine

log = logging.getLogger(__name__)

FAILURES_IN_A_ROW: Final = 3
REST_S: Final = 5.0


class FallbackNlu:
    """NluEngine that answers as long as one of two does.

    Args:
        first: asked first.
        second: answers when the first does not.
        on_failure: told the first engine's name and the error's code.
        clock: seconds, monotonic; the running loop's by default.
    """

    def __init__(
        self,
        first: NluEngine,
        second: NluEngine,
        *,
        on_failure: Callable[[str, str], None],
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._first = first
        self._second = second
        self._on_failure = on_failure
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._failures = 0
        self._rests_until = 0.0

    @property
    def name(self) -> str:
        """The first engine's name; a result names the engine that gave it."""
        return self._first.name

    @property
    def second(self) -> NluEngine:
        """The engine that answers when the first does not."""
        return self._second

    async def parse(self, text: str, language: Language) -> NluResult:
        """Understands one text by whichever engine answers.

        Raises:
            EngineError: the second engine failed as well.
        """
        if self._clock() >= self._rests_until:
            try:
                result = await self._first.parse(text, language)
            except EngineError as error:
                self._failed(error)
            else:
                self._failures = 0
                return result
        return await self._second.parse(text, language)

    async def close(self) -> None:
        """Closes both."""
        try:
            await self._first.close()
        finally:
            await self._second.close()

    def _failed(self, error: EngineError) -> None:
        self._on_failure(self._first.name, error.code)
        self._failures += 1
        if self._failures == 1:
            log.warning("%s failed (%s): %s answers", self._first.name, error, self._second.name)
        if self._failures >= FAILURES_IN_A_ROW:
            self._rests_until = self._clock() + REST_S
