"""`ivrbot`: gathers the command groups; each is loaded only when it is used, so that --help stays quick."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import click

from ivrbot.cli.lazy import Entry, LazyGroup

COMMANDS: Final[Mapping[str, Entry]] = {
    "asr": Entry("speech", "asr", "Transcribe WAV files."),
    "bank": Entry("bank", "bank", "Show or reset the demo bank."),
    "call": Entry("call", "call", "Place a call in text, with WAV files or with the microphone."),
    "code-words": Entry("code_words", "code_words", "Judge a customer's code word, propose good ones."),
    "db": Entry("db", "db", "Bring the database up to date, back it up, restore it; erase a caller's data."),
    "doctor": Entry(
        "doctor", "doctor", "Check engines, models, prompts, ports: what is missing and how to get it."
    ),
    "events": Entry("events", "events", "Export the events of calls, tell a call again."),
    "import": Entry("imports", "import_", "Bring in what people's side knows of calls: queue_log, CSV."),
    "flows": Entry("flows", "flows", "Check, draw and test the dialogues."),
    "models": Entry("models", "models", "List and fetch speech and language models."),
    "nlu": Entry("nlu", "nlu", "Understand a text; evaluate on a file."),
    "prompts": Entry("prompts", "prompts", "Render and check recorded prompts; print the recording script."),
    "report": Entry("report", "report", "Bot versus human: every KPI, and the weighted comparison."),
    "rollout": Entry("rollout", "rollout", "Check the plan; see and change what is in force."),
    "serve": Entry("serve", "serve", "Answer calls."),
    "shadow": Entry("shadow", "shadow", "Say of recorded calls what the bot would have done."),
    "simulate": Entry(
        "simulate", "simulate", "Synthetic callers ring; what they got against what the bot claims."
    ),
    "tts": Entry("speech", "tts", "Speak a text into a WAV file."),
    "users": Entry("users", "users", "Add, list and disable people; make API tokens."),
    "voiceprint": Entry("voiceprint", "voiceprint", "Compare voices: error rates, enrolment, erasure."),
}


@click.group(cls=LazyGroup, entries=COMMANDS)
@click.version_option(package_name="ivrbot")
def main() -> None:
    """Answer a bank's phone line, and hand each menu branch to the bot step by step."""
