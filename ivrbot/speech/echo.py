"""Is what comes in the bot's own voice coming back? A guard before barge-in, not a canceller.

Takes the 20 ms frames that go out and come in, says of what came last whether it is an echo and nothing else.
Pure.

Two steps. First the test of Geigel (Duttweiler 1978, "A twelve-channel digital echo canceler"): an echo is weaker
than what caused it, so whatever is louder is the caller. Then the stretch that came in is looked for in what went
out before, by the normalised cross-correlation over all delays (Benesty, Morgan and Cho 2000, "A new class of
doubletalk detectors based on cross-correlation"): the square of it is the share of the energy that one delayed
copy explains. Lines and handsets delay and colour an echo always in the same way: once the delay has been found
several times, only its neighbourhood is looked at, a smaller share is believed, and what is far louder than the
echo was so far is the caller who speaks into it. Nothing is computed but for frames of which the voice activity
says that they are speech, and while the bot has not spoken for most of a second nothing is computed at all. A
judgement costs some 10 us where too little went out for an echo, 150 where all delays are looked at.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from itertools import accumulate, islice
from operator import sub
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.model.audio import FRAME_MS, SAMPLE_RATE_HZ, SILENCE, Frame

WINDOW_MS: Final = 240
"""Of what came in, this much is judged: longer than a syllable, so that two voices seldom look alike."""
LONGEST_DELAY_MS: Final = 560
"""Delays of 20 to 400 ms, and some room for frames that come in bursts."""
LEAST_LOSS_DB: Final = 3.0
"""An echo is at least so much weaker than what caused it."""
SHARE_UNKNOWN: Final = 0.35
SHARE_UNKNOWN_SHORT: Final = 0.5
SHARE_SEEN: Final = 0.2
SHARE_KNOWN: Final = 0.15
"""Share of the energy that must be a copy, while the delay is not known (of a whole window, and of less), where an
echo was seen before and is no louder now, and once the delay is known. Of two different voices five percent of
whole windows reach 0.18 at their best of all delays, one percent 0.34."""
SHORTEST_MS: Final = 60
"""A sound that has just begun is judged without the quiet before it."""
BELOW_ONSET: Final = 0.1
COULD_BE: Final = 0.5
"""Peaks of an echo are seldom above half of the peaks that caused it (Duttweiler's threshold)."""
FAR_LOUDER: Final = 3.0
"""What has peaks so much higher than the echoes seen so far (10 dB) is no echo, however weak it is."""
KNOWN_AFTER: Final = 3
NEAR_MS: Final = 4
"""Two delays no further apart are the same."""
FORGOTTEN_AFTER: Final = 25
"""Judgements in a row that the known delay did not explain: perhaps the line has changed."""
TALK_DB: Final = 4.0
"""So much louder than the echo was so far: somebody speaks into it."""
NO_LOUDER_DB: Final = -1.0
"""What is no louder than the echo was so far is taken for it, whatever it looks like: noise hides the likeness."""
_RECENT_MS: Final = 80

_RATE_HZ: Final = SAMPLE_RATE_HZ // 2  # voices live below 2 kHz; half the rate is a third of the work
_PER_MS: Final = _RATE_HZ // 1000
_WINDOW_FRAMES: Final = WINDOW_MS // FRAME_MS
_HISTORY_FRAMES: Final = (WINDOW_MS + LONGEST_DELAY_MS) // FRAME_MS
_RECENT: Final = _RECENT_MS * _PER_MS
_NEAR: Final = NEAR_MS * _PER_MS
_TRANSFORMS: Final = (400, 600, 800, 960, 1200, 1600, 2000, 2400, 2800, 3200)
"""Lengths with which transforms are quick. What wraps around falls on delays that are not looked at."""
_ROUNDING: Final = 0.99
_PCM16: Final = np.dtype("<i2")
_LEAST_LOSS: Final = 10 ** (LEAST_LOSS_DB / 10)
_TALK: Final = 10 ** (TALK_DB / 10)
_NO_LOUDER: Final = 10 ** (NO_LOUDER_DB / 10)
_FRAME: Final = FRAME_MS * _PER_MS
_ADAPTS: Final = 0.2

Samples = NDArray[np.float32]


class EchoGuard:
    """One call's guard."""

    def __init__(self) -> None:
        self._out = _Stretch(_HISTORY_FRAMES)
        self._in = _Stretch(_WINDOW_FRAMES)
        self._silent_frames = _HISTORY_FRAMES
        self._delay = 0
        self._sightings = 0
        self._misses = 0
        self._coupling: float | None = None
        self._seen = 1.0
        self._seen_at = 0

    @property
    def delay_ms(self) -> int | None:
        """Delay of the echo on this line, None while none is known; bursts of frames count as delay."""
        return (self._delay + self._shift) // _PER_MS if self._known else None

    def said(self, frame: Frame | None) -> None:
        """20 ms went out; None where the bot was silent."""
        out = self._out
        out.count += 1
        if frame is None:
            out.frames.append(SILENCE)
            self._silent_frames += 1
        else:
            out.frames.append(frame)
            self._silent_frames = 0

    def heard(self, frame: Frame) -> None:
        """20 ms came in."""
        self._in.frames.append(frame)
        self._in.count += 1

    def is_own(self) -> bool:
        """Whether what came in last is the bot's voice alone."""
        if self._silent_frames >= _HISTORY_FRAMES or not any(self._in.energies()):
            return False
        return self._judge_known() if self._known else self._search()

    def could_be_own(self) -> bool:
        """Whether there is an echo on this line, and what came in last is weak enough to be it, by its peak."""
        if not self._sightings or self._silent_frames >= _HISTORY_FRAMES:
            return False
        came = np.frombuffer(self._in.frames[-2] + self._in.frames[-1], "<i2")
        went = np.frombuffer(b"".join(self._out.frames), "<i2")
        ratio = self._seen if self._coupling is None else self._coupling
        return _peak(came) <= min(COULD_BE, FAR_LOUDER * math.sqrt(ratio)) * _peak(went)

    @property
    def _known(self) -> bool:
        return self._sightings >= KNOWN_AFTER

    @property
    def _shift(self) -> int:
        """Frames that went out less those that came in, in samples: what two delays are compared by."""
        return (self._out.count - self._in.count) * _FRAME

    def _search(self) -> bool:
        """Look for the echo at all delays, and again where it was seen last, if it was."""
        begins = _onset(self._in.energies())
        return self._look_everywhere(begins) or (self._sightings > 0 and self._is_seen_again(begins))

    def _is_seen_again(self, begins: int) -> bool:
        if self._in.count - self._seen_at < _WINDOW_FRAMES:
            return False  # most of the sound would be what it was seen in: of a mistake, the same mistake
        found = self._at_delay(self._in.samples(begins))
        least = SHARE_UNKNOWN if begins else SHARE_SEEN
        if found is None or found[1] < least or found[2] > _TALK * self._seen:
            return False
        self._sightings, self._misses, self._seen_at = self._sightings + 1, 0, self._in.count
        return True

    def _look_everywhere(self, begins: int) -> bool:
        """None is found where less went out than an echo needs."""
        energies = self._in.energies()
        energy = sum(islice(energies, begins, None))
        least = SHARE_UNKNOWN_SHORT if begins else SHARE_UNKNOWN
        frames = _WINDOW_FRAMES - begins
        where = _loud_enough(self._out.energies(), frames, least * energy * _LEAST_LOSS)
        if where is None:
            return False
        first, last = where
        share, at, caused = _best(self._in.samples(begins), self._out.samples(first, last), energy)
        if share < least:
            return False
        delay = (_HISTORY_FRAMES - frames - first) * _FRAME - at - self._shift
        near = abs(delay - self._delay) <= _NEAR
        self._sightings = self._sightings + 1 if near else 1
        self._delay, self._misses, self._coupling = delay, 0, None
        self._seen, self._seen_at = energy / caused, self._in.count
        return True

    def _judge_known(self) -> bool:
        came = self._in.samples()
        found = self._at_delay(came)
        if found is None:
            return self._missed()
        cause, share, ratio = found
        likely = share >= SHARE_KNOWN
        if self._coupling is None and likely:
            self._coupling = ratio
        if not self._is_explained(came, cause, _TALK if likely else _NO_LOUDER):
            return self._missed()
        self._misses = 0
        if likely and self._coupling is not None:
            self._coupling += _ADAPTS * (ratio - self._coupling)
        return True

    def _at_delay(self, came: Samples) -> tuple[Samples, float, float] | None:
        """What went out near the last delay, share of the energy that its copy explains, energy to its energy."""
        went = self._out.samples()
        start = len(went) - len(came) - (self._delay + self._shift)
        first, last = max(0, start - _NEAR), min(len(went) - len(came), start + _NEAR)
        if first > last:
            return None
        near = went[first : last + len(came)]
        products = np.correlate(near, came, "valid")
        at = int(np.abs(products).argmax())
        cause = near[at : at + len(came)]
        energy, caused = float(came @ came), float(cause @ cause)
        share = float(products[at]) ** 2 / (max(caused, energy * _LEAST_LOSS) * energy)
        return cause, share, energy / max(caused, 1.0)

    def _is_explained(self, came: Samples, cause: Samples, allowed: float) -> bool:
        """Whether the last 80 ms are no louder than the echo was so far, but for a factor.

        Rooms answer late, so the loudest 20 ms of all that may have caused them count.
        """
        if self._coupling is None:
            return False
        loudest = float(np.square(cause).reshape(-1, _FRAME).sum(axis=1).max()) * (_RECENT / _FRAME)
        return float(came[-_RECENT:] @ came[-_RECENT:]) <= allowed * self._coupling * loudest

    def _missed(self) -> bool:
        """Not at the known delay: the caller, or, after a while, an echo that has moved."""
        self._misses += 1
        if self._misses < FORGOTTEN_AFTER:
            return False
        self._sightings = self._misses = 0
        return self._search()


class _Stretch:
    """The last frames of one direction; what each has in it is worked out once, and only when it is asked for.

    Attributes:
        frames: oldest first; silence at first.
        count: how many there were so far.
    """

    __slots__ = ("_energies", "_measured", "count", "frames")

    def __init__(self, length: int) -> None:
        self.frames: deque[Frame] = deque([SILENCE] * length, length)
        self.count = 0
        self._energies: deque[float] = deque([0.0] * length, length)
        self._measured = 0

    def energies(self) -> deque[float]:
        """Energy of each frame at half the rate."""
        new = min(self.count - self._measured, len(self.frames))
        self._measured = self.count
        for at in range(len(self.frames) - new, len(self.frames)):
            if self.frames[at] is SILENCE:
                self._energies.append(0.0)
            else:
                samples = self.samples(at, at + 1)
                self._energies.append(float(samples.dot(samples)))
        return self._energies

    def samples(self, first: int = 0, last: int | None = None) -> Samples:
        """Frames `first` to before `last` as one stretch at half the rate."""
        samples = np.frombuffer(b"".join(islice(self.frames, first, last)), _PCM16).astype(np.float32)
        halves: Samples = samples[::2] + samples[1::2]
        return halves


def _peak(samples: NDArray[np.int16]) -> int:
    return max(int(samples.max()), -int(samples.min()))


def _onset(energies: deque[float]) -> int:
    """The frame with which a sound begins that was quiet before; 60 ms are left of it at least."""
    quiet = BELOW_ONSET * max(energies)
    begins = next(at for at, energy in enumerate(energies) if energy > quiet)
    return min(begins, len(energies) - SHORTEST_MS // FRAME_MS)


def _loud_enough(energies: deque[float], frames: int, least: float) -> tuple[int, int] | None:
    """From and to which frame a stretch of so many `frames` can lie that has the energy; None for nowhere.

    A copy explains no more than its cause has (Cauchy-Schwarz), so there is no need to look elsewhere.
    """
    sums = [0.0, *accumulate(energies)]
    # A stretch begins within a frame and so reaches into one more.
    most = map(sub, [*sums[frames + 1 :], sums[-1]], sums)
    enough = [at for at, energy in enumerate(most) if energy >= least * _ROUNDING]
    return (enough[0], min(enough[-1] + frames + 1, len(energies))) if enough else None


def _best(came: Samples, went: Samples, energy: float) -> tuple[float, int, float]:
    """Largest share of the energy that one copy explains, where in `went` its cause begins, and its energy."""
    length = _TRANSFORMS[bisect_left(_TRANSFORMS, len(went))]
    spectrum = np.fft.rfft(came, length)
    np.conjugate(spectrum, out=spectrum)
    spectrum *= np.fft.rfft(went, length)
    products = np.fft.irfft(spectrum, length)[: len(went) - len(came) + 1]
    sums = np.zeros(len(went) + 1)
    np.cumsum(np.square(went, dtype=np.float64), out=sums[1:])
    causes = np.maximum(sums[len(came) :] - sums[: -len(came)], energy * _LEAST_LOSS)
    shares = np.square(products) / causes
    at = int(shares.argmax())
    return float(shares[at]) / energy, at, float(causes[at])
