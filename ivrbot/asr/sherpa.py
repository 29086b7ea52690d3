"""sherpa-onnx behind the recognition port: T-one, made for Russian telephone speech, and streaming Zipformers.

Takes 8 kHz sound of one utterance as it comes, gives partials and the reading of everything so far. The library's
own endpointing stays off (one of its rules never fires with T-one, another fires on silence): the dialogue knows
better when a turn is over. Each stretch is read by a fresh stream with 300 ms of silence on both sides, for a
network that works in chunks of 300 ms hears the edges worst. Source: sherpa-onnx 2.0, Python API; T-one's README.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from ivrbot.asr.streaming import StreamingEngine, join_words, joined
from ivrbot.errors import EngineUnavailable
from ivrbot.model.audio import SAMPLE_RATE_HZ, silence
from ivrbot.model.speech import Expect, Hypothesis, Language

NAME: Final = "sherpa"
PADDING_MS: Final = 300
WARM_UP_MS: Final = 1000
TOKENS: Final = "tokens.txt"


@dataclass(frozen=True, slots=True)
class SherpaModel:
    """What lies in a model's folder.

    Attributes:
        kind: "t_one" or "transducer".
        files: paths by their part in the network ("model", or "encoder", "decoder" and "joiner").
    """

    kind: str
    folder: Path
    files: Mapping[str, Path]


def find_model(folder: Path) -> SherpaModel | None:
    """The model in a folder, None when there is none that this engine can run; quantised files win."""
    if not (folder / TOKENS).is_file():
        return None
    parts = {part: _one(folder, part) for part in ("encoder", "decoder", "joiner")}
    if all(parts.values()):
        return SherpaModel("transducer", folder, {part: path for part, path in parts.items() if path})
    model = _one(folder, "model")
    return SherpaModel("t_one", folder, {"model": model}) if model else None


def _one(folder: Path, part: str) -> Path | None:
    found = sorted(folder.glob(f"{part}*.onnx"), key=lambda path: (".int8." not in path.name, path.name))
    return found[0] if found else None


@dataclass(slots=True)
class _Reader:
    """A recogniser's work on one utterance: stretches that are read, and the stream of the one under way."""

    recogniser: Any
    finished: list[Hypothesis] = field(default_factory=list)
    stream: Any = None
    result: tuple[Hypothesis, ...] | None = None
    cpu_ms: float = 0.0
    busy: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, pcm: bytes) -> str:
        started = time.thread_time()
        self.result = None
        self._feed(pcm)
        self._decode()
        tail = str(self.recogniser.get_result(self.stream)).strip()
        self.cpu_ms += (time.thread_time() - started) * 1000.0
        return join_words([*(one.text for one in self.finished), tail])

    def finish(self, pcm: bytes) -> tuple[Hypothesis, ...]:
        if not pcm and self.result is not None:
            return self.result
        started = time.thread_time()
        if pcm:
            self._feed(pcm)
        if self.stream is not None:
            self._feed(silence(PADDING_MS))
            self.stream.input_finished()
            self._decode()
            self._keep(self.recogniser.get_result_all(self.stream))
            self.stream = None
        self.result = (joined(self.finished),) if self.finished else ()
        self.cpu_ms += (time.thread_time() - started) * 1000.0
        return self.result

    def _feed(self, pcm: bytes) -> None:
        if self.stream is None:
            self.stream = self.recogniser.create_stream()
            pcm = silence(PADDING_MS) + pcm
        self.stream.accept_waveform(SAMPLE_RATE_HZ, np.frombuffer(pcm, "<i2").astype(np.float32) / 32768.0)

    def _decode(self) -> None:
        while self.recogniser.is_ready(self.stream):
            self.recogniser.decode_stream(self.stream)

    def _keep(self, result: Any) -> None:
        text = str(result.text).strip()
        if text:
            self.finished.append(Hypothesis(text, _confidence(result.ys_probs)))


def _confidence(log_probabilities: Sequence[float]) -> float:
    """Mean probability of the tokens that were read; 1 from networks that do not tell."""
    if not len(log_probabilities):
        return 1.0
    return round(min(1.0, sum(map(math.exp, log_probabilities)) / len(log_probabilities)), 3)


class SherpaEngine(StreamingEngine[_Reader]):
    """sherpa-onnx models of one or more languages. See `ivrbot.ports.AsrEngine`."""

    def __init__(
        self,
        folders: Mapping[Language, Path],
        *,
        instances: int = 2,
        deadline_ms: int = 6000,
        observe_queue_s: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Describe the engine; `start` loads it.

        Args:
            folders: model of each language.
            instances: worker threads; all share the networks, which keep no state of their own.
            deadline_ms: for one decode, waiting included.
            observe_queue_s: told each job's waiting time in seconds.
        """
        super().__init__(NAME, instances=instances, deadline_ms=deadline_ms, observe_queue_s=observe_queue_s)
        self._folders = dict(folders)
        self._recognisers: dict[Language, Any] = {}

    def take(self, language: Language, expect: Expect) -> _Reader:
        """A reader for a new utterance; what is expected changes nothing, for there are no grammars."""
        del expect
        recogniser = self._recognisers.get(language)
        if recogniser is None:
            raise EngineUnavailable("the engine is closed")
        return _Reader(recogniser)

    def give_back(self, reader: _Reader) -> None:
        """Streams are made anew for every stretch: there is nothing to keep."""
        reader.stream = None

    def _hears(self, language: Language) -> bool:
        return language in self._recognisers

    def _unload(self) -> None:
        self._recognisers.clear()

    def _load(self) -> None:
        try:
            import sherpa_onnx
        except (ImportError, OSError) as error:
            raise EngineUnavailable(
                f"sherpa-onnx cannot be loaded ({error}): install ivrbot with its extra 'sherpa'"
            ) from error
        for language, folder in self._folders.items():
            model = find_model(folder)
            if model is None:
                raise EngineUnavailable(f"{folder} holds no sherpa-onnx model; see `ivrbot models list`")
            try:
                self._recognisers[language] = _recogniser(sherpa_onnx.OnlineRecognizer, model)
                _Reader(self._recognisers[language]).finish(silence(WARM_UP_MS))
            # The library raises bare Exception, and what a damaged network raises differs.
            except Exception as error:
                raise EngineUnavailable(
                    f"{folder} holds no usable sherpa-onnx model for {language}: {error}"
                ) from error


def _recogniser(library: Any, model: SherpaModel) -> Any:
    """The library's recogniser: one thread each, no endpointing of its own."""
    files = {part: str(path) for part, path in model.files.items()}
    common = {"tokens": str(model.folder / TOKENS), "num_threads": 1, "enable_endpoint_detection": False}
    if model.kind == "t_one":
        return library.from_t_one_ctc(model=files["model"], **common)
    return library.from_transducer(
        encoder=files["encoder"], decoder=files["decoder"], joiner=files["joiner"], **common
    )
