"""The caller speaks over the bot: pause at once, then let the words decide. Fed with call times, never a clock.

    playing --something that may be speech--> suspended --no speech after all--> playing, from the last word
       ^                                         | speech
       |                                         v
       '--no word, a mere "uh-huh", no verdict-- paused --words--> cut
           (from the phrase's start; a voice without a word is read twice)

Every pause is told (`BARGE_IN`), and so is every one that was for nothing (`FALSE_BARGE_IN`); a suspension, of at
most a sixth of a second, is only counted. A place that is
noisy without end must not break a prompt up: each question has a budget of pauses for nothing, and a call in which
that happens again and again gets a smaller one. Beyond it the prompt goes on while somebody may be speaking, but
he is listened to as before, and words cut it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ivrbot.call.playout import Playout
from ivrbot.metrics import PLAYOUT_SUSPENSIONS
from ivrbot.model.events import EventType

READ_AFTER_MS: Final = 900
"""What was said by then is read, so that a word can be sure within 1.2 s: most callers do not pause sooner."""
READ_AGAIN_MS: Final = 300
"""A voice of which no word could be made out is heard for so much longer, once."""
GIVE_UP_MS: Final = 2500
"""A recogniser that is so late must not hold a prompt up any longer; words of his still cut it."""
SUSPENDED_MS: Final = 160
"""What may be the beginning of speech is speech by then, or it was nothing."""
MAX_SUSPENDED: Final = 3
"""Suspensions for nothing that a question has room for; then it takes speech to pause."""
MAX_FALSE: Final = 2
"""Pauses for nothing that a question has room for (a television, a street)."""
NOISY_AFTER: Final = 4
"""After so many in a row, whatever the questions were, one is the limit."""


class BargeIn:
    """One call's.

    Args:
        playout: the bot's mouth.
        tell: that the bot paused, and that it was for nothing.
        read_now: asks for a reading of what was said so far.
    """

    def __init__(self, playout: Playout, tell: Callable[[EventType], None], read_now: Callable[[], None]) -> None:
        self._playout = playout
        self._tell = tell
        self._read_now = read_now
        self._over = False
        self._held_back = False
        self._paused_at_ms: int | None = None
        self._suspected_at_ms: int | None = None
        self._read_at_ms: int | None = None
        self._read_again = False
        self._false = 0
        self._false_in_a_row = 0
        self._suspensions = 0

    @property
    def is_over(self) -> bool:
        """The running turn began over a prompt."""
        return self._over

    @property
    def is_held_back(self) -> bool:
        """A prompt was not begun because the caller was speaking."""
        return self._held_back

    @property
    def _has_budget(self) -> bool:
        return self._false < (1 if self._false_in_a_row >= NOISY_AFTER else MAX_FALSE)

    def asks(self) -> None:
        """A question is put, with all that is said before it."""
        self._false = self._suspensions = 0

    def may_begin(self, now_ms: int) -> None:
        """Something came in that may be the beginning of speech."""
        if self._suspected_at_ms is None and self._paused_at_ms is None and self._suspensions < MAX_SUSPENDED:
            self._playout.pause()
            if self._playout.paused:
                self._suspected_at_ms = now_ms

    def begins(self, now_ms: int) -> None:
        """The caller speaks, or goes on after a pause."""
        suspended = self._suspected_at_ms is not None
        self._suspected_at_ms = None
        self._over = self._playout.speaking
        if not self._over:
            return
        if self._paused_at_ms is None and self._has_budget:
            self._pauses(now_ms)
        elif suspended:
            self._playout.carry_on()
        self._read_at_ms = now_ms + READ_AFTER_MS

    def hold_back(self, now_ms: int) -> None:
        """A prompt is about to begin while the caller speaks: his words decide."""
        if self._paused_at_ms is None and not self._over:
            self._playout.pause()
            if self._playout.paused:
                self._held_back, self._paused_at_ms = True, now_ms
                self._read_at_ms = now_ms + READ_AFTER_MS

    def tick(self, now_ms: int) -> None:
        """20 ms have passed."""
        if self._read_at_ms is not None and now_ms >= self._read_at_ms:
            self._read_at_ms = None
            self._read_now()
        if self._suspected_at_ms is not None:
            if now_ms - self._suspected_at_ms >= SUSPENDED_MS:
                self._was_nothing()
        elif self._paused_at_ms is not None and now_ms - self._paused_at_ms >= GIVE_UP_MS:
            self.goes_on()

    def was_noise(self) -> None:
        """No word could be made out: a cough, a door, an echo."""
        if self._paused_at_ms is not None and not self._held_back:
            self._false += 1
            self._false_in_a_row += 1
        self.was_no_turn()

    def was_garbled(self, now_ms: int) -> None:
        """Somebody is speaking, but no word could be made out so far: more of it may tell."""
        if self._paused_at_ms is None or self._read_again:
            self.was_noise()
        else:
            self._read_again = True
            self._read_at_ms = now_ms + READ_AGAIN_MS

    def was_no_turn(self) -> None:
        """He only says that he is listening."""
        if self._paused_at_ms is not None and not self._held_back:
            self._tell(EventType.FALSE_BARGE_IN)
        self.goes_on()

    def goes_on(self) -> None:
        """The prompt goes on, from the start of the phrase."""
        self._read_at_ms = None
        if self._paused_at_ms is not None:
            self._forget_pause()
            self._playout.resume()

    def cut(self) -> None:
        """What was being said is dropped: the caller has the floor."""
        self._forget_pause()
        self._read_at_ms = None
        self._false_in_a_row = 0
        self._playout.flush()

    def turn_is_over(self) -> None:
        """The running turn has been read."""
        self._over = False
        self._read_at_ms = None

    def _pauses(self, now_ms: int) -> bool:
        self._playout.pause()
        if not self._playout.paused:
            return False
        self._paused_at_ms = now_ms
        self._tell(EventType.BARGE_IN)
        return True

    def _was_nothing(self) -> None:
        self._suspensions += 1
        self._suspected_at_ms = None
        PLAYOUT_SUSPENSIONS.inc()
        self._playout.carry_on()

    def _forget_pause(self) -> None:
        self._paused_at_ms = self._suspected_at_ms = None
        self._held_back = self._read_again = False
