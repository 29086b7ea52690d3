"""Text classifier: sentence embedding and TF-IDF into one multinomial logistic regression.

Takes labelled sentences, gives probabilities per class. Constants are chosen by five-fold cross-validation on the
training data (`ivrbot.nlu.evaluate.cross_validate`), accuracy Russian / English:

- one model for both languages 84.4 / 86.7 %, a model per language 79.9 / 81.8 %: the embedding is cross-lingual,
  so examples of one language help the other;
- embedding and TF-IDF 84.7 / 86.1 %, TF-IDF alone 72.8 / 71.5 %;
- one noised copy of each sentence costs 1.2 / 1.6 points (and 5 of out-of-scope recall) on clean text and wins
  2.4 / 3.1 on noised text: off, as the noise of the test was made by the same rules.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.model.speech import Language
from ivrbot.nlu.encoder import SentenceEncoder
from ivrbot.nlu.noise import with_noise
from ivrbot.nlu.regression import SoftmaxRegression

# Chosen by cross-validation on the training data (ivrbot.nlu.evaluate.cross_validate).
EMBEDDING_WEIGHT: Final = 3.0
REGULARISATION_C: Final = 3.0
REGULARISATION_C_WITHOUT_ENCODER: Final = 10.0
NOISE_COPIES: Final = 0
SEED: Final = 20260101
_TOLERANCE: Final = 1e-3


class TextClassifier:
    """Trained once, then read-only: `probabilities` may be called from several threads."""

    def __init__(self, encoder: SentenceEncoder | None) -> None:
        """Args: encoder: sentence embeddings, or None for TF-IDF alone."""
        # Seconds to import, and most commands need none of it.
        from scipy.sparse import hstack
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._hstack = hstack
        self._encoder = encoder
        self._words = TfidfVectorizer(
            ngram_range=(1, 2),
            sublinear_tf=True,
            min_df=2,
            token_pattern=r"\S+",
            lowercase=False,
            dtype=np.float32,
        )
        self._letters = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=3, lowercase=False, dtype=np.float32
        )
        self._regression = SoftmaxRegression(
            REGULARISATION_C if encoder is not None else REGULARISATION_C_WITHOUT_ENCODER, _TOLERANCE
        )

    @property
    def has_encoder(self) -> bool:
        """Whether sentence embeddings take part."""
        return self._encoder is not None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the columns; empty before training."""
        return self._regression.classes

    def fit(
        self, examples: Mapping[Language, tuple[Sequence[str], Sequence[str]]], copies: int = NOISE_COPIES
    ) -> None:
        """Trains on normalised sentences.

        Args:
            examples: per language, sentences and their labels.
            copies: noised copies added per sentence.
        """
        rng = random.Random(SEED)
        texts: list[str] = []
        labels: list[str] = []
        for language, (own_texts, own_labels) in examples.items():
            more_texts, more_labels = with_noise(own_texts, own_labels, language, copies, rng)
            texts += more_texts
            labels += more_labels
        sparse = self._hstack([self._words.fit_transform(texts), self._letters.fit_transform(texts)], format="csr")
        self._regression.fit(self._dense(texts), sparse, labels)

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Array of shape (len(texts), len(classes)); rows add up to 1."""
        sparse = self._hstack([self._words.transform(texts), self._letters.transform(texts)], format="csr")
        return self._regression.probabilities(self._dense(texts), sparse)

    def _dense(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self._encoder is None:
            return np.zeros((len(texts), 0), np.float32)
        return self._encoder.encode(texts) * np.float32(EMBEDDING_WEIGHT)
