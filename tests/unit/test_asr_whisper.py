"""When Whisper reads a second time, what it lets through, and how it answers from memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ivrbot.asr.whisper import IDLE_LINE_PEAK, SECOND_PASS_TAIL_FRAMES, WhisperEngine
from ivrbot.asr.whisper_model import DecodeOptions, Encoded, Reading, WhisperModel
from ivrbot.asr.whisper_stream import GUESS_SHARE, WhisperStream
from ivrbot.errors import EngineBadOutput, EngineUnavailable
from ivrbot.model.audio import Pcm
from ivrbot.model.capacity import Ease
from ivrbot.model.speech import Expect, Language, Partial, Transcript
from tests.fakes.waiting import until

SOUND = Pcm(b"\x10\x27\xf0\xd8" * 8000)  # 2 s


def reading(text: str, log_prob: float = -0.3, no_speech: float = 0.1) -> Reading:
    return Reading(((text, log_prob),), no_speech, 1.0)


class ScriptedModel:
    """Gives prepared readings for sounds; silence (the warm-up) reads as nothing."""

    def __init__(self, *readings: Reading | Exception) -> None:
        self.readings = list(readings)
        self.options: list[DecodeOptions] = []
        self.closed = self.given_up = 0

    def encode(self, pcm: Pcm, language: Language, options: DecodeOptions) -> Encoded:
        return Encoded(pcm, language, options, 0.0, 0.0)

    def decode(self, encoded: Encoded) -> Reading:
        return self.transcribe(encoded.sound, encoded.language, encoded.options)

    def transcribe(self, pcm: Pcm, language: Language, options: DecodeOptions) -> Reading:
        if not any(pcm):
            return reading("", no_speech=1.0)
        self.options.append(options)
        found = self.readings.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def give_up(self) -> None:
        self.given_up += 1

    def close(self) -> None:
        self.closed += 1


@asynccontextmanager
async def engine_on(
    model: ScriptedModel, second_pass_ms: int = 60_000, partials: bool = False, instances: int = 1
) -> AsyncIterator[WhisperEngine]:
    load: Callable[[Path], WhisperModel] = lambda _: model  # type: ignore[assignment,return-value]  # noqa: E731
    engine = WhisperEngine(
        Path("nowhere"), instances=instances, second_pass_ms=second_pass_ms, partials=partials, loader=load
    )
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


async def read(engine: WhisperEngine, expect: Expect = Expect.OPEN) -> Transcript:
    stream = engine.open("ru", expect, lambda _: None)
    stream.feed(SOUND)
    try:
        return await stream.decode()
    finally:
        stream.close()


async def test_a_sure_reading_is_read_once() -> None:
    model = ScriptedModel(reading("заблокируйте карту"))
    async with engine_on(model) as engine:
        transcript = await read(engine)
    assert transcript.text == "заблокируйте карту"
    assert transcript.hypotheses[0].confidence == pytest.approx(0.741)
    assert len(model.options) == model.closed == 1


@pytest.mark.parametrize("expect", [Expect.OPEN, Expect.YES_NO, Expect.SECRET])
@pytest.mark.parametrize("step", [0, 8, IDLE_LINE_PEAK])
async def test_an_idle_line_is_not_read_at_all(step: int, expect: Expect) -> None:
    """Such sound a line carries on which nobody speaks; a network finds words in it, on one machine or another."""
    model = ScriptedModel()
    async with engine_on(model, partials=True) as engine:
        stream = engine.open("ru", expect, lambda _: None)
        stream.feed(
            Pcm(step.to_bytes(2, "little", signed=True) * 4000 + (-step).to_bytes(2, "little", signed=True) * 4000)
        )
        assert (await stream.decode()).hypotheses == ()
        await stream.settle()
        stream.close()
    assert not model.options


async def test_the_quietest_sound_above_it_is_read() -> None:
    model = ScriptedModel(reading("заблокируйте карту"))
    async with engine_on(model) as engine:
        stream = engine.open("ru", Expect.OPEN, lambda _: None)
        stream.feed(Pcm((IDLE_LINE_PEAK + 16).to_bytes(2, "little") * 8000))
        assert (await stream.decode()).text
        stream.close()


async def test_one_of_a_list_is_read_like_a_sentence_when_there_is_no_room_for_more() -> None:
    model = ScriptedModel(reading("в Казани"), reading("в Казани"))
    async with engine_on(model) as engine:
        await read(engine, Expect.NAME)
        engine.pool.ease = Ease.NO_SECOND_PASSES
        await read(engine, Expect.NAME)
    assert [options.beam for options in model.options] == [5, 2]


@pytest.mark.parametrize("first", [reading("заплакать", -0.9), reading("и так далее " * 8, -0.2)])
async def test_doubt_and_loops_are_read_again_with_more_room(first: Reading) -> None:
    model = ScriptedModel(first, reading("заблокировать", -0.4))
    async with engine_on(model) as engine:
        assert (await read(engine)).text == "заблокировать"
    assert model.options[1].beam > model.options[0].beam
    assert model.options[1].tail_frames > model.options[0].tail_frames


async def test_a_beam_that_only_repeats_itself_is_read_greedily_though_there_is_no_time() -> None:
    loop = "21" + "-1" * 40
    model = ScriptedModel(
        Reading(((loop, -0.2), (loop + "-2", -0.2)), 0.1, 1.0), reading("21 ноября 1975 года", -0.6)
    )
    async with engine_on(model, second_pass_ms=0) as engine:
        transcript = await read(engine, Expect.SECRET)
    assert transcript.text == "21 ноября 1975 года"
    assert transcript.cpu_ms == 2
    assert [options.beam for options in model.options] == [5, 1]


@pytest.mark.parametrize(
    ("no_speech", "greedy"), [(0.1, "I'm here. " * 5), (0.67, "I'm not a bad guy."), (0.67, "I'm here. " * 5)]
)
async def test_loops_made_of_silence_and_loops_again_stay_nothing(no_speech: float, greedy: str) -> None:
    loop = "Well, I'm going to make a new one. " + "I'm going to. " * 6
    model = ScriptedModel(reading(loop, -0.9, no_speech), reading(greedy, -0.76, no_speech))
    async with engine_on(model, second_pass_ms=0) as engine:
        assert (await read(engine)).hypotheses == ()


async def test_no_time_no_second_reading() -> None:
    model = ScriptedModel(reading("заплакать", -0.9))
    async with engine_on(model, second_pass_ms=0) as engine:
        assert (await read(engine)).text == "заплакать"


async def test_a_failed_second_reading_leaves_the_first() -> None:
    model = ScriptedModel(reading("заплакать", -0.9), EngineBadOutput("out of memory"))
    async with engine_on(model) as engine:
        assert (await read(engine)).text == "заплакать"


@pytest.mark.parametrize(
    "found",
    [
        reading("Субтитры сделал DimaTorzok"),
        reading("слышь", log_prob=-1.2, no_speech=0.7),
        reading("слышь", log_prob=-1.5, no_speech=0.2),
        reading("ВЫСТРЕЛЫ"),
        reading("здравствуйте, " + "и так далее, " * 9),
        reading("[музыка]"),
        reading(""),
    ],
)
async def test_what_nobody_said_is_not_heard(found: Reading) -> None:
    async with engine_on(ScriptedModel(found, found), second_pass_ms=0) as engine:
        transcript = await read(engine)
    assert transcript.hypotheses == ()
    assert transcript.audio_ms == 2000


@pytest.mark.parametrize(
    ("found", "garbled"),
    [
        (reading("слышь", log_prob=-1.5, no_speech=0.1), True),
        (reading("тридцать " * 20, no_speech=0.1), False),
        (reading("слышь", log_prob=-1.5, no_speech=0.4), False),
        (reading("[музыка]", no_speech=0.7), False),
    ],
    ids=["a voice", "a loop of a word is the word", "who knows", "music"],
)
async def test_a_voice_without_words_is_told_from_noise(found: Reading, garbled: bool) -> None:
    async with engine_on(ScriptedModel(found, found), second_pass_ms=0) as engine:
        assert (await read(engine)).garbled == garbled


async def test_digits_are_heard_though_the_short_window_doubts_that_it_is_speech() -> None:
    async with engine_on(ScriptedModel(reading("4-2-7-1", log_prob=-0.5, no_speech=0.8))) as engine:
        assert (await read(engine)).text == "4-2-7-1"


async def test_equal_readings_are_one() -> None:
    model = ScriptedModel(Reading((("Черёмуха.", -0.3), ("черёмуха.", -0.4), ("Черемша.", -0.5)), 0.1, 1.0))
    async with engine_on(model, second_pass_ms=0) as engine:
        transcript = await read(engine, Expect.SECRET)
    assert [one.text for one in transcript.hypotheses] == ["Черёмуха.", "Черемша."]
    assert model.options[0].hypotheses == 5


async def test_of_a_secret_both_passes_count_together_the_likeliest_reading_first() -> None:
    first = Reading((("Черемша.", -0.2), ("Чир муха.", -0.6)), 0.1, 1.0)
    model = ScriptedModel(first, Reading((("Черёмуха.", -0.3), ("черемша.", -0.5)), 0.2, 1.0))
    async with engine_on(model) as engine:
        transcript = await read(engine, Expect.SECRET)
    assert [one.text for one in transcript.hypotheses] == ["Черемша.", "Черёмуха.", "Чир муха."]
    assert model.options[1].tail_frames > model.options[0].tail_frames


async def test_a_sure_answer_to_yes_or_no_is_read_once() -> None:
    model = ScriptedModel(reading("да", -0.2))
    async with engine_on(model) as engine:
        assert (await read(engine, Expect.YES_NO)).text == "да"
    assert len(model.options) == 1


async def test_a_failed_decode_may_be_tried_again() -> None:
    model = ScriptedModel(EngineBadOutput("once"), reading("да"))
    async with engine_on(model) as engine:
        stream = engine.open("ru", Expect.YES_NO, lambda _: None)
        stream.feed(SOUND)
        with pytest.raises(EngineBadOutput):
            await stream.decode()
        assert (await stream.decode()).text == "да"
        assert (await stream.decode()).text == "да"
        stream.close()
    assert len(model.options) == 2


async def test_partials_are_what_two_readings_agree_on() -> None:
    model = ScriptedModel(*(reading(text) for text in ("Я потеря", "Я потеряла", "Я потеряла карту", "да")))
    partials: list[Partial] = []
    async with engine_on(model, partials=True) as engine:
        stream = engine.open("ru", Expect.OPEN, partials.append)
        for _ in range(3):
            stream.feed(Pcm(SOUND[:16_000]))
            await stream.settle()
        stream.close()
    assert partials == [Partial(2000, "Я"), Partial(3000, "Я потеряла")]


async def test_sound_beyond_the_limit_is_dropped_and_counted() -> None:
    async with engine_on(ScriptedModel(reading("да"))) as engine:
        stream = engine.open("ru", Expect.OPEN, lambda _: None)
        for _ in range(20):
            stream.feed(SOUND)
        transcript = await stream.decode()
        stream.close()
        assert transcript.audio_ms == 29_000
        assert engine.load.dropped_ms == 11_000


async def test_a_superseded_decode_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with engine_on(ScriptedModel(reading("да"), reading("да нет"))) as engine:
        stream = engine.open("ru", Expect.OPEN, lambda _: None)
        stream.feed(SOUND)
        early = asyncio.create_task(stream.decode())
        await asyncio.sleep(0)
        stream.feed(SOUND)
        late = asyncio.create_task(stream.decode())
        outcomes = await asyncio.gather(early, late, return_exceptions=True)
        stream.close()
    assert isinstance(outcomes[0], EngineUnavailable)
    assert isinstance(outcomes[1], Transcript)


@pytest.mark.parametrize("missing", ["model.bin", "config.json", "tokenizer.json"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    for name in {"model.bin", "config.json", "tokenizer.json", "vocabulary.txt"} - {missing}:
        (tmp_path / name).touch()
    with pytest.raises(EngineUnavailable, match=rf"{missing}.*models pull"):
        WhisperModel(tmp_path)


async def test_a_damaged_model_is_an_error(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / name).write_bytes(b"garbage")
    engine = WhisperEngine(tmp_path)
    with pytest.raises(EngineUnavailable, match="models pull"):
        await engine.start()


async def test_under_load_doubt_is_not_read_again_but_secrets_are() -> None:
    doubtful = [reading("заплакать", -0.9), reading("черёмуха", -0.3), reading("черёмуха", -0.4)]
    model = ScriptedModel(*doubtful)
    async with engine_on(model) as engine:
        engine.pool.ease = Ease.NO_SECOND_PASSES
        assert (await read(engine)).text == "заплакать"
        assert (await read(engine, Expect.SECRET)).text == "черёмуха"
    assert [options.hypotheses for options in model.options] == [1, 5, 5]


@pytest.mark.parametrize(("ease", "hypotheses"), [(Ease.NO_PARTIALS, 5), (Ease.NO_SECOND_PASSES, 1)])
async def test_under_load_a_yes_is_not_searched_widely(ease: Ease, hypotheses: int) -> None:
    model = ScriptedModel(reading("да"))
    async with engine_on(model) as engine:
        engine.pool.ease = ease
        await read(engine, Expect.YES_NO)
    assert model.options[0].hypotheses == hypotheses


async def test_under_load_nothing_is_guessed_within_speech() -> None:
    async with engine_on(ScriptedModel()) as engine:
        stream = engine.open("ru", Expect.OPEN, lambda _: None)
        stream.feed(SOUND)
        assert stream.may_guess()
        engine.pool.ease = Ease.NO_DIPS
        assert not stream.may_guess()
        stream.close()


async def test_a_guess_is_the_first_pass_of_the_reading_that_follows() -> None:
    model = ScriptedModel(reading("заплакать", -0.9), reading("заблокировать", -0.4))
    async with engine_on(model) as engine:
        stream = engine.open("ru", Expect.OPEN, lambda _: None)
        stream.feed(SOUND)
        assert stream.may_guess()
        assert (await stream.guess()).text == "заплакать"
        assert len(model.options) == 1, "no second pass for what may go on"
        assert (await stream.decode()).text == "заблокировать"
        assert len(model.options) == 2, "the first pass is remembered"
        stream.close()
        assert not stream.may_guess()


class HeldModel(ScriptedModel):
    """Its first passes end when a second one has begun."""

    def __init__(self, *readings: Reading | Exception) -> None:
        super().__init__(*readings)
        self.second_began = threading.Event()

    def transcribe(self, pcm: Pcm, language: Language, options: DecodeOptions) -> Reading:
        if any(pcm):
            if options.tail_frames == SECOND_PASS_TAIL_FRAMES:
                self.second_began.set()
            else:
                assert self.second_began.wait(10), "the second pass waited for the first"
        return super().transcribe(pcm, language, options)


async def test_the_second_pass_of_a_closed_answer_begins_beside_the_first() -> None:
    model = HeldModel(reading("4271", -0.4), reading("4,2,7", -0.9))
    async with engine_on(model, instances=2) as engine:
        assert (await read(engine, Expect.DIGITS)).text == "4271"


async def test_more_sound_makes_a_guess_worthless() -> None:
    model = ScriptedModel(reading("заблокируйте"), reading("заблокируйте карту"))
    async with engine_on(model) as engine:
        stream = engine.open("ru", Expect.OPEN, lambda _: None)
        stream.feed(SOUND)
        await stream.guess()
        stream.feed(SOUND)
        assert (await stream.decode()).text == "заблокируйте карту"
        stream.close()


async def test_guesses_cost_no_more_than_a_share_of_the_utterance(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel(*[reading("а")] * 20)
    async with engine_on(model) as engine:
        monkeypatch.setattr(engine, "expected_ms", lambda _audio_ms: 300.0)
        stream = engine.open("ru", Expect.OPEN, lambda _: None)
        made = 0
        for _ in range(20):  # a dip every 0.2 s
            stream.feed(Pcm(SOUND[: len(SOUND) // 10]))
            if stream.may_guess():
                await stream.guess()
                made += 1
        stream.close()
    assert made == 1 + 4000 * GUESS_SHARE // 300


async def test_a_closed_utterance_is_not_guessed() -> None:
    async with engine_on(ScriptedModel()) as engine:
        stream = engine.open("ru", Expect.OPEN, lambda _: None)
        stream.close()
        with pytest.raises(EngineUnavailable):
            await stream.guess()


async def test_sound_too_short_is_guessed_as_nothing() -> None:
    async with engine_on(ScriptedModel()) as engine:
        stream = engine.open("ru", Expect.OPEN, lambda _: None)
        stream.feed(Pcm(SOUND[:160]))
        assert (await stream.guess()).hypotheses == ()
        assert (await stream.decode()).hypotheses == ()
        stream.close()


async def test_both_passes_over_a_secret_begin_at_a_dip() -> None:
    class AtADip(ScriptedModel):
        def __init__(self) -> None:
            super().__init__()
            self.together = threading.Barrier(2, timeout=10)

        def transcribe(self, pcm: Pcm, language: Language, options: DecodeOptions) -> Reading:
            if any(pcm):
                self.options.append(options)
                self.together.wait()  # each waits until the other has begun
            return reading("черёмуха", log_prob=-0.2)

    model = AtADip()
    async with engine_on(model, instances=2) as engine:
        stream = engine.open("ru", Expect.SECRET, lambda _: None)
        stream.feed(SOUND)
        assert (await stream.guess()).text == "черёмуха"
        assert (await stream.decode()).text == "черёмуха"
        stream.close()
    assert sorted(options.tail_frames for options in model.options)[-1] == SECOND_PASS_TAIL_FRAMES
    assert len(model.options) == 2


async def test_of_a_topic_nothing_is_read_twice_at_a_dip() -> None:
    model = ScriptedModel(reading("заблокируйте карту"))
    async with engine_on(model, instances=2) as engine:
        stream = engine.open("ru", Expect.OPEN, lambda _: None)
        stream.feed(SOUND)
        await stream.guess()
        await stream.decode()
        stream.close()
    assert len(model.options) == 1


class SlowToEncode(ScriptedModel):
    """Its first halves last until they are let go.

    Attributes:
        encoding: how many have begun.
        decoded: how many second halves were made.
    """

    def __init__(self, *readings: Reading | Exception) -> None:
        super().__init__(*readings)
        self.let_go = threading.Event()
        self.encoding = self.decoded = 0

    def encode(self, pcm: Pcm, language: Language, options: DecodeOptions) -> Encoded:
        self.encoding += 1
        assert self.let_go.wait(10)
        return super().encode(pcm, language, options)

    def decode(self, encoded: Encoded) -> Reading:
        self.decoded += 1
        return super().decode(encoded)


async def guess_given_up(model: SlowToEncode, stream: WhisperStream, passes: int) -> None:
    """Guess at a dip, and go on speaking while so many passes are being encoded."""
    stream.feed(SOUND)
    guess = asyncio.create_task(stream.guess())
    await until(lambda: model.encoding == passes)
    guess.cancel()
    await asyncio.gather(guess, return_exceptions=True)
    model.let_go.set()


async def test_a_guess_that_nobody_waits_for_is_given_up_halfway() -> None:
    model = SlowToEncode(reading("заблокируйте карту"))
    async with engine_on(model) as engine:
        stream = engine.open("ru", Expect.OPEN, lambda _: None)
        await guess_given_up(model, stream, passes=1)
        await until(lambda: engine.idle)
        assert model.decoded == 0
        stream.feed(SOUND)
        assert (await stream.guess()).text == "заблокируйте карту"
        assert (await stream.decode()).text == "заблокируйте карту"
        assert model.decoded == 1
        stream.close()


async def test_both_passes_over_a_secret_are_given_up_halfway() -> None:
    model = SlowToEncode(reading("черёмуха"), reading("черёмуха"))
    async with engine_on(model, instances=2) as engine:
        stream = engine.open("ru", Expect.SECRET, lambda _: None)
        await guess_given_up(model, stream, passes=2)
        await until(lambda: engine.pool.idle == 2)
        assert model.decoded == 0
        stream.close()


async def test_a_guess_that_the_pause_waits_for_is_made_to_its_end() -> None:
    model = SlowToEncode(reading("4271"))
    async with engine_on(model) as engine:
        stream = engine.open("ru", Expect.OPEN, lambda _: None)
        stream.feed(SOUND)
        guess = asyncio.create_task(stream.guess())
        await until(lambda: model.encoding == 1)
        decode = asyncio.create_task(stream.decode())
        await asyncio.sleep(0)
        guess.cancel()
        await asyncio.gather(guess, return_exceptions=True)
        model.let_go.set()
        assert (await decode).text == "4271"
        stream.close()
