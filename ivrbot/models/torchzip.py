"""Reading a file of PyTorch weights without PyTorch and without unpickling.

Takes a file that `torch.save` wrote (a zip of one pickle and raw storages), gives its tensors as bytes. The pickle
is read as data: a stack machine of some twenty instructions that can build tuples, dicts, numbers, strings and the
description of a tensor, and knows no other callable. Any other instruction or name refuses the file.
Source: instructions of Python's `pickletools`; layout of `torch.save` as in torch/_utils.py `_rebuild_tensor_v2`.
"""

from __future__ import annotations

import pickletools
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from ivrbot.errors import ConfigError, Problem

LIMIT_PICKLE_BYTES: Final = 4 << 20
LIMIT_TENSOR_BYTES: Final = 256 << 20
LIMIT_MEMBERS: Final = 20_000

_ITEM_BYTES: Final = {"torch FloatStorage": 4, "torch LongStorage": 8}
_REBUILD: Final = "torch._utils _rebuild_tensor_v2"
_ORDERED_DICT: Final = "collections OrderedDict"
_CONSTANTS: Final = {
    "BININT",
    "BININT1",
    "BININT2",
    "LONG1",
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINFLOAT",
}
_TUPLES: Final = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK: Final = object()


@dataclass(frozen=True, slots=True)
class _Name:
    """A callable or class that the pickle names; never looked up."""

    path: str


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    kind: str
    items: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A contiguous tensor.

    Attributes:
        shape: dimensions.
        item_bytes: 4 for float32, 8 for int64.
        data: little-endian items, the last dimension fastest.
    """

    shape: tuple[int, ...]
    item_bytes: int
    data: bytes


@dataclass(frozen=True, slots=True)
class _View:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a state dict by name.

    Args:
        path: a file of `torch.save`; nobody needs to vouch for it.

    Raises:
        ConfigError: not such a file, damaged, too large, or something in it that is no plain tensor.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive)
    except (zipfile.BadZipFile, zlib.error, OSError, KeyError, EOFError, RuntimeError) as error:
        raise ConfigError([Problem(path.name, None, "", "", f"no readable file of weights ({error})")]) from error
    except _Refused as error:
        raise ConfigError([Problem(path.name, None, "", "", str(error))]) from error


class _Refused(ValueError):
    pass


def _read(archive: zipfile.ZipFile) -> dict[str, Tensor]:
    names = archive.namelist()
    pickles = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1 or len(names) > LIMIT_MEMBERS:
        _refuse("is not laid out as torch.save does")
    root = pickles[0].removesuffix("data.pkl")
    if root + "byteorder" in names and archive.open(root + "byteorder").read(16) != b"little":
        _refuse("is not little-endian")
    if archive.getinfo(pickles[0]).file_size > LIMIT_PICKLE_BYTES:
        _refuse("describes its tensors with too many bytes")
    views = _state_dict(archive.read(pickles[0]))
    return {name: _tensor(archive, root, view) for name, view in views.items()}


def _tensor(archive: zipfile.ZipFile, root: str, view: _View) -> Tensor:
    item_bytes = _ITEM_BYTES[view.storage.kind]
    items = 1
    for size, stride in zip(reversed(view.shape), reversed(view.strides), strict=True):
        if size != 1 and stride != items:
            _refuse("holds a tensor that is not contiguous")
        items *= size
    wanted = (view.offset + items) * item_bytes
    member = root + "data/" + view.storage.key
    if wanted > min(LIMIT_TENSOR_BYTES, view.storage.items * item_bytes):
        _refuse("holds a tensor beyond its storage")
    if archive.getinfo(member).file_size != view.storage.items * item_bytes:
        _refuse("holds a storage of another size than it says")
    return Tensor(view.shape, item_bytes, archive.read(member)[view.offset * item_bytes : wanted])


def _state_dict(pickle: bytes) -> dict[str, _View]:
    try:
        found = _Machine().run(pickle)
    except (ValueError, IndexError, TypeError, KeyError, OverflowError, struct.error) as error:
        if isinstance(error, _Refused):
            raise
        _refuse(f"has a damaged description ({type(error).__name__})")
    if not isinstance(found, dict):
        _refuse("holds something else than named tensors")
    for name, view in found.items():
        if not isinstance(name, str) or not isinstance(view, _View):
            _refuse("holds something else than named tensors")
    return found


class _Machine:
    """Runs the instructions over a stack; `Any` is what a stack holds."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._steps: dict[str, Callable[[], None]] = {
            "MARK": lambda: self._stack.append(_MARK),
            "EMPTY_DICT": lambda: self._stack.append({}),
            "NEWTRUE": lambda: self._stack.append(True),
            "NEWFALSE": lambda: self._stack.append(False),
            "NONE": lambda: self._stack.append(None),
            "TUPLE": lambda: self._stack.append(tuple(self._to_mark())),
            "SETITEM": self._set_item,
            "SETITEMS": self._set_items,
            "BINPERSID": self._storage,
            "REDUCE": self._call,
            "MEMOIZE": lambda: self._remember(len(self._memo)),
        }

    def run(self, pickle: bytes) -> object:
        """What the pickle describes."""
        for operation, argument, _ in pickletools.genops(pickle):
            if operation.name == "STOP":
                return self._stack.pop()
            self._step(operation.name, argument)
        return None

    def _step(self, name: str, argument: Any) -> None:
        if name in self._steps:
            self._steps[name]()
        elif name in _CONSTANTS:
            self._stack.append(argument)
        elif name in _TUPLES:
            count = _TUPLES[name]
            parts = [self._stack.pop() for _ in range(count)]
            self._stack.append(tuple(reversed(parts)))
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._remember(argument)
        elif name in ("BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[argument])
        elif name == "GLOBAL":
            self._stack.append(_known(argument))
        elif name not in ("PROTO", "FRAME"):
            _refuse(f"holds the instruction {name}, which no plain weights need")

    def _remember(self, place: int) -> None:
        self._memo[place] = self._stack[-1]

    def _to_mark(self) -> list[Any]:
        items: list[Any] = []
        while (item := self._stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._put([key, value])

    def _set_items(self) -> None:
        self._put(self._to_mark())

    def _put(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            _refuse("has a damaged description (items without a dict)")
        target.update(zip(items[::2], items[1::2], strict=True))

    def _storage(self) -> None:
        word, kind, key, _, items = self._stack.pop()
        if word != "storage" or not isinstance(kind, _Name) or kind.path not in _ITEM_BYTES:
            _refuse("refers to something else than a storage")
        if not isinstance(key, str) or not key.isalnum() or not isinstance(items, int):
            _refuse("refers to a storage by an odd name")
        self._stack.append(_Storage(key, kind.path, items))

    def _call(self) -> None:
        arguments, name = self._stack.pop(), self._stack.pop()
        if name == _Name(_ORDERED_DICT) and arguments == ():
            self._stack.append({})
        elif name == _Name(_REBUILD):
            storage, offset, shape, strides = arguments[:4]
            sizes = (offset, *shape, *strides)
            if not isinstance(storage, _Storage) or len(shape) != len(strides):
                _refuse("holds a tensor without a storage or a shape")
            if not all(isinstance(size, int) and size >= 0 for size in sizes):
                _refuse("holds a tensor with an odd shape")
            self._stack.append(_View(storage, offset, tuple(shape), tuple(strides)))
        else:
            _refuse("asks for a call that no plain weights need")


def _known(path: str) -> _Name:
    if path not in (_REBUILD, _ORDERED_DICT, *_ITEM_BYTES):
        _refuse(f"names {path[:80]!r}, which no plain weights need")
    return _Name(path)


def _refuse(why: str) -> NoReturn:
    raise _Refused(why)
