"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from ivrbot.storage.engines import PostgresAddress
from tests.integration.asterisk.install import Installation, install
from tests.integration.asterisk.stage import Stage, running
from tests.integration.postgres import install as postgres_install
from tests.integration.postgres import server as postgres_server


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


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.PostgresServer]:
    """A PostgreSQL server that all tests share; whoever kills it starts it again."""
    with postgres_server.running(postgres_install.install()) as server:
        yield server


@pytest.fixture
def database(postgres: postgres_server.PostgresServer) -> Iterator[PostgresAddress]:
    """A database of the newest schema, for one test."""
    with postgres.database() as address:
        yield address
