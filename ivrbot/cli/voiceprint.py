"""`ivrbot voiceprint`: gathers the commands about voices; each is loaded only when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import click

from ivrbot.cli.lazy import Entry, LazyGroup

COMMANDS: Final[Mapping[str, Entry]] = {
    "calibrate": Entry(
        "voiceprint_measure", "calibrate", "Measure error rates on the bank's own recordings; propose thresholds."
    ),
    "compare": Entry("voiceprint_measure", "compare", "Compare the voices of two WAV files."),
    "enrol": Entry("voiceprint_customers", "enrol", "Keep a customer's voice from WAV files, with his consent."),
    "erase": Entry("voiceprint_customers", "erase", "Destroy the key of a customer's voice."),
    "rewrap": Entry("voiceprint_customers", "rewrap", "Wrap all customers' keys with another master key."),
    "show": Entry("voiceprint_customers", "show", "Tell how many are enrolled, or where one customer stands."),
    "verify": Entry("voiceprint_customers", "verify", "Compare the voice of a WAV file with a customer's."),
}


@click.group(cls=LazyGroup, entries=COMMANDS)
def voiceprint() -> None:
    """Compare voices: measure, enrol, verify, erase."""
