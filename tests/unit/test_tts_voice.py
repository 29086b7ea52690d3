"""The bot's mouth: recordings first, a live engine for the rest, and no half sentences."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivrbot.errors import EngineBadOutput, EngineTimeout, EngineUnavailable
from ivrbot.language.verbalise import say_digits, say_money
from ivrbot.model.audio import Pcm, duration_ms
from ivrbot.model.dialogue import Piece, Utterance
from ivrbot.model.speech import Language
from ivrbot.tts.loudness import longest_silence_ms
from ivrbot.tts.prompts import PromptStore
from ivrbot.tts.render import render
from ivrbot.tts.voice import BETWEEN_DIGITS_MS, REST_S, WITHIN_NUMBER_MS, BankVoice
from tests.fakes.tts import FakeTts

DIGITS = say_digits("4271", "ru")
MONEY = say_money(1_234_500, "RUB", "ru")


def utterance(*pieces: Piece, language: Language = "ru") -> Utterance:
    text = " ".join(piece.text for piece in pieces)
    return Utterance(language, text, text, pieces)


def fragments(texts: tuple[str, ...]) -> tuple[Piece, ...]:
    return tuple(Piece(text, "fragment") for text in texts)


async def chunks(voice: BankVoice, said: Utterance) -> list[Pcm]:
    return [pcm async for pcm in voice.speak(said)]


@pytest.fixture
async def store(tmp_path: Path) -> PromptStore:
    await render(tmp_path, ["Карта, которая кончается на", "Проверяю.", *DIGITS, *MONEY], "ru", "x", FakeTts())
    return PromptStore(tmp_path, "ru")


async def test_recordings_are_joined_with_pauses(store: PromptStore) -> None:
    said = utterance(Piece("Карта, которая кончается на", "static"), *fragments(DIGITS))
    voice = BankVoice({"ru": store})
    assert voice.can_speak(said)
    sounds = await chunks(voice, said)
    assert len(sounds) == 2 * len(said.pieces) - 1
    assert sounds[0::2] == [store.find(piece.text) for piece in said.pieces]
    assert [duration_ms(gap) for gap in sounds[3::2]] == [BETWEEN_DIGITS_MS] * 3
    assert longest_silence_ms(Pcm(b"".join(sounds))) < 1500


async def test_words_of_a_number_stand_closer_than_digits(store: PromptStore) -> None:
    sounds = await chunks(BankVoice({"ru": store}), utterance(*fragments(MONEY)))
    assert {duration_ms(gap) for gap in sounds[1::2]} == {WITHIN_NUMBER_MS}
    assert WITHIN_NUMBER_MS < BETWEEN_DIGITS_MS


async def test_pieces_without_words_are_left_out(store: PromptStore) -> None:
    said = utterance(Piece("Проверяю.", "static"), Piece(" . ", "static"), Piece("", "free"))
    voice = BankVoice({"ru": store})
    assert voice.can_speak(said)
    assert await chunks(voice, said) == [store.find("Проверяю.")]


async def test_without_engine_free_text_cannot_be_spoken(store: PromptStore) -> None:
    said = utterance(Piece("Проверяю.", "static"), Piece("улица Ленина", "free"))
    voice = BankVoice({"ru": store})
    assert not voice.can_speak(said)
    with pytest.raises(EngineUnavailable) as caught:
        await chunks(voice, said)
    assert "Ленина" not in str(caught.value), "what is said is not for logs"


async def test_engine_speaks_only_what_is_not_recorded(store: PromptStore) -> None:
    engine = FakeTts()
    said = utterance(Piece("Проверяю.", "static"), Piece("улица Ленина", "free"))
    voice = BankVoice({"ru": store}, engine)
    assert voice.can_speak(said)
    assert len(await chunks(voice, said)) == 3
    assert engine.spoken == [("улица Ленина", "ru")]


async def test_free_text_alone_streams(store: PromptStore) -> None:
    sounds = await chunks(BankVoice({"ru": store}, FakeTts()), utterance(Piece("улица Ленина", "free")))
    assert len(sounds) > 1


async def test_failing_engine_never_cuts_a_sentence_in_half(store: PromptStore) -> None:
    engine = FakeTts()
    engine.failure, engine.fails_after = EngineTimeout("slow"), 1
    said = utterance(Piece("Проверяю.", "static"), Piece("улица Ленина", "free"))
    heard = []
    with pytest.raises(EngineTimeout):
        async for pcm in BankVoice({"ru": store}, engine).speak(said):
            heard.append(pcm)
    assert heard == []


async def test_an_engine_that_died_is_left_alone_for_a_while(store: PromptStore) -> None:
    now_s = [0.0]
    engine = FakeTts()
    engine.failure = EngineUnavailable("died")
    said = utterance(Piece("улица Ленина", "free"))
    voice = BankVoice({"ru": store}, engine, clock_s=lambda: now_s[0])
    with pytest.raises(EngineUnavailable, match="died"):
        await chunks(voice, said)
    engine.failure = None
    assert not voice.can_speak(said), "the next caller would wait as long"
    assert voice.can_speak(utterance(Piece("Lenin street", "free"), language="en"))
    assert voice.can_speak(utterance(Piece("Проверяю.", "static")))
    now_s[0] = REST_S
    assert await chunks(voice, said)


async def test_a_text_that_cannot_be_spoken_says_nothing_about_the_next(store: PromptStore) -> None:
    engine = FakeTts()
    engine.failure = EngineBadOutput("0 ms")
    said = utterance(Piece("улица Ленина", "free"))
    voice = BankVoice({"ru": store}, engine)
    with pytest.raises(EngineBadOutput):
        await chunks(voice, said)
    assert voice.can_speak(said)


@pytest.mark.parametrize(
    ("failure", "error"), [(TypeError("garbage"), EngineBadOutput), (EngineTimeout("slow"), EngineTimeout)]
)
async def test_whatever_an_engine_raises_is_an_error_that_calls_know(
    store: PromptStore, failure: Exception, error: type[Exception]
) -> None:
    engine = FakeTts()
    engine.failure = failure
    with pytest.raises(error):
        await chunks(BankVoice({"ru": store}, engine), utterance(Piece("улица Ленина", "free")))


async def test_an_engine_that_hangs_and_one_that_never_stops(
    store: PromptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hanging(FakeTts):
        async def stream(self, text: str, language: Language) -> AsyncIterator[Pcm]:
            await asyncio.Event().wait()
            yield Pcm(b"")

    class Endless(FakeTts):
        async def stream(self, text: str, language: Language) -> AsyncIterator[Pcm]:
            while True:
                yield Pcm(bytes(16_000))

    monkeypatch.setattr("ivrbot.tts.voice.PATIENCE_S", 0.01)
    with pytest.raises(EngineTimeout):
        await chunks(BankVoice({"ru": store}, Hanging()), utterance(Piece("улица Ленина", "free")))
    with pytest.raises(EngineBadOutput, match="does not stop"):
        await chunks(BankVoice({"ru": store}, Endless()), utterance(Piece("улица Ленина", "free")))


async def test_language_of_the_engine_counts(store: PromptStore) -> None:
    voice = BankVoice({"ru": store}, FakeTts(languages=frozenset({"en"})))
    assert not voice.can_speak(utterance(Piece("улица Ленина", "free")))
    assert voice.can_speak(utterance(Piece("Lenin street", "free"), language="en"))


@pytest.mark.parametrize(
    ("piece", "allowed"),
    [
        (Piece("улица Ленина", "free"), True),
        (Piece("улица Ленина, 5", "free"), False),
        (Piece("миллиард", "fragment"), False),
        (Piece("Проверяю.", "static"), True),
    ],
)
async def test_pyttsx3_never_speaks_russian_figures(store: PromptStore, piece: Piece, allowed: bool) -> None:
    voice = BankVoice({"ru": store}, FakeTts(name="pyttsx3"))
    assert voice.can_speak(utterance(piece)) is allowed
