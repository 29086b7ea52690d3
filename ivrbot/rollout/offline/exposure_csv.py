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
from itertools import chain, count, islice

import numpy as np
from numpy.typing import NDArray

from ivrbot.analytics.kpi_names import KPIS
from ivrbot.errors import Problem
from ivrbot.model.experiment import Arm
from ivrbot.rollout.judging.sentences import is_rate

REQUIRED = ("call_id", "started_at", "branch", "stage", "unit", "arm", "propensity")
OPTIONAL = ("epoch", "trunk", "prefix")
LISTED = 50
"""Problems that are listed; of the others the number is told."""

_BLOCK = 4_096  # rows whose texts fit into the processor's cache
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


class _Names(dict[str, int]):
    """Numbers the few names of a column in the order of their first appearance."""

    def __missing__(self, text: str) -> int:
        code = self[text] = len(self)
        return code

    def encode(self, column: Sequence[str]) -> Ints:
        return np.fromiter(map(self.__getitem__, column), dtype=np.int64, count=len(column))


class _Keys:
    """Gives each of a column's many texts a number of its own, without keeping which was which."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._next = count()

    def encode(self, column: Sequence[str]) -> Ints:
        codes = map(self._seen.setdefault, column, self._next)  # no Python code per row
        return np.fromiter(codes, dtype=np.int64, count=len(column))


class _Numbers(dict[str, float]):
    """Parses each distinct text once; NaN for an empty one, and for one that is no number, which it remembers."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__({"": math.nan})
        self._low, self._high = low, high
        self.bad: set[str] = set()

    def __missing__(self, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not self._low <= number <= self._high:
            self.bad.add(text)
            number = math.nan
        self[text] = number
        return number


_KEYS = ("call_id", "unit")
_NAMES = ("branch", "stage", "arm", "propensity", "epoch", "trunk", "prefix")


class _Reader:
    """Gathers one file's columns, block by block."""

    def __init__(self, header: Sequence[str], problems: Problems) -> None:
        self.header = header
        self.problems = problems
        self.keys = {name: _Keys() for name in _KEYS}
        self.names = {name: _Names() for name in _NAMES if name in header}
        self.blocks: dict[str, list[NDArray[np.generic]]] = {name: [] for name in (*header, "line", "sound")}

    def add(self, rows: list[list[str]], lines: Ints) -> None:
        """Parse rows of the header's width."""
        sound = np.ones(len(rows), dtype=np.bool_)
        for name, column in zip(self.header, zip(*rows, strict=True), strict=True):
            bad: Sequence[int] = ()
            if name in self.names:
                values: NDArray[np.generic] = self.names[name].encode(column)
            elif name in self.keys:
                values, bad = self.keys[name].encode(column), _blank(column)
                self._report(name, column, lines, bad, "is empty", "")
            elif name == "started_at":
                values, bad = _times(column)
                self._report(name, column, lines, bad, "not a time", "ISO 8601, like 2026-09-01T09:30:00+03:00")
            else:
                values, bad = _kpi_values(name, column)
                self._report(name, column, lines, bad, "not a value of this KPI", _allowed(name))
            sound[list(bad)] = False
            self.blocks[name].append(values)
        self.blocks["line"].append(lines)
        self.blocks["sound"].append(sound)

    def _report(
        self, name: str, column: Sequence[str], lines: Ints, bad: Sequence[int], message: str, allowed: str
    ) -> None:
        for at in bad:
            self.problems.add(int(lines[at]), name, message, column[at].strip(), allowed)

    def column(self, name: str) -> NDArray[np.generic]:
        """All blocks of a column."""
        return np.concatenate(self.blocks[name]) if self.blocks[name] else np.zeros(0, dtype=np.int64)

    def texts(self, name: str) -> tuple[str, ...]:
        """Texts of a column of names, by code."""
        return tuple(self.names[name]) if name in self.names else ()


def read_exposures(lines: Iterable[str], file: str) -> tuple[ExposureTable | None, Problems]:
    """Read a file.

    Args:
        lines: its text, line by line.
        file: its name, for problems.

    Returns:
        The sound rows (None without a usable header), and what is wrong with the others.
    """
    problems = Problems(file)
    lines = iter(lines)
    try:
        first = next(lines, "")
    except UnicodeDecodeError as error:
        problems.add(None, "", f"not a CSV file in UTF-8: {error}")
        return None, problems
    # Spreadsheets of many countries write semicolons.
    reader = csv.reader(chain([first], lines), delimiter=";" if first.count(";") > first.count(",") else ",")
    try:
        header = [name.strip() for name in next(reader, [])]
        check_header(header, problems)
        if problems.count:
            return None, problems
        columns = _Reader(header, problems)
        for rows, at in _blocks(reader, len(header), problems):
            columns.add(rows, at)
    except (csv.Error, UnicodeDecodeError) as error:
        problems.add(reader.line_num or None, "", f"not a CSV file in UTF-8: {error}")
        return None, problems
    return _table(columns, problems), problems


def check_header(header: Sequence[str], problems: Problems) -> None:
    """Tell columns that are missing, unknown or doubled."""
    if not any(header):
        problems.add(1, "", "no header: the file is empty", allowed=", ".join(REQUIRED))
        return
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
        if set(map(len, block)) != {width}:
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


def _blank(column: Sequence[str]) -> Sequence[int]:
    """Places of texts without a visible character."""
    if all(column) and not any(map(str.isspace, column)):
        return ()
    return [at for at, text in enumerate(column) if not text.strip()]


def _times(column: Sequence[str]) -> tuple[Ints, Sequence[int]]:
    """Microseconds since 1970-01-01 UTC, and the places of texts that are no time (0 stands there)."""
    try:
        times = list(map(datetime.fromisoformat, column))
        bad: list[int] = []
    except ValueError:
        parsed = [_time(text) for text in column]
        bad = [at for at, time in enumerate(parsed) if time is None]
        times = [time or _NO_TIME for time in parsed]
    if None in {time.tzinfo for time in times}:
        times = [time if time.tzinfo else time.replace(tzinfo=UTC) for time in times]
    # A double holds seconds of this century to 2.4e-7, so that rounding gives the microsecond exactly.
    seconds = np.fromiter(map(datetime.timestamp, times), dtype=np.float64, count=len(times))
    return np.rint(seconds * 1e6).astype(np.int64), bad


_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _kpi_values(kpi: str, column: Sequence[str]) -> tuple[Floats, Sequence[int]]:
    """Values (NaN where empty), and the places of texts that cannot be values of that KPI."""
    numbers = _Numbers(*value_range(kpi))
    values = np.fromiter(map(numbers.__getitem__, column), dtype=np.float64, count=len(column))
    bad = [at for at, text in enumerate(column) if text in numbers.bad] if numbers.bad else []
    return values, bad


def value_range(kpi: str) -> tuple[float, float]:
    """Smallest and largest value that a KPI can have."""
    return (0.0, 1.0) if is_rate(kpi) else _RANGES.get(kpi, (0.0, 1e12))


def _allowed(kpi: str) -> str:
    low, high = value_range(kpi)
    return f"a number from {low:g} to {high:g}, or empty" if high < 1e12 else "a number >= 0, or empty"


# --- the whole ------------------------------------------------------------------------------------------


def _table(columns: _Reader, problems: Problems) -> ExposureTable:
    line = columns.column("line").astype(np.int64)
    sound = columns.column("sound").astype(np.bool_)
    for name in ("branch", "stage"):
        sound &= _checked(columns, problems, name, line, _named, "is empty", "")[1]
    arms = tuple(Arm)
    arm, ok = _checked(columns, problems, "arm", line, _arm, "unknown arm", ", ".join(arms))
    sound &= ok
    propensity, ok = _checked(columns, problems, "propensity", line, _chance, "not a probability", "0 to 1")
    sound &= ok
    epoch = np.ones(len(line))
    if "epoch" in columns.names:
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
        trunk=kept("trunk") if "trunk" in columns.names else None,
        trunks=columns.texts("trunk"),
        prefix=kept("prefix") if "prefix" in columns.names else None,
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
    """Numbers of a column of names, and where they are sound; `parse` sees each name once, NaN is unsound."""
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
