"""What is heard and how it is understood: hypotheses, transcripts, NLU results, expectations."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Language = Literal["ru", "en"]
LANGUAGES: tuple[Language, ...] = ("ru", "en")


class Expect(StrEnum):
    """What kind of answer the question on the table wants; steers endpointing, ASR grammar and parsing."""

    OPEN = "open"
    YES_NO = "yes_no"
    DIGITS = "digits"
    DATE = "date"
    NAME = "name"
    SECRET = "secret"


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One reading of an utterance.

    Attributes:
        text: lower or mixed case, without markup.
        confidence: 0..1; engines without a calibrated figure give their best proxy.
    """

    text: str
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Partial:
    """A reading of an utterance that is still going on; `t_ms` counts from the utterance's start."""

    t_ms: int
    text: str


def unheard(partial: Partial) -> None:
    """The callback of whoever wants no partials; engines that would make them extra then make none."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """Final reading of one utterance.

    Attributes:
        hypotheses: best first; empty when nothing intelligible was said.
        engine: name of the engine that heard it.
        audio_ms: length of the sound read.
        cpu_ms: processor time spent, or 0 where unknown.
        garbled: somebody spoke, but no word of it could be made out; False where the engine cannot tell.
    """

    hypotheses: tuple[Hypothesis, ...]
    engine: str
    audio_ms: int = 0
    cpu_ms: int = 0
    garbled: bool = False

    @property
    def text(self) -> str:
        """The best reading, or ""."""
        return self.hypotheses[0].text if self.hypotheses else ""


@dataclass(frozen=True, slots=True)
class IntentScore:
    """One class of the ranking; confidences of a ranking add up to 1."""

    name: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Entity:
    """A value found in the text.

    Attributes:
        name: slot it may fill ("card", "amount", ...).
        value: normalised value ("4271").
        start: first character in the text.
        end: one past the last character.
    """

    name: str
    value: str
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class NluResult:
    """What an utterance means.

    Attributes:
        text: the text that was read.
        intent: best class, "out_of_scope" when rejected.
        confidence: of `intent`, 0..1, calibrated.
        ranking: n-best, best first, raw (before rejection).
        entities: values found.
        engine: name of the engine that answered.
    """

    text: str
    intent: str
    confidence: float
    ranking: tuple[IntentScore, ...] = ()
    entities: tuple[Entity, ...] = field(default=())
    engine: str = ""


OUT_OF_SCOPE = "out_of_scope"
