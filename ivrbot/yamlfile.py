"""YAML files with line numbers: reading, and every problem of a schema at once.

Takes a path, gives plain data plus "which line is this field on". Refuses what configuration never needs and an
attacker might: aliases (YAML bombs), tags, duplicate keys, more than one document, files over a size limit. Parsed
by libyaml through PyYAML; what a plain scalar means follows the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2,
10.3: "yes" and "on" are words), besides which `1_000` is a number and `2026-01-31` a date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

from ivrbot.errors import ConfigError, Problem

MAX_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_NODES = 20_000

PLAIN: Final[tuple[tuple[re.Pattern[str], Callable[[str], object]], ...]] = (
    (re.compile(r"~|null|Null|NULL|"), lambda _text: None),
    (re.compile(r"true|True|TRUE"), lambda _text: True),
    (re.compile(r"false|False|FALSE"), lambda _text: False),
    (re.compile(r"[-+]?[0-9][0-9_]*"), lambda text: int(text.replace("_", ""))),
    (re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), date.fromisoformat),
)
"""What an unquoted scalar is; anything else is text."""
MAX_NUMBER: Final = 100
"""Characters of a number; longer ones are text."""

ModelT = TypeVar("ModelT", bound=BaseModel)


class YamlMap(dict[Any, Any]):
    """A map that knows the lines of its keys and the first lines of its values, 1-based."""

    __slots__ = ("key_lines", "value_lines")

    def __init__(self) -> None:
        super().__init__()
        self.key_lines: dict[Any, int] = {}
        self.value_lines: dict[Any, int] = {}


class YamlList(list[Any]):
    """A list that knows the lines of its items, 1-based."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A file that was read.

    Attributes:
        path: as given.
        data: maps (`YamlMap`), lists (`YamlList`) and scalars.
    """

    path: Path
    data: Any

    def line(self, field: Sequence[str | int]) -> int | None:
        """1-based line of a field (of its nearest existing parent where it is missing)."""
        node, line = self.data, 1 if self.data is not None else None
        for part in field:
            try:
                if isinstance(node, YamlMap):
                    line = node.key_lines[part]
                elif isinstance(node, YamlList):
                    line = node.lines[part]  # type: ignore[index]
                node = node[part]
            except (KeyError, IndexError, TypeError):
                break
        return line

    def problem(
        self, field: Sequence[str | int], message: str, *, allowed: str = "", value: object = ""
    ) -> Problem:
        """A problem located in this file."""
        dotted = ".".join(str(part) for part in field)
        return Problem(str(self.path), self.line(field), dotted, str(value)[:80], message, allowed)


def read_yaml(path: Path, *, max_bytes: int = MAX_BYTES) -> YamlFile:
    """Read one YAML document.

    Raises:
        ConfigError: missing, too large, not UTF-8, not YAML, empty, with aliases, or nested too deep.
    """
    try:
        if path.stat().st_size > max_bytes:
            raise ConfigError([Problem(str(path), None, "", "", f"file is larger than {max_bytes} bytes")])
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError([Problem(str(path), None, "", "", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), None, "", "", "is not UTF-8 text")]) from error
    data = read_yaml_text(path, text)
    if data is None:
        raise ConfigError([Problem(str(path), 1, "", "", "file is empty")])
    return YamlFile(path, data)


def read_yaml_text(path: Path, text: str) -> Any:
    """The data of a text; None when there is none.

    Args:
        path: named in errors.
        text: one YAML document.

    Raises:
        ConfigError: as `read_yaml`.
    """
    try:
        _refuse_bombs(path, text)
        node = yaml.compose(text, Loader=yaml.CBaseLoader)
        return None if node is None else _built(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = f"not valid YAML: {error.problem or error.context}"
        # What is missing at the end is told for the line after it.
        line = min(mark.line + 1, max(1, len(text.splitlines()))) if mark else None
        raise ConfigError([Problem(str(path), line, "", "", message)]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError([Problem(str(path), None, "", "", f"not valid YAML: {error}")]) from error


def _built(node: yaml.Node) -> Any:
    """Data of a node.

    Raises:
        yaml.MarkedYAMLError: a duplicate key, a key that is no scalar, or a tag.
    """
    _refuse_tag(node)
    if isinstance(node, yaml.SequenceNode):
        items = YamlList()
        for item in node.value:
            items.append(_built(item))
            items.lines.append(item.start_mark.line + 1)
        return items
    if isinstance(node, yaml.MappingNode):
        return _built_map(node)
    assert isinstance(node, yaml.ScalarNode), "there is no other kind"
    return _scalar(node)


def _built_map(node: yaml.MappingNode) -> YamlMap:
    data = YamlMap()
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="a key must be text", problem_mark=key_node.start_mark)
        key = _scalar(key_node)
        if key in data:
            raise yaml.MarkedYAMLError(problem=f"duplicate key {key!r}", problem_mark=key_node.start_mark)
        data[key] = _built(value_node)
        data.key_lines[key] = key_node.start_mark.line + 1
        data.value_lines[key] = value_node.start_mark.line + 1
    return data


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style or len(text) > MAX_NUMBER:  # quoted, or a block
        return text
    for pattern, meaning in PLAIN:
        if pattern.fullmatch(text):
            return meaning(text)
    return text


def _refuse_tag(node: yaml.Node) -> None:
    if node.tag not in _UNTAGGED:
        raise yaml.MarkedYAMLError(problem=f"tags are not allowed: {node.tag}", problem_mark=node.start_mark)


_UNTAGGED: Final = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))


def _refuse_bombs(path: Path, text: str) -> None:
    """Stop before aliases are followed, and before a deep or crowded file keeps the parser busy for minutes.

    Raises:
        ConfigError: says where.
    """
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.CBaseLoader)):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, AliasEvent):
            raise ConfigError([Problem(str(path), line, "", f"*{event.anchor}", "aliases are not allowed")])
        if depth > MAX_DEPTH:
            raise ConfigError([Problem(str(path), line, "", "", f"is nested more than {MAX_DEPTH} deep")])
        if count > MAX_NODES:
            raise ConfigError([Problem(str(path), line, "", "", f"holds more than {MAX_NODES} values")])


def validate(file: YamlFile, schema: type[ModelT]) -> ModelT:
    """Check a file against a pydantic schema.

    Raises:
        ConfigError: all violations, each with its line.
    """
    try:
        return schema.model_validate(file.data)
    except ValidationError as error:
        raise ConfigError(_located(file, item) for item in error.errors()) from error


def _located(file: YamlFile, item: Any) -> Problem:
    field = [part for part in item["loc"] if _exists(file.data, item["loc"], part)]
    if item["type"] in {"missing", "extra_forbidden"}:
        field = list(item["loc"])
    message = {"extra_forbidden": "unknown key", "missing": "is required"}.get(item["type"], item["msg"])
    value = "" if item["type"] == "missing" else item["input"]
    allowed = str(item.get("ctx", {}).get("expected", ""))
    return file.problem(field, message, value=value, allowed=allowed)


def _exists(data: Any, loc: Sequence[str | int], part: str | int) -> bool:
    """Whether `part` of a pydantic location names something in the data (union tags do not)."""
    for step in loc:
        try:
            inner = data[step]
        except (KeyError, IndexError, TypeError):
            if step == part:
                return False
            continue
        if step == part:
            return True
        data = inner
    return False
