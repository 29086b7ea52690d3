"""The opening of a recorded call, with real voice activity, classifier and dialogue; the recogniser is told."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from ivrbot.asr.transcribe import read_utterance, transcribe_file
from ivrbot.call.opening import Opening, asks_for_person, hear_opening, turns_of
from ivrbot.dialogue.engine import Dialogue
from ivrbot.errors import EngineTimeout
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import Pcm, duration_ms, silence
from ivrbot.model.speech import Hypothesis, IntentScore, Language, NluResult, Transcript
from ivrbot.nlu.embedded import EmbeddedNlu
from tests.fakes.asr import FakeAsr
from tests.fakes.calls import product_files
from tests.unit.nlu_engines import classifier

SPEECH = read_wav(Path(__file__).parent.parent / "data" / "speech_en.wav")


@cache
def dialogue() -> Dialogue:
    return Dialogue(product_files()[0])


def conversation(turns: int) -> Pcm:
    """As many utterances, with the other party's time between them."""
    return Pcm((silence(1500) + SPEECH) * turns)


async def heard(*texts: str, language: Language = "ru", max_turns: int = 6) -> Opening:
    engine = FakeAsr(texts)
    await engine.start()

    async def reads(pcm: Pcm) -> Transcript:
        return await read_utterance(engine, pcm, language)

    nlu = EmbeddedNlu(classifier(None))
    return await hear_opening(conversation(len(texts)), reads, nlu, dialogue(), language, max_turns)


def test_utterances_are_cut_with_their_pre_roll() -> None:
    turns = list(turns_of(conversation(2)))
    assert len(turns) == 2
    assert all(duration_ms(SPEECH) < duration_ms(turn.sound) < duration_ms(SPEECH) + 1000 for turn in turns)
    assert 3700 < turns[0].end_ms < 5300
    assert turns[1].end_ms <= duration_ms(conversation(2))
    assert list(turns_of(silence(5000))) == []
    assert list(turns_of(Pcm(b""))) == []


async def test_the_topic_ends_the_listening() -> None:
    opening = await heard("добрый день", "заблокируйте мою карту, я её потеряла", "какой у меня баланс")
    assert (opening.topic, opening.turns, opening.asked_for_person) == ("block_card", 2, False)
    assert opening.confidence > 0.5
    assert 7000 < opening.until_ms < 9500


async def test_a_topic_in_english() -> None:
    assert (await heard("I have lost my card, please block it", language="en")).topic == "block_card"


async def test_who_asks_for_a_person_is_not_listened_to_any_further() -> None:
    opening = await heard("соедините с оператором", "какой у меня баланс")
    assert (opening.topic, opening.asked_for_person, opening.turns) == ("operator", True, 1)


async def test_two_turns_without_a_topic_are_no_reason_to_give_up() -> None:
    """He did not hear a reprompt, so the third may still say it."""
    opening = await heard("алло", "какая завтра погода", "какой у меня баланс на карте")
    assert (opening.topic, opening.turns) == ("check_balance", 3)


async def test_no_topic_within_the_turns_looked_at() -> None:
    opening = await heard("алло", "какая завтра погода", "какой у меня баланс на карте", max_turns=2)
    assert (opening.topic, opening.confidence, opening.turns) == ("", 0.0, 2)


async def test_what_nobody_can_make_out_is_no_turn() -> None:
    opening = await heard("", "какой у меня баланс на карте")
    assert (opening.topic, opening.turns) == ("check_balance", 1)
    assert (await heard("", "")).turns == 0


async def test_a_recogniser_that_fails_is_told() -> None:
    engine = FakeAsr()
    engine.failures = [EngineTimeout("too slow")]
    await engine.start()

    async def reads(pcm: Pcm) -> Transcript:
        return await read_utterance(engine, pcm, "ru")

    with pytest.raises(EngineTimeout):
        await hear_opening(conversation(1), reads, EmbeddedNlu(classifier(None)), dialogue(), "ru")


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("узнать баланс, соедините с оператором", True),
        ("Оператор!", True),
        ("узнать баланс карты", False),
        ("не надо оператора, скажите баланс", False),
        ("", False),
    ],
)
def test_a_person_asked_for_beside_a_topic(text: str, asks: bool) -> None:
    assert asks_for_person(text, "ru") is asks


async def test_partials_are_left_out_on_request() -> None:
    engine = FakeAsr()
    await engine.start()
    assert (await transcribe_file(engine, SPEECH, "en")).partials
    assert (await transcribe_file(engine, SPEECH, "en", partials=False)).partials == ()


class Told:
    """Understanding by a table, for readings whose ranking matters."""

    name = "told"

    def __init__(self, table: Mapping[str, Mapping[str, float]]) -> None:
        self._table = table

    async def parse(self, text: str, language: Language) -> NluResult:
        ranking = tuple(IntentScore(name, share) for name, share in self._table[text].items())
        return NluResult(text, ranking[0].name, ranking[0].confidence, ranking)

    async def close(self) -> None:
        pass


async def opening_of(readings: list[list[Hypothesis]], table: Mapping[str, Mapping[str, float]]) -> Opening:
    waiting = iter(readings)

    async def reads(pcm: Pcm) -> Transcript:
        return Transcript(tuple(next(waiting)), "told")

    return await hear_opening(conversation(len(readings)), reads, Told(table), dialogue(), "ru")


async def test_every_reading_of_a_turn_counts() -> None:
    table = {
        "лимонад": {"out_of_scope": 0.7, "card_limits": 0.3},
        "лимиты": {"card_limits": 0.95, "out_of_scope": 0.05},
    }
    opening = await opening_of([[Hypothesis("лимонад", 0.5), Hypothesis("лимиты", 0.45)]], table)
    assert opening.topic == "card_limits"


async def test_the_likelier_of_two_counts_unless_the_caller_says_more() -> None:
    near = {"check_balance": 0.45, "recent_transactions": 0.4, "out_of_scope": 0.15}
    table = {"что с деньгами": near, "ага": {"affirm": 1.0}, "списания какие": {"recent_transactions": 0.9}}
    unclear = [Hypothesis("что с деньгами")]
    opening = await opening_of([unclear, [Hypothesis("ага")]], table)
    assert (opening.topic, opening.confidence, opening.turns) == ("check_balance", 0.45, 1)
    opening = await opening_of([unclear, [Hypothesis("списания какие")]], table)
    assert (opening.topic, opening.turns) == ("recent_transactions", 2)
