"""The line between a caller at the softphone and an operator at the desk page, where there is no PBX.

Takes text and sound from one end, gives them to the other; nothing is stored. Each end is a function that must
return at once. Long digit runs in typed text are masked on the way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Final

from ivrbot.logs import mask_long_digits

WAIT_FOR_OPERATOR_S: Final = 600.0
MAX_TEXT_CHARS: Final = 1000

Message = dict[str, object]
Send = Callable[[Message | bytes], None]
"""Gets a JSON message, or 8 kHz PCM16 sound."""


class Side(Enum):
    """Who speaks."""

    CALLER = "caller"
    OPERATOR = "operator"


class OperatorLine:
    """One caller waiting for, or talking to, a person.

    Args:
        dossier_id: what the operator knows of the call.
        to_caller: the caller's end.
    """

    def __init__(self, dossier_id: str, to_caller: Send) -> None:
        self.dossier_id = dossier_id
        self._ends: dict[Side, Send] = {Side.CALLER: to_caller}
        self.taken = asyncio.Event()
        self.over = asyncio.Event()

    def take(self, to_operator: Send) -> bool:
        """An operator takes the caller; False when somebody has, or the caller is gone."""
        if self.taken.is_set() or self.over.is_set():
            return False
        self._ends[Side.OPERATOR] = to_operator
        self.taken.set()
        self._ends[Side.CALLER]({"type": "operator_joined"})
        return True

    def say(self, side: Side, text: str) -> None:
        """Typed text goes to both ends, so that both see the same conversation."""
        text = mask_long_digits(text.strip()[:MAX_TEXT_CHARS])
        if text and not self.over.is_set():
            for send in self._ends.values():
                send({"type": "said", "who": side.value, "text": text})

    def sound(self, side: Side, pcm: bytes) -> None:
        """Sound goes to the other end."""
        other = self._ends.get(Side.OPERATOR if side is Side.CALLER else Side.CALLER)
        if other is not None and self.taken.is_set() and not self.over.is_set():
            other(pcm)

    def hang_up(self, side: Side) -> None:
        """One end leaves; the other is told. Idempotent."""
        if self.over.is_set():
            return
        self.over.set()
        for end, send in self._ends.items():
            if end is not side:
                send({"type": "left", "who": side.value})


class OperatorLines:
    """Callers of this process who wait for a person, by dossier."""

    def __init__(self) -> None:
        self._lines: dict[str, OperatorLine] = {}

    @property
    def waiting(self) -> frozenset[str]:
        """Dossiers whose callers nobody has taken yet."""
        return frozenset(name for name, line in self._lines.items() if not line.taken.is_set())

    def open(self, dossier_id: str, to_caller: Send) -> OperatorLine:
        """A caller begins to wait."""
        line = self._lines[dossier_id] = OperatorLine(dossier_id, to_caller)
        return line

    def find(self, dossier_id: str) -> OperatorLine | None:
        """The line of a dossier, None when the caller is gone or came by a PBX."""
        return self._lines.get(dossier_id)

    def close(self, line: OperatorLine) -> None:
        """The caller is gone. Idempotent."""
        if self._lines.get(line.dossier_id) is line:
            del self._lines[line.dossier_id]
        line.hang_up(Side.CALLER)
