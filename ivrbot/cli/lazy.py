"""A command group that imports a command's module when the command is used, so that the others stay quick."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is.

    Attributes:
        module: name of a module of `ivrbot.cli`.
        attribute: name of the click command in it.
        help: the line in the group's list.
    """

    module: str
    attribute: str
    help: str


class LazyGroup(click.Group):
    """Takes `entries`, by the command's name."""

    def __init__(self, *arguments: Any, entries: Mapping[str, Entry], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self._entries.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(importlib.import_module(f"ivrbot.cli.{entry.module}"), entry.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._entries[name].help) for name in self.list_commands(ctx)])
