"""A trained classifier kept on disk, so that a start need not train again.

Takes and gives a `TextClassifier`'s state; one file per key, where the key is a hash over the training data, the
sentence encoder's file and the code that trains: whatever changes, the old file is simply not found. The file is
numpy's .npz, read without pickle, so that a planted file can spoil answers at most, never run code; one that
cannot be read is as good as none.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import numpy as np

from ivrbot.nlu.classifier import TextClassifier
from ivrbot.nlu.encoder import SentenceEncoder

log = logging.getLogger(__name__)

KEPT_FILES: Final = 4
_CODE: Final = (
    "classifier.py",
    "data.py",
    "embedded.py",
    "encoder.py",
    "features.py",
    "guard.py",
    "guard_words.py",
    "minimise.py",
    "noise.py",
    "regression.py",
    "repair.py",
    "text.py",
)
_LANGUAGE_CODE: Final = ("phonetic*.py", "negation.py", "tokens.py", "lexicon.py")
"""What of `ivrbot.language` the features and the guard are made with."""

_PREFIX: Final = "classifier-"


def cache_key(data_dir: Path, model_path: Path | None, intents: Collection[str] | None = None) -> str:
    """Hash of all that a trained classifier depends on.

    Args:
        data_dir: folder with `<language>/*.yml`.
        model_path: the sentence encoder's file; None or absent for words alone.
        intents: names that the data was checked against.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    here = Path(__file__).parent
    language = here.parent / "language"
    code = [here.parent / "onnxparts.py", *(here / name for name in _CODE)]
    code += sorted(file for pattern in _LANGUAGE_CODE for file in language.glob(pattern))
    for file in [*code, *sorted([*data_dir.glob("*/*.yml"), *data_dir.glob("*/*.yaml")])]:
        name = file.name if file in code else str(file.relative_to(data_dir))
        content = file.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    digest.update(json.dumps([np.__version__, sorted(intents) if intents is not None else None]).encode())
    if model_path is not None and model_path.is_file():
        with model_path.open("rb") as file_object:
            digest.update(hashlib.file_digest(file_object, "sha256").digest())
    return digest.hexdigest()[:32]


def load_classifier(cache_dir: Path, key: str, encoder: SentenceEncoder | None) -> TextClassifier | None:
    """The classifier kept under the key, or None: there is none, or it cannot be read."""
    path = cache_dir / f"{_PREFIX}{key}.npz"
    if not path.is_file():
        return None
    try:
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
            state: dict[str, Any] = {name: file[name] for name in file.files}
        names = json.loads(state.pop("names").tobytes())
        return TextClassifier.restored(encoder, names, state)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        log.warning("kept classifier %s cannot be read (%s): training again", path.name, error)
        return None


def store_classifier(cache_dir: Path, key: str, classifier: TextClassifier) -> bool:
    """Writes the classifier whole or not at all, and removes the oldest files.

    Returns:
        False when it could not be written; the program runs without.
    """
    names, arrays = classifier.state()
    packed: dict[str, Any] = {
        **arrays,
        "names": np.frombuffer(json.dumps(names, ensure_ascii=False).encode(), np.uint8),
    }
    temporary = None
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=cache_dir, prefix=".", suffix=".npz", delete=False) as file:
            temporary = file.name
            np.savez(file, **packed)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(cache_dir / f"{_PREFIX}{key}.npz")
        temporary = None
        files = sorted(cache_dir.glob(f"{_PREFIX}*.npz"), key=lambda path: path.stat().st_mtime)
        for old in files[:-KEPT_FILES]:
            old.unlink(missing_ok=True)
    except OSError as error:
        log.warning("the trained classifier cannot be kept: %s", error)
        return False
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
    return True
