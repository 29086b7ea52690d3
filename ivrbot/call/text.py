"""A call in text: lines instead of sound, everything behind them as in a call.

A line of only 0-9, * and # stands for keys; an empty line for silence.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Sequence

from ivrbot.call.channel import Completes, Heard, Keyed, Silence, Spoken
from ivrbot.call.tape import NOTHING, Tape
from ivrbot.errors import LegClosed
from ivrbot.model.audio import Pcm
from ivrbot.model.dialogue import Collect, Utterance
from ivrbot.model.speech import Hypothesis, Language

MAX_LINE_CHARS = 2000

_KEYS = re.compile(r"[0-9*#]+")


class TextChannel:
    """A caller who types.

    Args:
        read_line: gives the next line, None at the end (the caller hangs up).
        print_line: takes (who, text).
    """

    def __init__(
        self, read_line: Callable[[], Awaitable[str | None]], print_line: Callable[[str, str], None]
    ) -> None:
        self._read_line = read_line
        self._print_line = print_line
        self._started_s = time.monotonic()
        self._closed = False
        self.last_bot_line = ""

    @property
    def tape(self) -> Tape:
        """Text is not recorded."""
        return NOTHING

    def share_turns(self, with_: Callable[[Pcm], None]) -> bool:
        """Text has no voice."""
        del with_
        return False

    def now_ms(self) -> int:
        """Time since the call began."""
        return int((time.monotonic() - self._started_s) * 1000)

    def speak_in(self, language: Language) -> None:
        """Text has no language to be told."""

    def prepare(self, utterances: Sequence[Utterance]) -> None:
        """Text needs no preparation."""

    @property
    def goes_on(self) -> bool:
        """A line is a whole turn."""
        return False

    async def give_time(self, until_ms: int) -> bool:
        """A line is a whole turn."""
        del until_ms
        return False

    async def say(self, utterance: Utterance, *, interruptible: bool) -> None:
        """Lines are shown by `show`."""

    async def listen(self, collect: Collect, completes: Completes) -> Heard:
        """Next line of the caller."""
        line = None if self._closed else await self._read_line()
        if line is None:
            self._closed = True
            raise LegClosed("end of input")
        line = line.strip()[:MAX_LINE_CHARS]
        if not line:
            return Silence()
        if _KEYS.fullmatch(line):
            return Keyed(line)
        return Spoken((Hypothesis(line),), "text", ended_ms=self.now_ms())

    async def finish(self) -> None:
        """Nothing is pending in text."""

    def show(self, who: str, text: str) -> None:
        """Print the bot's lines; the caller sees what he types."""
        if who == "bot":
            self.last_bot_line = text
            self._print_line(who, text)

    def close(self) -> None:
        """The call is over."""
        self._closed = True
