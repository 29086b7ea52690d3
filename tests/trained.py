"""The classifier is trained once for a whole run in lanes: it takes a minute of a processor each time.

What is kept lies under a hash of all that it depends on (`ivrbot.nlu.cache`): other data or code finds nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from ivrbot.config import PROJECT_ROOT
from ivrbot.model.speech import Language
from ivrbot.nlu import embedded
from ivrbot.nlu.cache import cache_key, load_classifier, store_classifier
from ivrbot.nlu.classifier import TextClassifier
from ivrbot.nlu.data import TrainingData
from ivrbot.nlu.encoder import SentenceEncoder
from tests.integration.asterisk.product import TRAINED
from tests.unit import nlu_engines

_OWN: Final = Path("var") / "nlu"
"""What the commands of `make check` have trained, in the repository's own data folder."""


@contextmanager
def once() -> Iterator[None]:
    """Inside, tests of this process take what any process of the run has trained, from whatever data folder."""
    _take_over(PROJECT_ROOT / _OWN)

    def kept_anywhere(folder: Path, key: str, encoder: SentenceEncoder | None) -> TextClassifier | None:
        found = load_classifier(folder, key, encoder)
        return found if found is not None else load_classifier(TRAINED, key, encoder)

    def kept_or_trained(data: Mapping[Language, TrainingData], encoder: SentenceEncoder | None) -> TextClassifier:
        key = cache_key(nlu_engines.NLU_DATA, nlu_engines.encoder_path() if encoder is not None else None)
        found = load_classifier(TRAINED, key, encoder)
        if found is None:
            found = embedded.train_classifier(data, encoder)
            store_classifier(TRAINED, key, found)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "load_classifier", kept_anywhere)
        patch.setattr(nlu_engines, "train_classifier", kept_or_trained)
        yield


def _take_over(folder: Path) -> None:
    """Copy what is kept in another folder; each file appears whole."""
    TRAINED.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("classifier-*.npz"):
        if not (mine := TRAINED / file.name).exists():
            partial = mine.with_name(f".{os.getpid()}-{file.name}")
            shutil.copyfile(file, partial)
            partial.replace(mine)
