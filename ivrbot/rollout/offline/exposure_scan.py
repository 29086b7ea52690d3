"""Flawless exposure files in a fraction of the time: DuckDB reads them in one go.

Takes a path, gives the same `ExposureTable` as `offline.exposure_csv`, or None where that reader must look
(anything that is not plainly right), since it alone knows lines. A million rows: about 2 processor seconds instead
of 8. Reads the file, nothing else.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from ivrbot.analytics.kpi_names import KPIS
from ivrbot.model.experiment import Arm
from ivrbot.rollout.offline.exposure_csv import ExposureTable, Problems, check_header, value_range

_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?"
_NAMES = ("branch", "stage", "trunk", "prefix")
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}

Column = NDArray[np.generic]


def scan_exposures(path: Path) -> ExposureTable | None:
    """Read a file.

    Args:
        path: CSV in UTF-8.

    Returns:
        Its rows, in its order; None when the file is in any way unusual. Calls and units are known by a 64-bit
        hash of their text: two of a million share one with a chance of 3e-8. `line` counts records, and is not to
        be shown to anybody.

    Raises:
        OSError: cannot be read.
        UnicodeDecodeError: the header is not UTF-8.
    """
    with path.open(encoding="utf-8-sig", newline="") as lines:
        header = [name.strip() for name in next(csv.reader(lines), [])]
    problems = Problems(str(path))
    check_header(header, problems)
    if problems.count or any(mark in str(path) for mark in "*?["):
        return None
    try:
        with duckdb.connect(config=_CONFIG) as connection:
            return _scan(connection, path.resolve(), header)
    except duckdb.Error:
        return None


def _scan(connection: duckdb.DuckDBPyConnection, path: Path, header: Sequence[str]) -> ExposureTable | None:
    connection.execute("SET TimeZone = 'UTC'")  # of times without an offset
    connection.execute(
        "CREATE TEMP TABLE raw AS SELECT * FROM read_csv($path, auto_detect = false, header = true, delim = ',', "
        "quote = '\"', escape = '\"', compression = 'none', columns = $columns)",
        {"path": str(path), "columns": dict.fromkeys(header, "VARCHAR")},
    )
    names = {}
    for name in _NAMES:
        if name in header:
            connection.execute(f"CREATE TYPE {name}_names AS ENUM (SELECT DISTINCT coalesce({name}, '') FROM raw)")
            [(values,)] = connection.execute(f"SELECT enum_range(NULL::{name}_names)").fetchall()
            names[name] = tuple(values)
    if not all(text.strip() for text in (*names["branch"], *names["stage"])):
        return None
    wanted = [
        # A key that starts with a visible ASCII character cannot be blank; looking for spaces costs much more.
        "call_id >= '!' AND call_id < chr(127) AND unit >= '!' AND unit < chr(127) "
        f"AND regexp_full_match(started_at, '{_TIME}') AS sound",
        "hash(call_id) AS call_id",
        "hash(unit) AS unit",
        "epoch_us(TRY_CAST(started_at AS TIMESTAMPTZ)) AS at_us",
        "TRY_CAST(propensity AS DOUBLE) AS propensity",
        f"CASE arm WHEN '{Arm.TREATMENT}' THEN 1 WHEN '{Arm.CONTROL}' THEN 0 END AS arm",
        *(f"enum_code(coalesce({name}, '')::{name}_names) AS {name}" for name in names),
        *(f"TRY_CAST({kpi} AS DOUBLE) AS {kpi}, {kpi} IS NOT NULL AS {kpi}_filled" for kpi in _kpis(header)),
    ]
    if "epoch" in header:
        wanted.append("CASE WHEN regexp_full_match(epoch, '[0-9]{1,9}') THEN epoch::INT END AS epoch")
    columns = connection.execute(f"SELECT {', '.join(wanted)} FROM raw").fetchnumpy()
    return _table(columns, header, names)


def _kpis(header: Sequence[str]) -> list[str]:
    return [name for name in header if name in KPIS]


def _table(
    columns: dict[str, Column], header: Sequence[str], names: dict[str, tuple[str, ...]]
) -> ExposureTable | None:
    """None where a value is missing, is none, or lies out of its range."""
    needed = ["sound", "call_id", "unit", "at_us", "propensity", "arm", "branch", "stage"]
    needed += ["epoch"] if "epoch" in header else []
    if any(np.ma.is_masked(columns[name]) for name in needed) or not np.all(columns["sound"]):
        return None
    propensity = np.asarray(columns["propensity"], dtype=np.float64)
    if not np.all((propensity >= 0.0) & (propensity <= 1.0)):
        return None
    values = {}
    for kpi in _kpis(header):
        column = np.ma.filled(columns[kpi].astype(np.float64), np.nan)
        low, high = value_range(kpi)
        if np.count_nonzero((column >= low) & (column <= high)) != np.count_nonzero(columns[f"{kpi}_filled"]):
            return None
        values[kpi] = column
    n = len(propensity)
    return ExposureTable(
        line=np.arange(n, dtype=np.int64),
        call=np.asarray(columns["call_id"], dtype=np.uint64).view(np.int64),
        at_us=np.asarray(columns["at_us"], dtype=np.int64),
        branch=np.asarray(columns["branch"], dtype=np.int64),
        branches=names["branch"],
        stage=np.asarray(columns["stage"], dtype=np.int64),
        stages=names["stage"],
        unit=np.asarray(columns["unit"], dtype=np.uint64).view(np.int64),
        treated=np.asarray(columns["arm"]) == 1,
        propensity=propensity,
        epoch=np.asarray(columns["epoch"], dtype=np.int64) if "epoch" in header else np.ones(n, dtype=np.int64),
        values=values,
        trunk=np.asarray(columns["trunk"], dtype=np.int64) if "trunk" in names else None,
        trunks=names.get("trunk", ()),
        prefix=np.asarray(columns["prefix"], dtype=np.int64) if "prefix" in names else None,
        prefixes=names.get("prefix", ()),
    )
