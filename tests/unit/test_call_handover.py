"""What a caller is told and asked before he is queued: honest, short, and never in an emergency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from ivrbot.call.channel import Completes, Heard, Keyed, Silence, Spoken
from ivrbot.call.handover import (
    CLOSED,
    CONFIRM_NUMBER,
    MEANWHILE,
    NOBODY,
    OWN_NUMBER,
    PLACE_KEPT,
    QUEUED,
    TEXTS,
    WAIT,
    CallbackOffer,
    Meanwhile,
    Talk,
    Wish,
)
from ivrbot.config import OperatorSettings
from ivrbot.errors import EngineTimeout
from ivrbot.model.call import EscalationReason
from ivrbot.model.dialogue import Collect, Say
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.operators import CallbackAsked, QueueState
from ivrbot.model.speech import Hypothesis

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)  # Monday noon in Moscow
OWN, OTHER = "+79161234567", "+79265550011"
LOANS = Wish(EscalationReason.CALLER_ASKED, "loans", 0, "ru", OWN)
BUSY = QueueState("loans", 4, 2, 0, 50.0, 200.0, NOW)
SETTINGS = OperatorSettings()


@dataclass
class Caller:
    """Answers in turn, then silence."""

    answers: list[Heard]
    missing: frozenset[str] = frozenset()
    failure: Exception | None = None
    said: list[Say] = field(default_factory=list)
    asked: list[Collect] = field(default_factory=list)
    told: list[dict[str, JsonValue]] = field(default_factory=list)

    async def say(self, act: Say) -> None:
        if self.failure is not None:
            raise self.failure
        self.said.append(act)

    async def listen(self, collect: Collect, _completes: Completes) -> Heard:
        self.asked.append(collect)
        return self.answers.pop(0) if self.answers else Silence()

    def emit(self, kind: EventType, data: dict[str, JsonValue]) -> None:
        assert kind is EventType.WAIT_TOLD
        self.told.append(data)

    @property
    def responses(self) -> list[str]:
        return [act.response for act in self.said]


@dataclass
class Queue:
    known: QueueState | None

    async def state(self, queue: str) -> QueueState | None:
        return self.known


def words(*texts: str) -> list[Heard]:
    return [Spoken((Hypothesis(text),), "fake") for text in texts]


async def ask(
    caller: Caller, state: QueueState | None = BUSY, wish: Wish = LOANS, settings: OperatorSettings = SETTINGS
) -> CallbackAsked | None:
    chosen = await choose(caller, state, wish, settings)
    assert not isinstance(chosen, Meanwhile)
    return chosen


async def choose(
    caller: Caller, state: QueueState | None = BUSY, wish: Wish = LOANS, settings: OperatorSettings = SETTINGS
) -> CallbackAsked | Meanwhile | None:
    talk = Talk(lambda text: text in TEXTS - caller.missing, caller.say, caller.listen, caller.emit)
    return await CallbackOffer(Queue(state), settings, lambda: NOW).ask(wish, talk)


@pytest.mark.parametrize(
    ("state", "wish"),
    [
        (None, LOANS),
        (replace(BUSY, free=1, waiting=0, expected_wait_s=0.0), LOANS),
        (replace(BUSY, expected_wait_s=60.0), LOANS),
        (replace(BUSY, expected_wait_s=None), LOANS),
        (BUSY, replace(LOANS, queue="block_card")),
        (BUSY, replace(LOANS, priority=10)),
        (BUSY, replace(LOANS, reason=EscalationReason.TTS_FAILURE)),
        (replace(BUSY, operators=0), replace(LOANS, queue="block_card")),
    ],
    ids=["unknown", "free", "short", "no_figure", "emergency", "front", "own_failure", "emergency_nobody"],
)
async def test_nothing_is_asked_where_there_is_nothing_to_choose(state: QueueState | None, wish: Wish) -> None:
    caller = Caller(words("да"))
    assert await ask(caller, state, wish) is None
    assert not caller.said and not caller.told


@pytest.mark.parametrize(("wait_s", "minutes"), [(61, 1), (89, 1), (91, 2), (200, 3), (1500, 25)])
async def test_the_wait_is_told_in_minutes(wait_s: float, minutes: int) -> None:
    caller = Caller([Keyed("2")])
    assert await ask(caller, replace(BUSY, expected_wait_s=wait_s)) is None
    assert caller.said[0] == Say(WAIT, {"wait_minutes": minutes})
    assert caller.responses == [WAIT, QUEUED]
    assert caller.told[0]["choice"] == "wait" and caller.told[0]["wait_s"] == wait_s


@pytest.mark.parametrize(
    "yes", [[Keyed("1")], words("да"), words("перезвоните мне"), words("не хочу ждать, перезвоните")]
)
async def test_called_back_when_his_turn_would_have_come(yes: Sequence[Heard]) -> None:
    caller = Caller([*yes, Silence()])
    assert await ask(caller) == CallbackAsked(NOW + timedelta(seconds=200), OWN)
    assert caller.responses == [WAIT, OWN_NUMBER]
    assert caller.told[0]["choice"] == "callback"
    assert OWN not in str(caller.told)


@pytest.mark.parametrize("no", [words("я подожду"), words("нет"), words("да, подожду"), [Keyed("0")]])
async def test_who_would_rather_wait_waits(no: Sequence[Heard]) -> None:
    assert await ask(Caller([*no])) is None


async def test_an_unclear_answer_is_asked_once_more_and_then_queued() -> None:
    caller = Caller([*words("а что там с погодой"), Silence(), *words("да")])
    assert await ask(caller) is None
    assert caller.responses == [WAIT, WAIT, QUEUED]


async def test_another_number_is_keyed_and_read_back() -> None:
    caller = Caller([Keyed("1"), Keyed("89265550011#"), Keyed("1")])
    asked = await ask(caller)
    assert asked is not None and asked.number == OTHER
    assert caller.said[-1] == Say(CONFIRM_NUMBER, {"callback_phone": OTHER[1:]})
    assert [collect.secret for collect in caller.asked] == [False, True, False]


async def test_a_number_that_may_not_be_dialled_is_none() -> None:
    caller = Caller([Keyed("1"), Keyed("8108091234567#"), Keyed("12#"), Silence()])
    assert await ask(caller, wish=replace(LOANS, caller="")) is None


async def test_a_withheld_number_is_asked_for() -> None:
    caller = Caller([Keyed("1"), Keyed("9265550011"), *words("верно")])
    asked = await ask(caller, wish=replace(LOANS, caller=""))
    assert asked is not None and asked.number == OTHER
    assert OWN_NUMBER not in caller.responses


async def test_closed_queues_call_back_when_they_open() -> None:
    hours = OperatorSettings(hours={"loans": "tue-fri 10:00-18:00"})
    caller = Caller(words("да"))
    asked = await ask(caller, None, settings=hours)
    assert asked is not None and asked.due_at == datetime(2026, 3, 3, 7, tzinfo=UTC)
    assert caller.responses[0] == CLOSED
    assert caller.told[0]["open"] is False


async def test_nobody_logged_in_is_told() -> None:
    caller = Caller(words("да"))
    asked = await ask(caller, replace(BUSY, operators=0, expected_wait_s=None))
    assert asked is not None and asked.due_at == NOW + timedelta(minutes=10)
    assert caller.responses[0] == NOBODY
    assert caller.told[0]["wait_s"] is None


async def test_without_texts_or_with_call_backs_off_all_is_as_before() -> None:
    assert await ask(Caller(words("да"), frozenset({WAIT}))) is None
    assert await ask(Caller(words("да")), settings=OperatorSettings(callbacks="off")) is None


async def test_a_mouth_that_fails_queues_the_caller() -> None:
    assert await ask(Caller(words("да"), failure=EngineTimeout("tts"))) is None


def held(answer: bool = True) -> Wish:
    async def hold() -> bool:
        return answer

    return replace(LOANS, hold=hold)


async def test_the_bot_serves_who_waits_where_his_place_is_kept() -> None:
    caller = Caller([Keyed("3")])
    assert await choose(caller, wish=held()) == Meanwhile("loans")
    assert caller.responses == [WAIT, MEANWHILE]
    assert caller.told[0]["choice"] == "meanwhile"


async def test_what_he_wants_meanwhile_goes_along() -> None:
    (said,) = words("пока жду скажите баланс")
    assert await choose(Caller([said]), wish=held()) == Meanwhile("loans", said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "back"), [(Keyed("1"), True), (Keyed("2"), False), (words("подожду")[0], False)]
)
async def test_the_other_answers_are_as_before(answer: Heard, back: bool) -> None:
    chosen = await ask(Caller([answer, Silence()]), wish=held())
    assert isinstance(chosen, CallbackAsked) if back else chosen is None


async def test_a_place_that_cannot_be_kept_is_not_promised() -> None:
    for wish, missing in ((held(False), frozenset()), (LOANS, frozenset()), (held(), frozenset({PLACE_KEPT}))):
        caller = Caller([Keyed("3"), Keyed("3")], missing=missing)
        assert await ask(caller, wish=wish) is None
        assert MEANWHILE not in caller.responses
