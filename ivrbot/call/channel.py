"""How a session speaks and listens, whatever carries the call: sound or text.

`Heard` is what listening gives; the session turns it into dialogue inputs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ivrbot.call.tape import Tape
from ivrbot.model.audio import Pcm
from ivrbot.model.dialogue import Collect, Utterance
from ivrbot.model.speech import Hypothesis, Language


@dataclass(frozen=True, slots=True)
class Spoken:
    """Words; `hypotheses` is never empty.

    Attributes:
        engine: recogniser that heard them, "text" for typed calls.
        over_prompt: they began while a prompt was playing.
        began_ms: call time of their first sound.
        ended_ms: call time of the last voiced sound.
        asr_ms: wall time of the decoding that gave them.
        before_question: they began before the question was put, shortly after the turn before: they answer
            nothing, and may belong to that turn.
    """

    hypotheses: tuple[Hypothesis, ...] = field(repr=False)
    engine: str
    over_prompt: bool = False
    began_ms: int = 0
    ended_ms: int = 0
    asr_ms: int = 0
    before_question: bool = False


@dataclass(frozen=True, slots=True)
class Keyed:
    """Telephone keys."""

    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Silence:
    """The time-out passed without speech or keys."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """Speech in which no word could be trusted."""


Heard = Spoken | Keyed | Silence | Unclear

Completes = Callable[[str], Awaitable[bool]]
"""Whether a reading already answers the question on the table; then the turn may end early."""


class Channel(Protocol):
    """The caller's end of a session."""

    @property
    def tape(self) -> Tape:
        """Where the call's sound is recorded; `tape.NOTHING` where there is no sound to record."""
        ...

    def share_turns(self, with_: Callable[[Pcm], None]) -> bool:
        """Give the sound of each turn of the caller, before what it means, to somebody else as well.

        Only turns with words that began while the bot was silent: in the others its own voice may be heard.

        Returns:
            False where there is no sound to share.
        """
        ...

    def now_ms(self) -> int:
        """Time since the call was answered, monotonic."""
        ...

    def speak_in(self, language: Language) -> None:
        """Language of what will be heard from now on."""
        ...

    def prepare(self, utterances: Sequence[Utterance]) -> None:
        """Make sound ready that will probably be said next, in place of what was prepared before."""
        ...

    @property
    def goes_on(self) -> bool:
        """The caller speaks, or has spoken, right after the words that were heard last: more of them."""
        ...

    async def give_time(self, until_ms: int) -> bool:
        """Let the caller go on with his last words: returns at that call time, or when he does or is gone.

        Returns:
            True when he goes on, or has pressed keys; `listen` tells what it is.
        """
        ...

    async def say(self, utterance: Utterance, *, interruptible: bool) -> None:
        """Queue an utterance; returns when its sound is under way, not when it was heard.

        Raises:
            EngineError: it cannot be spoken.
            LegClosed: the caller is gone.
        """
        ...

    async def listen(self, collect: Collect, completes: Completes) -> Heard:
        """Wait for the caller's turn.

        Raises:
            EngineError: the recogniser failed.
            LegClosed: the caller is gone.
        """
        ...

    async def finish(self) -> None:
        """Wait until everything said was played (or the caller is gone)."""
        ...

    def show(self, who: str, text: str) -> None:
        """A line for a screen on the caller's side, if there is one."""
        ...

    def close(self) -> None:
        """Hang up on our side; the PBX goes on with its dialplan. Idempotent."""
        ...
