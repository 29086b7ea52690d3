"""The shadow stage: what the bot would have done, held against what operators say of the same calls.

Takes predictions with operators' dispositions, gives per branch how often the topic was right, what was confused
with what, and what would have become of the calls. Also reads the file in which a contact centre exports its
dispositions. Pure: text and values in, values out.

Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22, 209-212.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from ivrbot.dialogue.schema import Branches
from ivrbot.errors import ConfigError, Problem
from ivrbot.model.evidence import ShadowEvidence
from ivrbot.model.shadow import (
    Expected,
    Outcome,
    Prediction,
    ShadowCall,
    calls_of_branch,
    judged,
    shadow_evidence,
)
from ivrbot.model.speech import OUT_OF_SCOPE

CONFIDENCE: Final = 0.95
MAX_ROWS: Final = 1_000_000
_COLUMNS: Final = ("file", "call_id", "topic", "outcome", "kind")
_KINDS: Final = ("real", "synthetic")


# --- predictions --------------------------------------------------------------------------------------


def predict(topic: str, confidence: float, *, asked: bool, spoken: bool, branches: Branches) -> Prediction:
    """What would have become of a call.

    Args:
        topic: as understood in the opening, "" when none was.
        confidence: of the topic, 0..1.
        asked: the opening asks for a person.
        spoken: the caller said anything at all.
        branches: the menu; a topic with a flow is served.
    """
    branch = branches.branch_of(topic) or ""
    entry = branches.topic(topic)
    if asked:
        expected = Expected.CALLER_ASKED
    elif entry is None:
        expected = Expected.NO_TOPIC if spoken else Expected.NO_SPEECH
    else:
        expected = Expected.SERVED if entry.flow else Expected.NOT_SERVED
    return Prediction(topic if branch else "", branch, confidence if branch else 0.0, expected)


# --- operators' dispositions --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """One line of the contact centre's export.

    Attributes:
        line: 1-based, in its file.
        name: file name or call id, without folder and ".wav".
        synthetic: None where the file does not say.
    """

    line: int
    name: str
    topic: str
    outcome: Outcome
    synthetic: bool | None = None


def recording_name(text: str) -> str:
    """What joins a recording with its row: the file's name without folder and ".wav", lower case."""
    name = text.strip().replace("\\", "/").rpartition("/")[2].lower()
    return name.removesuffix(".wav")


def read_dispositions(text: str, file: str, topics: Collection[str]) -> tuple[OperatorRow, ...]:
    """Read `file` or `call_id`, `topic`, `outcome` and, if there, `kind` (real, synthetic); skip other columns.

    Args:
        text: the whole file, with a header; separated by commas or semicolons.
        file: how to call it in a problem.
        topics: those of the menu; "out_of_scope" is always allowed.

    Raises:
        ConfigError: every problem, with its line.
    """
    lines = text.removeprefix("\ufeff")
    head = lines.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(lines), delimiter=";" if head.count(";") > head.count(",") else ",")
    try:
        header = [name.strip().lower() for name in reader.fieldnames or ()]
        problems = _header_problems(header, file)
        if problems:
            raise ConfigError(problems)
        reader.fieldnames = header
        rows, problems = _read_rows(reader, file, frozenset({*topics, OUT_OF_SCOPE}))
    except csv.Error as error:
        raise ConfigError([Problem(file, reader.line_num, "", "", f"not CSV: {error}")]) from error
    if problems:
        raise ConfigError(problems)
    return tuple(rows)


def _header_problems(header: Sequence[str], file: str) -> list[Problem]:
    allowed = ", ".join(_COLUMNS)
    found = [Problem(file, 1, name, "", "twice in the header") for name, n in Counter(header).items() if n > 1]
    found += [
        Problem(file, 1, name, "", "is missing in the header", allowed)
        for name in ("topic", "outcome")
        if name not in header
    ]
    if "file" not in header and "call_id" not in header:
        found.append(Problem(file, 1, "file", "", "is missing in the header, and so is call_id", allowed))
    return found


def _read_rows(
    reader: csv.DictReader[str], file: str, topics: frozenset[str]
) -> tuple[list[OperatorRow], list[Problem]]:
    rows: list[OperatorRow] = []
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    for fields in reader:
        line = reader.line_num
        row, wrong = _read_row(fields, file, line, topics)
        problems += wrong
        if row is None:
            continue
        if row.name in lines:
            message = f"again: line {lines[row.name]} has it already"
            problems.append(Problem(file, line, "file", row.name, message))
            continue
        lines[row.name] = line
        rows.append(row)
    if not rows and not problems:
        problems.append(Problem(file, None, "", "", "has no rows"))
    return rows, problems


def _read_row(
    fields: Mapping[str, str | None], file: str, line: int, topics: frozenset[str]
) -> tuple[OperatorRow | None, list[Problem]]:
    if None in fields:
        return None, [Problem(file, line, "", "", "more fields than the header has")]
    values = {name: (fields.get(name) or "").strip() for name in _COLUMNS}
    name = recording_name(values["call_id"] or values["file"])
    kind, outcome, topic = values["kind"].lower(), values["outcome"].lower(), values["topic"]
    found: list[Problem] = []
    if not name:
        found.append(Problem(file, line, "file", "", "is empty, and so is call_id"))
    if topic not in topics:
        found.append(Problem(file, line, "topic", topic[:40], "no such topic", ", ".join(sorted(topics))))
    if outcome not in set(Outcome):
        found.append(Problem(file, line, "outcome", outcome[:40], "no such outcome", ", ".join(Outcome)))
    if kind not in {"", *_KINDS}:
        found.append(Problem(file, line, "kind", kind[:40], "no such kind", ", ".join(_KINDS)))
    if found:
        return None, found
    return OperatorRow(line, name, topic, Outcome(outcome), kind == "synthetic" if kind else None), []


# --- the report ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Interval:
    """Limits of a share, 0..1."""

    lower: float
    upper: float


def wilson(successes: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Score interval of a share (Wilson 1927, equation of page 210); (0, 1) when nothing was tried."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n}")
    if n == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1.0 + confidence) / 2.0)
    share, z2 = successes / n, z * z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # Rounding must not put the limits inside the share at its ends.
    return Interval(min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


@dataclass(frozen=True, slots=True)
class Confusion:
    """The operator said `operator_topic`, the bot heard `bot_topic` ("" for none), so often."""

    operator_topic: str
    bot_topic: str
    calls: int


@dataclass(frozen=True, slots=True)
class BranchShadow:
    """What the shadow calls of a branch showed; synthetic ones are counted apart.

    Attributes:
        evidence: what the controller reads.
        accuracy: interval of the share of right topics.
        misrouted: of n, calls that the bot would have served with another topic than the caller's.
        asked_for_person: callers who asked for a person and stated no topic; not in n, for nothing was predicted.
        no_speech: calls without a word of the caller; not in n.
        waiting: real calls whose operator has not said anything yet; not in n.
        confusions: wrong topics, most frequent first.
    """

    branch: str
    evidence: ShadowEvidence
    accuracy: Interval
    misrouted: int
    asked_for_person: int
    no_speech: int
    waiting: int
    confusions: tuple[Confusion, ...]


def branch_report(branch: str, calls: Iterable[ShadowCall], waiting: int = 0) -> BranchShadow:
    """Count the calls of one branch.

    Args:
        branch: of the menu, or "front".
        calls: of any branches, each call once.
        waiting: calls known to wait for their operator's word and not among `calls`.
    """
    own = calls_of_branch(branch, calls)
    evidence = shadow_evidence(branch, own)
    known = [call for call in own if call.operator_topic and not call.synthetic]
    wrong = Counter((call.operator_topic, call.prediction.topic) for call in judged(own) if not call.right)
    return BranchShadow(
        branch,
        evidence,
        wilson(evidence.correct, evidence.n),
        misrouted=evidence.n - evidence.would_resolve - evidence.would_escalate,
        asked_for_person=sum(call.prediction.only_a_person for call in known),
        no_speech=sum(call.prediction.expected is Expected.NO_SPEECH for call in known),
        waiting=waiting + sum(not (call.operator_topic or call.synthetic) for call in own),
        confusions=tuple(
            Confusion(said, heard, times)
            for (said, heard), times in sorted(wrong.items(), key=lambda item: (-item[1], item[0]))
        ),
    )


def shadow_report(branches: Iterable[str], calls: Sequence[ShadowCall]) -> tuple[BranchShadow, ...]:
    """The same for every branch that any call belongs to, in the order given."""
    return tuple(branch_report(branch, calls) for branch in branches if calls_of_branch(branch, calls))
