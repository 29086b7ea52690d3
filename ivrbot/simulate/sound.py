"""Simulated calls in sound, placed as a PBX places them: through the AudioSocket gateway of a running server.

Takes personas, gives outcomes. Callers speak with voices that are installed, hear by the call's event stream, and
their gaps are measured on the sound. The bank's own books are out of reach:
what was told is the truth's source.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from ivrbot.config import Settings
from ivrbot.simulate.outcome import Outcome
from ivrbot.simulate.persona import Persona


async def in_sound(
    settings: Settings, personas: Sequence[Persona], *, concurrency: int, address: str, api: str
) -> AsyncGenerator[Outcome, None]:
    """Place the calls."""
    for _ in personas:
        raise NotImplementedError
        yield
