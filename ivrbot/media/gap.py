"""Response gaps measured on the sound itself, as a third party listening to both sides would.

Takes both parties' sound on one clock, gives for each answer the time from the last loud sample of the caller to
the first loud sample of the bot.
"""

from __future__ import annotations

from dataclasses import dataclass

from ivrbot.media.level import speech_stretches


@dataclass(frozen=True, slots=True)
class Gap:
    """One response gap; positions in milliseconds from the start of the recording."""

    caller_end_ms: float
    bot_start_ms: float

    @property
    def gap_ms(self) -> float:
        """Length of the silence before the answer."""
        return self.bot_start_ms - self.caller_end_ms


def measure_gaps(caller: bytes, bot: bytes, *, join_ms: int = 300) -> tuple[Gap, ...]:
    """Measure every answer of the bot.

    Args:
        caller: 8 kHz PCM16 mono.
        bot: the same, sample 0 at the same moment.
        join_ms: pauses of the caller up to this long are within his turn.

    Returns:
        One gap per onset of the bot that follows the caller's speech with no other onset of the bot between.
        Speech of the caller that the bot talks over without stopping has none.
    """
    ends = [stretch.end_ms for stretch in speech_stretches(caller, join_ms=join_ms)]
    onsets = [stretch.start_ms for stretch in speech_stretches(bot)]
    gaps = []
    before_ms = float("-inf")
    for onset in onsets:
        since = [end for end in ends if before_ms < end <= onset]
        if since:
            gaps.append(Gap(since[-1], onset))
        before_ms = onset
    return tuple(gaps)
