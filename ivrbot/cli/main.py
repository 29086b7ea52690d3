"""`ivrbot`: gathers the command groups; each is loaded only when it is used, so that --help stays quick."""

from __future__ import annotations

import importlib
import keyword
from collections.abc import Mapping
from typing import Final

import click

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "asr": ("speech", "Transcribe WAV files."),
    "bank": ("bank", "Show or reset the demo bank."),
    "call": ("call", "Place a call in text, with WAV files or with the microphone."),
    "doctor": ("doctor", "Check engines, models, prompts, ports: what is missing and how to get it."),
    "events": ("events", "Export the events of calls."),
    "import": ("imports", "Bring in what people's side knows of calls: queue_log, CSV."),
    "flows": ("flows", "Check, draw and test the dialogues."),
    "models": ("models", "List and fetch speech and language models."),
    "nlu": ("nlu", "Understand a text; evaluate on a file."),
    "prompts": ("prompts", "Render and check recorded prompts; print the recording script."),
    "rollout": ("rollout", "Check the plan; see and change what is in force."),
    "serve": ("serve", "Answer calls."),
    "shadow": ("shadow", "Say of recorded calls what the bot would have done."),
    "tts": ("speech", "Speak a text into a WAV file."),
}


class _Lazy(click.Group):
    """Imports a command's module on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ivrbot.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=_Lazy)
@click.version_option(package_name="ivrbot")
def main() -> None:
    """Answer a bank's phone line, and hand each menu branch to the bot step by step."""
