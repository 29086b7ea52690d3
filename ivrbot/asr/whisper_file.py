"""The files of a Whisper model in CTranslate2's form: weights, pieces of words, lists of tokens.

Takes a folder, gives the weights by name as they stand in the file, which stays on disk and is shared by all that
read it. Source: CTranslate2 4.8, src/models/model.cc (the form of model.bin).
"""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BINARY_VERSION: Final = 6
_TYPES: Final[Mapping[int, str]] = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}

Array = NDArray[np.float32]


class UnknownForm(ValueError):
    """The model's files are damaged or have another form than the one that is known."""


@dataclass(frozen=True, slots=True)
class WhisperFile:
    """A model as it lies on disk.

    Attributes:
        variables: by name, of the type that they have there; views of the file.
        pieces: what each token writes, by its number.
        suppressed: tokens that are never written.
    """

    variables: Mapping[str, NDArray[Any]]
    pieces: tuple[str, ...]
    suppressed: tuple[int, ...]

    def array(self, name: str) -> Array:
        """Weights as float32, a copy.

        Raises:
            UnknownForm: there are none of this name.
        """
        return np.asarray(self.stored(name), np.float32)

    def stored(self, name: str) -> NDArray[Any]:
        """Weights as they are stored.

        Raises:
            UnknownForm: there are none of this name.
        """
        if name not in self.variables:
            raise UnknownForm(f"model.bin has no {name}")
        if f"{name}_scale" in self.variables:
            raise UnknownForm(f"{name} is quantised; needed is a model of float16 or float32")
        return self.variables[name]


def read(folder: Path) -> WhisperFile:
    """Read a model's folder.

    Raises:
        UnknownForm: a file is damaged, or of another form.
        OSError: a file cannot be read.
    """
    with (folder / "model.bin").open("rb") as file:
        try:
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except ValueError as error:
            raise UnknownForm("model.bin is empty") from error
    try:
        variables = _variables(content)
    except (struct.error, IndexError, UnicodeDecodeError, ValueError) as error:
        raise UnknownForm(f"model.bin cannot be taken apart ({error})") from error
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        suppressed = tuple(int(token) for token in config["suppress_ids"])
        pieces = _pieces(folder)
    except (ValueError, KeyError, TypeError) as error:
        raise UnknownForm(f"config.json or the vocabulary beside it cannot be read ({error!r})") from error
    return WhisperFile(variables, pieces, suppressed)


def _pieces(folder: Path) -> tuple[str, ...]:
    plain = folder / "vocabulary.txt"
    if plain.is_file():
        return tuple(plain.read_text("utf-8").removesuffix("\n").split("\n"))
    pieces = json.loads((folder / "vocabulary.json").read_text("utf-8"))
    if not isinstance(pieces, list):
        raise TypeError("vocabulary.json is no list")
    return tuple(str(piece) for piece in pieces)


def _variables(content: memoryview) -> dict[str, NDArray[Any]]:
    (version,) = struct.unpack_from("<I", content)
    if version != BINARY_VERSION:
        raise UnknownForm(f"model.bin is of version {version}, known is {BINARY_VERSION}")
    _, at = _string(content, 4)
    (count,) = struct.unpack_from("<I", content, at + 4)
    at += 8
    variables = {}
    for _ in range(count):
        name, at = _string(content, at)
        rank = content[at]
        sizes = struct.unpack_from(f"<{rank}I", content, at + 1)
        at += 1 + 4 * rank
        type_id, length = struct.unpack_from("<BI", content, at)
        at += 5
        if at + length > len(content):
            raise UnknownForm("model.bin ends within a variable")
        if type_id not in _TYPES:
            raise UnknownForm(f"{name} is of type {type_id}")
        variables[name] = np.frombuffer(content[at : at + length], _TYPES[type_id]).reshape(sizes)
        at += length
    return variables


def _string(content: memoryview, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<H", content, at)
    at += 2
    return bytes(content[at : at + length - 1]).decode(), at + length
