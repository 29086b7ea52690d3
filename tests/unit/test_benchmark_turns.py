"""The measuring parts of benchmarks.turns on made sound whose times are known."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import numpy as np
import pytest

from benchmarks.turns import talk
from benchmarks.turns.callers import HESITATES, ProductGuide, Saying, ScriptGuide, person
from benchmarks.turns.measure import SPEECH_DBFS, judge, turn
from benchmarks.turns.report import by_kind, figures, table
from benchmarks.turns.sentences import CUSTOMERS, KINDS, every_sentence
from benchmarks.turns.sound import halves
from ivrbot.media.track import Track
from ivrbot.model.audio import Pcm
from tests.fakes.virtual_time import VirtualTimeLoop, run_virtual

RATE_HZ = 8000
LENGTH_MS = 12_000


def sound(*stretches: tuple[float, float], dbfs: float = -15.0, noise_dbfs: float | None = None) -> bytes:
    """Square waves between moments in ms, on a quiet line or over steady noise."""
    samples = np.zeros(LENGTH_MS * RATE_HZ // 1000)
    if noise_dbfs is not None:
        samples += np.random.default_rng(1).normal(0, 32768 * 10 ** (noise_dbfs / 20), len(samples))
    wave = np.where(np.arange(len(samples)) // 8 % 2, 1, -1) * 32768 * 10 ** (dbfs / 20)
    for start, end in stretches:
        first, last = round(start * 8), round(end * 8)
        samples[first:last] += wave[first:last]
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()


LONG_TONE = sound((0, LENGTH_MS))


def test_the_gap_is_from_the_last_voiced_sample_to_the_first_of_the_answer() -> None:
    heard = turn(sound((3000, 4234.5)), sound((500, 2200), (4711.25, 6000)), 2990, 4260)
    assert heard is not None
    assert heard.gap_ms == pytest.approx(4711.25 - 4234.5, abs=0.2)
    assert (heard.over_prompt, heard.cut_off, heard.answered, heard.stop_ms) == (False, False, True, None)


def test_an_answer_in_the_callers_pause_is_a_cut_off() -> None:
    heard = turn(sound((3000, 3800), (4500, 5200)), sound((4300, 6000)), 3000, 5200)
    assert heard is not None
    assert heard.cut_off
    assert heard.gap_ms is None
    assert heard.ended_ms == pytest.approx(5200, abs=0.2)


def test_an_answer_behind_a_hesitating_sentence_is_none() -> None:
    heard = turn(sound((3000, 3800), (4700, 5200)), sound((5600, 7000)), 3000, 5200)
    assert heard is not None
    assert not heard.cut_off
    assert heard.gap_ms == pytest.approx(400, abs=0.2)


@pytest.mark.parametrize(("onset_ms", "answered"), [(9_900, True), (10_300, False), (None, False)])
def test_a_turn_is_unanswered_after_five_seconds(onset_ms: float | None, answered: bool) -> None:
    bot = [] if onset_ms is None else [(onset_ms, onset_ms + 1000)]
    heard = judge(3000, 5000, bot)
    assert heard.answered is answered
    assert (heard.gap_ms is not None) is answered


def test_comfort_noise_and_a_click_are_no_answer() -> None:
    quiet = sound((6000, 7000), noise_dbfs=-52)
    with_click = bytearray(quiet)
    with_click[2 * 8 * 5300 : 2 * 8 * 5320] = sound((0, 20))[: 2 * 8 * 20]
    heard = turn(sound((3000, 5000)), bytes(with_click), 3000, 5000)
    assert heard is not None
    assert heard.gap_ms == pytest.approx(1000, abs=1)


def test_speech_just_below_the_level_is_not_heard_and_just_above_it_is() -> None:
    below, above = (
        turn(sound((3000, 5000)), sound((5500, 7000), dbfs=SPEECH_DBFS + step), 3000, 5000) for step in (-1, 1)
    )
    assert below is not None
    assert above is not None
    assert (below.answered, above.answered) == (False, True)


def test_a_prompt_that_is_spoken_over_stops_and_the_answer_comes_after() -> None:
    bot = sound((1000, 3180), (5400, 7000))
    heard = turn(sound((3000, 5000)), bot, 3000, 5000)
    assert heard is not None
    assert heard.over_prompt
    assert heard.stop_ms == pytest.approx(180, abs=0.2)
    assert heard.gap_ms == pytest.approx(400, abs=0.2)


def test_pauses_between_a_prompts_sentences_are_not_its_stop() -> None:
    heard = judge(3000, 6000, [(1000, 3300), (3600, 4100), (7000, 8000)])
    assert heard.stop_ms == 1100


def test_a_prompt_that_goes_on_to_the_end_has_not_stopped() -> None:
    heard = judge(3000, 4000, [(1000, 6000)])
    assert heard.over_prompt
    assert (heard.stop_ms, heard.gap_ms, heard.cut_off) == (None, None, False)


def test_a_prompt_that_begins_again_while_the_caller_speaks_is_a_cut_off() -> None:
    assert judge(3000, 6000, [(1000, 3150), (4500, 7000)]).cut_off


def test_a_short_word_over_a_prompt_does_not_take_the_answer_for_the_prompt() -> None:
    heard = judge(3000, 3300, [(1000, 3200), (3550, 5000)])
    assert (heard.stop_ms, heard.gap_ms) == (200, 250)


def test_silence_is_no_turn() -> None:
    assert turn(sound(), sound((100, 200)), 3000, 5000) is None


def row(**values: object) -> dict[str, object]:
    base = {
        "kind": "topic",
        "language": "ru",
        "hesitation_ms": 0,
        "after_whole_clause": False,
        "over_prompt": False,
        "answered": True,
    }
    return {**base, "cut_off": False, "gap_ms": 400.0, "stop_ms": None, **values}


def test_figures_count_each_thing_once() -> None:
    rows = [row(gap_ms=gap) for gap in (200, 300, 400)]
    rows += [
        row(gap_ms=None, cut_off=True, hesitation_ms=500),
        row(hesitation_ms=600, after_whole_clause=True),
        row(gap_ms=None, answered=False),
    ]
    rows += [row(over_prompt=True, stop_ms=150.0), row(over_prompt=True, gap_ms=None)]
    shares = ("1 (12.5%)", "1 (50.0%)", "1 (12.5%)")
    assert figures(rows) == ["8", "400 ms", "400 ms", *shares, "2", "150 ms", "150 ms", "1"]
    assert {name: len(found) for name, found in by_kind(rows, KINDS).items()} == {
        "topic": 8,
        "Russian": 8,
        "hesitating within a clause": 1,
        "hesitating after a whole clause": 1,
        "over a prompt": 2,
    }
    assert len({line.count("|") for line in table("system", {"one": rows}).splitlines()}) == 1


def test_callers_are_the_same_for_the_same_seed_and_hesitate_as_often_as_said() -> None:
    assert [person(1, call).wishes for call in range(20)] == [person(1, call).wishes for call in range(20)]
    assert [person(1, call).wishes for call in range(20)] != [person(2, call).wishes for call in range(20)]
    someone = person(1, 0)
    sayings = [someone.says("topic", "", "block_card") for _ in range(2000)]
    share = sum(saying.pause_ms > 0 for saying in sayings) / len(sayings)
    assert share == pytest.approx(HESITATES, abs=0.03)
    assert all(300 <= saying.pause_ms < 900 for saying in sayings if saying.pause_ms)


def test_a_script_has_every_kind_of_turn_in_both_languages() -> None:
    async def kinds(call: int) -> list[tuple[str, str]]:
        caller = person(1, call)
        guide = ScriptGuide(caller)
        found: list[tuple[str, str]] = []
        while (saying := await guide.next()) is not None:
            found.append((caller.language, saying.kind))
        return found

    seen = {pair for call in range(120) for pair in asyncio.run(kinds(call))}
    assert seen == {(language, kind) for language in ("ru", "en") for kind in KINDS}


def test_the_products_own_questions_are_answered_and_keys_are_not() -> None:
    events = [
        {"seq": seq, "type": "bot_said", "response": response}
        for seq, response in enumerate(("utter_greeting", "utter_ask_fact_last_four", "utter_ask_fact_phone"))
    ]

    async def until(wanted: object, timeout_s: float) -> dict[str, object]:
        return next(event for event in events if wanted(event))  # type: ignore[operator]

    so_far = events[:2]
    guide = ProductGuide(person(1, 0), until, so_far)
    saying = asyncio.run(guide.next())
    assert saying is not None
    assert saying.kind == "digits"
    guide.spoke()
    so_far.append(events[2])
    assert asyncio.run(guide.next()) is None


def test_sentences_have_at_most_one_place_to_hesitate_and_customers_differ() -> None:
    assert all(
        1 <= len(halves(sentence)) <= 2 for language in ("ru", "en") for sentence in every_sentence(language)
    )
    assert all(one.number != other.number for one, other in pairwise(CUSTOMERS))


class AnsweringLine:
    """A bot that greets for 3 s, answers each turn after 450 ms for 2 s, and stops within 150 ms."""

    over = False

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop, self._start_s = loop, loop.time()
        self._said = Track()
        self._bot_ms: list[list[float]] = [[200, 3200]]
        self.spoke_ms: list[tuple[float, float]] = []

    @property
    def elapsed_ms(self) -> int:
        return round((self._loop.time() - self._start_s) * 1000)

    @property
    def said_track(self) -> Pcm:
        return self._said.pcm

    @property
    def heard_track(self) -> Pcm:
        heard, now_ms = Track(), self.elapsed_ms
        for start, end in self._bot_ms:
            if start < now_ms:
                heard.add(tone(min(end, now_ms) - start), start / 1000)
        return heard.pcm

    def send(self, pcm: bytes) -> None:
        now_ms = self.elapsed_ms
        end_ms = now_ms + len(pcm) / 16
        if self._bot_ms[-1][1] > now_ms:
            self._bot_ms[-1][1] = now_ms + 150
        self._said.add(pcm, now_ms / 1000)
        self.spoke_ms.append((now_ms, end_ms))
        self._bot_ms.append([end_ms + 450, end_ms + 2450])

    async def wait_said(self) -> None:
        await asyncio.sleep(self.spoke_ms[-1][1] / 1000 - self.elapsed_ms / 1000)

    async def wait_answered(self, since_ms: int, *, quiet_ms: int, deadline_s: float) -> bool:
        give_up_ms = self.elapsed_ms + deadline_s * 1000
        while (now_ms := self.elapsed_ms) < give_up_ms:
            voiced = [min(end, now_ms) for start, end in self._bot_ms if start < now_ms and end > since_ms]
            if voiced and voiced[-1] > since_ms and now_ms - voiced[-1] >= quiet_ms:
                return True
            await asyncio.sleep(0.02)
        return False


def tone(duration_ms: float) -> bytes:
    return LONG_TONE[: round(duration_ms * 8) * 2]


def test_a_conversation_is_measured_to_its_last_answer_and_only_one_caller_speaks_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(talk, "spoken", lambda sentence, voice, pause_ms: Pcm(tone(1200)))
    lines: list[AnsweringLine] = []

    async def call(loop: VirtualTimeLoop, number: int, floor: asyncio.Semaphore) -> list[talk.Turn]:
        lines.append(AnsweringLine(loop))
        caller = person(1, number)
        return await talk.converse(lines[-1], number, caller, ScriptGuide(caller), floor, talk.Budget(100))

    async def all_calls(loop: VirtualTimeLoop) -> None:
        floor = asyncio.Semaphore(1)
        calls = await asyncio.gather(*(call(loop, number, floor) for number in range(3)))
        for turns in calls:
            assert len(turns) >= 4
            for turn_ in turns:
                assert turn_.heard.gap_ms == pytest.approx(450, abs=1)
                assert turn_.heard.stop_ms is None or turn_.heard.stop_ms == pytest.approx(150, abs=1)
        assert any(turn_.heard.over_prompt for turns in calls for turn_ in turns)
        assert {turn_.heard.over_prompt for turns in calls for turn_ in turns if not turn_.saying.interrupts} == {
            False
        }

    run_virtual(all_calls)
    spoke = sorted(moment for line in lines for moment in line.spoke_ms)
    assert all(next_[0] >= end + 450 for (_, end), next_ in pairwise(spoke))


def test_a_hand_over_without_a_word_is_an_answer_and_a_late_word_is_none() -> None:
    saying = Saying("operator", "operator", "utter_ask_more", 0, False, False)
    silent = judge(3000, 4000, [])
    answers = {"caller_said escalated call_ended": True, "caller_said utter_transfer escalated": False}
    for answer, answered in answers.items():
        assert talk.Turn(1, person(1, 1), saying, answer, silent).as_json()["answered"] is answered
