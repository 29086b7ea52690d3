"""What an operator corrects becomes an example for a person to review, and nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from ivrbot.analytics.labels import as_rasa, label_of, stated_topic
from ivrbot.cli.main import main
from ivrbot.model.call import CallId
from ivrbot.model.events import CallEvent, EventType, JsonValue
from ivrbot.model.label import Label
from ivrbot.model.shadow import CallDisposition, Outcome
from ivrbot.storage.labels import LabelBook
from ivrbot.storage.store import Store
from ivrbot.yamlfile import read_yaml_text

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CALL = CallId("6d0c56d6-5ce0-4c7a-93a3-0a8d8a1f5b7e")
Told = tuple[EventType, dict[str, JsonValue]]
STARTED: Told = (EventType.CALL_STARTED, {"language": "ru"})
BALANCE: Told = (EventType.TOPIC_STATED, {"topic": "check_balance", "branch": "balance"})


def said(text: str, **more: JsonValue) -> Told:
    data: dict[str, JsonValue] = {"text": text, "intent": "check_balance", "intent_confidence": 0.7}
    return EventType.CALLER_SAID, data | more


def events(*told: Told) -> list[CallEvent]:
    return [CallEvent(CALL, seq, kind, seq, AT, data) for seq, (kind, data) in enumerate(told)]


def disposition(topic: str) -> CallDisposition:
    return CallDisposition(CALL, AT, "olga", topic, "", Outcome.RESOLVED)


def test_the_words_that_stated_the_topic_get_the_operators_topic() -> None:
    story = events(STARTED, said("алло"), said("деньги не пришли"), BALANCE, said("нет"))
    assert label_of(story, disposition("salary_status")) == Label(
        CALL, AT, "olga", "ru", "деньги не пришли", "check_balance", 0.7, "salary_status"
    )


def test_who_agrees_with_the_bot_teaches_nothing() -> None:
    assert label_of(events(STARTED, said("баланс"), BALANCE), disposition("check_balance")) is None


def test_a_topic_that_was_keyed_has_no_words() -> None:
    story = events(STARTED, said("э"), (EventType.KEYS_PRESSED, {"text": "2"}), BALANCE, said("алло"))
    assert stated_topic(story) is None
    assert label_of(story, disposition("salary_status")) is None


def test_words_that_were_not_understood_are_worth_most() -> None:
    story = events(STARTED, said("симка", intent="out_of_scope", intent_confidence=0.0))
    label = label_of(story, disposition("online_bank_access"))
    assert label is not None
    assert (label.text, label.heard) == ("симка", "")


def test_answers_to_secret_questions_are_no_examples() -> None:
    secret: Told = (EventType.CALLER_SAID, {"text": "[code_word]"})
    assert label_of(events(STARTED, secret), disposition("check_balance")) is None


def test_numbers_are_masked_again() -> None:
    story = events(STARTED, said("карта 4276 1234 1234 1234 не работает"), BALANCE)
    label = label_of(story, disposition("atm_problem"))
    assert label is not None
    assert "1234" not in label.text


def a_label(text: str, topic: str, n: int = 0) -> Label:
    return Label(CallId(f"c{n}"), AT + timedelta(days=n), "olga", "ru", text, "check_balance", 0.5, topic)


def test_rasas_format_holds_each_text_once() -> None:
    given = [
        a_label("где [карта]", "card_reissue"),
        a_label("где карта", "card_reissue"),
        a_label("a: b", "thanks"),
    ]
    content = read_yaml_text(Path("labels.yml"), as_rasa(given, "ru"))
    assert {row["intent"]: row["examples"] for row in content["nlu"]} == {
        "card_reissue": "- где карта\n",
        "thanks": "- a: b\n",
    }
    assert as_rasa(given, "en") == ""


async def keep(folder: Path, *given: Label) -> None:
    async with Store(folder / "ivrbot.sqlite") as store:
        for label in given:
            await LabelBook(store).note(label.call_id, label)


async def test_the_last_word_on_a_call_counts(tmp_path: Path) -> None:
    async with Store(tmp_path / "ivrbot.sqlite") as store:
        book = LabelBook(store)
        first = a_label("где карта", "card_reissue")
        await book.note(first.call_id, first)
        await book.note(first.call_id, a_label("где карта", "thanks"))
        (label,) = await book.since(AT)
        assert label.topic == "thanks"
        assert await book.since(AT + timedelta(seconds=1)) == ()
        await book.note(first.call_id, None)
        assert await book.since(AT) == ()


def test_the_command_lists_and_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setenv("IVRBOT_DATA_DIR", str(tmp_path))
    asyncio.run(keep(tmp_path, a_label("где карта", "card_reissue"), a_label("спасибо", "thanks", 5)))
    runner = CliRunner()
    shown = runner.invoke(main, ["nlu", "labels"])
    assert shown.exit_code == 0, shown.stderr
    assert len(read_yaml_text(Path("labels.yml"), shown.stdout)["nlu"]) == 2
    later = runner.invoke(main, ["nlu", "labels", "--since", "2026-03-04", "--json"])
    assert [row["topic"] for row in json.loads(later.stdout)] == ["thanks"]
    assert json.loads(runner.invoke(main, ["nlu", "labels", "--lang", "en", "--json"]).stdout) == []
