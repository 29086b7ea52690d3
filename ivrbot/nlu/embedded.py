"""The embedded understanding engine: trained at start from nlu_data, no server, two milliseconds per parse.

Takes text and language through the port NluEngine, gives NluResult. Empty text, low confidence and negated
requests give out_of_scope. Entities are not looked for here: dialogue slots read them with ivrbot.language.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from ivrbot.errors import EngineUnavailable
from ivrbot.model.speech import LANGUAGES, OUT_OF_SCOPE, IntentScore, Language, NluResult
from ivrbot.nlu.cache import cache_key, load_classifier, store_classifier
from ivrbot.nlu.classifier import TextClassifier
from ivrbot.nlu.data import Example, TrainingData, load_training_data
from ivrbot.nlu.deciding import decide_intent, together, with_scope_of
from ivrbot.nlu.encoder import SentenceEncoder
from ivrbot.nlu.guard import asserted_part
from ivrbot.nlu.text import normalise

log = logging.getLogger(__name__)

# Below it a topic is not taken on trust. Chosen by cross-validation on the training data as the last step of 0.05
# that saves more wrong topics than it costs right ones, under noise as well; in noised English a right topic is
# less sure, and without the encoder confidences are lower throughout.
REJECT_BELOW: Final[Mapping[Language, float]] = {"ru": 0.3, "en": 0.25}
REJECT_BELOW_WITHOUT_ENCODER: Final = 0.25
REFUSED: Final = 0.95
"""Confidence that nothing is asked for where everything said is a refusal."""


class EmbeddedNlu:
    """NluEngine on the embedded classifier. Thread-safe; state does not change after training."""

    def __init__(
        self,
        classifier: TextClassifier,
        *,
        executor: Executor | None = None,
        reject_below: float | Mapping[Language, float] = REJECT_BELOW,
        guarded: bool = True,
    ) -> None:
        """Takes a trained classifier.

        Args:
            classifier: trained on normalised text.
            executor: where parses run; None makes an own thread, closed by `close`.
            reject_below: least confidence that an intent needs, in every language or in each.
            guarded: what is refused is left out, by the grammar of the bank's topics; False for other intents.
        """
        self._classifier = classifier
        self._guarded = guarded
        if not isinstance(reject_below, Mapping):
            reject_below = dict.fromkeys(LANGUAGES, reject_below)
        self._reject_below = reject_below
        self._own = ThreadPoolExecutor(1, "nlu") if executor is None else None
        self._executor: Executor = executor if executor is not None else self._own  # type: ignore[assignment]

    @classmethod
    def train(
        cls,
        data_dir: Path,
        model_path: Path | None = None,
        *,
        intents: Collection[str] | None = None,
        executor: Executor | None = None,
        reject_below: float | Mapping[Language, float] | None = None,
        cache_dir: Path | None = None,
    ) -> EmbeddedNlu:
        """Loads the training data and trains, or takes the classifier kept from the last time.

        Training takes 30 s of CPU by words alone and 60 s with the encoder on a busy machine, the kept one a
        second, nearly all of it for the encoder.

        Args:
            data_dir: folder with `ru/*.yml` and `en/*.yml`.
            model_path: the sentence encoder's ONNX file; TF-IDF alone where None or not there.
            intents: names that must occur, and no others; None takes whatever the data names.
            executor: see `__init__`.
            reject_below: see `__init__`; None takes what was measured to be best with or without encoder.
            cache_dir: where trained classifiers are kept; None trains each time.

        Raises:
            ConfigError: the training data is invalid (every problem).
            EngineUnavailable: the encoder is there but cannot be loaded.
        """
        encoder = load_encoder(model_path)
        if reject_below is None:
            reject_below = REJECT_BELOW if encoder is not None else REJECT_BELOW_WITHOUT_ENCODER
        classifier = None
        if cache_dir is not None:
            key = cache_key(data_dir, model_path, intents)
            classifier = load_classifier(cache_dir, key, encoder)
        if classifier is None:
            log.info(
                "training on %s: half a minute to two minutes of a processor, kept for the next time", data_dir
            )
            classifier = train_classifier(load_training_data(data_dir, intents=intents), encoder)
            if cache_dir is not None:
                store_classifier(cache_dir, key, classifier)
        return cls(classifier, executor=executor, reject_below=reject_below)

    @property
    def name(self) -> str:
        """Name for events and metrics."""
        return "embedded"

    @property
    def intents(self) -> tuple[str, ...]:
        """Every class that the classifier knows."""
        return self._classifier.classes

    @property
    def has_encoder(self) -> bool:
        """False when it reads words alone, for lack of the model file."""
        return self._classifier.has_encoder

    async def parse(self, text: str, language: Language) -> NluResult:
        """Understands one text off the event loop; see `parse_now`.

        Raises:
            EngineUnavailable: after `close`.
        """
        try:
            future = self._executor.submit(self.parse_now, text, language)
        except RuntimeError as error:
            raise EngineUnavailable("the embedded understanding engine is closed") from error
        return await asyncio.wrap_future(future)

    def parse_now(self, text: str, language: Language) -> NluResult:
        """Understands one text in the calling thread.

        Args:
            text: the caller's words, any case, with or without punctuation.
            language: of the text; steers the guard, the classifier itself is multilingual.

        Returns:
            The intent with its confidence; blank text gives out_of_scope with confidence 0 and no ranking.
        """
        words = normalise(text)
        if not words:
            return NluResult(text, OUT_OF_SCOPE, 0.0, engine=self.name)
        # What is refused is heard like what is asked for; so what is left without it is read as well.
        left = asserted_part(text, language) if self._guarded else words
        readings = [words, left] if left and left != words else [words]
        scores, *rest = self._classifier.scores_of(readings)
        if not left:
            return NluResult(text, OUT_OF_SCOPE, REFUSED, self._ranking(scores), engine=self.name)
        if rest:
            scores = together((with_scope_of(rest[0], scores), rest[0]))
        if self._guarded:
            intent, confidence = decide_intent(text, language, scores, self._reject_below[language])
        else:
            intent, confidence = next(iter(scores.items()))
        return NluResult(text, intent, confidence, self._ranking(scores), engine=self.name)

    @staticmethod
    def _ranking(scores: Mapping[str, float]) -> tuple[IntentScore, ...]:
        return tuple(IntentScore(name, score) for name, score in scores.items())

    async def close(self) -> None:
        """Frees the own thread; a given executor is left alone."""
        if self._own is not None:
            self._own.shutdown(wait=False, cancel_futures=True)


def load_encoder(model_path: Path | None) -> SentenceEncoder | None:
    """The sentence encoder, or None where the file is not there.

    Raises:
        EngineUnavailable: the file is there but cannot be loaded.
    """
    if model_path is None or not model_path.is_file():
        return None
    return SentenceEncoder(model_path)


def train_classifier(
    data: Mapping[Language, TrainingData], encoder: SentenceEncoder | None, copies: int | None = None
) -> TextClassifier:
    """Trains one classifier on the examples of every language."""
    classifier = TextClassifier(encoder)
    classifier.fit({language: columns(teaching(own.examples, language)) for language, own in data.items()}, copies)
    return classifier


def columns(examples: Collection[Example]) -> tuple[list[str], list[str]]:
    """Normalised texts and labels, side by side."""
    return [normalise(example.text) for example in examples], [example.intent for example in examples]


def teaching(examples: Collection[Example], language: Language) -> list[Example]:
    """The examples that the classifier learns from: bare refusals ("баланс не нужен") are left out.

    The guard knows them by rule, and to a bag of words they teach that "баланс нужен" is out of scope.
    """
    return [one for one in examples if one.intent != OUT_OF_SCOPE or asserted_part(one.text, language)]
