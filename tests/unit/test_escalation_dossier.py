"""Dossiers: complete for the operator, without secrets, bounded, safe in headers."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest

from ivrbot.escalation.dossier import (
    MAX_LINE_CHARS,
    MAX_LINES,
    MAX_VALUE_CHARS,
    as_json,
    hide_number,
    mask,
    one_line,
    seal,
)
from ivrbot.model.call import AssuranceLevel, CallId, Dossier, EscalationReason, QueueName, TranscriptLine

CARD = "4276 3800 1234 5675"


def dossier(**changes: object) -> Dossier:
    made = Dossier(
        dossier_id="d" * 32,
        call_id=CallId("11111111-2222-3333-4444-555555555555"),
        created_at=datetime(2026, 3, 1, 9, 0, tzinfo=UTC),
        queue=QueueName("block_card"),
        reason=EscalationReason.AUTHENTICATION_FAILED,
        topic="block_card",
        language="ru",
        priority=10,
        caller="+79161234567",
        customer_name="Анна Сергеевна Соколова",
        level=AssuranceLevel.IDENTIFIED,
        facts_used=("last_four",),
        slots={"card": "4271"},
        tried=("bank:block_card:unavailable",),
        transcript=(TranscriptLine("caller", "заблокируйте карту", 1200),),
        suggestion="suggest_block_now",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


PHONE = "+7 (916) 123-45-67"


@pytest.mark.parametrize("between", ["", " ", "-", " . ", "\u00a0", " - "])
def test_card_numbers_never_pass_however_they_are_written(between: str) -> None:
    assert mask(f"карта {CARD.replace(' ', between)}, всё") == "карта ***, всё"


def test_telephone_numbers_never_pass() -> None:
    assert mask(f"мой номер {PHONE}") == "мой номер +***"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("моё кодовое слово черёмуха", "моё кодовое слово ***"),
        ("кодовое слово это черёмуха, быстрее", "кодовое слово это ***, быстрее"),
        ("my code word is cherry tree", "my code word is ***"),
        ("пин-код 1234", "пин-код ***"),
        ("cvv 123", "cvv ***"),
        ("код из смс 5512", "код из смс ***"),
    ],
)
def test_secrets_said_without_being_asked_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize("text", ["карта 4271 потеряна", "пять тысяч рублей", "вчера в 10 00", "spinning around"])
def test_ordinary_text_stays(text: str) -> None:
    assert mask(text) == text


def test_answers_to_secret_questions_are_taken_out_everywhere() -> None:
    line = TranscriptLine("caller", "Я же говорю: Подсолнух! подсолнух", 1)
    sealed = seal(
        dossier(transcript=(line,), slots={"note": "подсолнух"}, tried=("heard подсолнух",)), ["подсолнух", "а"]
    )
    assert "подсолнух" not in repr(sealed).lower()
    assert sealed.transcript[0].text == "Я же говорю: ***! ***"


def test_lines_breaks_and_direction_marks_cannot_reach_a_header() -> None:
    hostile = "ok\r\nX-Evil: 1\x00\u202etxt\u2028"
    assert one_line(hostile) == "ok X-Evil: 1 txt"
    sealed = seal(dossier(slots={"na\nme": hostile}, topic=hostile, customer_name=hostile, caller="+7\r\n1"))
    for text in (*sealed.slots, *sealed.slots.values(), sealed.topic, sealed.customer_name, sealed.caller):
        assert not set(text) & set("\r\n\x00\u202e\u2028")


def test_everything_is_bounded_and_the_end_of_the_call_is_kept() -> None:
    lines = tuple(TranscriptLine("caller", f"{n} " + "я" * 5000, n) for n in range(1000))
    sealed = seal(
        dossier(transcript=lines, slots={f"s{n}": "x" * 5000 for n in range(500)}, tried=("y" * 5000,) * 500)
    )
    assert len(sealed.transcript) == MAX_LINES
    assert sealed.transcript[-1].t_ms == 999
    assert max(len(line.text) for line in sealed.transcript) <= MAX_LINE_CHARS
    assert max(len(value) for value in (*sealed.slots.values(), *sealed.tried)) <= MAX_VALUE_CHARS
    assert len(json.dumps(as_json(sealed))) < 1_000_000


def test_the_bots_own_question_for_a_secret_stays_readable() -> None:
    question = TranscriptLine("bot", "Назовите кодовое слово, пожалуйста", 1)
    assert seal(dossier(transcript=(question,))).transcript == (question,)


def test_sealing_twice_changes_nothing() -> None:
    once = seal(dossier(slots={"note": CARD}))
    assert seal(once) == once


def test_json_holds_every_field_and_hides_the_caller() -> None:
    shown = as_json(seal(dossier()))
    assert set(shown) == {field.name for field in fields(Dossier)} | {"last_words"}
    assert json.loads(json.dumps(shown)) == shown
    assert shown["caller"] == "***67"
    assert (shown["level"], shown["reason"]) == ("identified", "authentication_failed")
    assert as_json(seal(dossier()), with_caller=True)["caller"] == "+79161234567"


@pytest.mark.parametrize(("number", "hidden"), [("", ""), ("101", "***"), ("+79161234567", "***67")])
def test_hidden_numbers(number: str, hidden: str) -> None:
    assert hide_number(number) == hidden
