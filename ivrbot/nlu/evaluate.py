"""How well an engine understands: accuracy and its kin on labelled sentences.

Takes rows (intent, text) and an NluEngine, gives an `NluReport`; also cross-validates the embedded classifier on
its own training data, which is how its constants were chosen.
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ivrbot.errors import ConfigError, Problem
from ivrbot.model.speech import OUT_OF_SCOPE, Language
from ivrbot.nlu.classifier import TextClassifier
from ivrbot.nlu.data import Example, TrainingData
from ivrbot.nlu.embedded import EmbeddedNlu, columns, teaching
from ivrbot.nlu.encoder import SentenceEncoder
from ivrbot.nlu.text import normalise
from ivrbot.ports import NluEngine

Row = tuple[str, str]
"""Intent and text."""


@dataclass(frozen=True, slots=True)
class IntentReport:
    """One intent: share of its sentences found (recall), of its findings true (precision), both (f1)."""

    n: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class NluReport:
    """Figures over all rows.

    Attributes:
        n: number of rows.
        accuracy: share of rows whose intent was found.
        macro_f1: mean F1 over the intents that occur in the rows.
        oos_recall: share of out_of_scope rows rejected; None without such rows.
        per_intent: figures of each intent that occurs in the rows.
        ms_per_parse: mean wall time.
        confusion: per expected intent, how often each intent was found, the most frequent first.
        mistakes: (expected, found, text) of every wrong row.
    """

    n: int
    accuracy: float
    macro_f1: float
    oos_recall: float | None
    per_intent: dict[str, IntentReport]
    ms_per_parse: float
    confusion: dict[str, dict[str, int]] = field(default_factory=dict)
    mistakes: tuple[tuple[str, str, str], ...] = ()

    def as_json(self) -> dict[str, object]:
        """What `nlu eval --json` prints."""
        return asdict(self)


def read_rows(path: Path) -> tuple[Row, ...]:
    """Reads `intent<TAB>text` lines; blank lines and lines that begin with # are skipped.

    Raises:
        ConfigError: with every line that is not of that form, or because there is none.
    """
    problems: list[Problem] = []
    rows: list[Row] = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), None, "", "", f"cannot be read: {error}")]) from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        intent, tab, text = line.partition("\t")
        if not (tab and intent.strip() and text.strip()):
            problems.append(
                Problem(str(path), number, "", line[:40], "not a labelled sentence", "intent<TAB>text")
            )
            continue
        rows.append((intent.strip(), text.strip()))
    if not rows and not problems:
        problems.append(Problem(str(path), None, "", "", "no rows", "intent<TAB>text"))
    if problems:
        raise ConfigError(problems)
    return tuple(rows)


async def evaluate(
    rows: Sequence[Row], engine: NluEngine, language: Language, clock: Callable[[], float] = time.perf_counter
) -> NluReport:
    """Parses every row and compares.

    Args:
        rows: at least one (intent, text).
        engine: the engine under test.
        language: of the texts.
        clock: seconds, monotonic.

    Raises:
        ValueError: no rows.
        EngineError: the engine failed.
    """
    start = clock()
    found = [(await engine.parse(text, language)).intent for _, text in rows]
    return report(rows, found, 1000 * (clock() - start))


def report(rows: Sequence[Row], found: Sequence[str], total_ms: float = 0.0) -> NluReport:
    """Figures from expected rows and found intents.

    Raises:
        ValueError: no rows, or another number of findings.
    """
    if not rows or len(rows) != len(found):
        raise ValueError("as many findings as rows, and at least one")
    expected = Counter(intent for intent, _ in rows)
    answered = Counter(found)
    right = Counter(intent for (intent, _), answer in zip(rows, found, strict=True) if intent == answer)
    per_intent = {name: _intent_report(expected[name], answered[name], right[name]) for name in sorted(expected)}
    return NluReport(
        n=len(rows),
        accuracy=right.total() / len(rows),
        macro_f1=sum(item.f1 for item in per_intent.values()) / len(per_intent),
        oos_recall=per_intent[OUT_OF_SCOPE].recall if OUT_OF_SCOPE in per_intent else None,
        per_intent=per_intent,
        ms_per_parse=total_ms / len(rows),
        confusion=_confusion(rows, found),
        mistakes=tuple(
            (intent, answer, text) for (intent, text), answer in zip(rows, found, strict=True) if intent != answer
        ),
    )


def _confusion(rows: Sequence[Row], found: Sequence[str]) -> dict[str, dict[str, int]]:
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for (intent, _), answer in zip(rows, found, strict=True):
        table[intent][answer] += 1
    return {name: dict(table[name].most_common()) for name in sorted(table)}


def confusion_table(report: NluReport) -> list[str]:
    """Lines for people: each intent, its share found, and what it was taken for."""
    width = max(len("expected"), *map(len, report.confusion))
    lines = [f"{'expected':<{width}}    n   found  taken for"]
    for name, answers in report.confusion.items():
        wrong = ", ".join(f"{other} {count}" for other, count in answers.items() if other != name)
        own = report.per_intent[name]
        lines.append(f"{name:<{width}} {own.n:>4}  {own.recall:>5.0%}  {wrong}".rstrip())
    return lines


def _intent_report(expected: int, answered: int, right: int) -> IntentReport:
    precision = right / answered if answered else 0.0
    recall = right / expected
    return IntentReport(expected, precision, recall, 2 * right / (expected + answered))


def engine_from_rows(rows: Sequence[Row], language: Language, encoder: SentenceEncoder | None) -> EmbeddedNlu:
    """Trains the same classifier on labelled rows (public benchmarks: `nlu eval --train`); nothing is rejected.

    Rows that name out_of_scope are taken for the bank's own. Foreign intents have no grammar of refusals, so that
    nothing is guarded, and their sentences are typed, so that none is noised and no word is put right.

    Args:
        rows: (intent, text), at least two intents.
        language: of the texts.
        encoder: sentence embeddings or None.
    """
    own = any(intent == OUT_OF_SCOPE for intent, _ in rows)
    classifier = TextClassifier(encoder) if own else TextClassifier(encoder, put_right_share=0.0)
    examples = columns([Example(intent, text) for intent, text in rows])
    classifier.fit({language: examples}, copies=None if own else 0)
    return EmbeddedNlu(classifier, reject_below=0.0, guarded=own)


def cross_validate(
    data: Mapping[Language, TrainingData],
    encoder: SentenceEncoder | None,
    *,
    folds: int = 5,
    seed: int = 1,
    reject_below: float = 0.0,
    copies: int | None = None,
) -> dict[Language, NluReport]:
    """Trains on all folds but one and reads that one, in turn, for each language.

    Args:
        data: training data per language.
        encoder: sentence embeddings or None.
        folds: number of parts; each intent is spread evenly over them.
        seed: of the division into folds.
        reject_below: threshold of the engine.
        copies: noised copies per training sentence; None takes what is best in each language.
    """
    parts = {language: _folds(own.examples, folds, seed) for language, own in data.items()}
    rows: dict[Language, list[Row]] = defaultdict(list)
    found: dict[Language, list[str]] = defaultdict(list)
    for fold in range(folds):
        training = {
            language: columns(teaching([example for example, part in own if part != fold], language))
            for language, own in parts.items()
        }
        classifier = TextClassifier(encoder)
        classifier.fit(training, copies)
        engine = EmbeddedNlu(classifier, reject_below=reject_below)
        for language, own in parts.items():
            held_out = [(example.intent, normalise(example.text)) for example, part in own if part == fold]
            rows[language] += held_out
            found[language] += [engine.parse_now(text, language).intent for _, text in held_out]
    return {language: report(rows[language], found[language]) for language in parts}


def _folds(examples: Sequence[Example], folds: int, seed: int) -> list[tuple[Example, int]]:
    by_intent: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_intent[example.intent].append(example)
    rng = random.Random(seed)
    divided = []
    for own in by_intent.values():
        rng.shuffle(own)
        divided += [(example, index % folds) for index, example in enumerate(own)]
    return divided
