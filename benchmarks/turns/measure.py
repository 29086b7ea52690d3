"""One turn on the sound: when the caller fell silent, when the bot began, whether it cut in, how soon it stopped.

Takes both parties' sound on one clock (8 kHz PCM16 mono), gives milliseconds. Pure. The level is fixed: sound of
at least -40 dBFS for at least 60 ms is speech, of either party; comfort noise and soft thinking sounds are softer
and are no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ivrbot.media.level import Stretch, frame_levels_dbfs
from ivrbot.model.audio import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ

SPEECH_DBFS: Final = -40.0
JOIN_MS: Final = 200
"""Pauses up to this long are inside the speech around them."""
MIN_MS: Final = 60
STOPPED_MS: Final = 400
"""A prompt has stopped when it was silent for so long: longer than the pauses between its sentences."""
ANSWER_MS: Final = 5000
"""A turn without an answer for so long is unanswered."""
_EDGE_MS: Final = 40
"""A prompt that ends within so little of the caller's first sound ended by itself."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of one turn; all moments in ms on the line's clock.

    Attributes:
        began_ms: first voiced sample of the caller.
        ended_ms: his last one.
        over_prompt: the bot was speaking when he began.
        stop_ms: from his first sample to the last one of that prompt; None when it went on until he had finished.
        cut_off: the bot began to speak again before he had finished.
        gap_ms: from his last sample to the bot's first one; None when cut off, unanswered or talked through.
        answered: the bot spoke within 5 s after his last sample (or cut in).
    """

    began_ms: float
    ended_ms: float
    over_prompt: bool
    stop_ms: float | None
    cut_off: bool
    gap_ms: float | None
    answered: bool


def speech(pcm: bytes, *, join_ms: int = JOIN_MS) -> tuple[Stretch, ...]:
    """Stretches of speech, their edges exact to the sample that is loud enough."""
    voiced = np.flatnonzero(frame_levels_dbfs(pcm) >= SPEECH_DBFS)
    if not len(voiced):
        return ()
    groups = np.split(voiced, np.flatnonzero(np.diff(voiced) > 1 + join_ms // FRAME_MS) + 1)
    loud = np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)) >= 32768 * 10 ** (SPEECH_DBFS / 20) * 0.999
    return tuple(_edges(loud, group) for group in groups if len(group) * FRAME_MS >= MIN_MS)


def turn(said: bytes, heard: bytes, from_ms: float, to_ms: float) -> Heard | None:
    """Measure a turn.

    Args:
        said: everything that the caller sent.
        heard: everything that came back, sample 0 at the same moment.
        from_ms: when the turn's first sound was sent.
        to_ms: when its last sound had been sent.

    Returns:
        None when nothing voiced was sent in between.
    """
    first, last = (max(0, int(ms * SAMPLE_RATE_HZ / 1000)) for ms in (from_ms - FRAME_MS, to_ms + FRAME_MS))
    own = speech(said[2 * first : 2 * last])
    if not own:
        return None
    offset_ms = first * 1000 / SAMPLE_RATE_HZ
    return judge(own[0].start_ms + offset_ms, own[-1].end_ms + offset_ms, spans(speech(heard)))


def spans(stretches: Iterable[Stretch]) -> list[tuple[float, float]]:
    """Begin and end in ms."""
    return [(stretch.start_ms, stretch.end_ms) for stretch in stretches]


def judge(began_ms: float, ended_ms: float, bot: Sequence[tuple[float, float]]) -> Heard:
    """The same from the moments of speech.

    Args:
        began_ms: the caller's first voiced sample.
        ended_ms: his last one.
        bot: stretches of the bot's speech, in order.
    """
    prompt_end_ms = _prompt_end_ms(began_ms, ended_ms, bot)
    if prompt_end_ms is not None and prompt_end_ms >= ended_ms:
        return Heard(began_ms, ended_ms, True, None, False, None, True)
    from_ms = began_ms if prompt_end_ms is None else prompt_end_ms
    onset_ms = next((start for start, _ in bot if start >= from_ms), None)
    stop_ms = None if prompt_end_ms is None else prompt_end_ms - began_ms
    over = prompt_end_ms is not None
    if onset_ms is None or onset_ms - ended_ms > ANSWER_MS:
        return Heard(began_ms, ended_ms, over, stop_ms, False, None, False)
    if onset_ms < ended_ms:
        return Heard(began_ms, ended_ms, over, stop_ms, True, None, True)
    return Heard(began_ms, ended_ms, over, stop_ms, False, onset_ms - ended_ms, True)


def _prompt_end_ms(began_ms: float, ended_ms: float, bot: Sequence[tuple[float, float]]) -> float | None:
    """When the prompt that was running at `began_ms` fell silent; None without one."""
    stopped_ms = None
    for start, end in bot:
        runs = start < began_ms and end > began_ms + _EDGE_MS
        goes_on = stopped_ms is not None and start < ended_ms and start - stopped_ms < STOPPED_MS
        if runs or goes_on:
            stopped_ms = end
    return stopped_ms


def _edges(
    loud: np.ndarray[tuple[int], np.dtype[np.bool_]], frames: np.ndarray[tuple[int], np.dtype[np.intp]]
) -> Stretch:
    first, last = int(frames[0]) * FRAME_SAMPLES, int(frames[-1]) * FRAME_SAMPLES
    begin = np.flatnonzero(loud[first : first + FRAME_SAMPLES])
    end = np.flatnonzero(loud[last : last + FRAME_SAMPLES])
    return Stretch(first + int(begin[0]), last + int(end[-1]) + 1)
