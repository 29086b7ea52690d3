"""Exposures with their KPI values from CSV, checked: every problem at once, with its line.

Takes lines of text, gives columns (`ExposureTable`) and problems. Read column by column in blocks, since a file
may have millions of rows: each distinct text is looked at once, whole columns become numpy arrays. Pure.

Columns: call_id, started_at (ISO 8601, UTC where no offset is given), branch, stage, unit, arm (control or
treatment), propensity; optional epoch, trunk, prefix; any KPI by its name, empty where there is no value.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ivrbot.analytics.kpi_names import KPIS
from ivrbot.errors import Problem
from ivrbot.model.experiment import Arm
from ivrbot.rollout.sentences import is_rate

REQUIRED = ("call_id", "started_at", "branch", "stage", "unit", "arm", "propensity")
OPTIONAL = ("epoch", "trunk", "prefix")
LISTED = 50
"""Problems that are listed; of the others the number is told."""

_BLOCK = 65_536
_RANGES = {"csat": (1.0, 5.0), "qa_score": (0.0, 100.0)}

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ExposureTable:
    """Sound rows of a file, in its order; columns of equal length n.

    Attributes:
        line: int64[n], line of the file.
        call: int64[n], code of the call id.
        at_us: int64[n], microseconds since 1970-01-01 UTC.
        branch: int64[n], index into `branches`.
        stage: int64[n], index into `stages`.
        unit: int64[n], code of the unit.
        treated: bool[n], the bot's arm.
        propensity: float64[n].
        epoch: int64[n], 1 where the file has no such column.
        values: float64[n] per KPI of the file, NaN where empty.
        trunk: int64[n], index into `trunks`; None without that column.
        prefix: int64[n], index into `prefixes`; None without that column.
    """

    line: Ints
    call: Ints
    at_us: Ints
    branch: Ints
    branches: tuple[str, ...]
    stage: Ints
    stages: tuple[str, ...]
    unit: Ints
    treated: NDArray[np.bool_]
    propensity: Floats
    epoch: Ints
    values: Mapping[str, Floats]
    trunk: Ints | None
    trunks: tuple[str, ...]
    prefix: Ints | None
    prefixes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.line)


@dataclass(slots=True)
class Problems:
    """Problems of a file: the first `LISTED` in full, the number of all, and the branches concerned.

    Attributes:
        branches: those with a row that could not be read.
        anywhere: a row could not be read so far as to tell its branch: it may belong to any.
    """

    file: str
    listed: list[Problem] = field(default_factory=list)
    count: int = 0
    branches: set[str] = field(default_factory=set)
    anywhere: bool = False

    def add(self, line: int | None, path: str, message: str, value: str = "", allowed: str = "") -> None:
        """One problem; its value is shortened."""
        self.count += 1
        if len(self.listed) < LISTED:
            shown = value if len(value) <= 40 else value[:37] + "..."
            self.listed.append(Problem(self.file, line, path, shown, message, allowed))

    def add_all(self, lines: Iterable[int], path: str, message: str, value: str = "", allowed: str = "") -> None:
        """The same problem on several lines."""
        for line in lines:
            self.add(line, path, message, value, allowed)

    def ordered(self) -> tuple[Problem, ...]:
        """By line, with a last one that tells how many are not listed."""
        found = sorted(self.listed, key=lambda problem: (problem.line or 0, problem.path))
        if self.count > len(found):
            found.append(Problem(self.file, None, "", "", f"{self.count - len(found)} more problems"))
        return tuple(found)


class _Codes(dict[str, int]):
    """Numbers texts in the order of their first appearance."""

    def __missing__(self, text: str) -> int:
        code = self[text] = len(self)
        return code

    def encode(self, column: Sequence[str]) -> Ints:
        return np.fromiter(map(self.__getitem__, column), dtype=np.int64, count=len(column))


_CODED = ("call_id", "branch", "stage", "unit", "arm", "propensity", "epoch", "trunk", "prefix")


class _Reader:
    """Gathers one file's columns, block by block."""

    def __init__(self, header: Sequence[str], problems: Problems) -> None:
        self.header = header
        self.problems = problems
        self.codes = {name: _Codes() for name in _CODED if name in header}
        self.blocks: dict[str, list[NDArray[np.generic]]] = {name: [] for name in (*header, "line", "sound")}

    def add(self, rows: list[list[str]], lines: Ints) -> None:
        """Parse rows of the header's width."""
        columns = dict(zip(self.header, zip(*rows, strict=True), strict=True))
        sound = np.ones(len(rows), dtype=np.bool_)
        for name, column in columns.items():
            if name in self.codes:
                self.blocks[name].append(self.codes[name].encode(column))
            elif name == "started_at":
                parsed, bad = _parsed(column, _at_us, np.int64)
                self.blocks[name].append(parsed)
                self._report(name, column, lines, bad, "not a time", "ISO 8601, like 2026-09-01T09:30:00+03:00")
                sound[bad] = False
            else:
                values, bad = _kpi_values(name, column)
                self.blocks[name].append(values)
                self._report(name, column, lines, bad, "not a value of this KPI", _allowed(name))
                sound[bad] = False
        self.blocks["line"].append(lines)
        self.blocks["sound"].append(sound)

    def _report(
        self, name: str, column: Sequence[str], lines: Ints, bad: Sequence[int], message: str, allowed: str
    ) -> None:
        for at in bad:
            self.problems.add(int(lines[at]), name, message, column[at], allowed)

    def column(self, name: str) -> NDArray[np.generic]:
        """All blocks of a column."""
        return np.concatenate(self.blocks[name]) if self.blocks[name] else np.zeros(0, dtype=np.int64)

    def texts(self, name: str) -> tuple[str, ...]:
        """Texts of a coded column, by code."""
        return tuple(self.codes[name]) if name in self.codes else ()


def read_exposures(lines: Iterable[str], file: str) -> tuple[ExposureTable | None, Problems]:
    """Read a file.

    Args:
        lines: its text, line by line.
        file: its name, for problems.

    Returns:
        The sound rows (None without a usable header), and what is wrong with the others.
    """
    problems = Problems(file)
    reader = csv.reader(lines)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, problems)
        if problems.count:
            return None, problems
        columns = _Reader(header, problems)
        for rows, at in _blocks(reader, len(header), problems):
            columns.add(rows, at)
    except (csv.Error, UnicodeDecodeError) as error:
        problems.add(reader.line_num, "", f"not a CSV file in UTF-8: {error}")
        return None, problems
    return _table(columns, problems), problems


def _check_header(header: Sequence[str], problems: Problems) -> None:
    known = {*REQUIRED, *OPTIONAL, *KPIS}
    for name in REQUIRED:
        if name not in header:
            problems.add(1, name, "column is missing", allowed=", ".join(REQUIRED))
    for name in dict.fromkeys(header):
        if header.count(name) > 1:
            problems.add(1, name, "column stands more than once")
        if name not in known:
            allowed = ", ".join((*REQUIRED, *OPTIONAL, *KPIS))
            problems.add(1, name, "unknown column", value=name or "an empty name", allowed=allowed)


def _blocks(reader: Iterator[list[str]], width: int, problems: Problems) -> Iterator[tuple[list[list[str]], Ints]]:
    """Rows of the right width with their lines; empty lines are left out."""
    line = 2
    while block := list(islice(reader, _BLOCK)):
        at = line + np.arange(len(block), dtype=np.int64)
        line += len(block)
        if line - 1 != reader.line_num:  # type: ignore[attr-defined]  # a quoted field spans lines
            spans = [1 + sum(text.count("\n") for text in row) for row in block]
            at = at[0] + np.concatenate(([0], np.cumsum(spans)[:-1]))
            line = int(at[-1]) + spans[-1]
        if any(len(row) != width for row in block):
            fitting = []
            for index, row in enumerate(block):
                if len(row) == width:
                    fitting.append(index)
                elif row:
                    problems.add(int(at[index]), "", f"{len(row)} fields where the header has {width}")
                    problems.anywhere = True
            block, at = [block[index] for index in fitting], at[fitting]
        if block:
            yield block, at


# --- single columns -------------------------------------------------------------------------------------


def _at_us(text: str) -> int:
    at = datetime.fromisoformat(text)
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1e6)


def _value(text: str) -> float:
    return float(text) if text else math.nan


def _parsed(
    column: Sequence[str], parse: Callable[[str], float], dtype: type[np.generic]
) -> tuple[NDArray[np.generic], list[int]]:
    """A column of numbers, and the places of texts that are none (0 stands there)."""
    try:
        return np.fromiter(map(parse, column), dtype=dtype, count=len(column)), []
    except (ValueError, OverflowError):
        pass
    numbers, bad = np.zeros(len(column), dtype=dtype), []
    for at, text in enumerate(column):
        try:
            numbers[at] = parse(text)
        except (ValueError, OverflowError):
            bad.append(at)
    return numbers, bad


def _kpi_values(kpi: str, column: Sequence[str]) -> tuple[Floats, list[int]]:
    """Values and the places of texts that cannot be values of that KPI."""
    parsed, bad = _parsed(column, _value, np.float64)
    values = parsed.astype(np.float64, copy=False)
    low, high = _range(kpi)
    outside = ~((values >= low) & (values <= high))
    if np.count_nonzero(outside) > column.count(""):
        bad = sorted({*bad, *(int(at) for at in np.flatnonzero(outside) if column[at])})
    return values, bad


def _range(kpi: str) -> tuple[float, float]:
    return (0.0, 1.0) if is_rate(kpi) else _RANGES.get(kpi, (0.0, 1e12))


def _allowed(kpi: str) -> str:
    low, high = _range(kpi)
    return f"a number from {low:g} to {high:g}, or empty" if high < 1e12 else "a number >= 0, or empty"


# --- the whole ------------------------------------------------------------------------------------------


def _table(columns: _Reader, problems: Problems) -> ExposureTable:
    line = columns.column("line").astype(np.int64)
    sound = columns.column("sound").astype(np.bool_)
    for name in ("call_id", "branch", "stage", "unit"):
        sound &= _checked(columns, problems, name, line, _named, "is empty", "")[1]
    arms = tuple(Arm)
    arm, ok = _checked(columns, problems, "arm", line, _arm, "unknown arm", ", ".join(arms))
    sound &= ok
    propensity, ok = _checked(columns, problems, "propensity", line, _chance, "not a probability", "0 to 1")
    sound &= ok
    epoch = np.ones(len(line))
    if "epoch" in columns.codes:
        epoch, ok = _checked(columns, problems, "epoch", line, _epoch, "not an epoch", "a whole number")
        sound &= ok
    branches = columns.texts("branch")
    branch = columns.column("branch").astype(np.int64)
    unread = {branches[code] for code in np.unique(branch[~sound])}
    problems.branches |= {name for name in unread if name.strip()}
    problems.anywhere |= unread != problems.branches

    def kept(name: str) -> Ints:
        return columns.column(name).astype(np.int64, copy=False)[sound]

    return ExposureTable(
        line=line[sound],
        call=kept("call_id"),
        at_us=kept("started_at"),
        branch=branch[sound],
        branches=branches,
        stage=kept("stage"),
        stages=columns.texts("stage"),
        unit=kept("unit"),
        treated=arm[sound] == 1.0,
        propensity=propensity[sound],
        epoch=epoch[sound].astype(np.int64),
        values={
            name: columns.column(name).astype(np.float64, copy=False)[sound]
            for name in columns.header
            if name in KPIS
        },
        trunk=kept("trunk") if "trunk" in columns.codes else None,
        trunks=columns.texts("trunk"),
        prefix=kept("prefix") if "prefix" in columns.codes else None,
        prefixes=columns.texts("prefix"),
    )


def _checked(
    columns: _Reader,
    problems: Problems,
    name: str,
    line: Ints,
    parse: Callable[[str], float],
    message: str,
    allowed: str,
) -> tuple[Floats, NDArray[np.bool_]]:
    """A coded column's numbers, and where they are sound; `parse` sees each distinct text once, NaN is unsound."""
    codes = columns.column(name).astype(np.int64, copy=False)
    texts = columns.texts(name)
    numbers = np.array([parse(text) for text in texts], dtype=np.float64)
    good = ~np.isnan(numbers)
    if good.all():
        return numbers[codes], np.ones(len(codes), dtype=np.bool_)
    sound = good[codes]
    bad = np.flatnonzero(~sound)
    for at in bad[:LISTED]:
        problems.add(int(line[at]), name, message, texts[codes[at]], allowed)
    problems.count += max(0, len(bad) - LISTED)
    return numbers[codes], sound


def _named(text: str) -> float:
    return 0.0 if text.strip() else math.nan


def _arm(text: str) -> float:
    return {Arm.CONTROL.value: 0.0, Arm.TREATMENT.value: 1.0}.get(text, math.nan)


def _chance(text: str) -> float:
    try:
        chance = float(text)
    except ValueError:
        return math.nan
    return chance if 0.0 <= chance <= 1.0 else math.nan


def _epoch(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else math.nan
