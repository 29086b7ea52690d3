"""The whole product on the telephone: a SIP caller, a real Asterisk, the bot as a process, an operator."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.asterisk.install import Installation
from tests.integration.asterisk.product import Product
from tests.integration.asterisk.server import AsteriskServer
from tests.integration.asterisk.sip import PATIENCE_S, Caller, OperatorPhone, SipMessage
from tests.integration.asterisk.stage import API_WAIT_S
from tests.integration.asterisk.wait import Late, again_if_late, in_time

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
async def running(installation: Installation, folder: Path, *, api_wait_s: int) -> AsyncIterator[Stage]:
    async with Product(folder / "data") as product, OperatorPhone(installation) as operator:
        site = product.site(api_wait_s=api_wait_s, operator1=operator.port)
        async with AsteriskServer(installation, site, keep_in=folder / "asterisk") as server:
            yield Stage(installation, product, operator, server)


async def test_key_0_brings_an_operator_with_a_dossier(
    asterisk_installation: Installation, tmp_path: Path
) -> None:
    async with (
        running(asterisk_installation, tmp_path, api_wait_s=API_WAIT_S) as stage,
        stage.caller() as caller,
    ):
        answered = await caller.answered()
        await caller.phone.listen(answered, quiet_ms=100, timeout_s=PATIENCE_S)
        caller.phone.press("0")
        ring = await stage.operator.rung()
        assert ring.headers["x-bot-reason"] == "caller_asked"
        assert ring.headers["x-bot-dossier"]
        await stage.operator.talking()
        assert not caller.was_hung_up_on()


@pytest.mark.parametrize(("number", "within_s"), [(signal.SIGKILL, DEAD_S), (signal.SIGSTOP, FROZEN_S)])
@again_if_late
async def test_a_bot_that_dies_or_freezes_in_mid_call_is_followed_by_a_person(
    asterisk_installation: Installation, tmp_path: Path, number: signal.Signals, within_s: float
) -> None:
    """With the shipped dialplan's time-outs: they bound how long a bot that is gone is asked what it wants."""
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    async with running(asterisk_installation, folder, api_wait_s=0) as stage, stage.caller() as caller:
        await caller.answered()
        await asyncio.sleep(2)
        for ring in stage.operator.rings():
            check_admitted(ring)
        assert not stage.operator.rings()
        struck = time.time()
        stage.product.signal_workers(number)
        ring = await stage.operator.rung()
        check_admitted(ring)
        took_s = ring.at_s - struck
        print(f"\n{number.name} to the operator's ring: {took_s:.2f} s")
        in_time(took_s, within_s)
        assert ring.headers["x-bot-reason"] == "bot_lost"
        assert not caller.was_hung_up_on()


def check_admitted(ring: SipMessage) -> None:
    """Whom the bot did not take within the dialplan's second says nothing about a bot that is lost."""
    if ring.headers["x-bot-reason"] == "not_registered":
        raise Late("the bot's answer to the registration")
