"""Whether the languages teach the same: every intent in each, in roughly equal numbers.

Takes the training data per language, gives counts and what is out of balance. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ivrbot.model.speech import Language
from ivrbot.nlu.data import TrainingData

MAX_RATIO: Final = 1.5
"""The language with most examples of an intent may have so many times those of the one with fewest."""


@dataclass(frozen=True, slots=True)
class IntentCounts:
    """Examples of one intent per language; `ratio` is the largest count by the smallest, None where one is 0."""

    intent: str
    counts: dict[Language, int]

    @property
    def ratio(self) -> float | None:
        """1.0 is balance."""
        fewest = min(self.counts.values())
        return max(self.counts.values()) / fewest if fewest else None

    @property
    def balanced(self) -> bool:
        """Whether no language is far behind."""
        return self.ratio is not None and self.ratio <= MAX_RATIO


def intent_counts(data: Mapping[Language, TrainingData]) -> tuple[IntentCounts, ...]:
    """One entry per intent of any language, by name."""
    counted = {language: Counter(example.intent for example in own.examples) for language, own in data.items()}
    names = sorted(frozenset[str]().union(*counted.values()))
    return tuple(IntentCounts(name, {language: own[name] for language, own in counted.items()}) for name in names)
