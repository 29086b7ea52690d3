"""What all commands share: settings, JSON output, errors into exit codes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, TypeVar

import click

from ivrbot.config import Settings, load_settings
from ivrbot.errors import ConfigError, EngineUnavailable, IvrbotError, MissingError
from ivrbot.logs import set_up_logging, tell_plainly

FAILED = 1
INVALID = 2
MISSING = 3

P = ParamSpec("P")
ResultT = TypeVar("ResultT")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, nothing else.")
language_option = click.option("--lang", type=click.Choice(["ru", "en"]), default="ru", show_default=True)


def settings_here() -> Settings:
    """Settings of the current folder and the environment."""
    settings = load_settings(Path.cwd())
    set_up_logging(settings.log_level)
    return settings


def quiet_settings() -> Settings:
    """Settings, with logs from warnings on: for commands whose output is read by people."""
    settings = load_settings(Path.cwd())
    if settings.log_level == "info":
        set_up_logging("warning")
        tell_plainly("ivrbot.nlu.embedded")  # its training keeps a first command waiting for a minute
    else:
        set_up_logging(settings.log_level)
    return settings


def print_json(document: object) -> None:
    """One document, one line."""
    click.echo(json.dumps(document, ensure_ascii=False, default=str))


def fail(code: int, *lines: str) -> NoReturn:
    """Say what is wrong and stop."""
    for line in lines:
        click.echo(line, err=True)
    sys.exit(code)


def run_async(work: Callable[P, Coroutine[Any, Any, ResultT]]) -> Callable[P, ResultT]:
    """Run a coroutine command; every expected error becomes a clear message and its exit code."""

    @wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> ResultT:
        try:
            return asyncio.run(work(*args, **kwargs))
        except KeyboardInterrupt:
            sys.exit(130)

    return guarded(run)


def guarded(work: Callable[P, ResultT]) -> Callable[P, ResultT]:
    """Turn expected errors into messages and exit codes."""

    @wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> ResultT:
        try:
            return _ungrouped(work, *args, **kwargs)
        except ConfigError as error:
            fail(INVALID, *(str(problem) for problem in error.problems))
        except (MissingError, EngineUnavailable) as error:
            fail(MISSING, str(error))
        except IvrbotError as error:
            fail(FAILED, f"{error.code}: {error}")

    return run


def _ungrouped(work: Callable[P, ResultT], *args: P.args, **kwargs: P.kwargs) -> ResultT:
    """A task group wraps what went wrong in its body; one expected error is told as itself."""
    try:
        return work(*args, **kwargs)
    except BaseExceptionGroup as group:
        expected, others = group.split(IvrbotError)
        if expected is None or others is not None:
            raise
        leaf: BaseException = expected
        while isinstance(leaf, BaseExceptionGroup):
            leaf = leaf.exceptions[0]
        raise leaf from group
