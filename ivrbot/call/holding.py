"""Keeps the line at the questions that are asked beside the dialogue: "подождите" while an operator is waited for.

Takes a `Talk`, gives one whose `listen` lets the caller look for something and comes back with his answer. In the
dialogue itself the engine does the same (`ivrbot.dialogue.commanding`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ivrbot.call.channel import Completes, Heard, Silence, Spoken
from ivrbot.call.handover import Talk
from ivrbot.dialogue.commanding import MAX_WAITS, STILL_THERE_MS, WAIT_MS
from ivrbot.language.holding import asks_for_time, is_back, thanks_for_waiting
from ivrbot.model.dialogue import Collect, Say
from ivrbot.model.speech import Language

WAIT: Final = "utter_wait"
STILL_THERE: Final = "utter_still_there"
GO_ON: Final = "utter_go_on"


def holding(talk: Talk, language: Language) -> Talk:
    """The same talk, for a caller who may ask for time at any question of it.

    Args:
        talk: of the call.
        language: of the call.
    """

    async def listen(collect: Collect, completes: Completes) -> Heard:
        return await _Line(talk, language, collect, completes).answer()

    return replace(talk, listen=listen)


class _Line:
    """One question of a talk, from its putting to its answer."""

    def __init__(self, talk: Talk, language: Language, collect: Collect, completes: Completes) -> None:
        self._talk = talk
        self._language = language
        self._collect = collect
        self._completes = completes
        self._waits = 0
        self._asked = False

    async def answer(self) -> Heard:
        """What he says to the question in the end; silence when he is not there any more."""
        timeout_ms = self._collect.timeout_ms
        while True:
            heard = await self._talk.listen(replace(self._collect, timeout_ms=timeout_ms), self._complete)
            if (goes_on := self._beside(heard)) is None:
                return heard
            say, timeout_ms = goes_on
            if say:
                await self._talk.say(Say(say))

    async def _complete(self, text: str) -> bool:
        """Whether a turn may end early: a bare yes to "are you there" is complete as well."""
        return asks_for_time(text, self._language) or await self._completes(text)

    def _beside(self, heard: Heard) -> tuple[str, int] | None:
        """What to say to something that is no answer, and how long to listen then; None for an answer."""
        text = heard.hypotheses[0].text if isinstance(heard, Spoken) else ""
        if text and self._waits < MAX_WAITS and asks_for_time(text, self._language):
            self._waits += 1
            self._asked = False
            return WAIT, WAIT_MS
        if not self._waits:
            return None
        if isinstance(heard, Silence) and not self._asked:
            self._asked = True
            return STILL_THERE, STILL_THERE_MS
        if text and not self._asked and thanks_for_waiting(text, self._language):
            return "", WAIT_MS
        if text and is_back(text, self._language, asked=self._asked):
            self._asked = False
            return GO_ON, STILL_THERE_MS
        return None
