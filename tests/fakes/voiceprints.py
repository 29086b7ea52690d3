"""Voices kept in memory, as the contract of the store says."""

from __future__ import annotations

from datetime import datetime

from ivrbot.errors import StorageConflict
from ivrbot.model.voiceprint import VoiceSample, VoiceTemplate


class MemoryVoiceprints:
    """Implements `ports.VoiceprintStore`."""

    def __init__(self) -> None:
        self.words: dict[str, list[bool]] = {}
        self.said: list[tuple[str, bool, str, str]] = []
        self._samples: dict[str, dict[str, VoiceSample]] = {}
        self._templates: dict[str, VoiceTemplate] = {}

    async def consent(self, customer_id: str) -> bool | None:
        words = self.words.get(customer_id)
        return words[-1] if words else None

    async def record_consent(
        self, customer_id: str, agreed: bool, at: datetime, *, call_id: str = "", reference: str = ""
    ) -> None:
        del at
        self.words.setdefault(customer_id, []).append(agreed)
        self.said.append((customer_id, agreed, call_id, reference))
        if not agreed:
            self._forget(customer_id)

    async def samples(self, customer_id: str) -> tuple[VoiceSample, ...]:
        return tuple(self._samples.get(customer_id, {}).values())

    async def add_sample(self, customer_id: str, call_id: str, sample: VoiceSample, at: datetime) -> None:
        del at
        self._must_have_agreed(customer_id)
        kept = self._samples.setdefault(customer_id, {})
        kept.pop(call_id, None)
        kept[call_id] = sample

    async def template(self, customer_id: str) -> VoiceTemplate | None:
        return self._templates.get(customer_id)

    async def save(self, template: VoiceTemplate) -> None:
        self._must_have_agreed(template.customer_id)
        self._samples.pop(template.customer_id, None)
        self._templates[template.customer_id] = template

    async def erase(self, customer_id: str) -> bool:
        had_words = self.words.pop(customer_id, None) is not None
        return self._forget(customer_id) or had_words

    def _forget(self, customer_id: str) -> bool:
        had = [held.pop(customer_id, None) for held in (self._samples, self._templates)]
        return any(item is not None for item in had)

    def _must_have_agreed(self, customer_id: str) -> None:
        if not self.words.get(customer_id, [False])[-1]:
            raise StorageConflict("the customer has not agreed that his voice is kept")
