"""A Whisper model narrowed to the words of one language: the same network, with fewer words to choose from.

Takes a model's folder (CTranslate2 form), gives one with those rows of the word embedding that the language can
need. The decoder compares its state with every row for every piece of a word, 51,865 of them; Russian needs a
sixth and is read with a third less work, English four fifths and a tenth less. What is left out could be said only
in another script. Made once and kept beside the model where that can be written.
Sources: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2 (pieces are
written with one letter per byte); CTranslate2 4.8, src/models/model.cc (the form of model.bin).
"""

from __future__ import annotations

import json
import re
import shutil
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.model.speech import Language

BINARY_VERSION: Final = 6
COMMON_LATIN: Final = 4000
"""Pieces are numbered by how common they are: the first hold what Latin is written in Russian ("SMS", "PIN")."""

STAMP_FILE: Final = "made_from.txt"
_MADE: Final = ("model.bin", "config.json", "vocabulary.json")

_SPECIAL = re.compile(r"<\|.*\|>")
_WORD_ROWS: Final = ("decoder/embeddings/", "decoder/projection/")
_ID_LISTS: Final = ("lang_ids", "suppress_ids", "suppress_ids_begin")
_LETTERS: Final[Mapping[Language, re.Pattern[str]]] = {
    "ru": re.compile(r"[А-яЁё]"),
    "en": re.compile(r"[A-Za-z]"),
}

Ids = NDArray[np.int64]


class UnknownForm(ValueError):
    """The model's files have another form than the one that is known; they work as they are."""


@dataclass(frozen=True, slots=True)
class _Variable:
    name: str
    dims: tuple[int, ...]
    type_id: int
    data: memoryview


@contextmanager
def narrowed(folder: Path, language: Language) -> Iterator[tuple[Path, Ids]]:
    """Give the folder of a model that writes one language only, and for each of its pieces the number it had.

    The folder is `<folder>/<language>`, made when it is not there or the model is another one; where it cannot be
    written, a temporary one, gone with the context.

    Raises:
        UnknownForm: nothing is known of this form of model.
        OSError: a file cannot be read, or there is no room for a temporary one.
    """
    pieces = _pieces(folder)
    ids = spoken(pieces, language)
    kept = folder / language
    stamp = _stamp(folder, ids)
    with ExitStack() as stack:
        if not _is_made(kept, stamp):
            try:
                made = Path(stack.enter_context(TemporaryDirectory(prefix=f"{language}-", dir=folder)))
                _write(folder, made, pieces, ids, stamp)
                _keep(made, kept, stamp)
            except OSError:  # read-only, or no room
                kept = Path(stack.enter_context(TemporaryDirectory(prefix="whisper-")))
                _write(folder, kept, pieces, ids, stamp)
        yield kept, ids


def _stamp(folder: Path, ids: Ids) -> str:
    """What a narrowed model was made from."""
    model = (folder / "model.bin").stat()
    return json.dumps({"model": [model.st_size, model.st_mtime_ns], "pieces": zlib.crc32(ids.tobytes())})


def _is_made(kept: Path, stamp: str) -> bool:
    """Whether it is there, of this model, and as it was written (a machine that went off may leave half of it)."""
    try:
        return (kept / STAMP_FILE).read_text("utf-8") == _sealed(kept, stamp)
    except OSError:
        return False


def _sealed(made: Path, stamp: str) -> str:
    sums = {name: zlib.crc32((made / name).read_bytes()) for name in _MADE}
    return f"{stamp} {json.dumps(sums)}"


def _keep(made: Path, kept: Path, stamp: str) -> None:
    """Put a finished folder into place at once, unless somebody was quicker."""
    made.chmod(kept.parent.stat().st_mode)
    if kept.exists() and not _is_made(kept, stamp):
        shutil.rmtree(kept)
    try:
        made.rename(kept)
    except OSError:
        if not _is_made(kept, stamp):
            raise
    else:
        made.mkdir()  # for the temporary folder's own end


def _write(folder: Path, into: Path, pieces: Sequence[str], ids: Ids, stamp: str) -> None:
    whole = memoryview((folder / "model.bin").read_bytes())
    with (into / "model.bin").open("wb") as narrow:
        narrow.writelines(_narrow_binary(whole, ids, len(pieces)))
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (into / "config.json").write_text(json.dumps(_narrow_config(config, ids)), "utf-8")
    (into / "vocabulary.json").write_text(json.dumps([pieces[index] for index in ids]), "utf-8")
    (into / STAMP_FILE).write_text(_sealed(into, stamp), "utf-8")


def spoken(pieces: Sequence[str], language: Language) -> Ids:
    """Numbers of the pieces that a language can need, ascending: its letters, figures, signs, single bytes."""
    return np.array(
        [index for index, piece in enumerate(pieces) if _is_spoken(piece, index, language)], dtype=np.int64
    )


def _is_spoken(piece: str, index: int, language: Language) -> bool:
    if _SPECIAL.fullmatch(piece):
        return True
    raw = _bytes_of(piece)
    if raw is None or len(raw) <= 1:
        return True
    text = _readable(raw)
    if text is None:
        return False
    letters = [char for char in text if char.isalpha()]
    if all(_LETTERS[language].match(char) for char in letters):
        return True
    return index < COMMON_LATIN and text.isascii()


def _readable(raw: bytes) -> str | None:
    """The text of a piece, a letter cut in two left out; None where that letter is no Cyrillic one."""
    body = raw
    if 0x80 <= raw[0] < 0xC0:
        body = raw[1:]
    if body and body[-1] in (0xD0, 0xD1):
        body = body[:-1]
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _narrow_config(config: dict[str, Any], ids: Ids) -> dict[str, Any]:
    new = {int(old): index for index, old in enumerate(ids)}
    return config | {
        name: [new[old] for old in config[name] if old in new] for name in _ID_LISTS if name in config
    }


def _pieces(folder: Path) -> list[str]:
    plain = folder / "vocabulary.txt"
    if plain.is_file():
        return plain.read_text("utf-8").removesuffix("\n").split("\n")
    pieces = json.loads((folder / "vocabulary.json").read_text("utf-8"))
    if not isinstance(pieces, list):
        raise UnknownForm("vocabulary.json is no list")
    return [str(piece) for piece in pieces]


def _narrow_binary(data: memoryview, ids: Ids, pieces: int) -> list[bytes | memoryview]:
    try:
        head, variables, tail = _parse(data)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise UnknownForm(f"model.bin cannot be taken apart ({error})") from error
    parts: list[bytes | memoryview] = [head, struct.pack("<I", len(variables))]
    found = 0
    for variable in variables:
        rows = variable
        if variable.name.startswith(_WORD_ROWS) and variable.dims[:1] == (pieces,):
            rows = _rows(variable, ids)
            found += 1
        parts += _written(rows)
    if not found:
        raise UnknownForm(f"model.bin has no word embedding of {pieces} rows")
    return [*parts, tail]


def _rows(variable: _Variable, ids: Ids) -> _Variable:
    """The rows of some pieces only, whatever type they have."""
    table = np.frombuffer(variable.data, dtype=np.uint8).reshape(variable.dims[0], -1)
    return _Variable(
        variable.name, (len(ids), *variable.dims[1:]), variable.type_id, memoryview(table[ids].tobytes())
    )


def _parse(data: memoryview) -> tuple[memoryview, list[_Variable], memoryview]:
    """The header, the variables, and what follows them (aliases), the counts left out."""
    (version,) = struct.unpack_from("<I", data)
    if version != BINARY_VERSION:
        raise UnknownForm(f"model.bin is of version {version}, known is {BINARY_VERSION}")
    _, at = _string(data, 4)
    at += 4  # the form's revision
    head = data[:at]
    (count,) = struct.unpack_from("<I", data, at)
    at += 4
    variables = []
    for _ in range(count):
        name, at = _string(data, at)
        rank = data[at]
        dims = struct.unpack_from(f"<{rank}I", data, at + 1)
        at += 1 + 4 * rank
        type_id, size = struct.unpack_from("<BI", data, at)
        at += 5
        if at + size > len(data):
            raise UnknownForm("model.bin ends within a variable")
        variables.append(_Variable(name, dims, type_id, data[at : at + size]))
        at += size
    return head, variables, data[at:]


def _written(variable: _Variable) -> Iterable[bytes | memoryview]:
    name = variable.name.encode() + b"\0"
    rank = len(variable.dims)
    yield struct.pack("<H", len(name)) + name + struct.pack(f"<B{rank}I", rank, *variable.dims)
    yield struct.pack("<BI", variable.type_id, len(variable.data))
    yield variable.data


def _string(data: memoryview, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from("<H", data, at)
    at += 2
    return bytes(data[at : at + size - 1]).decode(), at + size


def _bytes_of(piece: str) -> bytes | None:
    """The bytes that a piece writes; None for what is written otherwise."""
    try:
        return bytes(_BYTES[char] for char in piece)
    except KeyError:
        return None


def _byte_letters() -> dict[str, int]:
    """One letter per byte: printable ones stand for themselves, the others for letters from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


_BYTES: Final = _byte_letters()
