"""Voices at rest: sealed to their customer, gone for good when erased, left out of backups, wrapped anew."""

from __future__ import annotations

import base64
import json
import struct
import sys
import zipfile
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update

from ivrbot.config import load_settings
from ivrbot.errors import ConfigError, MissingError, StorageConflict, StorageDamaged
from ivrbot.model.call import CallId
from ivrbot.model.events import CallEvent, EventType, JsonValue
from ivrbot.storage import voiceprints
from ivrbot.storage.backup import backup
from ivrbot.storage.neutral_rows import lines, shapes
from ivrbot.storage.schema import metadata
from ivrbot.storage.sealing import HOW_TO_MAKE, MasterKey, Sealed, load_master_key, read_master_key, seal, unseal
from ivrbot.storage.store import Store
from ivrbot.storage.voiceprints import VoiceprintBook, VoiceprintCounts
from tests.contract.voiceprints import ANNA, LATER, MODEL, NOW, PETR, sample, template

MASTER = MasterKey(bytes(range(32)))
OTHER = MasterKey(bytes(range(1, 33)))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(tmp_path / "ivrbot.db") as opened:
        yield opened


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


async def enrolled(store: Store, *customers: str) -> VoiceprintBook:
    book = VoiceprintBook(store, MASTER)
    for customer_id in customers:
        await book.record_consent(customer_id, True, NOW, call_id=f"call-{customer_id}")
        await book.save(template(customer_id))
        await book.add_sample(customer_id, "call-1", sample(), NOW)
    return book


# --- sealing ------------------------------------------------------------------------------------------------


def test_what_is_sealed_opens_only_as_what_it_was_sealed_for() -> None:
    data_key, wrapped = MASTER.new_data_key()
    assert MASTER.unwrap(wrapped) == data_key
    sealed = seal(data_key, b"voice", ("template", ANNA, MODEL, 3))
    assert unseal(data_key, sealed, ("template", ANNA, MODEL, 3)) == b"voice"
    for other in (("template", PETR, MODEL, 3), ("template", ANNA, "b", 3), ("sample", ANNA, MODEL, 3)):
        with pytest.raises(StorageDamaged):
            unseal(data_key, sealed, other)
    with pytest.raises(StorageDamaged):
        unseal(MASTER.new_data_key()[0], sealed, ("template", ANNA, MODEL, 3))
    with pytest.raises(StorageDamaged):
        unseal(data_key, Sealed(sealed.nonce, sealed.content[:-1]), ("template", ANNA, MODEL, 3))


def test_no_two_rows_share_a_nonce_or_a_key() -> None:
    keys = {MASTER.new_data_key()[0] for _ in range(50)}
    nonces = {seal(bytes(32), b"", ()).nonce for _ in range(200)}
    assert (len(keys), len(nonces)) == (50, 200)


def test_owners_cannot_be_confused_by_where_one_word_ends() -> None:
    sealed = seal(bytes(32), b"voice", ("ab", "c"))
    with pytest.raises(StorageDamaged):
        unseal(bytes(32), sealed, ("a", "bc"))


def test_another_master_key_does_not_open() -> None:
    with pytest.raises(StorageDamaged, match="master key"):
        OTHER.unwrap(MASTER.new_data_key()[1])


def test_a_master_key_shows_itself_nowhere() -> None:
    text = base64.b64encode(MASTER.key).decode()
    for shown in (repr(MASTER), MASTER.name):
        assert text not in shown
        assert MASTER.key.hex()[:12] not in shown
    assert MASTER.name != OTHER.name


# --- the master key -----------------------------------------------------------------------------------------


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "master"
    file.write_text(base64.b64encode(OTHER.key).decode() + "\n")
    assert load_master_key(file, {}) == OTHER
    given = {"IVRBOT_VOICEPRINT_MASTER_KEY": base64.b64encode(MASTER.key).decode()}
    assert load_master_key(file, given) == MASTER


def test_the_master_key_is_no_setting(tmp_path: Path) -> None:
    environ = {"IVRBOT_VOICEPRINT_MASTER_KEY": base64.b64encode(MASTER.key).decode(), "IVRBOT_LOG_LEVEL": "debug"}
    assert load_settings(tmp_path, environ).log_level == "debug"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (base64.b64encode(bytes(31)).decode(), "31 bytes"),
        (base64.b64encode(bytes(64)).decode(), "64 bytes"),
        ("not base64!", "not base64"),
        ("ключ", "not base64"),
    ],
)
def test_a_wrong_master_key_is_refused_with_how_to_make_one_and_never_shown(
    tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "master").write_text(text)
    for file, environ in ((tmp_path / "master", {}), (None, {"IVRBOT_VOICEPRINT_MASTER_KEY": text})):
        with pytest.raises(ConfigError) as caught:
            load_master_key(file, environ)
        told = str(caught.value)
        assert says in told
        assert HOW_TO_MAKE in told
        assert text not in told


def test_no_master_key_says_where_to_put_one(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="openssl rand -base64 32"):
        load_master_key(None, {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load_master_key(tmp_path / "none", {})


def test_without_the_library_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for use in (
        lambda: MASTER.wrap(bytes(32)),
        lambda: MASTER.unwrap(bytes(40)),
        lambda: seal(bytes(32), b"", ()),
    ):
        with pytest.raises(MissingError, match=r"ivrbot\[voiceprint\]"):
            use()
    assert read_master_key(base64.b64encode(MASTER.key).decode(), "") == MASTER  # to name it takes no library


# --- rows ---------------------------------------------------------------------------------------------------


async def test_the_file_holds_no_vector_in_the_clear(store: Store, tmp_path: Path) -> None:
    await enrolled(store, ANNA)
    assert await store.clean()
    held = b"".join(files(tmp_path).values())
    for vector in (template().embedding, sample().embedding):
        assert struct.pack("<3f", *vector) not in held
        assert struct.pack("<3d", *vector) not in held
        assert json.dumps(list(vector)).encode() not in held
    assert MASTER.key not in held


async def test_rows_cannot_be_exchanged_between_customers(store: Store) -> None:
    book = await enrolled(store, ANNA, PETR)
    columns = ("nonce", "content")

    def swap(conn: Connection, *tables: tuple[object, tuple[str, ...]]) -> None:
        for table, names in tables:
            of = {row.customer_id: row._mapping for row in conn.execute(select(table)).all()}  # type: ignore[call-overload]
            for one, other in ((ANNA, PETR), (PETR, ANNA)):
                changed = update(table).where(table.c.customer_id == one)  # type: ignore[arg-type,attr-defined]
                conn.execute(changed.values({name: of[other][name] for name in names}))

    await store.write(lambda conn: swap(conn, (voiceprints.templates, columns)))
    for customer_id in (ANNA, PETR):  # the other's key does not open it
        with pytest.raises(StorageDamaged):
            await book.template(customer_id)
    await store.write(lambda conn: swap(conn, (voiceprints.keys, ("wrapped",))))
    for customer_id in (ANNA, PETR):  # nor does its own: the row belongs to somebody else
        with pytest.raises(StorageDamaged):
            await book.template(customer_id)
    await store.write(lambda conn: swap(conn, (voiceprints.templates, columns), (voiceprints.keys, ("wrapped",))))
    assert await book.template(ANNA) == template(ANNA)


@pytest.mark.parametrize("column", ["model", "calls", "speech_ms"])
async def test_a_row_that_says_something_else_of_itself_does_not_open(store: Store, column: str) -> None:
    book = await enrolled(store, ANNA)
    value = "b" * 64 if column == "model" else 99
    await store.write(lambda conn: conn.execute(update(voiceprints.templates).values({column: value})) and None)
    with pytest.raises(StorageDamaged):
        await book.template(ANNA)


async def test_a_sample_is_bound_to_its_call(store: Store) -> None:
    book = await enrolled(store, ANNA)
    await store.write(lambda conn: conn.execute(update(voiceprints.samples).values(call_id="call-2")) and None)
    with pytest.raises(StorageDamaged):
        await book.samples(ANNA)


# --- erasure ------------------------------------------------------------------------------------------------


async def wrapped_of(store: Store, customer_id: str) -> bytes:
    query = select(voiceprints.keys.c.wrapped).where(voiceprints.keys.c.customer_id == customer_id)
    return await store.read(lambda conn: bytes(conn.execute(query).scalar_one()))


async def content_of(store: Store, customer_id: str) -> bytes:
    query = select(voiceprints.templates.c.content).where(voiceprints.templates.c.customer_id == customer_id)
    return await store.read(lambda conn: bytes(conn.execute(query).scalar_one()))


@pytest.mark.parametrize("way", ["erase", "withdraw"])
async def test_after_an_erasure_no_file_holds_the_wrapped_key(store: Store, tmp_path: Path, way: str) -> None:
    book = await enrolled(store, ANNA, PETR)
    wrapped, content = await wrapped_of(store, ANNA), await content_of(store, ANNA)
    assert any(wrapped in held for held in files(tmp_path).values())
    if way == "erase":
        assert await book.erase(ANNA)
    else:
        await book.record_consent(ANNA, False, LATER)
    left = files(tmp_path)
    assert [name for name, data in left.items() if wrapped in data or content in data] == []
    others = await wrapped_of(store, PETR)
    assert any(others in data for data in left.values())
    assert await book.template(PETR) == template(PETR)


async def test_a_copy_of_the_row_is_worth_nothing_without_the_key(store: Store) -> None:
    book = await enrolled(store, ANNA)

    def read(conn: Connection) -> dict[str, object]:
        return dict(conn.execute(select(voiceprints.templates)).one()._mapping)

    kept = await store.read(read)
    await book.erase(ANNA)
    await book.record_consent(ANNA, True, LATER)
    await book.add_sample(ANNA, "call-2", sample(), LATER)  # a new key
    await store.write(lambda conn: conn.execute(voiceprints.templates.insert().values(kept)) and None)
    with pytest.raises(StorageDamaged):
        await book.template(ANNA)


# --- backups ------------------------------------------------------------------------------------------------


async def test_a_backup_holds_nothing_of_voices(store: Store, tmp_path: Path) -> None:
    await enrolled(store, ANNA)
    assert await store.read(lambda conn: all(list(lines(conn, shapes(conn)[name])) for name in voice_tables()))
    wrapped = await wrapped_of(store, ANNA)
    manifest = await backup(store, tmp_path / "backup.zip")
    assert {manifest.tables[name].rows for name in voice_tables()} == {0}
    with zipfile.ZipFile(tmp_path / "backup.zip") as archive:
        held = b"".join(archive.read(name) for name in archive.namelist())
    assert base64.b64encode(wrapped) not in held


def voice_tables() -> list[str]:
    return sorted(name for name in metadata.tables if name.startswith("voiceprint_"))


def test_every_table_of_voices_is_left_out() -> None:
    assert set(voice_tables()) == voiceprints.NOT_IN_BACKUPS


# --- another master key -------------------------------------------------------------------------------------


async def test_keys_are_wrapped_anew_and_the_old_master_opens_nothing(store: Store, tmp_path: Path) -> None:
    await enrolled(store, ANNA, PETR)
    old = await wrapped_of(store, ANNA)
    book = VoiceprintBook(store, OTHER)
    with pytest.raises(StorageDamaged, match="master key"):
        await book.template(ANNA)
    assert await book.rewrap(MASTER) == 2
    assert await book.rewrap(MASTER) == 0
    assert await book.template(ANNA) == template(ANNA)
    assert await book.samples(PETR) == (sample(),)
    with pytest.raises(StorageDamaged):
        await VoiceprintBook(store, MASTER).template(ANNA)
    assert not any(old in held for held in files(tmp_path).values())
    assert (await book.counts()).masters == {OTHER.name: 2}


async def test_a_key_that_opens_with_neither_master_changes_nothing(store: Store) -> None:
    await enrolled(store, ANNA, PETR)
    third = MasterKey(bytes(32))
    with pytest.raises(StorageDamaged):
        await VoiceprintBook(store, OTHER).rewrap(third)
    assert await VoiceprintBook(store, MASTER).template(ANNA) == template(ANNA)


# --- counts -------------------------------------------------------------------------------------------------


async def test_customers_are_counted_by_where_they_stand(store: Store) -> None:
    book = VoiceprintBook(store, MASTER)
    assert await book.counts() == VoiceprintCounts()
    await enrolled(store, "done", "done-too")
    for customer_id in ("begun", "left", "no"):
        await book.record_consent(customer_id, customer_id != "no", NOW)
    await book.add_sample("begun", "call-1", sample(), NOW)
    await book.add_sample("begun", "call-2", sample(), NOW)
    await book.add_sample("done", "call-3", sample(model="b" * 64), NOW)  # another model has come
    await book.record_consent("left", False, LATER)
    counts = await book.counts()
    assert counts == VoiceprintCounts({MODEL: 2}, 2, 3, 1, 1, {MASTER.name: 3})


async def test_a_consent_is_kept_with_its_call_and_its_paper(store: Store) -> None:
    book = VoiceprintBook(store, MASTER)
    await book.record_consent(ANNA, True, NOW, call_id="call-7")
    await book.record_consent(ANNA, True, LATER, reference="letter 12")
    query = select(voiceprints.consents).order_by(voiceprints.consents.c.id)
    rows = await store.read(lambda conn: [dict(row._mapping) for row in conn.execute(query)])
    assert [(row["at"], row["call_id"], row["reference"]) for row in rows] == [
        (NOW, "call-7", ""),
        (LATER, "", "letter 12"),
    ]


async def test_a_withdrawal_in_another_process_stops_what_was_begun(store: Store) -> None:
    book = await enrolled(store, ANNA)
    await VoiceprintBook(store, MASTER).record_consent(ANNA, False, LATER)
    with pytest.raises(StorageConflict):
        await book.add_sample(ANNA, "call-9", sample(), LATER)
    assert (await book.counts()).masters == {}


# --- comparisons --------------------------------------------------------------------------------------------


async def test_comparisons_are_counted_by_verdict_and_doubt_since_a_moment(store: Store) -> None:
    def compared(seq: int, verdict: str, doubt: str = "", at: datetime = NOW) -> CallEvent:
        data: dict[str, JsonValue] = {"verdict": verdict, "doubt": doubt, "score": None, "model": ""}
        return CallEvent(CallId("call-1"), seq, EventType.VOICE_COMPARED, seq, at, data)

    await store.append(
        [
            compared(0, "accept"),
            compared(1, "accept"),
            compared(2, "indeterminate", "too_noisy"),
            compared(3, "flag", at=NOW - timedelta(days=31)),
            CallEvent(CallId("call-1"), 4, EventType.AUTHENTICATION, 4, NOW, {"verdict": "accept"}),
        ]
    )
    since = NOW - timedelta(days=30)
    found = await store.read(lambda conn: voiceprints.compared_since(conn, since))
    assert found == {("accept", ""): 2, ("indeterminate", "too_noisy"): 1}


async def test_counting_reads_no_other_events(tmp_path: Path) -> None:
    async with Store(tmp_path / "ivrbot.db") as store:

        def plan(conn: Connection) -> str:
            query = "EXPLAIN QUERY PLAN SELECT count(*) FROM events WHERE type = 'voice_compared' AND at >= '2026'"
            return str(conn.exec_driver_sql(query).all())

        assert "ix_events_voice_compared" in await store.read(plan)
