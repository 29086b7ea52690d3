"""Engines broken under real calls: each fault leads to its row of "Nobody is dropped".

Every row is a call over AudioSocket through the product's own gateway, desk and session; what is broken is the
real engine: the loaded Whisper, a running RHVoice process, a socket where the Rasa server should be, the embedded
classifier. Rows ring at the same time, each with engines of its own that are up before.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import pytest_asyncio

from ivrbot import app, engines
from ivrbot.asr.watch import AsrWatch
from ivrbot.asr.whisper import WhisperEngine
from ivrbot.asr.whisper_model import DecodeOptions, Encoded, Reading, WhisperModel
from ivrbot.call.door import CallDesk
from ivrbot.config import PROJECT_ROOT, CallSettings, MediaSettings, Settings, TtsSettings
from ivrbot.errors import LegClosed
from ivrbot.model.audio import FRAME_BYTES, FRAME_MS, Pcm
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.speech import Language, NluResult
from ivrbot.nlu.embedded import EmbeddedNlu
from ivrbot.nlu.fallback import FallbackNlu
from ivrbot.nlu.rasa import RasaNlu, RasaServer
from ivrbot.ports import AsrEngine, NluEngine, TtsEngine
from ivrbot.telephony.audiosocket import AudioSocketGateway
from ivrbot.telephony.audiosocket_client import AudioSocketCall
from ivrbot.telephony.pacer import Pacer
from ivrbot.tts.prompts import PromptStore
from ivrbot.tts.rhvoice import RhvoiceEngine
from ivrbot.tts.voice import PATIENCE_S, BankVoice
from tests.caller_speech import caller_sound, rhvoice_root
from tests.fakes.asr import FakeAsr
from tests.integration.asterisk.product import TRAINED

pytestmark = [pytest.mark.integration, pytest.mark.models, pytest.mark.asyncio(loop_scope="module")]

ANNA: Final = "+79161234567"
LOST: Final = "я потеряла карту"
DEADLINE_MS: Final = 2000
"""For a decode; six seconds in the product, which would only make the test longer."""
LATE_S: Final = 10.0
CALL_S: Final = 120.0
AT_ONCE: Final = 11
WAIT_MS: Final = 8000
"""No row keeps its caller longer without a sound that was meant for him, on a machine with other work."""


# --- what is broken ---------------------------------------------------------------------------------------


class Broken:
    """The loaded model, but for what a test makes of its readings; a hanging thread is let go at the end."""

    def __init__(self, model: WhisperModel, breaks: Callable[[Broken, Reading], Any]) -> None:
        self._model = model
        self._breaks = breaks
        self._lock = threading.Lock()
        self.warm = False
        self.over = threading.Event()

    def encode(self, pcm: Pcm, language: Language, options: DecodeOptions) -> Encoded:
        return Encoded(pcm, language, options, 0.0, 0.0)

    def decode(self, encoded: Encoded) -> Any:
        return self.transcribe(encoded.sound, encoded.language, encoded.options)

    def transcribe(self, pcm: Pcm, language: Language, options: DecodeOptions) -> Any:
        if not self.warm:
            self.warm = True  # the engine's own start, with silence
            with _READING:
                return self._model.transcribe(pcm, language, options)
        return self._breaks(self, _SOME_READING)

    def give_up(self) -> None:
        """What is broken does not let go either."""

    def close(self) -> None:
        """The model is shared by all rows."""


_READING: Final = threading.Lock()
_SOME_READING: Final = Reading((("я потеряла карту", -0.2),), 0.0, 1.0)
"""What it would have read: a dozen rows at once would only prove that two cores are two."""


def _raises(_model: Broken, _reading: Reading) -> Reading:
    raise RuntimeError("corrupted double-linked list")


def _hangs(model: Broken, reading: Reading) -> Reading:
    model.over.wait(CALL_S)
    return reading


def _late(model: Broken, reading: Reading) -> Reading:
    model.over.wait(LATE_S)
    return reading


def _says(text: str) -> Callable[[Broken, Reading], Reading]:
    return lambda _model, reading: replace(reading, texts=((text, -0.2),), no_speech=0.0)


BROKEN_EARS: Final[dict[str, Callable[[Broken, Reading], Any]]] = {
    "raises": _raises,
    "hangs": _hangs,
    "ten seconds late": _late,
    "gives no reading": lambda _model, reading: replace(reading, texts=()),
    "gives the wrong types": lambda _model, _reading: (None, "garbage"),
    "gives numbers for words": lambda _model, reading: replace(reading, texts=((17, "x"),)),
}
DEAF_EARS: Final[dict[str, Callable[[Broken, Reading], Any]]] = {
    "invents subtitles": _says("Субтитры сделал DimaTorzok"),
    "repeats itself without end": _says("бум трам " * 400),
    "hears nothing": _says(""),
}


class Lacking(PromptStore):
    """The bank's recordings without those of figures: what they would say is for the live voice."""

    def __contains__(self, text: str) -> bool:
        return super().__contains__(text) and self.find(text) is not None

    def find(self, text: str) -> Pcm | None:
        return None if len(text.split()) <= 2 and text.islower() else super().find(text)


@asynccontextmanager
async def rhvoice() -> AsyncIterator[RhvoiceEngine]:
    engine = RhvoiceEngine(root=rhvoice_root())
    await engine.start()
    try:
        yield engine
    finally:
        if engine.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(engine.pid, signal.SIGCONT)
        await engine.close()


def _stopped(engine: RhvoiceEngine) -> None:
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGSTOP)


def _late_voice(engine: RhvoiceEngine) -> None:
    _stopped(engine)
    pid = engine.pid
    assert pid is not None
    asyncio.get_running_loop().call_later(LATE_S, _continue, pid)


def _continue(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _no_sound(engine: RhvoiceEngine) -> None:
    engine._voices["ru"] = "slt"  # an English voice makes no sound of Russian, and reports success


def _killed(engine: RhvoiceEngine) -> None:
    """Killed, and whoever tries to start it again finds no program."""
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    engine._worker._options["root"] = "/nonexistent"


def _killed_once(engine: RhvoiceEngine) -> None:
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)


BROKEN_MOUTHS: Final[dict[str, Callable[[RhvoiceEngine], None]]] = {
    "hangs": _stopped,
    "ten seconds late": _late_voice,
    "gives no sound": _no_sound,
    "is killed and cannot come back": _killed,
}


@asynccontextmanager
async def server(answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[int]:
    """A real socket that takes a request and does something else than Rasa."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


async def _never(_writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3.0)


def _answers(status: str, body: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def answer(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return answer


async def _resets(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


BROKEN_RASA: Final[dict[str, Callable[[asyncio.StreamWriter], Awaitable[None]]]] = {
    "hangs": _never,
    "answers 500": _answers("500 Internal Server Error", b"{}"),
    "answers garbage": _answers("200 OK", b"\xff\xfe<html>"),
    "answers with wrong types": _answers("200 OK", b'{"intent_ranking": [{"name": 7, "confidence": "sure"}]}'),
    "breaks the connection": _resets,
}


class RaisingNlu:
    """The trained classifier, whose run time fails at every text."""

    def __init__(self, real: NluEngine) -> None:
        self._real = real

    @property
    def name(self) -> str:
        return self._real.name

    async def parse(self, text: str, language: Language) -> NluResult:
        await self._real.parse(text, language)
        raise RuntimeError("Non-zero status code returned while running MatMul node")

    async def close(self) -> None:
        pass


# --- a call -----------------------------------------------------------------------------------------------


@dataclass
class Call:
    """What came of a row.

    Attributes:
        events: of the call, in order.
        cause: how the line ended.
        waits_ms: from the end of each of the caller's turns to the bot's next sound, or the line's end.
    """

    events: list[tuple[EventType, dict[str, JsonValue]]] = field(default_factory=list)
    cause: str = ""
    waits_ms: list[int] = field(default_factory=list)

    def of(self, type_: EventType) -> list[dict[str, JsonValue]]:
        return [data for kind, data in self.events if kind is type_]

    @property
    def said(self) -> list[str]:
        return [str(data["response"]) for data in self.of(EventType.BOT_SAID)]

    @property
    def end(self) -> dict[str, JsonValue]:
        (ended,) = self.of(EventType.CALL_ENDED)
        return ended


class House:
    """What the rows share: a core with its bank and desk, the loaded model, the trained classifier."""

    def __init__(self, core: app.Core, model: WhisperModel, nlu: EmbeddedNlu, group: asyncio.TaskGroup) -> None:
        self.core = core
        self.model = model
        self.nlu = nlu
        self._group = group
        self._pacer = Pacer()
        folder = TtsSettings().prompts_dir
        english = PromptStore(folder, "en")
        self._recorded: dict[Language, PromptStore] = {"ru": PromptStore(folder, "ru"), "en": english}
        self._lacking: dict[Language, PromptStore] = {"ru": Lacking(folder, "ru"), "en": english}

    async def ring(
        self,
        asr: AsrEngine,
        turns: list[str],
        *,
        tts: TtsEngine | None = None,
        nlu: NluEngine | None = None,
        before: Callable[[int], None] = lambda _turn: None,
    ) -> Call:
        """A call from the greeting to its end: turns are said, figures keyed, when the bot has paused."""
        call, call_id = Call(), CallId(str(uuid.uuid4()))
        ended = asyncio.Event()

        def record(of: CallId, type_: EventType, t_ms: int, data: dict[str, JsonValue]) -> None:
            self.core.recorder.emit(of, type_, t_ms, data)
            if of == call_id:
                call.events.append((type_, data))
                if type_ is EventType.CALL_ENDED:
                    ended.set()

        desk = CallDesk(
            replace(self.core.parts, nlu=nlu or self.nlu),
            asr=AsrWatch(lambda _language: asr, time.monotonic).hearing,
            voice=BankVoice(self._recorded if tts is None else self._lacking, tts),
            settings=CallSettings(ask_score=False, front="speech"),
            record=record,
            registered_only=True,
        )
        desk.open(self._group)
        gateway = AudioSocketGateway(desk, self._pacer, MediaSettings(port=0))
        port = await gateway.start()
        phone = AudioSocketCall()
        try:
            async with asyncio.timeout(CALL_S):
                assert await desk.register(CallRegistration(call_id, caller=ANNA, gateway="audiosocket"))
                await phone.connect("127.0.0.1", port, call_id)
                await self._converse(phone, turns, before)
                if any(data["served"] for data in call.of(EventType.BANK_REPLIED)):
                    phone.hang_up()  # he has what he wanted
                call.cause = await phone.wait_closed()
                await ended.wait()
        finally:
            phone.hang_up()
            await gateway.stop()
        call.waits_ms = waits_ms(phone)
        return call

    @staticmethod
    async def _converse(phone: AudioSocketCall, turns: list[str], before: Callable[[int], None]) -> None:
        since_ms = 0
        for number, turn in enumerate(turns):
            if not await phone.wait_answered(since_ms, quiet_ms=1200, deadline_s=60):
                return
            before(number)
            if turn.isdigit():
                for key in turn:
                    with suppress(LegClosed):
                        phone.press(key)
                    await asyncio.sleep(0.2)
            else:
                phone.send(await caller_sound(turn))
                await phone.wait_said()
            since_ms = phone.elapsed_ms
        await phone.wait_answered(since_ms, quiet_ms=1200, deadline_s=60)


def waits_ms(phone: AudioSocketCall) -> list[int]:
    """From the end of each of the caller's turns to the bot's next sound, on the line's own clock."""
    said, heard = _loud(phone.said_track), _loud(phone.heard_track)
    ends = [at for at in np.flatnonzero(said) if not said[at + 1 : at + 40].any()]
    return [int(np.argmax(heard[at:])) * FRAME_MS for at in ends if heard[at:].any()]


def _loud(track: Pcm) -> np.ndarray[Any, np.dtype[np.bool_]]:
    whole = len(track) // FRAME_BYTES * FRAME_BYTES
    samples = np.frombuffer(track[:whole], "<i2").astype(np.float64).reshape(-1, FRAME_BYTES // 2)
    return np.asarray(np.sqrt(np.square(samples).mean(axis=1)) > 60)


# --- the rows ---------------------------------------------------------------------------------------------


@asynccontextmanager
async def whisper(model: WhisperModel, breaks: Callable[[Broken, Reading], Any]) -> AsyncIterator[WhisperEngine]:
    made: list[Broken] = []

    def load(_folder: Path) -> Any:
        made.append(Broken(model, breaks))
        return made[-1]

    asr = WhisperEngine(Path("unused"), instances=1, deadline_ms=DEADLINE_MS, second_pass_ms=0, loader=load)
    await asr.start()
    try:
        yield asr
    finally:
        for broken in made:
            broken.over.set()
        await asr.close()


async def _with_mouth(house: House, tts: RhvoiceEngine, breaks: Callable[[RhvoiceEngine], None]) -> Call:
    asr = FakeAsr([LOST, "да"])
    await asr.start()
    # Broken when the caller is about to key his digits: the question that repeats them needs the live voice.
    return await house.ring(
        asr,
        [LOST, "4271", "да", "нет", "нет"],
        tts=tts,
        before=lambda turn: breaks(tts) if turn == 1 else None,
    )


async def _with_rasa(house: House, answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> Call:
    asr, counted = FakeAsr([LOST]), []
    await asr.start()
    async with server(answer) as port:
        rasa = RasaNlu(RasaServer(f"http://127.0.0.1:{port}", "", 300))
        nlu = FallbackNlu(rasa, house.nlu, on_failure=lambda engine, code: counted.append((engine, code)))
        try:
            call = await house.ring(asr, [LOST, "0"], nlu=nlu)
        finally:
            await rasa.close()
    assert {engine for engine, _ in counted} == {"rasa"}
    return call


async def _with_raising_nlu(house: House) -> Call:
    asr = FakeAsr([LOST, LOST])
    await asr.start()
    return await house.ring(asr, [LOST, LOST], nlu=RaisingNlu(house.nlu))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Call]]:
    """All rows, rung at the same time but for one."""
    folder = tmp_path_factory.mktemp("faults")
    models = PROJECT_ROOT / "var" / "models"
    if not (models / "whisper-base").is_dir():
        pytest.skip("needs the models: run `ivrbot models pull`")
    TRAINED.mkdir(parents=True, exist_ok=True)
    (folder / "nlu").symlink_to(TRAINED, target_is_directory=True)
    settings = Settings(data_dir=folder, models={"dir": models})  # type: ignore[arg-type]
    model = await asyncio.to_thread(WhisperModel, models / "whisper-base")
    async with AsyncExitStack() as stack:
        nlu = await engines.train_nlu(settings)
        core = await stack.enter_async_context(app.open_core(settings, plan_file=app.DEMO_PLAN, nlu=nlu))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        house = House(core, model, nlu, group)
        start = stack.enter_async_context  # all that they need is up before the first telephone rings
        ears = {name: await start(whisper(model, how)) for name, how in (BROKEN_EARS | DEAF_EARS).items()}
        keys_ears = await start(whisper(model, _raises))
        mouths = {name: await start(rhvoice()) for name in BROKEN_MOUTHS}
        once = await start(rhvoice())
        rows: dict[str, Awaitable[Call]] = {
            **{f"ears: {name}": house.ring(ears[name], [LOST] * 4) for name in BROKEN_EARS},
            "ears: raises, then keys": house.ring(keys_ears, [LOST, "1", "4271", "1"]),
            **{f"deaf: {name}": house.ring(ears[name], [LOST] * 4) for name in DEAF_EARS},
            **{f"mouth: {name}": _with_mouth(house, mouths[name], how) for name, how in BROKEN_MOUTHS.items()},
            **{f"rasa: {name}": _with_rasa(house, how) for name, how in BROKEN_RASA.items()},
            "classifier raises": _with_raising_nlu(house),
        }
        room = asyncio.Semaphore(AT_ONCE)

        async def in_turn(row: Awaitable[Call]) -> Call:
            async with room:
                return await row

        ended = await asyncio.gather(*map(in_turn, rows.values()), return_exceptions=True)
        # Alone: how soon a process is up again is not to be a matter of ten calls beside it.
        ended += await asyncio.gather(_with_mouth(house, once, _killed_once), return_exceptions=True)
        rung = [*rows, "mouth: killed once"]
        yield {
            name: _failed(call) if isinstance(call, BaseException) else call
            for name, call in zip(rung, ended, strict=True)
        }
    model.close()


def _failed(error: BaseException) -> Call:
    return Call(cause=repr(error))


def escalated(call: Call, reason: str) -> None:
    assert call.end["disposition"] == "escalated", (call.cause, call.events)
    assert call.end["reason"] == reason
    assert call.end["escalated_to"]
    assert call.end["dossier"], "the operator knows what is known"
    assert call.cause == "hangup", "the bot ends the leg, and the dialplan goes on to the queue"
    assert max(call.waits_ms, default=0) <= WAIT_MS


@pytest.mark.parametrize("fault", BROKEN_EARS)
async def test_a_recogniser_that_fails_leads_to_keys_and_then_to_an_operator(
    calls: dict[str, Call], fault: str
) -> None:
    call = calls[f"ears: {fault}"]
    escalated(call, "asr_failure")
    assert [data["engine"] for data in call.of(EventType.ENGINE_FAILED)] == ["asr", "asr"], "one retry, no loop"
    assert call.said.count("utter_use_keys") == 1


async def test_a_caller_without_a_recogniser_is_served_by_his_keys(calls: dict[str, Call]) -> None:
    call = calls["ears: raises, then keys"]
    assert [data["status"] for data in call.of(EventType.BANK_REPLIED) if data["served"]] == ["ok"], call
    assert call.end["topic"] == "block_card"


@pytest.mark.parametrize("fault", DEAF_EARS)
async def test_a_recogniser_that_invents_is_not_believed(calls: dict[str, Call], fault: str) -> None:
    call = calls[f"deaf: {fault}"]
    escalated(call, "no_match")
    assert not call.of(EventType.TOPIC_STATED), "nobody has said that"


@pytest.mark.parametrize("fault", BROKEN_MOUTHS)
async def test_a_live_voice_that_fails_leaves_the_recordings_and_an_operator_for_the_rest(
    calls: dict[str, Call], fault: str
) -> None:
    call = calls[f"mouth: {fault}"]
    escalated(call, "tts_failure")
    assert call.end["escalated_to"] == "block_card"
    assert "utter_apology" in call.said, "a recording"
    assert not any("Готово" in str(data["text"]) for data in call.of(EventType.BOT_SAID)), "nothing is claimed"
    assert max(call.waits_ms, default=0) <= 1000 * PATIENCE_S + WAIT_MS


async def test_a_voice_killed_once_is_back_before_anybody_notices(calls: dict[str, Call]) -> None:
    call = calls["mouth: killed once"]
    assert [data["status"] for data in call.of(EventType.BANK_REPLIED) if data["served"]] == ["ok"], call
    assert not call.of(EventType.ENGINE_FAILED)


@pytest.mark.parametrize("fault", BROKEN_RASA)
async def test_a_server_that_fails_is_stood_in_for_by_the_embedded_classifier(
    calls: dict[str, Call], fault: str
) -> None:
    call = calls[f"rasa: {fault}"]
    assert [data["topic"] for data in call.of(EventType.TOPIC_STATED)] == ["block_card"]
    assert not call.of(EventType.ENGINE_FAILED)
    assert call.end["disposition"] == "escalated"  # he pressed 0


async def test_a_classifier_that_raises_is_asked_once_more_and_then_an_operator(calls: dict[str, Call]) -> None:
    call = calls["classifier raises"]
    escalated(call, "nlu_failure")
    assert {data["engine"] for data in call.of(EventType.ENGINE_FAILED)} == {"nlu"}
