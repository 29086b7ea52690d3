"""Rows of any table as JSON values that are the same whichever database holds them, and back.

Takes a connection, gives rows past SQLAlchemy's types: JSON as the text that was stored, times as UTC text with
microseconds, bytes in base64. So a backup of one database restores into the other, byte for byte where it matters.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Boolean,
    Connection,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    text,
)

PIECE_ROWS: Final = 1_000
SCHEMA_TABLES: Final = frozenset({"alembic_version", "schema_version"})
"""Say which schema a database has; everything else is data."""

Value = str | int | float | bool | None


class Kind(StrEnum):
    """How a column's values are written."""

    TEXT = "text"
    INTEGER = "integer"
    FLOAT = "float"
    FLAG = "flag"
    TIME = "time"
    JSON = "json"
    BYTES = "bytes"


_KINDS: Final[tuple[tuple[type[Any], Kind], ...]] = (
    (JSON, Kind.JSON),
    (DateTime, Kind.TIME),
    (Boolean, Kind.FLAG),
    (LargeBinary, Kind.BYTES),
    (Integer, Kind.INTEGER),
    (Float, Kind.FLOAT),
    (String, Kind.TEXT),
)

_READ_POSTGRES: Final = {
    Kind.JSON: "CAST({0} AS text)",
    Kind.TIME: "to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')",
}
_WRITE_POSTGRES: Final = {
    Kind.JSON: "CAST({0} AS json)",
    Kind.TIME: "CAST({0} AS timestamp) AT TIME ZONE 'UTC'",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A table as a database has it.

    Attributes:
        name: of the table.
        columns: kinds by name, in the table's order.
        counter: the column whose next value PostgreSQL counts, "" where none.
    """

    name: str
    columns: Mapping[str, Kind]
    counter: str = ""


class Digest:
    """Tells whether two tables hold the same rows, in whatever order: the sum of the rows' SHA-256."""

    def __init__(self) -> None:
        self._sum = 0
        self.rows = 0

    def add(self, line: bytes) -> None:
        """Take in a row's line."""
        self._sum = (self._sum + int.from_bytes(hashlib.sha256(line).digest())) % 2**256
        self.rows += 1

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        return f"{self._sum:064x}"


def shapes(conn: Connection) -> dict[str, Shape]:
    """All tables of a database but those that say its schema, by name."""
    found = MetaData()
    found.reflect(conn)
    names = sorted(name for name in found.tables if name not in SCHEMA_TABLES)
    return {name: _shape(found.tables[name]) for name in names}


def _shape(table: Table) -> Shape:
    columns = {column.name: _kind(column.type) for column in table.columns}
    keys = [column for column in table.primary_key.columns if columns[column.name] is Kind.INTEGER]
    counted = [column.name for column in keys if column.server_default is not None]
    return Shape(table.name, columns, counted[0] if counted else "")


def _kind(of: object) -> Kind:
    for known, kind in _KINDS:
        if isinstance(of, known):
            return kind
    raise TypeError(f"no way to write values of {of!r}")


def lines(conn: Connection, shape: Shape) -> Iterator[bytes]:
    """Each row as a line: a JSON list in the order of the columns."""
    ways = _READ_POSTGRES if conn.dialect.name == "postgresql" else {}
    chosen = ", ".join(ways.get(kind, "{0}").format(f'"{name}"') for name, kind in shape.columns.items())
    kinds = tuple(shape.columns.values())
    found = conn.execute(text(f'SELECT {chosen} FROM "{shape.name}"'), execution_options={"yield_per": PIECE_ROWS})
    for rows in found.partitions():
        for row in rows:
            values = [_neutral(kind, value) for kind, value in zip(kinds, row, strict=True)]
            yield json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _neutral(kind: Kind, value: Any) -> Value:
    if value is None:
        return None
    if kind is Kind.FLAG:
        return bool(value)
    if kind is Kind.FLOAT:
        return float(value)
    if kind is Kind.BYTES:
        return base64.b64encode(value).decode()
    known: Value = value
    return known


_EXPECTED: Final[Mapping[Kind, tuple[type[Any], ...]]] = {
    Kind.FLAG: (bool,),
    Kind.INTEGER: (int,),
    Kind.FLOAT: (float, int),
}


def parsed(shape: Shape, line: bytes) -> dict[str, Any]:
    """Values of a line by column, as the drivers take them.

    Raises:
        ValueError: not a row of this table.
    """
    values = json.loads(line)
    if not isinstance(values, list) or len(values) != len(shape.columns):
        raise ValueError("another number of values")
    return {
        name: _driver_value(kind, value) for (name, kind), value in zip(shape.columns.items(), values, strict=True)
    }


def _driver_value(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, _EXPECTED.get(kind, (str,))):
        raise ValueError(f"{type(value).__name__} where {kind} belongs")
    return base64.b64decode(value, validate=True) if kind is Kind.BYTES else value


def writer(conn: Connection, shape: Shape) -> Callable[[Sequence[Mapping[str, Any]]], None]:
    """What inserts parsed rows into a table."""
    ways = _WRITE_POSTGRES if conn.dialect.name == "postgresql" else {}
    names = ", ".join(f'"{name}"' for name in shape.columns)
    # parameters by place: a column may be called anything
    places = {name: f"p{at}" for at, name in enumerate(shape.columns)}
    values = ", ".join(ways.get(kind, "{0}").format(f":{places[name]}") for name, kind in shape.columns.items())
    statement = text(f'INSERT INTO "{shape.name}" ({names}) VALUES ({values})')

    def write(rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            conn.execute(statement, [{places[name]: value for name, value in row.items()} for row in rows])

    return write


def go_on_counting(conn: Connection, shape: Shape) -> None:
    """Let PostgreSQL give ids from behind the largest there is; SQLite does so by itself."""
    if shape.counter and conn.dialect.name == "postgresql":
        sequence = f"pg_get_serial_sequence('\"{shape.name}\"', '{shape.counter}')"
        largest = f'SELECT max("{shape.counter}") FROM "{shape.name}"'
        conn.execute(text(f"SELECT setval({sequence}, coalesce(({largest}), 0) + 1, false)"))
