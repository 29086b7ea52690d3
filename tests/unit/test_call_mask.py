"""What a call's transcript keeps over several turns, and when a call says that it is recorded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ivrbot import app
from ivrbot.call.channel import Spoken
from ivrbot.call.session import CallSession
from ivrbot.call.transcript import KEYS_APART_MS, CallMask
from ivrbot.config import CallSettings, Settings
from ivrbot.dialogue.engine import Dialogue
from ivrbot.language.masking import MASK
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.dialogue import Collect, UserTurn
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.speech import Expect, Hypothesis, NluResult
from tests.fakes.calls import FakeNlu, ScriptedCaller, Turn, product_files

TOPIC = Collect("topic", max_digits=1)
FACT = Collect("fact", Expect.SECRET, secret=True)
CALL = CallId("11111111-2222-4333-8444-555555555555")


def turn(*texts: str) -> UserTurn:
    return UserTurn(tuple(Hypothesis(text) for text in texts), NluResult(texts[0], "greet", 0.9))


def test_a_number_in_pieces() -> None:
    mask = CallMask()
    said = ["четыре", "два", "семь", "шесть", "да", "один"]
    assert [mask.spoken(turn(text), TOPIC, "ru").kept for text in said] == [
        "четыре",
        "два",
        MASK,
        MASK,
        "да",
        "один",
    ]
    assert mask.spoken(turn("сорок два"), TOPIC, "ru").kept == MASK


def test_a_secret_said_again_in_any_reading_of_it() -> None:
    mask = CallMask()
    assert mask.spoken(turn("черёмуха", "черемша"), FACT, "ru").kept == "[fact]"
    assert mask.spoken(turn("я же сказала черемша"), TOPIC, "ru").kept == f"я же сказала {MASK}"
    assert mask.spoken(turn("Черёмуха!"), TOPIC, "ru").kept == f"{MASK}!"


def test_a_sentence_instead_of_a_secret_leaves_its_words_readable() -> None:
    mask = CallMask()
    mask.spoken(turn("соедините меня с оператором"), FACT, "ru")
    assert mask.spoken(turn("соедините с оператором"), TOPIC, "ru").kept == "соедините с оператором"


def test_what_only_the_hashes_tell_is_kept_masked_and_shown_as_said() -> None:
    mask = CallMask()
    found = mask.spoken(turn("скажу черемуга и карта 4271"), TOPIC, "ru", [(1, 2)])
    assert (found.kept, found.shown) == (f"скажу {MASK} и карта {MASK}", f"скажу черемуга и карта {MASK}")
    assert "черемуга" not in repr(found)
    again = mask.spoken(turn("черемуга же"), TOPIC, "ru")
    assert (again.kept, again.shown) == (f"{MASK} же", "черемуга же")
    nothing = mask.spoken(turn("Что, карта?"), TOPIC, "ru")
    assert nothing.kept == nothing.shown == "Что, карта?"


def test_a_text_masked_before_keeps_its_masks() -> None:
    mask = CallMask()

    def second(text: str) -> list[tuple[int, int]]:
        return [(1, 2)] if "черемуха" in text else []

    assert mask.again(f"карта {MASK} и черемуха", "ru", second) == f"карта {MASK} и {MASK}"
    assert mask.again(f"карта {MASK} и Вишня", "ru", second) == f"карта {MASK} и Вишня"


def test_keys_in_a_hurry_are_one_number() -> None:
    mask = CallMask()
    pressed = [(0, "4"), (500, "2"), (1000, "7"), (1000 + KEYS_APART_MS, "1"), (99_000, "42"), (199_000, "3")]
    kept = [mask.keyed(keys, TOPIC, at_ms) for at_ms, keys in pressed]
    assert kept == ["4", "[keys]", "[keys]", "1", "[keys]", "3"]
    assert mask.keyed("1", FACT, 999_000) == "[keys]"


@dataclass
class Heard:
    """A tape that remembers what it was told."""

    ready: bool = True
    told: list[tuple[Any, ...]] = field(default_factory=list)

    def start(self) -> bool:
        self.told.append(("start",))
        return self.ready

    def pause(self, paused: bool) -> None:
        self.told.append(("pause", paused))

    def hide(self, began_ms: int, ended_ms: int) -> None:
        self.told.append(("hide", began_ms, ended_ms))


async def hold(
    folder: Path, tape: Heard, turns: list[Turn], monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> tuple[ScriptedCaller, list[tuple[EventType, dict[str, JsonValue]]]]:
    monkeypatch.setattr(app, "_load_files", lambda *_: product_files())
    caller = ScriptedCaller(turns)
    caller.tape = tape
    events: list[tuple[EventType, dict[str, JsonValue]]] = []

    def emit(kind: EventType, _ms: int, data: dict[str, JsonValue]) -> None:
        events.append((kind, data))
        tape.told.append((kind.value,))

    made = Settings(data_dir=folder, **settings)
    async with app.open_core(made, plan_file=app.DEMO_PLAN, nlu=FakeNlu({"баланс": "check_balance"})) as core:
        registration = CallRegistration(CALL, caller="+79161234567", gateway="text")
        await core.store.register(registration, app.utc_now())
        parts = replace(core.parts, front="speech")
        await CallSession(parts, registration, "ru", caller, emit).run()
    return caller, events


def started(events: list[tuple[EventType, dict[str, JsonValue]]]) -> list[dict[str, JsonValue]]:
    return [data for kind, data in events if kind is EventType.RECORDING_STARTED]


async def test_a_recorded_call_says_so_and_pauses_at_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tape = Heard()
    card = Spoken((Hypothesis("моя карта 4276 1234 5678 4271"),), "fake", began_ms=3000, ended_ms=5000)
    caller, events = await hold(tmp_path, tape, [card, "баланс", "4271"], monkeypatch)
    assert "записывается" in caller.said[0]
    assert started(events) == [{"by": "bot", "consent": "announced"}]
    assert tape.told.index(("start",)) < tape.told.index(("hide", 3000, 5000))
    asked = [collect.secret for collect in caller.asked]
    pauses = [told[1] for told in tape.told if told[0] == "pause"]
    assert True in asked and pauses.count(True) == asked.count(True) + 1, "one answer was judged"
    assert pauses[0] is False


async def test_who_says_a_secret_again_while_it_is_judged_is_off_the_tape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tape = Heard()
    await hold(tmp_path, tape, ["баланс", "4271"], monkeypatch)
    judged = max(at for at, told in enumerate(tape.told) if told == (EventType.AUTHENTICATION.value,))
    before = [told for told in tape.told[:judged] if told[0] == "pause"]
    assert before[-2:] == [("pause", True), ("pause", True)], "the question, and the judgement"


async def test_a_call_that_cannot_be_recorded_does_not_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, events = await hold(tmp_path, Heard(ready=False), ["баланс"], monkeypatch)
    assert "записывается" not in caller.said[0] and not started(events)


async def test_a_call_that_others_record_says_so_and_by_whom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = CallSettings(recorded=True)
    caller, events = await hold(tmp_path, Heard(ready=False), ["баланс"], monkeypatch, call=recorded)
    assert "записывается" in caller.said[0]
    assert started(events) == [{"by": "pbx", "consent": "announced"}]


def test_the_engine_of_a_recorded_call_is_another_one() -> None:
    flow_set = product_files()[0]
    plain = Dialogue(flow_set)
    assert plain.of_recorded_call() is not plain
    assert plain.start("ru", "speech")[1][0].response == "utter_greeting"  # type: ignore[union-attr]
