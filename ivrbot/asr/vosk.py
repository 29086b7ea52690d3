"""Vosk behind the recognition port: streams, and hears Russian far better than the embedded Whisper base.

Takes 8 kHz sound of one utterance as it comes, gives partials and the reading of everything so far. A recogniser
burns more than half a second of processor time on its first decode, so recognisers are warmed, pooled and reused;
decoding runs in worker threads (the library lets go of the interpreter lock), one job per recogniser at a time.
Source: Vosk API 0.3.45 (vosk_api.h).
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ivrbot.asr.streaming import StreamingEngine, join_words, joined
from ivrbot.asr.vosk_answers import hypotheses_of, spoken
from ivrbot.errors import ConfigError, EngineUnavailable, Problem
from ivrbot.model.audio import SAMPLE_RATE_HZ, silence
from ivrbot.model.speech import Expect, Hypothesis, Language

NAME: Final = "vosk"
ALTERNATIVES: Final = 5
WARM_UP_MS: Final = 1000
_N_BEST: Final = frozenset((Expect.SECRET, Expect.NAME, Expect.DIGITS))
_MAY_HAVE_GRAMMAR: Final = frozenset((Expect.YES_NO, Expect.DIGITS))

Grammars = Mapping[tuple[Language, Expect], Sequence[str]]
_Key = tuple[Language, Expect | None]


@dataclass(slots=True)
class _Recogniser:
    """A recogniser of the library with what it has finished; used by one job at a time."""

    key: _Key
    handle: Any
    finished: list[Hypothesis] = field(default_factory=list)
    result: tuple[Hypothesis, ...] | None = None
    cpu_ms: float = 0.0
    busy: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, alternatives: int) -> None:
        self.handle.Reset()
        self.handle.SetMaxAlternatives(alternatives)
        self.finished.clear()
        self.result = None
        self.cpu_ms = 0.0

    def accept(self, pcm: bytes) -> str:
        """Read on; returns everything heard so far."""
        started = time.thread_time()
        self.result = None
        tail = ""
        if self.handle.AcceptWaveform(pcm):
            self.finished += hypotheses_of(self.handle.Result())[:1]
        else:
            tail = str(json.loads(self.handle.PartialResult()).get("partial", ""))
        self.cpu_ms += (time.thread_time() - started) * 1000.0
        return join_words([*(one.text for one in self.finished), spoken(tail)])

    def finish(self, pcm: bytes) -> tuple[Hypothesis, ...]:
        """Read the rest; returns readings of everything so far, best first."""
        if not pcm and self.result is not None:
            return self.result
        started = time.thread_time()
        if pcm and self.handle.AcceptWaveform(pcm):
            self.finished += hypotheses_of(self.handle.Result())[:1]
        last = hypotheses_of(self.handle.FinalResult())
        before = tuple(self.finished)
        if last:
            self.result = tuple(joined((*before, reading)) for reading in last)
        else:
            self.result = (joined(before),) if before else ()
        self.finished += last[:1]
        self.cpu_ms += (time.thread_time() - started) * 1000.0
        return self.result


class VoskEngine(StreamingEngine[_Recogniser]):
    """Vosk models of one or more languages. See `ivrbot.ports.AsrEngine`."""

    def __init__(
        self,
        folders: Mapping[Language, Path],
        *,
        instances: int = 2,
        deadline_ms: int = 6000,
        grammars: Grammars | None = None,
        observe_queue_s: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Describe the engine; `start` loads it.

        Args:
            folders: model of each language.
            instances: worker threads, and recognisers warmed per language; more come when more callers speak.
            deadline_ms: for one decode, waiting included.
            grammars: words to choose from by language and expectation, for yes/no and digits only; needs a model
                with a dynamic graph (the small ones).
            observe_queue_s: told each job's waiting time in seconds.

        Raises:
            ConfigError: a grammar for anything but yes/no and digits. A secret must never be in a grammar: speech
                that is not on the list comes back as the secret, with confidence 1.
        """
        super().__init__(NAME, instances=instances, deadline_ms=deadline_ms, observe_queue_s=observe_queue_s)
        self._folders = dict(folders)
        self._grammars = {key: tuple(words) for key, words in (grammars or {}).items()}
        wrong = [expect for _, expect in self._grammars if expect not in _MAY_HAVE_GRAMMAR]
        if wrong:
            raise ConfigError(
                [Problem("", None, "grammars", one, "may not have a grammar", "yes_no, digits") for one in wrong]
            )
        self._models: dict[Language, Any] = {}
        self._free: dict[_Key, list[_Recogniser]] = defaultdict(list)

    def take(self, language: Language, expect: Expect) -> _Recogniser:
        """A recogniser, fresh or reused; blocking, in worker threads only."""
        key = (language, expect if (language, expect) in self._grammars else None)
        free = self._free[key]
        try:
            recogniser = free.pop()
        except IndexError:
            recogniser = self._make(key)
        recogniser.begin(ALTERNATIVES if expect in _N_BEST else 0)
        return recogniser

    def give_back(self, recogniser: _Recogniser) -> None:
        """Return a recogniser that no job uses any more."""
        if self._models:
            self._free[recogniser.key].append(recogniser)

    def _hears(self, language: Language) -> bool:
        return language in self._models

    def _unload(self) -> None:
        self._free.clear()
        self._models.clear()

    def _load(self) -> None:
        try:
            import vosk
        except (ImportError, OSError) as error:
            raise EngineUnavailable(f"vosk cannot be loaded ({error}): install the package vosk") from error
        vosk.SetLogLevel(-1)
        for language, folder in self._folders.items():
            try:
                self._models[language] = vosk.Model(str(folder))
            # The library raises bare Exception.
            except Exception as error:
                raise EngineUnavailable(
                    f"{folder} holds no usable Vosk model for {language}; see `ivrbot models list`"
                ) from error
            keys: list[_Key] = [(language, None)]
            keys += [key for key in self._grammars if key[0] == language]
            for key in keys:
                self._free[key] = [self._warmed(key) for _ in range(self._instances)]

    def _warmed(self, key: _Key) -> _Recogniser:
        recogniser = self._make(key)
        recogniser.begin(0)
        recogniser.finish(silence(WARM_UP_MS))
        return recogniser

    def _make(self, key: _Key) -> _Recogniser:
        import vosk

        language, expect = key
        words = self._grammars[(language, expect)] if expect is not None else ()
        grammar = (json.dumps([*words, "[unk]"], ensure_ascii=False),) if words else ()
        try:
            handle = vosk.KaldiRecognizer(self._models[language], SAMPLE_RATE_HZ, *grammar)
        # The library raises bare Exception.
        except Exception as error:
            raise EngineUnavailable(f"vosk made no recogniser for {language}: {error}") from error
        handle.SetWords(True)
        return _Recogniser(key, handle)
