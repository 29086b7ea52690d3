"""What a plain scalar means, where it stands, and what is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ivrbot.errors import ConfigError
from ivrbot.yamlfile import read_yaml, read_yaml_text

FILE = Path("some.yaml")

SCALARS = [
    ("yes", "yes"),
    ("on", "on"),
    ("no", "no"),
    ("true", True),
    ("False", False),
    ("null", None),
    ("", None),
    ("0472", 472),
    ('"0472"', "0472"),
    ("10_000", 10_000),
    ("0x1f", 31),
    ("-3", -3),
    (".5", 0.5),
    ("1e3", 1000.0),
    ("+inf", "+inf"),
    ("-.inf", float("-inf")),
    ("12:30", "12:30"),
    ("2026-01-31", date(2026, 1, 31)),
    ("карта", "карта"),
    ("9" * 200, "9" * 200),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_a_scalar(text: str, value: object) -> None:
    read = read_yaml_text(FILE, f"key: {text}\n")["key"]
    assert read == value
    assert type(read) is type(value)


def test_lines_of_fields_are_known(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("# a comment\none:\n  - 1\n\n  - two: 2\n    three: 3\n", "utf-8")
    file = read_yaml(path)
    assert [file.line(field) for field in (["one"], ["one", 1], ["one", 1, "three"], ["one", 1, "none"])] == [
        2,
        5,
        6,
        5,
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: !!python/object/new:os.system [x]\n", 2, "tags are not allowed"),
        ("a: 1\n? [x, y]\n: 2\n", 2, "a key must be text"),
        ("a: 1\nb: 2\na: 3\n", 3, "duplicate key 'a'"),
        ("a: 2026-13-45\n", None, "not valid YAML"),
    ],
)
def test_what_is_refused(text: str, line: int | None, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml_text(FILE, text)
    (problem,) = caught.value.problems
    assert message in problem.message
    assert problem.line == line
