"""Classifiers trained once per test run, shared by the tests of understanding."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from ivrbot.nlu.classifier import TextClassifier
from ivrbot.nlu.data import load_training_data
from ivrbot.nlu.embedded import load_encoder, train_classifier
from ivrbot.nlu.encoder import ENCODER_FILE

ROOT = Path(__file__).parents[2]
NLU_DATA = ROOT / "nlu_data"
TEST_DATA = ROOT / "tests" / "data"


def encoder_path() -> Path:
    """The encoder's file, or a skip that says what is missing."""
    path = Path(os.environ.get("IVRBOT_DATA_DIR", ROOT / "var")) / "models" / ENCODER_FILE
    if not path.is_file():
        pytest.skip(f"needs the sentence encoder {path} (ivrbot models pull)")
    return path


@cache
def classifier(encoder: Path | None) -> TextClassifier:
    return train_classifier(load_training_data(NLU_DATA), load_encoder(encoder))
