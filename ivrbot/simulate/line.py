"""A telephone line without sound and without waiting: a `Channel` with a clock of its own.

Prompts last as long as their recordings (or as long as they would be spoken), callers think and speak at their own
pace, recognition puts in its errors, and nobody sleeps: a call of a minute takes milliseconds.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ivrbot.call.channel import Completes, Heard, Keyed, Silence, Spoken, Unclear
from ivrbot.call.tape import NOTHING, Tape
from ivrbot.errors import LegClosed
from ivrbot.model.audio import Pcm
from ivrbot.model.dialogue import Collect, Utterance
from ivrbot.model.speech import LANGUAGES, Hypothesis, Language
from ivrbot.simulate.caller import Caller
from ivrbot.simulate.moves import HangUp, Line, Press, Quiet, Words
from ivrbot.simulate.noise import misheard
from ivrbot.simulate.persona import Persona
from ivrbot.tts.prompts import read_manifest
from ivrbot.tts.text import key_of

PROMPT_CHARS_S: Final = 14.0
"""Of a synthetic voice, where no recording tells."""
CALLER_CHARS_S: Final = {"calm": 13.0, "confused": 10.0, "hurried": 16.0, "angry": 15.0}
THINKS_MS: Final = {"calm": (300, 1200), "confused": (800, 3000), "hurried": (100, 500), "angry": (200, 800)}
KEY_MS: Final = 450
GAP_MS: Final = 700
"""Between the caller's last sound and the bot's first: the goal's 95th percentile, not the median."""
LONGEST_MS: Final = 600_000


@dataclass(frozen=True, slots=True)
class Durations:
    """How long texts sound."""

    recorded_ms: Mapping[str, int]

    @classmethod
    def of(cls, prompts_dir: Path) -> Durations:
        """From the manifests of the recorded prompts.

        Raises:
            ConfigError: a damaged manifest.
        """
        manifests = (read_manifest(prompts_dir, language) for language in LANGUAGES)
        return cls({key_of(entry.text): entry.duration_ms for one in manifests for entry in one.entries})

    def of_utterance(self, utterance: Utterance) -> int:
        """Milliseconds of sound: its pieces as recorded, else at a usual pace."""
        whole = self.recorded_ms.get(key_of(utterance.text))
        if whole is not None:
            return whole
        return sum(
            self.recorded_ms.get(key_of(piece.text)) or round(len(piece.text) / PROMPT_CHARS_S * 1000)
            for piece in utterance.pieces
        )


class VirtualLine:
    """The caller's end of a session.

    Args:
        caller: who answers.
        persona: how he speaks and is heard.
        durations: of prompts.

    Attributes:
        heard: every line, in order, as spoken.
        talk: every line and move as (who, what), with secrets.
        solved_ms: when the caller first heard what he rang for.
        moved_s: processor's clock when he had made his move; whoever has measured the gap sets it back to None.
    """

    def __init__(self, caller: Caller, persona: Persona, durations: Durations) -> None:
        self._caller = caller
        self._who = persona
        self._durations = durations
        self._rng = random.Random(f"{persona.seed}:line")
        self._now_ms = 0
        self._speaks_ms = 0
        self._fresh: list[Line] = []
        self._last_text = ""
        self._language: Language = persona.line_language
        self._closed = False
        self.tape: Tape = NOTHING
        self.heard: list[Line] = []
        self.talk: list[tuple[str, str]] = []
        self.solved_ms: int | None = None
        self.moved_s: float | None = None

    def note(self, response: str) -> None:
        """The event of what was just shown names its response."""
        line = Line(response, self._last_text)
        self._fresh.append(line)
        self.heard.append(line)
        self.talk.append(("bot", self._last_text))

    def share_turns(self, with_: Callable[[Pcm], None]) -> bool:
        """See `Channel`: text has no voice."""
        del with_
        return False

    def now_ms(self) -> int:
        """Virtual time since the call was answered."""
        return self._now_ms

    def speak_in(self, language: Language) -> None:
        """See `Channel`."""
        self._language = language

    def prepare(self, utterances: Sequence[Utterance]) -> None:
        """See `Channel`: there is no sound to make."""

    @property
    def goes_on(self) -> bool:
        """See `Channel`: a move is a whole turn."""
        return False

    async def give_time(self, until_ms: int) -> bool:
        """See `Channel`: the time passes, and he has said all."""
        self._now_ms = max(self._now_ms, until_ms)
        return False

    async def say(self, utterance: Utterance, *, interruptible: bool) -> None:
        """See `Channel`; the sound is under way, its time passes when somebody listens."""
        if self._closed:
            raise LegClosed("hangup")
        self._speaks_ms += self._durations.of_utterance(utterance)

    async def listen(self, collect: Collect, completes: Completes) -> Heard:
        """The caller's move, and the time that it took."""
        if self._closed or self._now_ms > LONGEST_MS:
            self._closed = True
            raise LegClosed("hangup")
        fresh, self._fresh = self._fresh, []
        satisfied = self._caller.satisfied
        move = self._caller.answer(fresh)
        over_prompt = self._passes_prompt(isinstance(move, Words | Press))
        if self._caller.satisfied and not satisfied:
            self.solved_ms = self._now_ms
        self.moved_s = time.perf_counter()
        if not isinstance(move, Words):
            self.talk.append(("caller", move.digits if isinstance(move, Press) else f"({type(move).__name__})"))
        match move:
            case HangUp():
                self._closed = True
                raise LegClosed("hangup")
            case Quiet():
                self._now_ms += collect.timeout_ms
                return Silence()
            case Press():
                self._now_ms += self._thinks() + KEY_MS * len(move.digits)
                return Keyed(move.digits.rstrip("#"))
            case Words():
                return self._spoken(move.text, over_prompt)

    def _spoken(self, text: str, over_prompt: bool) -> Heard:
        self._now_ms += self._thinks() + round(len(text) / CALLER_CHARS_S[self._who.temper] * 1000)
        ended_ms = self._now_ms
        self._now_ms += GAP_MS
        heard = misheard(text, self._who.noise, self._who.language, self._rng, harsh=self._who.harsh)
        if self._language != self._who.language and self._rng.random() < 0.3:
            heard = ""  # the recogniser listens in another language
        self.talk.append(("caller", text if heard == text.lower() else f"{text} [{heard}]"))
        if not heard:
            return Unclear()
        return Spoken((Hypothesis(heard, round(1.0 - self._who.noise, 2)),), "simulated", over_prompt, ended_ms)

    def _passes_prompt(self, answers: bool) -> bool:
        """The prompt's time; who is in a hurry does not wait for its end."""
        hasty = answers and self._who.temper == "hurried" and self._rng.random() < 0.4
        self._now_ms += round(self._speaks_ms * (self._rng.uniform(0.5, 0.9) if hasty else 1.0))
        self._speaks_ms = 0
        return hasty

    def _thinks(self) -> int:
        return self._rng.randint(*THINKS_MS[self._who.temper])

    async def finish(self) -> None:
        """Everything said is heard out."""
        self._now_ms += self._speaks_ms
        self._speaks_ms = 0

    def show(self, who: str, text: str) -> None:
        """The caller's ear."""
        if who == "bot":
            self._last_text = text

    def close(self) -> None:
        """The call is over."""
        self._closed = True
