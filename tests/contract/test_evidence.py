"""The evidence contract, over the database."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from ivrbot.analytics.contact_writer import ContactWriter
from ivrbot.analytics.evidence_source import ContactEvidence
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.experiment import Arm, BranchState, Exposure
from ivrbot.model.queue import QueueRow
from ivrbot.model.rollout import treatment_bound
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.store import Store
from tests.contract.evidence import EPOCH, Call, EvidenceContract


def unit(number: str, call_id: str) -> str:
    return hashlib.sha256((number or call_id).encode()).hexdigest()


class TestContactEvidence(EvidenceContract):
    """Calls go the whole way: events, exposures and queue rows in, contacts folded, columns out."""

    @pytest.fixture(autouse=True)
    async def store(self, tmp_path: Path) -> AsyncIterator[None]:
        async with Store(tmp_path / "ivrbot.db") as opened:
            self.opened = opened
            yield

    async def told(self, *calls: Call) -> ContactEvidence:
        book = ContactBook(self.opened)
        for number, call in enumerate(calls):
            await self.tell(book, CallId(f"call-{number}"), call)
        writer = ContactWriter(book, unit_of=unit, now=lambda: calls[-1].at, max_call_s=600)
        while await writer.step():
            pass
        return ContactEvidence(book)

    async def tell(self, book: ContactBook, call_id: CallId, call: Call) -> None:
        to_bot = call.arm is Arm.TREATMENT
        channel = f"1700.{call_id}"
        await self.opened.register(CallRegistration(call_id, call.caller, uniqueid=channel), call.at)
        if call.drawn:
            state = BranchState(call.branch, call.stage, call.propensity, 0.0, call.epoch, False, "r")
            await self.opened.change_state(state, "test", "test", call.at)
            await self.opened.expose(
                Exposure(
                    call_id=call_id,
                    unit=unit(call.caller, call_id),
                    branch=call.branch,
                    arm=call.arm,
                    propensity=treatment_bound(call.propensity, 0.0),
                    stage=call.stage,
                    epoch=call.epoch,
                    plan_revision="r",
                    at=call.at,
                )
            )
        said: list[tuple[EventType, dict[str, object]]] = [
            (EventType.CALL_STARTED, {}),
            (EventType.TOPIC_STATED, {"topic": "check_balance", "branch": call.branch}),
            (EventType.ASSIGNED, {"branch": call.branch, "route": "bot" if to_bot else "operator"}),
        ]
        end: dict[str, object] = {"disposition": "escalated", "reason": "control_arm", "escalated_to": call.branch}
        if to_bot and call.resolved is not None:
            said.append((EventType.BANK_REPLIED, {"status": "ok", "served": call.resolved}))
            end = {"disposition": "resolved" if call.resolved else "abandoned", "reason": "", "escalated_to": ""}
        else:
            said.append((EventType.ESCALATED, {"reason": "control_arm", "queue": call.branch}))
            await book.add_queue_rows(self.queue(channel, call), "queue_log")
        said.append((EventType.CALL_ENDED, end))
        await self.opened.append(
            [
                CallEvent(call_id, seq, kind, seq * 1000, call.at + timedelta(seconds=seq), data)  # type: ignore[arg-type]
                for seq, (kind, data) in enumerate(said)
            ]
        )

    def queue(self, channel: str, call: Call) -> list[tuple[QueueRow, str]]:
        at_us = (call.at - EPOCH) // timedelta(microseconds=1)
        told: list[tuple[int, str, tuple[str, ...]]] = [(5, "ENTERQUEUE", ("", unit(call.caller, channel), "1"))]
        if call.resolved:
            told += [(15, "CONNECT", ("10", "x", "1")), (75, "COMPLETEAGENT", ("10", "60", "1"))]
        elif call.resolved is False:
            told += [(45, "ABANDON", ("1", "1", "40"))]
        return [
            (QueueRow(at_us + second * 1_000_000, channel, call.branch, "NONE", event, data), call.branch)
            for second, event, data in told
        ]
