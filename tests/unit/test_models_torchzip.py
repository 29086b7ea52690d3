"""Files of weights are read as data: nothing in them is ever called, and what is odd is refused."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import sys
import types
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbot.errors import ConfigError
from ivrbot.models import campplus
from ivrbot.models.torchzip import _Refused, _state_dict, read_tensors


class Storage:
    """Stands for a storage of torch until it is pickled."""

    def __init__(self, key: str, items: int, kind: type) -> None:
        self.key, self.items, self.kind = key, items, kind


class Tensor:
    def __init__(self, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.parts = (storage, offset, shape, strides, False, {})

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.parts


class Pickler(pickle.Pickler):
    def persistent_id(self, obj: object) -> object:
        if isinstance(obj, Storage):
            return ("storage", obj.kind, obj.key, "cpu", obj.items)
        return None


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Just enough of torch to write its format."""

    def _rebuild_tensor_v2() -> None: ...

    module, inner = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage", "HalfStorage"):
        setattr(module, name, type(name, (), {"__module__": "torch"}))
    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    inner._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", module)
    monkeypatch.setitem(sys.modules, "torch._utils", inner)
    return module


def described(content: object, protocol: int = 2) -> bytes:
    buffer = io.BytesIO()
    Pickler(buffer, protocol).dump(content)
    return buffer.getvalue()


def written(path: Path, description: bytes, **storages: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", description)
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key[1:]}", data)
    return path


@pytest.mark.parametrize("protocol", [2, 4])
def test_tensors_come_with_shape_and_bytes(tmp_path: Path, torch: types.ModuleType, protocol: int) -> None:
    storage = Storage("7", 8, torch.FloatStorage)
    state = {
        "a.weight": Tensor(storage, 2, (2, 3), (3, 1)),
        "count": Tensor(Storage("8", 1, torch.LongStorage), 0, (), ()),
    }
    if protocol == 4:
        # Protocol 4 names classes from the stack, which torch's own files never do.
        with pytest.raises(ConfigError, match="instruction"):
            read_tensors(written(tmp_path / "w.pt", described(state, 4)))
        return
    numbers = struct.pack("<8f", *range(8))
    found = read_tensors(written(tmp_path / "w.pt", described(state), _7=numbers, _8=struct.pack("<q", 5)))
    assert found["a.weight"].shape == (2, 3)
    assert struct.unpack("<6f", found["a.weight"].data) == (2, 3, 4, 5, 6, 7)
    assert (found["count"].shape, found["count"].data) == ((), struct.pack("<q", 5))


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "why"),
    [((3, 2), (1, 3), 0, "contiguous"), ((2, 3), (3, 1), 3, "beyond"), ((2, -3), (3, 1), 0, "shape"),
     ((2,), (3, 1), 0, "shape"), ((1 << 40,), (1,), 0, "beyond")],
)  # fmt: skip
def test_tensors_that_do_not_fit_their_storage(
    tmp_path: Path,
    torch: types.ModuleType,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    why: str,
) -> None:
    state = {"a": Tensor(Storage("7", 8, torch.FloatStorage), offset, shape, strides)}
    with pytest.raises(ConfigError, match=why):
        read_tensors(written(tmp_path / "w.pt", described(state), _7=bytes(32)))


def test_a_storage_shorter_than_it_says(tmp_path: Path, torch: types.ModuleType) -> None:
    state = {"a": Tensor(Storage("7", 8, torch.FloatStorage), 0, (8,), (1,))}
    with pytest.raises(ConfigError, match="another size"):
        read_tensors(written(tmp_path / "w.pt", described(state), _7=bytes(28)))


class Attack:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_call_in_the_file_is_refused_and_not_made(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "owned"
    bad = written(tmp_path / "w.pt", pickle.dumps({"a": Attack(marker)}, protocol))
    with pytest.raises(ConfigError, match="no plain weights need"):
        read_tensors(bad)
    assert not marker.exists()


def test_odd_content_is_refused(tmp_path: Path, torch: types.ModuleType) -> None:
    half = {"a": Tensor(Storage("7", 8, torch.HalfStorage), 0, (8,), (1,))}
    elsewhere = {"a": Tensor(Storage("../7", 8, torch.FloatStorage), 0, (8,), (1,))}
    for content in (half, elsewhere, {"a": 1}, [1], {1: 2}, "words"):
        with pytest.raises(ConfigError):
            read_tensors(written(tmp_path / "w.pt", described(content), _7=bytes(32)))
    for data in (b"", b"no zip at all", b"PK\x05\x06" + bytes(18)):
        (tmp_path / "x.pt").write_bytes(data)
        with pytest.raises(ConfigError):
            read_tensors(tmp_path / "x.pt")
    with pytest.raises(ConfigError):
        read_tensors(tmp_path / "missing.pt")


OPCODES = b"(.0}]ct)\x85\x86\x87RsuqrhjKMJXQ\x80\x88\x89\x94N"


@given(st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(list(OPCODES)), max_size=40).map(bytes)))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(_Refused):
        assert isinstance(_state_dict(content), dict)


def test_other_weights_are_no_voice_network(tmp_path: Path, torch: types.ModuleType) -> None:
    state = {"head.conv1.weight": Tensor(Storage("7", 8, torch.FloatStorage), 0, (8,), (1,))}
    written(tmp_path / "campplus.pt", described(state), _7=bytes(32))
    with pytest.raises(ConfigError, match="not the weights of this network"):
        campplus.build(tmp_path, tmp_path)
    assert not (tmp_path / "campplus.onnx").exists()
