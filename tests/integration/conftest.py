"""Fixtures of the integration tests."""

from __future__ import annotations

import pytest

from tests.integration.asterisk.install import Installation, install


@pytest.fixture(scope="session")
def asterisk_installation() -> Installation:
    """Asterisk and SIPp, unpacked into the cache folder the first time."""
    return install()
