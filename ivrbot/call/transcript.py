"""The masked transcript of a call: what the operator reads and what events keep.

Masking happens here, where words enter: answers to secret questions become "[card]", "[code_word]"; digits beyond
three in a row, keyed or spoken, and what follows "code word", "PIN" and the like become asterisks.
"""

from __future__ import annotations

from collections.abc import Callable

from ivrbot.call.channel import Channel, Spoken
from ivrbot.escalation.dossier import mask
from ivrbot.language.masking import mask_codes
from ivrbot.model.call import TranscriptLine
from ivrbot.model.dialogue import Collect, UserTurn, Utterance
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.speech import Language

MAX_LINES = 400

Emit = Callable[[EventType, int, dict[str, JsonValue]], None]
"""The recorder's entrance for one call: type, call time in ms, data."""


class Transcriber:
    """Keeps the lines of one call, shows them on the caller's screen, and emits them as events."""

    def __init__(self, channel: Channel, emit: Emit) -> None:
        self._channel = channel
        self._emit = emit
        self._lines: list[TranscriptLine] = []

    def lines(self) -> tuple[TranscriptLine, ...]:
        """Everything said so far, masked; the oldest lines of an endless call are dropped."""
        return tuple(self._lines[-MAX_LINES:])

    def bot(self, utterance: Utterance, response: str) -> None:
        """The bot says something; the caller's own screen may show his own data."""
        self._channel.show("bot", utterance.text)
        data: dict[str, JsonValue] = {"text": utterance.masked, "response": response}
        self._add("bot", utterance.masked, EventType.BOT_SAID, data)

    def caller(self, turn: UserTurn, heard: Spoken, collect: Collect, language: Language) -> None:
        """The caller said something."""
        text = f"[{collect.slot}]" if collect.secret else mask_codes(mask(turn.text), language)
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
        text = "[keys]" if collect.secret or len(digits) > 1 else digits
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
