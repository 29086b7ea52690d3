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
}


@click.group(cls=LazyGroup, entries=COMMANDS)
def voiceprint() -> None:
    """Compare voices: measure, enrol, verify, erase."""
