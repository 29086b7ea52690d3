"""What every peer shares: the product's Whisper, classifier and recorded prompts, and a line to a caller.

A peer is served by the product's own AudioSocket gateway, so that the door costs every system the same. A call's
language is the last bit of its UUID: 1 is English.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import uvloop
import yaml

from ivrbot.asr.whisper import WhisperEngine
from ivrbot.config import PROJECT_ROOT, MediaSettings
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import FRAME_BYTES, FRAME_MS, Frame, Pcm, duration_ms
from ivrbot.model.speech import Expect, Language
from ivrbot.nlu.embedded import EmbeddedNlu
from ivrbot.ports import Leg, MediaSink
from ivrbot.telephony.audiosocket import AudioSocketGateway
from ivrbot.telephony.pacer import Pacer

GREETING: Final = "utter_greeting"
_BY_INTENT: Final = {"operator": "utter_transfer", "affirm": "utter_ask_more", "deny": "utter_ask_more"}
_TOPIC: Final = "utter_ask_fact_last_four"
_OTHERS: Final = ("utter_ask_another_card", "utter_ask_fact_date_of_birth", "utter_ask_card_for_balance")
_UNCLEAR: Final = frozenset(("out_of_scope", "help", "repeat", "wait", "cancel", "greet", "goodbye", "thanks"))


class Bank:
    """Engines of one process, for all of its calls."""

    def __init__(self, models: Path) -> None:
        """Describe them; `start` loads."""
        self._models = models
        self._whisper = WhisperEngine(models / "whisper-base", instances=2)
        self._texts: dict[Language, dict[str, str]] = {}
        self._sounds: dict[tuple[Language, str], Pcm] = {}

    async def start(self) -> None:
        """Load the recogniser, the classifier as the product's process left it, and every prompt."""
        await self._whisper.start()
        encoder = next(iter(sorted(self._models.glob("**/embedding_model_quantized.onnx"))), None)
        cache = PROJECT_ROOT / ".cache" / "nlu"
        self._nlu = await asyncio.to_thread(EmbeddedNlu.train, PROJECT_ROOT / "nlu_data", encoder, cache_dir=cache)
        for language in ("ru", "en"):
            self._load_prompts(language)

    async def read(self, pcm: Pcm, language: Language) -> str:
        """What the caller said, as the product reads an answer to an open question."""
        began_s = time.monotonic()
        text = (await self._whisper.read(pcm, language, Expect.OPEN)).text
        took_ms, sound_ms = round(1000 * (time.monotonic() - began_s)), duration_ms(pcm)
        print(f"read {sound_ms} ms of sound in {took_ms} ms: {text}", file=sys.stderr, flush=True)
        return text

    async def answer(self, text: str, language: Language, turn: int) -> str:
        """Name of the prompt that answers a text."""
        result = await self._nlu.parse(text, language)
        if result.intent in _UNCLEAR:
            return _OTHERS[turn % len(_OTHERS)]
        return _BY_INTENT.get(result.intent, _TOPIC)

    def sound(self, prompt: str, language: Language) -> Pcm:
        """A prompt's recording."""
        return self._sounds[language, prompt]

    def _load_prompts(self, language: Language) -> None:
        texts = yaml.safe_load((PROJECT_ROOT / "flows" / f"{language}.yml").read_text("utf-8"))["responses"]
        folder = PROJECT_ROOT / "audio_prompts" / language
        entries = json.loads((folder / "manifest.json").read_text("utf-8"))["entries"]
        files = {entry["text"]: folder / entry["file"] for entry in entries}
        for name in (_TOPIC, *_BY_INTENT.values(), *_OTHERS):
            self._sounds[language, name] = read_wav(files[texts[name][0]["text"]])
        greeting, question = (texts[name][0]["text"] for name in ("utter_greeting", "utter_ask_topic"))
        self._sounds[language, GREETING] = Pcm(read_wav(files[greeting]) + read_wav(files[question]))


class CallerLine:
    """One call as a peer sees it: frames of 20 ms in, sound out at the pace of a telephone.

    Attributes:
        language: the caller's.
        frames: his sound, None when he is gone.
        on_played: told of every frame that is played.
        held: nothing is played for now.
    """

    def __init__(self, call_id: str) -> None:
        """Takes the call's UUID."""
        self.language: Language = "en" if uuid.UUID(call_id).int & 1 else "ru"
        self.frames: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=100)
        self._out: deque[bytes] = deque()
        self._rest = b""
        self._room = asyncio.Event()
        self.on_played: Callable[[], None] = lambda: None
        self.held = False
        self._closed = False

    # --- ivrbot.ports.MediaSink ---

    def on_frame(self, frame: Frame) -> None:
        """20 ms of the caller."""
        if not self.frames.full():
            self.frames.put_nowait(bytes(frame))

    def on_key(self, key: str) -> None:
        """No keys here."""

    def on_closed(self, cause: str) -> None:
        """The caller is gone."""
        if self.frames.full():
            self.frames.get_nowait()
        self.frames.put_nowait(None)
        self._closed = True
        self._out.clear()
        self._room.set()

    def next_frame(self) -> Frame | None:
        """20 ms to play."""
        if not self._out or self.held:
            return None
        frame = self._out.popleft()
        self._room.set()
        self.on_played()
        return Frame(Pcm(frame))

    # --- for the peer ---

    def push(self, pcm: bytes) -> None:
        """Queue sound; less than a whole frame waits for the next piece."""
        data = self._rest + pcm
        whole = len(data) // FRAME_BYTES * FRAME_BYTES
        self._out.extend(data[at : at + FRAME_BYTES] for at in range(0, whole, FRAME_BYTES))
        self._rest = data[whole:]

    def flush(self) -> None:
        """Queue what is left of a frame."""
        if self._rest:
            self._out.append(self._rest.ljust(FRAME_BYTES, b"\0"))
            self._rest = b""

    def clear(self) -> None:
        """Play nothing more."""
        self._out.clear()
        self._rest = b""
        self._room.set()

    async def wait_played(self, left_frames: int = 0) -> None:
        """Wait until at most so many frames are left to be played, or were cleared away."""
        while len(self._out) > left_frames and not self._closed:
            self._room.clear()
            await self._room.wait()
        if self._closed:  # nobody listens any more, but time goes on for who writes
            self._out.clear()
            await asyncio.sleep(FRAME_MS / 1000)


class _Door:
    def __init__(self, talk: Callable[[CallerLine], Awaitable[None]]) -> None:
        self._talk = talk
        self._running: set[asyncio.Task[None]] = set()

    def admit(self, leg: Leg) -> MediaSink:
        line = CallerLine(leg.call_id)
        task = asyncio.get_running_loop().create_task(self._guarded(line))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return line

    async def _guarded(self, line: CallerLine) -> None:
        try:
            await self._talk(line)
        except Exception as error:  # noqa: BLE001 - one call's failure is told and ends that call only
            print(f"call failed: {error!r}", file=sys.stderr, flush=True)


def serve(talk: Callable[[Bank, CallerLine], Awaitable[None]], models: Path) -> None:
    """Serve calls until the process is ended; prints the port when calls are taken."""

    async def run() -> None:
        bank = Bank(models)
        await bank.start()
        gateway = AudioSocketGateway(_Door(lambda line: talk(bank, line)), Pacer(), MediaSettings(port=0))
        print(f"port {await gateway.start()}", flush=True)
        await asyncio.Event().wait()

    uvloop.run(run())
