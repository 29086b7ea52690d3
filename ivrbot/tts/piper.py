"""Piper behind the TTS port: a neural voice, sentence by sentence.

Takes text, gives 8 kHz PCM16. The library (GPL-3) is optional and only ever runs in a process of its own
(`ivrbot.tts.worker`); this module does not import it. Voices are folders of the model folder called
`piper-LANGUAGE-NAME`, each with one network and its description beside it (`X.onnx`, `X.onnx.json`).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from ivrbot.errors import EngineBadOutput, EngineUnavailable
from ivrbot.model.audio import Pcm
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.tts.worker import SpeechWorker

NAME = "piper"
_START_S = 60.0
"""A network of 63 MB takes two seconds of processor time to load, on a crowded machine many more by the clock."""


def find_voices(models_dir: Path) -> dict[Language, Path]:
    """The Piper voice of each language that has one: path of its network; of several the first by name."""
    found: dict[Language, Path] = {}
    for language in LANGUAGES:
        for folder in sorted(models_dir.glob(f"piper-{language}-*")):
            networks = [path for path in sorted(folder.glob("*.onnx")) if _speaks(path, language)]
            if networks:
                found.setdefault(language, networks[0])
    return found


def _speaks(network: Path, language: Language) -> bool:
    """Whether the description beside a network says that it is a voice of the language."""
    try:
        described = json.loads(Path(f"{network}.json").read_text("utf-8"))
        return str(described["espeak"]["voice"]).split("-")[0] == language
    except (OSError, ValueError, KeyError, TypeError):
        return False


class PiperEngine:
    """Live speech by Piper.

    Args:
        voices: network of each language, see `find_voices`.
        stall_s: time without a sound after which the process is replaced.
    """

    def __init__(self, voices: Mapping[Language, Path], stall_s: float = 10.0) -> None:
        self._voices = dict(voices)
        paths = {language: str(path) for language, path in self._voices.items()}
        self._worker = SpeechWorker(NAME, {"voices": json.dumps(paths)}, start_s=_START_S, stall_s=stall_s)

    @property
    def name(self) -> str:
        """Name for events and metrics."""
        return NAME

    @property
    def cpu_s(self) -> float:
        """Processor time spent on finished texts."""
        return self._worker.cpu_s

    @property
    def pid(self) -> int | None:
        """Process id of the worker."""
        return self._worker.pid

    async def start(self) -> None:
        """Start the process and warm every voice up.

        Raises:
            EngineUnavailable: library or voice is missing or damaged; says how to get it.
            EngineTimeout: not ready in time.
        """
        if find_spec("piper") is None:
            raise EngineUnavailable("Piper is not installed; run `pip install 'ivrbot[piper]'` (GPL-3)")
        if not self._voices:
            raise EngineUnavailable("no Piper voice is in the model folder; run `ivrbot models pull piper-en-joe`")
        await self._worker.start()

    def languages(self) -> frozenset[Language]:
        """Those that have a voice."""
        return frozenset(self._voices)

    def stream(self, text: str, language: Language) -> AsyncIterator[Pcm]:
        """Speak; gives 8 kHz PCM16 as sentences are made.

        Raises:
            EngineBadOutput: nothing to say, text too long, no voice of the language, or words left out.
            EngineUnavailable: the process died.
            EngineTimeout: no sound in time.
        """
        if language not in self._voices:
            raise EngineBadOutput(f"there is no Piper voice for {language}")
        return self._worker.speak_whole(text, language)

    async def close(self) -> None:
        """End the worker."""
        await self._worker.close()
