"""Consents to voice comparison, and the samples and templates of those who agreed: sealed, erasable, never shown.

Takes a store and a master key, gives `VoiceprintBook`. Each customer has a data key of his own (see `sealing`);
every row is bound to its customer and model, so that rows cannot be exchanged. Nothing is kept without a consent
in force: that is checked in the transaction that keeps it.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Row,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from ivrbot.errors import StorageConflict, StorageDamaged
from ivrbot.model.voiceprint import VoiceSample, VoiceTemplate
from ivrbot.storage.schema import VOICE_COMPARED, UtcDateTime, events, metadata
from ivrbot.storage.sealing import MasterKey, Sealed, seal, unseal
from ivrbot.storage.store import Store

consents = Table(
    "voiceprint_consents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("customer_id", String, nullable=False),
    Column("agreed", Boolean, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("call_id", String, nullable=False, index=True),
    Column("reference", String, nullable=False),
    Index("ix_voiceprint_consents_customer", "customer_id", "id"),
)

keys = Table(
    "voiceprint_keys",
    metadata,
    Column("customer_id", String, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("master", String, nullable=False),
)

templates = Table(
    "voiceprint_templates",
    metadata,
    Column("customer_id", String, primary_key=True),
    Column("model", String, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("speech_ms", Integer, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

samples = Table(
    "voiceprint_samples",
    metadata,
    Column("customer_id", String, nullable=False),
    Column("call_id", String, nullable=False),
    Column("model", String, nullable=False),
    Column("speech_ms", Integer, nullable=False),
    Column("snr_db", Float, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("customer_id", "call_id"),
)

NOT_IN_BACKUPS: Final = frozenset(table.name for table in (consents, keys, templates, samples))
"""A backup that held them would bring back what was erased, and a consent that was withdrawn."""
_VOICES: Final = (samples, templates, keys)


@dataclass(frozen=True, slots=True)
class VoiceprintCounts:
    """How many customers stand where.

    Attributes:
        enrolled: have a template, by model.
        unfinished: have samples and no template of the same model.
        agreed: whose last word is yes.
        declined: who never said yes, and no at least once.
        withdrawn: who said yes, and no since.
        masters: keys by the name of the master key that wraps them.
    """

    enrolled: Mapping[str, int] = field(default_factory=dict)
    unfinished: int = 0
    agreed: int = 0
    declined: int = 0
    withdrawn: int = 0
    masters: Mapping[str, int] = field(default_factory=dict)


class VoiceprintBook:
    """Voices over one store; implements `ports.VoiceprintStore`.

    Every method raises StorageUnavailable when the database does not answer.

    Args:
        store: open.
        master: wraps and unwraps customers' keys.
    """

    def __init__(self, store: Store, master: MasterKey) -> None:
        self._store = store
        self._master = master

    async def consent(self, customer_id: str) -> bool | None:
        """The customer's last word; None when he was never asked."""
        return await self._store.read(partial(_last_word, customer_id=customer_id))

    async def record_consent(
        self, customer_id: str, agreed: bool, at: datetime, *, call_id: str = "", reference: str = ""
    ) -> None:
        """Keep his word; a withdrawal erases key, samples and template at once."""
        if not agreed:
            await withdraw(self._store, customer_id, at, call_id=call_id, reference=reference)
            return
        word = (customer_id, True, at, call_id, reference)
        await self._store.write(lambda conn: _say(conn, *word))

    async def samples(self, customer_id: str) -> tuple[VoiceSample, ...]:
        """Of an unfinished enrolment, oldest first."""
        query = select(samples).where(samples.c.customer_id == customer_id).order_by(samples.c.at)

        def read(conn: Connection) -> tuple[bytes | None, list[Row[Any]]]:
            return _wrapped(conn, customer_id), list(conn.execute(query))

        wrapped, rows = await self._store.read(read)
        if wrapped is None or not rows:
            return ()
        data_key = self._master.unwrap(wrapped)
        return tuple(_sample(row, data_key) for row in rows)

    async def add_sample(self, customer_id: str, call_id: str, sample: VoiceSample, at: datetime) -> None:
        """Keep the sample of a call, in place of one of the same call."""

        def write(conn: Connection) -> None:
            data_key = self._data_key(conn, customer_id)
            belongs_to = ("sample", customer_id, call_id, sample.model, sample.speech_ms)
            sealed = seal(data_key, _packed(sample.embedding), belongs_to)
            same = (samples.c.customer_id == customer_id) & (samples.c.call_id == call_id)
            conn.execute(delete(samples).where(same))
            conn.execute(
                insert(samples).values(
                    customer_id=customer_id,
                    call_id=call_id,
                    model=sample.model,
                    speech_ms=sample.speech_ms,
                    snr_db=sample.snr_db,
                    at=at,
                    nonce=sealed.nonce,
                    content=sealed.content,
                )
            )

        await self._store.write(write)

    async def template(self, customer_id: str) -> VoiceTemplate | None:
        """The template; None when there is none or its key was destroyed."""
        query = select(templates).where(templates.c.customer_id == customer_id)

        def read(conn: Connection) -> tuple[bytes | None, Row[Any] | None]:
            return _wrapped(conn, customer_id), conn.execute(query).one_or_none()

        wrapped, row = await self._store.read(read)
        return None if wrapped is None or row is None else _template(row, self._master.unwrap(wrapped))

    async def save(self, template: VoiceTemplate) -> None:
        """Keep it in place of the one before; the samples it was made of are erased."""
        customer_id = template.customer_id

        def write(conn: Connection) -> None:
            data_key = self._data_key(conn, customer_id)
            belongs_to = ("template", customer_id, template.model, template.calls, template.speech_ms)
            sealed = seal(data_key, _packed(template.embedding), belongs_to)
            conn.execute(delete(templates).where(templates.c.customer_id == customer_id))
            conn.execute(delete(samples).where(samples.c.customer_id == customer_id))
            conn.execute(
                insert(templates).values(
                    customer_id=customer_id,
                    model=template.model,
                    calls=template.calls,
                    speech_ms=template.speech_ms,
                    updated_at=template.updated_at,
                    nonce=sealed.nonce,
                    content=sealed.content,
                )
            )

        await self._store.write(write)

    async def erase(self, customer_id: str) -> bool:
        """Destroy the customer's key, samples, template and consents; False when there was nothing."""
        return await forget(self._store, customer_id)

    async def counts(self) -> VoiceprintCounts:
        """How many customers stand where."""
        return await self._store.read(counted)

    async def rewrap(self, old: MasterKey) -> int:
        """Wrap every key that the old master key wraps with this one; how many those were.

        Raises:
            StorageDamaged: a key opens with neither; nothing was changed.
        """

        def write(conn: Connection) -> int:
            rows = conn.execute(select(keys).where(keys.c.master != self._master.name)).all()
            for row in rows:
                wrapped = self._master.wrap(old.unwrap(row.wrapped))
                changed = update(keys).where(keys.c.customer_id == row.customer_id)
                conn.execute(changed.values(wrapped=wrapped, master=self._master.name))
            return len(rows)

        done = await self._store.write(write)
        if done:
            await self._store.clean()
        return done

    def _data_key(self, conn: Connection, customer_id: str) -> bytes:
        """The customer's key, made where there is none.

        Raises:
            StorageConflict: no consent is in force.
        """
        if not _last_word(conn, customer_id):
            raise StorageConflict("the customer has not agreed that his voice is kept")
        if (wrapped := _wrapped(conn, customer_id)) is not None:
            return self._master.unwrap(wrapped)
        data_key, wrapped = self._master.new_data_key()
        conn.execute(insert(keys).values(customer_id=customer_id, wrapped=wrapped, master=self._master.name))
        return data_key


# --- what needs no master key ---------------------------------------------------------------------------


async def withdraw(
    store: Store, customer_id: str, at: datetime, *, call_id: str = "", reference: str = ""
) -> bool:
    """Keep that he does not agree, or not any more, and destroy the key of his voice with all that it opens.

    Args:
        store: open.
        customer_id: whose.
        at: aware UTC.
        call_id: of the call in which he said so, if any.
        reference: of the paper on which he did, if any.

    Returns:
        Whether anything of his voice was there.

    Raises:
        StorageUnavailable: not done.
    """

    def write(conn: Connection) -> int:
        _say(conn, customer_id, False, at, call_id, reference)
        return forget_voices(conn, {customer_id})

    had = await store.write(write) > 0
    if had:
        await store.clean()
    return had


async def forget(store: Store, customer_id: str) -> bool:
    """Destroy the key of his voice, all that it opens, and his words; whether there was anything.

    Raises:
        StorageUnavailable: not done.
    """
    had = await store.write(lambda conn: forget_customers(conn, {customer_id})) > 0
    await store.clean()
    return had


def forget_voices(conn: Connection, customer_ids: Collection[str]) -> int:
    """Destroy keys, samples and templates; how many rows those were."""
    wanted = sorted(customer_ids)
    return sum(conn.execute(delete(table).where(table.c.customer_id.in_(wanted))).rowcount for table in _VOICES)


def forget_customers(conn: Connection, customer_ids: Collection[str]) -> int:
    """Destroy everything, consents as well; how many rows that was."""
    agreed = delete(consents).where(consents.c.customer_id.in_(sorted(customer_ids)))
    return forget_voices(conn, customer_ids) + conn.execute(agreed).rowcount


def customers_of_calls(conn: Connection, call_ids: Collection[str]) -> frozenset[str]:
    """Whose voices were kept, or asked for, in some calls."""
    found: set[str] = set()
    for table in (consents, samples):
        held = select(table.c.customer_id).where(table.c.call_id.in_(sorted(call_ids)))
        found |= set(conn.execute(held).scalars())
    return frozenset(found)


def has_voices(conn: Connection) -> bool:
    """Whether anybody was ever asked for his voice."""
    return conn.execute(select(consents.c.id).limit(1)).first() is not None


def counted(conn: Connection) -> VoiceprintCounts:
    """How many customers stand where."""
    enrolled = select(templates.c.model, func.count()).group_by(templates.c.model)
    masters = select(keys.c.master, func.count()).group_by(keys.c.master)
    done = select(templates.c.customer_id).where(
        templates.c.customer_id == samples.c.customer_id, templates.c.model == samples.c.model
    )
    begun = select(func.count(func.distinct(samples.c.customer_id))).where(~done.exists())
    last = select(func.max(consents.c.id)).group_by(consents.c.customer_id)
    yes = select(consents.c.customer_id).where(consents.c.agreed)
    no = select(func.count()).where(consents.c.id.in_(last), ~consents.c.agreed)
    return VoiceprintCounts(
        enrolled=dict(conn.execute(enrolled).all()),
        unfinished=conn.execute(begun).scalar_one(),
        agreed=conn.execute(select(func.count()).where(consents.c.id.in_(last), consents.c.agreed)).scalar_one(),
        declined=conn.execute(no.where(consents.c.customer_id.not_in(yes))).scalar_one(),
        withdrawn=conn.execute(no.where(consents.c.customer_id.in_(yes))).scalar_one(),
        masters=dict(conn.execute(masters).all()),
    )


def compared_since(conn: Connection, since: datetime) -> Mapping[tuple[str, str], int]:
    """How many voices were compared in calls since a moment, by verdict and doubt."""
    verdict, doubt = (events.c.data[name].as_string() for name in ("verdict", "doubt"))
    wanted = select(verdict, doubt, func.count()).where(VOICE_COMPARED, events.c.at >= since)
    found = conn.execute(wanted.group_by(verdict, doubt)).all()
    return {(str(said), str(doubted)): count for said, doubted, count in found}


# --- rows -----------------------------------------------------------------------------------------------


def _say(conn: Connection, customer_id: str, agreed: bool, at: datetime, call_id: str, reference: str) -> None:
    said = {"customer_id": customer_id, "agreed": agreed, "at": at, "call_id": call_id, "reference": reference}
    conn.execute(insert(consents).values(said))


def _last_word(conn: Connection, customer_id: str) -> bool | None:
    said = select(consents.c.agreed).where(consents.c.customer_id == customer_id)
    word: bool | None = conn.execute(said.order_by(consents.c.id.desc()).limit(1)).scalar_one_or_none()
    return word


def _wrapped(conn: Connection, customer_id: str) -> bytes | None:
    held = conn.execute(select(keys.c.wrapped).where(keys.c.customer_id == customer_id)).scalar_one_or_none()
    return None if held is None else bytes(held)


def _sample(row: Row[Any], data_key: bytes) -> VoiceSample:
    belongs_to = ("sample", row.customer_id, row.call_id, row.model, row.speech_ms)
    embedding = _unpacked(unseal(data_key, Sealed(row.nonce, row.content), belongs_to))
    return VoiceSample(embedding, row.model, row.speech_ms, row.snr_db)


def _template(row: Row[Any], data_key: bytes) -> VoiceTemplate:
    belongs_to = ("template", row.customer_id, row.model, row.calls, row.speech_ms)
    embedding = _unpacked(unseal(data_key, Sealed(row.nonce, row.content), belongs_to))
    return VoiceTemplate(row.customer_id, embedding, row.model, row.calls, row.speech_ms, row.updated_at)


def _packed(embedding: tuple[float, ...]) -> bytes:
    return struct.pack(f"<{len(embedding)}f", *embedding)


def _unpacked(content: bytes) -> tuple[float, ...]:
    if len(content) % 4:
        raise StorageDamaged("a sealed row holds no vector")
    return struct.unpack(f"<{len(content) // 4}f", content)
