"""The whole product on the telephone: a SIP caller, a real Asterisk, the bot as a process, an operator."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.asterisk.install import Installation
from tests.integration.asterisk.product import Product
from tests.integration.asterisk.server import AsteriskServer
from tests.integration.asterisk.sip import Caller, OperatorPhone

pytestmark = [pytest.mark.integration, pytest.mark.models]

DEAD_S, FROZEN_S = 3.0, 5.0
"""The product's promises: with a person within that time when the bot dies, or freezes."""


@dataclass(frozen=True, slots=True)
class Stage:
    installation: Installation
    product: Product
    operator: OperatorPhone
    server: AsteriskServer

    def caller(self, number: str = "+79161234567") -> Caller:
        return Caller(self.installation, self.server.site.sip_port, number=number)


@asynccontextmanager
async def running(installation: Installation, folder: Path) -> AsyncIterator[Stage]:
    async with Product(folder / "data") as product, OperatorPhone(installation) as operator:
        site = product.site(operator1=operator.port)
        async with AsteriskServer(installation, site, keep_in=folder / "asterisk") as server:
            yield Stage(installation, product, operator, server)


async def test_key_0_brings_an_operator_with_a_dossier(
    asterisk_installation: Installation, tmp_path: Path
) -> None:
    async with running(asterisk_installation, tmp_path) as stage, stage.caller() as caller:
        answered = await caller.answered()
        await caller.phone.listen(answered, quiet_ms=100)
        caller.phone.press("0")
        ring = await stage.operator.rung(10)
        assert ring.headers["x-bot-reason"] == "caller_asked"
        assert ring.headers["x-bot-dossier"]
        await stage.operator.talking()
        assert not caller.was_hung_up_on()


@pytest.mark.parametrize(("number", "within_s"), [(signal.SIGKILL, DEAD_S), (signal.SIGSTOP, FROZEN_S)])
async def test_a_bot_that_dies_or_freezes_in_mid_call_is_followed_by_a_person(
    asterisk_installation: Installation, tmp_path: Path, number: signal.Signals, within_s: float
) -> None:
    async with running(asterisk_installation, tmp_path) as stage, stage.caller() as caller:
        await caller.answered()
        await asyncio.sleep(2)
        struck = time.time()
        stage.product.signal_workers(number)
        ring = await stage.operator.rung(within_s + 5)
        print(f"\n{number.name} to the operator's ring: {ring.at_s - struck:.2f} s")
        assert ring.at_s - struck <= within_s
        assert ring.headers["x-bot-reason"] == "bot_lost"
        assert not caller.was_hung_up_on()
