"""The masked transcript of a call: what the operator reads and what events keep.

Masking happens here, where words enter: answers to secret questions become "[card]", "[code_word]"; codes,
numbers, code words and addresses become asterisks however they were said, also in pieces over several turns, key
by key, or a second time after they were asked for. A code word of the customer is masked wherever it is said; the
caller's own screen does not tell that it was known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from ivrbot.call.channel import Channel, Spoken
from ivrbot.call.code_words import KnownCodeWords
from ivrbot.language.masking import (
    MASK,
    Secret,
    Span,
    figures_in,
    mask_again,
    mask_codes,
    secret_in,
    secret_of,
)
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


@dataclass(frozen=True, slots=True)
class Masked:
    """A turn without what nobody may read later.

    Attributes:
        kept: for everything that is kept and shown to the bank's people.
        shown: for the caller's own screen. A code word that was not asked for stands in it: were it masked, he
            could find out by trying which word it is.
    """

    kept: str
    shown: str = field(repr=False)


class CallMask:
    """Masks the turns of one call; remembers just enough to know a number in pieces and a secret said again.

    Args:
        today: the day of the call.
    """

    def __init__(self, today: date | None = None) -> None:
        self._today = today
        self._secrets: dict[Secret, None] = {}
        self._found: dict[Secret, None] = {}
        self._digits_in_a_row = 0
        self._keyed_ms: int | None = None

    def spoken(self, turn: UserTurn, collect: Collect, language: Language, found: Iterable[Span] = ()) -> Masked:
        """What may be kept of a turn.

        Args:
            turn: in all its readings.
            collect: what was asked.
            language: of the turn.
            found: code words in the first reading that only the bank's hashes have told, in tokens.
        """
        figures = figures_in(turn.text, language)
        self._digits_in_a_row = self._digits_in_a_row + figures if figures else 0
        if collect.secret:
            self._remember(turn, collect, language)
            return _alike(f"[{collect.slot}]")
        if figures > 1 or self._digits_in_a_row > OPEN_DIGITS:
            return _alike(MASK)
        spans = tuple(span for span in found if span[0] < span[1])
        self._keep(self._found, (secret_in(turn.text, language, span) for span in spans))
        shown = mask_codes(turn.text, language, today=self._today, secrets=self._secrets)
        if not self._found:
            return _alike(shown)
        secrets = self._secrets | self._found
        return Masked(mask_codes(turn.text, language, today=self._today, secrets=secrets, hidden=spans), shown)

    def again(self, text: str, language: Language, find: Callable[[str], Iterable[Span]]) -> str:
        """Mask what has become known since a text was masked.

        Args:
            text: masked as far as was known.
            language: of the text.
            find: gives code words in a text, in tokens.
        """
        return mask_again(text, language, find, self._found)

    def keyed(self, digits: str, collect: Collect, at_ms: int) -> str:
        """What may be kept of keys: one alone, as it was pressed."""
        before_ms, self._keyed_ms = self._keyed_ms, at_ms
        hurried = before_ms is not None and at_ms - before_ms < KEYS_APART_MS
        return "[keys]" if collect.secret or len(digits) > 1 or hurried else digits

    def _remember(self, turn: UserTurn, collect: Collect, language: Language) -> None:
        """The code word comes up again ("I told you, cherry tree"): every reading of it is masked then."""
        if collect.expect is not Expect.SECRET:
            return
        self._keep(self._secrets, (secret_of(hypothesis.text, language) for hypothesis in turn.hypotheses))

    @staticmethod
    def _keep(secrets: dict[Secret, None], more: Iterable[Secret]) -> None:
        for secret in more:
            if secret and len(secrets) < MAX_SECRETS:
                secrets[secret] = None


def _alike(text: str) -> Masked:
    return Masked(text, text)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line with what it takes to mask it once more.

    Attributes:
        language: of the caller's words; None for a line without any.
        began_ms: call time of their sound; so `ended_ms`.
    """

    line: TranscriptLine
    language: Language | None = None
    began_ms: int = 0
    ended_ms: int = 0


class Transcriber:
    """Keeps the lines of one call, shows them on the caller's screen, and emits them as events.

    Args:
        channel: of the call.
        emit: the recorder's entrance.
        code_words: of the customers whom the call may be about.
        today: the day of the call.
    """

    def __init__(
        self, channel: Channel, emit: Emit, code_words: KnownCodeWords, today: date | None = None
    ) -> None:
        self._channel = channel
        self._emit = emit
        self._code_words = code_words
        self._mask = CallMask(today)
        self._lines: list[_Line] = []
        code_words.on_news = self._look_again

    def lines(self) -> tuple[TranscriptLine, ...]:
        """Everything said so far, masked; the oldest lines of an endless call are dropped."""
        return tuple(one.line for one in self._lines[-MAX_LINES:])

    def masked(self, text: str, language: Language) -> str:
        """Words of the caller that go elsewhere, without code words that were not asked for."""
        return self._mask.again(text, language, lambda part: self._code_words.spans((part,), language))

    def _look_again(self) -> None:
        """One more customer is known: what was said before may hold his code word. Events have happened."""
        for at, one in enumerate(self._lines):
            if one.language is None:
                continue
            text = self.masked(one.line.text, one.language)
            if text != one.line.text:
                self._lines[at] = replace(one, line=replace(one.line, text=text))
                self._channel.tape.hide(one.began_ms, one.ended_ms)

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
        readings = [hypothesis.text for hypothesis in turn.hypotheses]
        found = () if collect.secret else self._code_words.spans(readings, language)
        masked = self._mask.spoken(turn, collect, language, found)
        text = masked.kept
        if text != turn.text or found:
            self._channel.tape.hide(heard.began_ms, heard.ended_ms)
        self._channel.show("caller", masked.shown)
        data: dict[str, JsonValue] = {
            "text": text,
            "engine": heard.engine,
            "over_prompt": heard.over_prompt,
            "asr_ms": heard.asr_ms,
            "confidence": round(turn.hypotheses[0].confidence, 3),
        }
        if not collect.secret:
            data |= {"intent": turn.nlu.intent, "intent_confidence": round(turn.nlu.confidence, 3)}
        self._add("caller", text, EventType.CALLER_SAID, data, language, heard)

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

    def _add(
        self,
        who: str,
        text: str,
        event: EventType,
        data: dict[str, JsonValue],
        language: Language | None = None,
        heard: Spoken | None = None,
    ) -> None:
        at_ms = self._channel.now_ms()
        if text:
            began_ms, ended_ms = (heard.began_ms, heard.ended_ms) if heard is not None else (0, 0)
            self._lines.append(_Line(TranscriptLine(who, text, at_ms), language, began_ms, ended_ms))
        self._emit(event, at_ms, data)
