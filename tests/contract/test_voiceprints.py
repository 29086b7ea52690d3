"""The contract of voices, against the fake and against the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivrbot.storage.sealing import MasterKey
from ivrbot.storage.store import Store
from ivrbot.storage.voiceprints import VoiceprintBook
from tests.contract.voiceprints import VoiceprintStoreContract
from tests.fakes.voiceprints import MemoryVoiceprints


class TestMemoryVoiceprints(VoiceprintStoreContract):
    @pytest.fixture
    def voices(self) -> MemoryVoiceprints:
        return MemoryVoiceprints()


class TestVoiceprintBook(VoiceprintStoreContract):
    @pytest.fixture
    async def voices(self, tmp_path: Path) -> AsyncIterator[VoiceprintBook]:
        async with Store(tmp_path / "ivrbot.db") as opened:
            yield VoiceprintBook(opened, MasterKey(bytes(range(32))))
