"""One process a voice for all callers of a test run: a process for each sentence costs twenty times its sound."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from threading import Lock, Thread

from ivrbot.model.audio import Pcm
from ivrbot.model.speech import Language
from ivrbot.tts.measure import speak_to_pcm
from ivrbot.tts.rhvoice import RhvoiceEngine
from tests.caller_speech import ENGLISH, rhvoice_root


class CallerProcesses:
    """Voices that stay once they have spoken; for any thread and loop, in a loop of their own."""

    def __init__(self) -> None:
        self._engines: dict[tuple[str, float], RhvoiceEngine] = {}
        self._starting: defaultdict[tuple[str, float], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None

    async def speak(self, text: str, voice: str, tempo: float) -> Pcm:
        """Speak a text; gives 8 kHz PCM16, silence at the ends included.

        Raises:
            EngineError: no sound could be made.
        """
        spoken = asyncio.run_coroutine_threadsafe(self._spoken(text, voice, tempo), self._running())
        return await asyncio.wrap_future(spoken)

    def close(self) -> None:
        """End the processes. Idempotent."""
        loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()

    async def _spoken(self, text: str, voice: str, tempo: float) -> Pcm:
        language: Language = "en" if voice in ENGLISH else "ru"
        key = voice, tempo
        async with self._starting[key]:
            if key not in self._engines:
                root = await asyncio.to_thread(rhvoice_root)
                engine = RhvoiceEngine(voice, voice, root, tempo, languages=(language,))
                await engine.start()
                self._engines[key] = engine
        return (await speak_to_pcm(self._engines[key], text, language)).pcm

    async def _end(self) -> None:
        engines = [*self._engines.values()]
        self._engines.clear()
        for engine in engines:
            await engine.close()
        await asyncio.get_running_loop().shutdown_default_executor()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = Thread(target=self._loop.run_forever, name="callers", daemon=True)
                self._thread.start()
            return self._loop
