"""Operators' talks from recordings: only with consent, masked, once, both sides in their order."""

from __future__ import annotations

import json
import math
import struct
import uuid
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from ivrbot.analytics.talks import HIDDEN, Heard, masked_talk
from ivrbot.asr.choose import ByLanguage
from ivrbot.cli import import_recordings
from ivrbot.cli.main import main
from ivrbot.media.wav import write_wav
from ivrbot.model.audio import Pcm
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.events import CallEvent, EventType, JsonValue
from ivrbot.storage.store import Store
from tests.fakes.asr import FakeAsr

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = date(2026, 3, 2)


def talk(*said: tuple[str, int, str]) -> list[tuple[str, str]]:
    return [(line.by, line.text) for line in masked_talk([Heard(*one) for one in said], "ru", DAY)]


def test_both_sides_stand_in_their_order() -> None:
    assert talk(("caller", 900, "мне нужен баланс"), ("operator", 100, "здравствуйте"), ("caller", 2000, "")) == [
        ("operator", "здравствуйте"),
        ("caller", "мне нужен баланс"),
    ]


@pytest.mark.parametrize(
    "question",
    ["назовите кодовое слово", "продиктуйте код из смс", "дату рождения скажите", "your password please"],
)
def test_the_answer_to_a_question_about_a_secret_is_left_out_whole(question: str) -> None:
    kept = talk(
        ("operator", 0, question),
        ("caller", 2_000, "черёмуха"),
        ("operator", 3_000, "повторите пожалуйста"),
        ("caller", 5_000, "черёмуха говорю"),
        ("caller", 60_000, "спасибо"),
    )
    assert [text for by, text in kept if by == "caller"] == [HIDDEN, HIDDEN, "спасибо"]


def test_numbers_are_masked_whoever_says_them() -> None:
    for by in ("caller", "operator"):
        ((_, text),) = talk((by, 0, "карта 4276 1234 1234 1234"))
        assert "1234" not in text


def tone(ms: int) -> bytes:
    return b"".join(struct.pack("<h", int(8000 * math.sin(math.tau * 440 * n / 8000))) for n in range(8 * ms))


def recorded(folder: Path, call_id: str) -> None:
    silence = bytes(16 * 1500)
    write_wav(folder / f"{call_id}-caller.wav", Pcm(silence + tone(600) + silence))
    write_wav(folder / f"{call_id}-operator.wav", Pcm(tone(600) + silence + silence))


async def keep(folder: Path, calls: Iterable[tuple[str, bool]]) -> None:
    async with Store(folder / "ivrbot.sqlite") as store:
        for call_id, told in calls:
            await store.register(CallRegistration(CallId(call_id)), AT)
            consent: list[tuple[EventType, dict[str, JsonValue]]] = [
                (EventType.RECORDING_STARTED, {"by": "pbx", "consent": "announced"})
            ]
            started: tuple[EventType, dict[str, JsonValue]] = (EventType.CALL_STARTED, {"language": "ru"})
            kinds = [started, *(consent if told else [])]
            await store.append(
                [CallEvent(CallId(call_id), at, kind, 0, AT, data) for at, (kind, data) in enumerate(kinds)]
            )


async def said_in(folder: Path, call_id: str) -> list[tuple[object, object]]:
    async with Store(folder / "ivrbot.sqlite") as store:
        events = await store.of_call(CallId(call_id))
    return [(one.data["by"], one.data["text"]) for one in events if one.type is EventType.OPERATOR_SAID]


def test_the_command_takes_talks_of_callers_who_consented_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    told, untold, stranger = (str(uuid.uuid4()) for _ in range(3))
    asyncio.run(keep(tmp_path, [(told, True), (untold, False)]))
    folder = tmp_path / "talks"
    folder.mkdir()
    for call_id in (told, untold, stranger):
        recorded(folder, call_id)
    (folder / "notes.txt").write_text("no recording")
    heard = FakeAsr(["где моя зарплата", "добрый день"])
    monkeypatch.setattr(import_recordings, "choose_engine", lambda *_: ByLanguage({"ru": heard}))
    monkeypatch.setenv("IVRBOT_DATA_DIR", str(tmp_path))

    first = CliRunner().invoke(main, ["import", "recordings", str(folder), "--json"])
    assert first.exit_code == 0, first.output
    shown = json.loads(first.stdout)
    assert {name: shown[name] for name in ("read", "new", "duplicate")} == {"read": 3, "new": 1, "duplicate": 0}
    why = {row["call_id"]: row["why"] for row in shown["rejected"]}
    assert "not told" in why[untold]
    assert why[stranger] == "there is no such call"
    assert asyncio.run(said_in(tmp_path, told)) == [("operator", "добрый день"), ("caller", "где моя зарплата")]

    again = CliRunner().invoke(main, ["import", "recordings", str(folder), "--json"])
    assert json.loads(again.stdout)["duplicate"] == 1
    assert len(asyncio.run(said_in(tmp_path, told))) == 2
