"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.asterisk.install import Installation, install
from tests.integration.asterisk.stage import Stage, running


@pytest.fixture(scope="session")
def asterisk_installation() -> Installation:
    """Asterisk and SIPp, unpacked into the cache folder the first time."""
    return install()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def line(
    asterisk_installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """A bank's line that all calls share which do not harm it; such tests run in the session's event loop."""
    async with running(asterisk_installation, tmp_path_factory.mktemp("line")) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="session")
async def fresh_line(line: Stage) -> Stage:
    """The same, the demo bank in its first state."""
    await line.reset()
    return line
