"""The masked transcript of a call: what the operator reads and what events keep.

Masking happens here, where words enter: answers to secret questions become "[card]", "[code_word]"; codes,
numbers, code words and addresses become asterisks however they were said, also in pieces over several turns, key
by key, or a second time after they were asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final

from ivrbot.call.channel import Channel, Spoken
from ivrbot.language.masking import MASK, Secret, figures_in, mask_codes, secret_of
from ivrbot.model.call import TranscriptLine
from ivrbot.model.dialogue import Collect, UserTurn, Utterance
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.speech import Expect, Language

MAX_LINES: Final = 400
MAX_SECRETS: Final = 20
OPEN_DIGITS: Final = 2
"""So many single digits in a row may be answers to menus; more are a number given in pieces."""
KEYS_APART_MS: Final = 4000
"""Keys closer together than this are one number, whatever question each of them answered."""

Emit = Callable[[EventType, int, dict[str, JsonValue]], None]
"""The recorder's entrance for one call: type, call time in ms, data."""


class CallMask:
    """Masks the turns of one call; remembers just enough to know a number in pieces and a secret said again.

    Args:
        today: the day of the call.
    """

    def __init__(self, today: date | None = None) -> None:
        self._today = today
        self._secrets: dict[Secret, None] = {}
        self._digits_in_a_row = 0
        self._keyed_ms: int | None = None

    def spoken(self, turn: UserTurn, collect: Collect, language: Language) -> str:
        """What may be kept of a turn."""
        figures = figures_in(turn.text, language)
        self._digits_in_a_row = self._digits_in_a_row + figures if figures else 0
        if collect.secret:
            self._remember(turn, collect, language)
            return f"[{collect.slot}]"
        if figures > 1 or self._digits_in_a_row > OPEN_DIGITS:
            return MASK
        return mask_codes(turn.text, language, today=self._today, secrets=self._secrets)

    def keyed(self, digits: str, collect: Collect, at_ms: int) -> str:
        """What may be kept of keys: one alone, as it was pressed."""
        before_ms, self._keyed_ms = self._keyed_ms, at_ms
        hurried = before_ms is not None and at_ms - before_ms < KEYS_APART_MS
        return "[keys]" if collect.secret or len(digits) > 1 or hurried else digits

    def _remember(self, turn: UserTurn, collect: Collect, language: Language) -> None:
        """The code word comes up again ("I told you, cherry tree"): every reading of it is masked then."""
        if collect.expect is not Expect.SECRET:
            return
        for hypothesis in turn.hypotheses:
            secret = secret_of(hypothesis.text, language)
            if secret and len(self._secrets) < MAX_SECRETS:
                self._secrets[secret] = None


class Transcriber:
    """Keeps the lines of one call, shows them on the caller's screen, and emits them as events."""

    def __init__(self, channel: Channel, emit: Emit, today: date | None = None) -> None:
        self._channel = channel
        self._emit = emit
        self._mask = CallMask(today)
        self._lines: list[TranscriptLine] = []

    def lines(self) -> tuple[TranscriptLine, ...]:
        """Everything said so far, masked; the oldest lines of an endless call are dropped."""
        return tuple(self._lines[-MAX_LINES:])

    @property
    def length(self) -> int:
        """Lines so far."""
        return len(self._lines)

    def take_back(self, length: int) -> None:
        """Forget the lines after so many: they will be said as one. Events stay; they have happened."""
        del self._lines[length:]

    def bot(self, utterance: Utterance, response: str) -> None:
        """The bot says something; the caller's own screen may show his own data."""
        self._channel.show("bot", utterance.text)
        data: dict[str, JsonValue] = {"text": utterance.masked, "response": response}
        self._add("bot", utterance.masked, EventType.BOT_SAID, data)

    def caller(self, turn: UserTurn, heard: Spoken, collect: Collect, language: Language) -> None:
        """The caller said something."""
        text = self._mask.spoken(turn, collect, language)
        if text != turn.text:
            self._channel.tape.hide(heard.began_ms, heard.ended_ms)
        self._channel.show("caller", text)
        data: dict[str, JsonValue] = {
            "text": text,
            "engine": heard.engine,
            "over_prompt": heard.over_prompt,
            "asr_ms": heard.asr_ms,
            "confidence": round(turn.hypotheses[0].confidence, 3),
        }
        if not collect.secret:
            data |= {"intent": turn.nlu.intent, "intent_confidence": round(turn.nlu.confidence, 3)}
        self._add("caller", text, EventType.CALLER_SAID, data)

    def keys(self, digits: str, collect: Collect) -> None:
        """The caller pressed keys."""
        text = self._mask.keyed(digits, collect, self._channel.now_ms())
        self._channel.show("caller", text)
        self._add("caller", text, EventType.KEYS_PRESSED, {"text": text})

    def silence(self) -> None:
        """Nothing was said in time."""
        self._add("caller", "", EventType.NO_INPUT, {})

    def unclear(self) -> None:
        """Something was said that could not be made out."""
        self._add("caller", "[?]", EventType.NO_MATCH, {})

    def _add(self, who: str, text: str, event: EventType, data: dict[str, JsonValue]) -> None:
        at_ms = self._channel.now_ms()
        if text:
            self._lines.append(TranscriptLine(who, text, at_ms))
        self._emit(event, at_ms, data)
