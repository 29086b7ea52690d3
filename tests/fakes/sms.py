"""A gateway of short messages in memory, which fails when told to."""

from __future__ import annotations

from ivrbot.errors import SmsUnavailable


class MemorySms:
    """`ivrbot.ports.SmsGateway`.

    Attributes:
        sent: number and text of every message.
        broken: nothing is handed over any more.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.broken = False

    async def send(self, number: str, text: str) -> None:
        if self.broken:
            raise SmsUnavailable("told to fail")
        self.sent.append((number, text))

    async def close(self) -> None:
        pass

    @property
    def code(self) -> str:
        """The digits of the last message."""
        return "".join(filter(str.isdecimal, self.sent[-1][1]))[:6]
