"""YAML files with line numbers: reading, and every problem of a schema at once.

Takes a path, gives plain data plus "which line is this field on". Refuses what configuration never needs and an
attacker might: aliases (YAML bombs), duplicate keys, more than one document, files over a size limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

from ivrbot.errors import ConfigError, Problem

MAX_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_NODES = 20_000

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A file that was read.

    Attributes:
        path: as given.
        data: maps, lists and scalars; ruamel's own containers, which know their lines.
    """

    path: Path
    data: Any

    def line(self, field: Sequence[str | int]) -> int | None:
        """1-based line of a field (of its nearest existing parent where it is missing)."""
        node, line = self.data, 1 if self.data is not None else None
        for part in field:
            try:
                if isinstance(node, CommentedMap):
                    line = node.lc.key(part)[0] + 1
                elif isinstance(node, CommentedSeq):
                    line = node.lc.item(part)[0] + 1
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
    try:
        _refuse_bombs(path, text)
        data = YAML().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = f"not valid YAML: {error.problem or error.context}"
        raise ConfigError([Problem(str(path), mark.line + 1 if mark else None, "", "", message)]) from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise ConfigError([Problem(str(path), None, "", "", f"not valid YAML: {error}")]) from error
    if data is None:
        raise ConfigError([Problem(str(path), 1, "", "", "file is empty")])
    return YamlFile(path, data)


def _refuse_bombs(path: Path, text: str) -> None:
    """Stop before aliases are followed, and before a deep or crowded file keeps the parser busy for minutes.

    Raises:
        ConfigError: says where.
    """
    depth = 0
    for count, event in enumerate(YAML().parse(text)):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        line = event.start_mark.line + 1
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
