"""What every gateway of short messages promises; a test class inherits `SmsContract` and provides `line`."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

import pytest

from ivrbot.errors import SmsUnavailable
from ivrbot.ports import SmsGateway

NUMBER = "+79160000001"
TEXT = "Код 123456: изменение лимита по карте. Никому его не говорите: голосом мы его не спросим."


class SmsLine(Protocol):
    """A gateway and the place where its messages arrive."""

    @property
    def gateway(self) -> SmsGateway:
        """Under test."""

    async def arrived(self) -> list[tuple[str, str, str]]:
        """Number, text and id of every message so far, oldest first."""

    async def break_it(self) -> None:
        """From now on nothing can be handed over."""


class SmsContract:
    async def test_a_message_arrives_whole_and_once(self, line: SmsLine) -> None:
        await line.gateway.send(NUMBER, TEXT)
        [(number, text, name)] = await line.arrived()
        assert (number, text) == (NUMBER, TEXT)
        assert name

    async def test_messages_arrive_in_order_and_have_ids_of_their_own(self, line: SmsLine) -> None:
        for count in range(3):
            await line.gateway.send(NUMBER, f"Code {count}")
        arrived = await line.arrived()
        assert [text for _, text, _ in arrived] == ["Code 0", "Code 1", "Code 2"]
        assert len({name for *_, name in arrived}) == 3

    async def test_messages_at_once_do_not_mix(self, line: SmsLine) -> None:
        await asyncio.gather(*(line.gateway.send(f"+7916000000{n}", f"Code {n}") for n in range(8)))
        arrived = await line.arrived()
        assert sorted((number, text) for number, text, _ in arrived) == [
            (f"+7916000000{n}", f"Code {n}") for n in range(8)
        ]

    async def test_what_cannot_be_handed_over_is_told_without_number_or_text(
        self, line: SmsLine, caplog: pytest.LogCaptureFixture
    ) -> None:
        await line.break_it()
        with caplog.at_level(logging.DEBUG), pytest.raises(SmsUnavailable) as caught:
            await line.gateway.send(NUMBER, TEXT)
        told = str(caught.value) + repr(caught.value.__cause__) + caplog.text
        for secret in ("123456", NUMBER, "79160000001"):
            assert secret not in told

    async def test_nothing_is_logged_of_what_was_sent(
        self, line: SmsLine, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            await line.gateway.send(NUMBER, TEXT)
        assert "123456" not in caplog.text
        assert "79160000001" not in caplog.text

    async def test_a_closed_gateway_says_so_and_closes_twice(self, line: SmsLine) -> None:
        await line.gateway.close()
        await line.gateway.close()
        with pytest.raises(SmsUnavailable):
            await line.gateway.send(NUMBER, TEXT)
