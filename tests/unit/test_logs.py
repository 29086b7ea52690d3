"""Log lines: one JSON object each, with the call, without long numbers."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import pytest

from ivrbot.call.sound import SoundChannel
from ivrbot.language.masking import mask_codes
from ivrbot.logs import JsonFormatter, call_id_var, mask_long_digits, set_up_logging, tell_plainly
from ivrbot.model.speech import Language
from tests.fakes.line import LOUD, LoudnessActivity, MarkedVoice, QuietLeg


def entry(message: str, *args: object, exc_info: Any = None) -> dict[str, str]:
    record = logging.LogRecord("ivrbot.call", logging.WARNING, "x.py", 1, message, args, exc_info)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    found: dict[str, str] = json.loads(line)
    return found


@pytest.fixture
def own_handlers() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in (None, "ivrbot.slow")]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.mark.usefixtures("own_handlers")
def test_who_waits_for_a_quiet_command_is_told_what_takes_long(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("warning")
    tell_plainly("ivrbot.slow")
    logging.getLogger("ivrbot.slow").info("training: a minute")
    logging.getLogger("ivrbot.other").info("not worth a word")
    logging.getLogger("ivrbot.slow").warning("trained on nothing")
    plain, warning = capsys.readouterr().err.splitlines()
    assert plain == "training: a minute"
    assert json.loads(warning)["message"] == "trained on nothing"


def test_a_line() -> None:
    found = entry("queue %s is\nfull", "loans")
    assert (found["level"], found["logger"], found["message"]) == (
        "warning",
        "ivrbot.call",
        "queue loans is\nfull",
    )
    assert found["at"].endswith("+00:00")
    assert "call_id" not in found


def test_a_line_of_a_call() -> None:
    token = call_id_var.set("0b7c")
    try:
        assert entry("x")["call_id"] == "0b7c"
    finally:
        call_id_var.reset(token)


def test_an_exception_is_part_of_the_line_and_masked() -> None:
    try:
        raise ValueError("no card 4276123456784271")
    except ValueError:
        found = entry("it broke", exc_info=sys.exc_info())
    assert "ValueError: no card ***" in found["exception"]
    assert "4276" not in found["exception"]


@pytest.mark.parametrize(
    "number",
    [
        "4276123456784271",
        "4276 1234 5678 4271",
        "4276-1234-5678-4271",
        "+79161234567",
        "89161234567",
        "+7 (916) 123-45-67",
        "8 (916) 123 45 67",
        "8\u00a0916\u00a0123\u00a045\u00a067",
        "916 123 45 67",
    ],
)
def test_long_numbers_are_masked(number: str) -> None:
    for text in (number, f"from {number}.", f"({number})", f"caller={number};"):
        assert not any(part in mask_long_digits(text) for part in ("916", "4276", "4271", "4567", "67"))


@pytest.mark.parametrize(
    "text",
    [
        "4271",
        "reference 700012",
        "550e8400-e29b-41d4-a716-446655440000",
        "took 1234 ms of 6000 ms",
        "192.168.100.200:9092",
        "2026-11-22T04:09:18.123456",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert mask_long_digits(text) == text


def test_addresses_are_masked() -> None:
    assert entry("no mailbox %s", "anna.sokolova@bank.example")["message"] == "no mailbox ***"


async def test_what_happens_on_a_gateways_side_is_logged_as_the_calls(caplog: pytest.LogCaptureFixture) -> None:
    """Sound comes in a context of the gateway's own; what fails in it is this call's."""

    def broken(_language: Language) -> Any:
        raise RuntimeError("model gone")

    seen: list[str] = []
    caplog.handler.addFilter(lambda _record: seen.append(call_id_var.get()) or True)
    channel = SoundChannel(QuietLeg(), broken, MarkedVoice(), lambda *_: None)
    channel._hearing._activity = LoudnessActivity()  # type: ignore[assignment]
    async with asyncio.TaskGroup() as group:
        of_the_call = copy_context()
        of_the_call.run(call_id_var.set, "0b7c")
        of_the_call.run(channel.start, group)
        for _ in range(20):
            channel.on_frame(LOUD)
        channel.close()
    assert call_id_var.get() == ""
    assert [record.message for record in caplog.records] == ["the recogniser broke"] * len(seen) and seen
    assert set(seen) == {"0b7c"}


@pytest.mark.parametrize(
    ("language", "text", "hidden"),
    [
        ("ru", "карта 4271 пропала", "4271"),
        ("ru", "кончается на 42-71", "71"),
        ("ru", "четыре два семь один", "семь"),
        ("ru", "сорок два семьдесят один", "сорок"),
        ("ru", "номер девять ноль три ноль и ещё", "ноль"),
        ("en", "it is four two seven one", "seven"),
        ("en", "forty two seventy one please", "forty"),
        ("en", "4276 1234 5678 4271", "5678"),
    ],
)
def test_codes_are_masked_however_they_were_said(language: Language, text: str, hidden: str) -> None:
    masked = mask_codes(text, language)
    assert hidden not in masked
    assert "***" in masked


@pytest.mark.parametrize(
    ("language", "text"),
    [("ru", "потеряла карту, две карты"), ("en", "I lost 2 cards"), ("ru", ""), ("ru", "«кавычки» — и тире!")],
)
def test_texts_without_codes_come_back_unchanged(language: Language, text: str) -> None:
    assert mask_codes(text, language) == text
