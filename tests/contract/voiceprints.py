"""What every store of voices must do, whatever is behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ivrbot.errors import StorageConflict
from ivrbot.model.voiceprint import VoiceSample, VoiceTemplate
from ivrbot.ports import VoiceprintStore

NOW = datetime(2026, 9, 1, 12, 30, 15, 123456, UTC)
LATER = NOW + timedelta(days=1)
MODEL = "a" * 64
ANNA, PETR = "c1", "c2"


def sample(first: float = 0.5, *, model: str = MODEL, speech_ms: int = 9_000) -> VoiceSample:
    return VoiceSample((first, -0.25, 0.125), model, speech_ms, 21.5)


def template(customer_id: str = ANNA, first: float = 0.5) -> VoiceTemplate:
    return VoiceTemplate(customer_id, (first, 0.25, 0.0), MODEL, 3, 27_000, NOW)


class VoiceprintStoreContract:
    """Subclass it and give a fixture `voices`."""

    async def test_nobody_was_asked_at_first(self, voices: VoiceprintStore) -> None:
        assert await voices.consent(ANNA) is None
        assert await voices.template(ANNA) is None
        assert await voices.samples(ANNA) == ()
        assert await voices.erase(ANNA) is False

    async def test_the_last_word_counts(self, voices: VoiceprintStore) -> None:
        await voices.record_consent(ANNA, False, NOW, call_id="call-1")
        assert await voices.consent(ANNA) is False
        await voices.record_consent(ANNA, True, NOW - timedelta(days=1), reference="letter 12")
        assert await voices.consent(ANNA) is True  # said later, whatever a clock has done meanwhile
        assert await voices.consent(PETR) is None

    @pytest.mark.parametrize("word", [None, False])
    async def test_nothing_is_kept_without_consent(self, voices: VoiceprintStore, word: bool | None) -> None:
        if word is not None:
            await voices.record_consent(ANNA, word, NOW)
        await voices.record_consent(PETR, True, NOW)
        with pytest.raises(StorageConflict):
            await voices.add_sample(ANNA, "call-1", sample(), NOW)
        with pytest.raises(StorageConflict):
            await voices.save(template())
        assert await voices.samples(ANNA) == ()
        assert await voices.template(ANNA) is None

    async def test_samples_come_back_in_order_one_a_call(self, voices: VoiceprintStore) -> None:
        await voices.record_consent(ANNA, True, NOW)
        await voices.add_sample(ANNA, "call-1", sample(0.5), NOW)
        await voices.add_sample(ANNA, "call-2", sample(0.75), LATER)
        await voices.add_sample(ANNA, "call-1", sample(0.25), LATER + timedelta(days=1))
        assert await voices.samples(ANNA) == (sample(0.75), sample(0.25))
        assert await voices.samples(PETR) == ()

    async def test_a_template_takes_the_place_of_samples_and_of_the_one_before(
        self, voices: VoiceprintStore
    ) -> None:
        await voices.record_consent(ANNA, True, NOW)
        await voices.record_consent(PETR, True, NOW)
        await voices.add_sample(ANNA, "call-1", sample(), NOW)
        await voices.add_sample(PETR, "call-2", sample(), NOW)
        await voices.save(template(first=0.5))
        await voices.save(template(first=0.75))
        assert await voices.template(ANNA) == template(first=0.75)
        assert await voices.samples(ANNA) == ()
        assert await voices.samples(PETR) == (sample(),)

    async def test_a_withdrawal_erases_at_once_and_is_remembered(self, voices: VoiceprintStore) -> None:
        for customer_id in (ANNA, PETR):
            await voices.record_consent(customer_id, True, NOW)
            await voices.save(template(customer_id))
            await voices.add_sample(customer_id, "call-9", sample(), NOW)
        await voices.record_consent(ANNA, False, LATER, call_id="call-3")
        assert await voices.template(ANNA) is None
        assert await voices.samples(ANNA) == ()
        assert await voices.consent(ANNA) is False
        assert await voices.template(PETR) == template(PETR)
        assert await voices.samples(PETR) == (sample(),)

    async def test_erasing_leaves_nothing_and_he_may_begin_anew(self, voices: VoiceprintStore) -> None:
        await voices.record_consent(ANNA, True, NOW)
        await voices.save(template())
        assert await voices.erase(ANNA) is True
        assert await voices.consent(ANNA) is None
        assert await voices.template(ANNA) is None
        assert await voices.erase(ANNA) is False
        await voices.record_consent(ANNA, True, LATER)
        await voices.save(template(first=0.75))
        assert await voices.template(ANNA) == template(first=0.75)
