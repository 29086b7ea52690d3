"""A voice that has the next answer ready: what will probably be said is made while the caller still pauses.

Stands in front of the call's `Voice` and is one itself. What was prepared is spoken from memory, also when it is
still being made; what was not, or could not be, comes from the voice as ever. Nothing prepared outlives its turn.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ivrbot.model.audio import Pcm
from ivrbot.model.dialogue import Utterance
from ivrbot.ports import Voice

log = logging.getLogger(__name__)

MOST_UTTERANCES: Final = 6
"""Ready for a call at a time: an answer of a few sentences and the question after it."""


@dataclass(slots=True)
class _Made:
    """An utterance being made: phrases so far, and whether there will be more."""

    phrases: list[Pcm] = field(default_factory=list, repr=False)
    over: bool = False
    failed: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Rehearsal:
    """`ivrbot.ports.Voice` for one call, over the voice of all.

    Args:
        voice: of all calls.
    """

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._group: asyncio.TaskGroup | None = None
        self._made: dict[Utterance, _Made] = {}

    def start(self, group: asyncio.TaskGroup) -> None:
        """Prepare from now on; the work runs in the call's task group."""
        self._group = group

    def stop(self) -> None:
        """Prepare nothing more, and let go of what is being made."""
        self._group = None
        self.prepare(())

    def can_speak(self, utterance: Utterance) -> bool:
        """See `Voice`."""
        return self._voice.can_speak(utterance)

    def prepare(self, utterances: Sequence[Utterance]) -> None:
        """Make these ready, and forget what was prepared before and is not among them."""
        wanted = dict.fromkeys(utterances[:MOST_UTTERANCES])
        for utterance in [one for one in self._made if one not in wanted]:
            self._forget(utterance)
        if self._group is None:
            return
        for utterance in wanted:
            if utterance not in self._made and self._voice.can_speak(utterance):
                made = self._made[utterance] = _Made()
                made.task = self._group.create_task(self._make(utterance, made))

    def speak(self, utterance: Utterance) -> AsyncIterator[Pcm]:
        """See `Voice`; what was prepared is used once."""
        made = self._made.pop(utterance, None)
        return self._voice.speak(utterance) if made is None else self._spoken(utterance, made)

    async def _spoken(self, utterance: Utterance, made: _Made) -> AsyncIterator[Pcm]:
        at = 0
        try:
            while True:
                while at < len(made.phrases):
                    yield made.phrases[at]
                    at += 1
                if made.over:
                    break
                made.news.clear()
                await made.news.wait()
        finally:
            if made.task is not None:
                made.task.cancel()
        if made.failed:
            # Once more in earnest, from where the rehearsal broke off: its error is the caller's business now.
            async for phrase in _from(self._voice.speak(utterance), at):
                yield phrase

    async def _make(self, utterance: Utterance, made: _Made) -> None:
        phrases = self._voice.speak(utterance)
        try:
            async for phrase in phrases:
                made.phrases.append(phrase)
                made.news.set()
        except Exception as error:  # noqa: BLE001 - nothing has been promised to anybody yet
            log.info("an answer could not be prepared: %s", type(error).__name__)
            made.failed = True
        finally:
            made.over = True
            made.news.set()
            if isinstance(phrases, AsyncGenerator):
                await phrases.aclose()

    def _forget(self, utterance: Utterance) -> None:
        made = self._made.pop(utterance)
        if made.task is not None:
            made.task.cancel()


async def _from(phrases: AsyncIterator[Pcm], first: int) -> AsyncIterator[Pcm]:
    """The phrases from one on: what came before has been heard."""
    at = 0
    async for phrase in phrases:
        if at >= first:
            yield phrase
        at += 1
