"""The outbound clock, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from ivrbot.metrics import REGISTRY
from ivrbot.model.audio import SILENCE, Frame, Pcm
from ivrbot.telephony.pacer import MAX_CATCH_UP_FRAMES, PacedLeg, Pacer
from tests.fakes.virtual_time import VirtualTimeLoop, run_virtual


class Line:
    """Remembers what was written when."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self.loop = loop
        self.at_s: list[float] = []
        self.frames: list[Frame] = []
        self.to_play: list[Frame] = []

    def next_frame(self) -> Frame | None:
        return self.to_play.pop(0) if self.to_play else None

    def write(self, frame: Frame) -> None:
        self.at_s.append(self.loop.time())
        self.frames.append(frame)


def frame(number: int) -> Frame:
    return Frame(Pcm(number.to_bytes(2, "little") * 160))


def skipped() -> float:
    return REGISTRY.get_sample_value("ivrbot_frames_dropped_total", {"queue": "pacing"}) or 0.0


def test_one_frame_every_20_ms_without_drift() -> None:
    async def main(loop: VirtualTimeLoop) -> None:
        line, pacer = Line(loop), Pacer()
        start_s = loop.time()
        leg = pacer.add(line.next_frame, line.write)
        await asyncio.sleep(600.001)
        pacer.remove(leg)
        assert len(line.at_s) == 30_001
        assert [at - start_s for at in line.at_s] == pytest.approx([0.02 * n for n in range(30_001)], abs=1e-6)

    run_virtual(main)


def test_frames_go_out_in_order_and_silence_between() -> None:
    async def main(loop: VirtualTimeLoop) -> None:
        line, pacer = Line(loop), Pacer()
        line.to_play = [frame(1), frame(2)]
        pacer.add(line.next_frame, line.write)
        await asyncio.sleep(0.05)
        line.to_play = [frame(3)]
        await asyncio.sleep(0.04)
        assert line.frames == [frame(1), frame(2), SILENCE, frame(3), SILENCE]

    run_virtual(main)


def test_legs_are_spread_over_the_20_ms() -> None:
    async def main(loop: VirtualTimeLoop) -> None:
        pacer = Pacer()
        start_s = loop.time()
        lines = [Line(loop) for _ in range(40)]
        for line in lines:
            pacer.add(line.next_frame, line.write)
        await asyncio.sleep(1.0)
        moments = [round((line.at_s[1] - start_s) * 1000) % 20 for line in lines]
        assert {moment: moments.count(moment) for moment in set(moments)} == {0: 10, 5: 10, 10: 10, 15: 10}
        assert {len(line.at_s) for line in lines} <= {50, 51}

    run_virtual(main)


def test_a_short_stall_is_made_up_for() -> None:
    async def main(loop: VirtualTimeLoop) -> None:
        line, pacer = Line(loop), Pacer()
        before = skipped()
        start_s = loop.time()
        line.to_play = [frame(n) for n in range(1, 60)]
        pacer.add(line.next_frame, line.write)
        await asyncio.sleep(0.101)
        loop.stall(0.055)
        await asyncio.sleep(0.9)
        assert line.frames[:50] == [frame(n) for n in range(1, 51)]
        assert len(line.at_s) == int((loop.time() - start_s) / 0.02) + 1
        assert skipped() == before

    run_virtual(main)


def test_a_long_stall_is_skipped_and_counted_and_the_schedule_kept() -> None:
    async def main(loop: VirtualTimeLoop) -> None:
        line, other, pacer = Line(loop), Line(loop), Pacer()
        before = skipped()
        start_s = loop.time()
        line.to_play = [frame(n) for n in range(1, 100)]
        pacer.add(line.next_frame, line.write)
        pacer.add(other.next_frame, other.write)
        await asyncio.sleep(0.101)
        loop.stall(2.0)
        burst_at_s = loop.time()
        await asyncio.sleep(0.5)
        burst = [at for at in line.at_s if burst_at_s <= at < burst_at_s + 0.001]
        assert 1 <= len(burst) <= MAX_CATCH_UP_FRAMES + 1
        assert line.frames == [frame(n) for n in range(1, len(line.frames) + 1)], "skipping must not lose sound"
        missed = int((loop.time() - start_s) / 0.02) + 1 - len(line.at_s)
        assert skipped() - before == 2 * missed
        late = [(at - start_s) % 0.02 for at in line.at_s if at > burst_at_s + 0.02]
        assert all(min(rest, 0.02 - rest) < 1e-6 for rest in late)

    run_virtual(main)


def test_a_defective_leg_is_dropped_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Frame | None:
        raise RuntimeError("defect")

    async def main(loop: VirtualTimeLoop) -> None:
        line, bad, pacer = Line(loop), Line(loop), Pacer()
        pacer.add(broken, bad.write)
        pacer.add(line.next_frame, line.write)
        await asyncio.sleep(0.1)
        assert bad.frames == []
        assert len(line.frames) >= 4
        assert pacer.legs == 1

    run_virtual(main)
    assert [record.message for record in caplog.records] == ["a leg could not be served"]


def test_legs_may_come_and_go_within_a_tick() -> None:
    async def main(loop: VirtualTimeLoop) -> None:
        pacer = Pacer()
        lines = [Line(loop) for _ in range(3)]
        legs: list[PacedLeg] = []

        def swap() -> Frame | None:
            for leg in legs:
                pacer.remove(leg)
            pacer.add(lines[2].next_frame, lines[2].write)
            return frame(9)

        legs.append(pacer.add(swap, lines[0].write))
        legs += [pacer.add(lines[1].next_frame, lines[1].write) for _ in range(4)]
        await asyncio.sleep(0.1)
        assert len(lines[2].frames) in (4, 5)
        assert lines[1].frames == []
        assert lines[0].frames == [], "a leg that its own sink ended gets nothing more"
        assert pacer.legs == 1

    run_virtual(main)


def test_the_clock_stops_with_its_last_leg_and_starts_again() -> None:
    async def main(loop: VirtualTimeLoop) -> None:
        line, pacer = Line(loop), Pacer()
        leg = pacer.add(line.next_frame, line.write)
        await asyncio.sleep(0.05)
        pacer.remove(leg)
        pacer.remove(leg)
        count = len(line.frames)
        await asyncio.sleep(100.007)
        assert len(line.frames) == count
        pacer.add(line.next_frame, line.write)
        again_s = loop.time()
        await asyncio.sleep(0.05)
        assert line.at_s[count:] == pytest.approx([again_s, again_s + 0.02, again_s + 0.04])

    run_virtual(main)
