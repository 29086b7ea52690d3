"""What goes when its days are over, and what stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from ivrbot.config import RetentionSettings
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.storage import retention
from ivrbot.storage.retention import Ages
from ivrbot.storage.store import Store
from tests.contract.store import CALL, CALLER, NOW, OTHER, dossier, event

KEEP = Ages(0, 0, 0, 0)
DAY = timedelta(days=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(tmp_path / "ivrbot.db") as opened:
        for call, age in ((CALL, 40), (OTHER, 20)):
            at = NOW - age * DAY
            await opened.register(CallRegistration(call, CALLER), at)
            await opened.append([replace(event(seq, call), at=at) for seq in range(3)])
            await opened.save_dossier(replace(dossier(), call_id=call, dossier_id=f"d-{age}", created_at=at))
        yield opened


async def number(store: Store, call: CallId) -> str:
    registration = await store.registration(call)
    assert registration is not None
    return registration.caller


async def words(store: Store, call: CallId) -> list[object]:
    return [item.data["text"] for item in await store.of_call(call)]


async def test_zero_keeps(store: Store) -> None:
    assert await retention.apply(store, KEEP, NOW + 10_000 * DAY) == {}
    assert await number(store, CALL) == CALLER


async def test_each_kind_goes_alone(store: Store) -> None:
    assert (await retention.apply(store, replace(KEEP, numbers=30), NOW))["numbers"] == 1
    assert [await number(store, call) for call in (CALL, OTHER)] == ["", CALLER]
    assert await words(store, CALL) == ["слово 0", "слово 1", "слово 2"]
    assert await retention.apply(store, replace(KEEP, dossiers=30), NOW) == {"dossiers": 1}
    assert await store.dossier("d-40") is None
    assert await store.dossier("d-20") is not None


async def test_words_go_and_figures_stay(store: Store) -> None:
    assert await retention.apply(store, replace(KEEP, transcripts=30), NOW) == {"transcripts": 3}
    assert [item.data for item in await store.of_call(CALL)] == [{"text": "", "n": [1, None]}] * 3
    assert await words(store, OTHER) == ["слово 0", "слово 1", "слово 2"]
    assert await retention.apply(store, replace(KEEP, transcripts=30), NOW) == {"transcripts": 0}
    assert await retention.apply(store, replace(KEEP, transcripts=30), NOW + 11 * DAY) == {"transcripts": 3}


async def test_failed_proofs_go_when_they_count_no_more(store: Store) -> None:
    for age in (0, 6, 8, 100):
        await store.add_failure("customer:1", CALL, NOW - age * DAY)
    assert await retention.apply(store, replace(KEEP, attempts=7), NOW) == {"attempts": 2}
    assert await store.failures_since("customer:1", NOW - 1000 * DAY) == 2


async def test_many_go_in_small_writes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ROWS_AT_A_TIME", 2)
    assert await retention.apply(store, Ages(1, 1, 1, 1), NOW) == {
        "numbers": 2,
        "callback_numbers": 0,
        "dossiers": 2,
        "events": 6,
        "transcripts": 0,
    }
    assert await store.of_call(CALL) == ()


async def test_transcripts_in_small_writes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ROWS_AT_A_TIME", 1)
    assert await retention.apply(store, replace(KEEP, transcripts=1), NOW) == {"transcripts": 6}


def test_events_stay_as_long_as_contacts_may_be_folded_again() -> None:
    with pytest.raises(ValidationError, match="60 and more"):
        RetentionSettings(events_days=30)
