"""The rubric, the monthly draw, agreement of scorers, figures, and what the database keeps of them."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbot.analytics.contact_writer import ContactWriter
from ivrbot.analytics.quality import agreement, cohens_kappa, draw_sample, mean_points, trends
from ivrbot.analytics.quality_rubric import BY_NAME, CRITICAL_CAP, RUBRIC, Mark, points_of, problems_of
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.events import CallEvent, EventType, JsonValue
from ivrbot.model.quality import Candidate, QualityScore, Sampled, Why
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.quality import QualityBook
from ivrbot.storage.store import Store
from ivrbot.web.texts import LABELS

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SALT = b"a salt of these tests alone"
MONTH = "2026-03"
ALL_YES = dict.fromkeys(BY_NAME, Mark.YES)


# --- rubric -----------------------------------------------------------------------------------------------


def test_the_rubric_has_100_points() -> None:
    assert sum(criterion.weight for criterion in RUBRIC) == 100
    assert points_of(ALL_YES) == 100
    assert points_of(dict.fromkeys(BY_NAME, Mark.NO)) == 0


def test_a_half_is_half_of_its_weight() -> None:
    assert points_of(ALL_YES | {"understanding": Mark.PARTLY}) == 90
    assert points_of(ALL_YES | {"tone": Mark.NO}) == 90


def test_what_does_not_apply_leaves_its_points_to_the_others() -> None:
    marks = ALL_YES | {"identification": Mark.NOT_APPLICABLE}
    assert points_of(marks) == 100
    assert points_of(marks | {"effort": Mark.NO}) == pytest.approx(100 * 75 / 85)


@pytest.mark.parametrize("name", [criterion.name for criterion in RUBRIC if criterion.critical])
def test_a_critical_fault_caps_the_whole(name: str) -> None:
    assert points_of(ALL_YES | {name: Mark.NO}) == CRITICAL_CAP
    assert points_of(ALL_YES | {name: Mark.PARTLY}) > CRITICAL_CAP


def test_every_problem_is_told() -> None:
    marks = {"tone": Mark.NOT_APPLICABLE, "beauty": Mark.YES}
    found = dict(problems_of(marks))
    assert found["beauty"] == "unknown"
    assert found["tone"] == "always_applies"
    assert found["greeting"] == "missing"
    with pytest.raises(ValueError, match="cannot be counted"):
        points_of(marks)


@given(st.fixed_dictionaries({name: st.sampled_from([Mark.YES, Mark.PARTLY, Mark.NO]) for name in BY_NAME}))
def test_points_lie_between_0_and_100_and_never_fall_with_a_better_mark(marks: dict[str, Mark]) -> None:
    points = points_of(marks)
    assert 0 <= points <= 100
    for name in marks:
        assert points_of(marks | {name: Mark.YES}) >= points


def test_every_criterion_and_mark_has_its_words() -> None:
    assert set(LABELS["criteria"]) == set(LABELS["criteria_why"]) == set(BY_NAME)
    assert set(LABELS["marks"]) == set(Mark)


# --- the draw ---------------------------------------------------------------------------------------------


def calls(branch: str, arm: str, n: int) -> list[Candidate]:
    return [Candidate(f"{branch}-{arm}-{at}", branch, arm) for at in range(n)]


def test_the_draw_depends_on_nothing_but_month_salt_and_calls() -> None:
    here = calls("balance", "treatment", 40)
    drawn = draw_sample(here, MONTH, SALT, 5)
    assert draw_sample(reversed(here), MONTH, SALT, 5) == drawn
    others = draw_sample([*here, *calls("loans", "control", 40)], MONTH, SALT, 5)
    assert [one for one in others if one.branch == "balance"] == list(drawn)
    assert draw_sample(here, "2026-04", SALT, 5) != drawn
    assert draw_sample(here, MONTH, b"another salt", 5) != drawn


def test_every_branch_and_arm_has_its_calls() -> None:
    population = [
        *calls("balance", "treatment", 100),
        *calls("balance", "control", 30),
        *calls("loans", "control", 3),
    ]
    sample = draw_sample(population, MONTH, SALT, 5)
    assert Counter((one.branch, one.arm) for one in sample) == {
        ("balance", "treatment"): 5,
        ("balance", "control"): 5,
        ("loans", "control"): 3,
    }
    assert all(one.drawn and one.why is Why.DRAWN for one in sample)
    assert Counter((one.branch, one.arm) for one in sample if one.twice) == {
        ("balance", "treatment"): 1,
        ("balance", "control"): 1,
        ("loans", "control"): 1,
    }


def test_complaints_and_thanks_are_always_read_but_are_no_part_of_the_lot() -> None:
    population = calls("balance", "treatment", 50)
    plain = draw_sample(population, MONTH, SALT, 5)
    marked = [
        replace(one, remark=Why.COMPLAINT if at % 2 else Why.THANKS) if at % 7 == 0 else one
        for at, one in enumerate(population)
    ]
    sample = draw_sample(marked, MONTH, SALT, 5)
    assert {one.call_id for one in sample if one.drawn} == {one.call_id for one in plain}
    assert {one.call_id for one in marked if one.remark} <= {one.call_id for one in sample}


def test_each_call_is_drawn_as_often_as_any_other() -> None:
    population = calls("balance", "treatment", 20)
    months = 400
    drawn = Counter(
        one.call_id for month in range(months) for one in draw_sample(population, f"m{month}", SALT, 5)
    )
    expected, spread = months / 4, math.sqrt(months * 0.25 * 0.75)
    assert all(abs(drawn[one.call_id] - expected) < 5 * spread for one in population)


# --- agreement and figures --------------------------------------------------------------------------------


def a_score(call_id: str, scorer: str, points: float, **marks: Mark) -> QualityScore:
    given_marks = {name: mark.value for name, mark in (ALL_YES | marks).items()}
    return QualityScore(MONTH, call_id, scorer, AT, given_marks, points, 1)


def test_kappa_of_a_table_by_hand() -> None:
    """p_o = .29, p_e = .50 x .40 + .30 x .30 + .20 x .30 = .35: worse than chance."""
    table = {("A", "A"): 50, ("A", "B"): 26, ("A", "C"): 24}
    table |= {("B", "A"): 24, ("B", "B"): 4, ("B", "C"): 32, ("C", "A"): 6, ("C", "B"): 30, ("C", "C"): 4}
    pairs = [pair for pair, n in table.items() for _ in range(n)]
    assert cohens_kappa(pairs) == pytest.approx(-0.06 / 0.65)


def test_kappa_knows_chance_and_perfection() -> None:
    assert cohens_kappa([("yes", "yes"), ("no", "no")]) == 1
    assert cohens_kappa([("yes", "yes"), ("yes", "no"), ("no", "yes"), ("no", "no")]) == 0
    assert cohens_kappa([("yes", "yes")] * 9) is None
    assert cohens_kappa([]) is None


def test_agreement_looks_at_calls_that_two_people_scored() -> None:
    scores = [
        a_score("a", "olga", 100),
        a_score("a", "boris", 90, tone=Mark.NO),
        a_score("b", "olga", 80, tone=Mark.NO),
        a_score("b", "boris", 80, tone=Mark.NO),
        a_score("c", "olga", 0),
    ]
    found = agreement(scores)
    assert (found.calls, found.difference) == (2, 5)
    assert found.kappa is not None and 0 < found.kappa < 1
    assert agreement(scores[-1:]).difference is None


def test_the_interval_is_students() -> None:
    found = mean_points([70.0, 80.0, 90.0])
    assert (found.calls, found.mean) == (3, 80)
    # t(0.975, 2) = 4.3027, s = 10: 80 -/+ 24.84, cut at 100
    assert found.lower == pytest.approx(55.16, abs=0.01)
    assert found.upper == 100
    assert mean_points([50.0]).lower is None
    assert mean_points([]).mean is None


def test_trends_hold_the_lot_only() -> None:
    def sampled(call_id: str, arm: str, *, drawn: bool = True) -> Sampled:
        return Sampled(MONTH, call_id, "balance", arm, Why.DRAWN, drawn, False)

    sample = [sampled("a", "treatment"), sampled("b", "control"), sampled("c", "control", drawn=False)]
    scores = [a_score("a", "olga", 100), a_score("a", "boris", 80), a_score("b", "olga", 60), a_score("c", "o", 0)]
    found = trends(sample, scores)
    assert {arm: one.mean for arm, one in found[MONTH].items()} == {"treatment": 90, "control": 60}
    assert trends(sample, scores, "loans") == {}


# --- the store --------------------------------------------------------------------------------------------


async def a_call(store: Store, call_id: str, topic: str, branch: str, at: datetime) -> None:
    await store.register(CallRegistration(CallId(call_id), gateway="audiosocket"), at)
    told: list[tuple[EventType, dict[str, JsonValue]]] = [
        (EventType.CALL_STARTED, {"language": "ru"}),
        (EventType.TOPIC_STATED, {"topic": topic, "branch": branch}),
        (EventType.ASSIGNED, {"branch": branch, "route": "bot", "reason": "drawn"}),
        (EventType.BANK_REPLIED, {"status": "ok", "served": True}),
        (EventType.CALL_ENDED, {"disposition": "resolved", "reason": "served", "topic": topic}),
    ]
    events = [CallEvent(CallId(call_id), seq, kind, seq, at, data) for seq, (kind, data) in enumerate(told)]
    await store.append(events)


def unit_of(number: str, call_id: str) -> str:
    return hashlib.sha256((number or call_id).encode()).hexdigest()


async def folded(store: Store) -> None:
    writer = ContactWriter(ContactBook(store), unit_of=unit_of, now=lambda: AT, max_call_s=600)
    while await writer.step():
        pass


async def test_a_months_calls_are_drawn_scored_and_reach_the_kpi(tmp_path: Path) -> None:
    async with Store(tmp_path / "ivrbot.sqlite") as store:
        book = QualityBook(store)
        for at in range(4):
            await a_call(store, f"call-{at}", "check_balance", "balance", AT + timedelta(minutes=at))
        await a_call(store, "angry", "complaint", "other", AT)
        await a_call(store, "april", "check_balance", "balance", AT + timedelta(days=40))
        await folded(store)
        candidates = await book.candidates(AT, AT + timedelta(days=29))
        assert {one.call_id for one in candidates} == {"call-0", "call-1", "call-2", "call-3", "angry"}
        assert {one.call_id: one.remark for one in candidates if one.remark} == {"angry": Why.COMPLAINT}

        sample = draw_sample(candidates, MONTH, SALT, 2)
        assert await book.add_sample(sample) == 3
        assert await book.add_sample(sample) == 0
        assert set(await book.sample(MONTH)) == set(sample)
        drawn = next(one for one in sample if one.branch == "balance")
        assert await book.sampled(drawn.call_id) == drawn
        assert await book.sampled("april") is None

        score = replace(a_score(drawn.call_id, "olga", 80.0), note="ok")
        await book.score(score)
        await book.score(replace(score, points=90.0))
        await book.score(a_score(drawn.call_id, "boris", 70.0))
        assert [one.points for one in await book.scores_of(drawn.call_id)] == [70.0, 90.0]
        assert len(await book.scores(MONTH)) == 2
        await folded(store)
        (contact,) = await ContactBook(store).of_call(CallId(drawn.call_id))
        assert contact.qa_score == 80.0
