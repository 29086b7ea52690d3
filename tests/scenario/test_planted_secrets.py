"""Fifty secrets planted by text and keys, asked and unasked, and searched for wherever anything is kept."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from ivrbot import app
from ivrbot.analytics.recorder import Recorder
from ivrbot.call import transcript
from ivrbot.call.attempts import ALL
from ivrbot.call.code_words import KnownCodeWords
from ivrbot.call.door import CallDesk
from ivrbot.config import CallSettings, MediaSettings
from ivrbot.errors import StorageUnavailable
from ivrbot.escalation.dossier import as_json
from ivrbot.language.masking import mask_typed
from ivrbot.logs import JsonFormatter
from ivrbot.metrics import REGISTRY
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.events import CallEvent, EventType
from ivrbot.telephony.audiosocket import AudioSocketGateway
from ivrbot.telephony.pacer import Pacer
from ivrbot.web.events import event_row
from tests.fakes.asr import FakeAsr
from tests.fakes.calls import FakeNlu
from tests.fakes.line import MarkedVoice
from tests.planted import Secret, files_of, leaks, plant, unescaped
from tests.scenario.runner import Played, core, play

SECRETS = plant()
CALLER = "+79161234567"
LANGUAGES = ("ru", "en")


class Away:
    """A store that takes nothing: what it is given waits in the journal."""

    async def append(self, events: Sequence[CallEvent]) -> None:
        raise StorageUnavailable("away")

    async def of_call(self, call_id: CallId) -> tuple[CallEvent, ...]:
        raise StorageUnavailable("away")


@dataclass
class Kept:
    """A product's folder and everything that came out of it.

    Attributes:
        shown: what was shown to people and programs, by place.
        calls: how many were held.
    """

    folder: Path
    core: app.Core
    away: Recorder
    log: io.StringIO
    shown: list[tuple[str, str]] = field(default_factory=list)
    calls: int = 0

    async def call(self, turns: list[str], language: str, topic: str = "") -> Played:
        """A call in text; what it emitted goes into the journal, too."""
        played = await play(self.core, CALLER, turns, language, topic)
        self.calls += 1
        call_id = CallId(str(uuid.uuid4()))
        for type_, data in played.events:
            self.away.emit(call_id, type_, 0, data)
        if played.end and played.end.dossier:
            dossier = played.end.dossier
            self.shown.append(("dossier", json.dumps(as_json(dossier, with_caller=True), ensure_ascii=False)))
        return played

    def places(self) -> Iterator[tuple[str, str]]:
        """Everything to be searched."""
        yield from files_of(self.folder)
        yield from self.shown
        yield "log", unescaped(self.log.getvalue())
        yield "metrics", generate_latest(REGISTRY).decode()


@asynccontextmanager
async def product(folder: Path) -> AsyncIterator[Kept]:
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        async with core(folder, FakeNlu()) as built, Recorder(Away(), folder / "away.jsonl", app.utc_now) as away:
            yield Kept(folder, built, away, log)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


async def export(kept: Kept, call_id: CallId) -> None:
    """What the stream of events and `ivrbot events export` give."""
    await kept.core.recorder.flush()
    rows = [event_row(event) for event in await kept.core.store.of_call(call_id)]
    assert rows
    kept.shown.append(("export", json.dumps(rows, ensure_ascii=False)))


async def test_by_text_where_they_are_asked_and_where_they_are_not(tmp_path: Path) -> None:
    async with product(tmp_path) as kept:
        for number, secret in enumerate(SECRETS):
            language = LANGUAGES[number % 2]
            await kept.call([*secret.sentences("ru"), "hangup"], "ru")
            await kept.call([*secret.sentences("en"), "hangup"], "en")
            answer = secret.said(language, number)
            if number % 5 == 0:
                await kept.call([answer, answer, f"{answer}!"], language, "check_balance")
            elif number % 5 == 1:
                story = "расскажу по порядку" if language == "ru" else "let me tell you all of it"
                await kept.call([f"{story} {next(secret.sentences(language))}"], language, "complaint")
        await kept.core.recorder.flush()
        await kept.away.flush()
        assert kept.calls == 2 * len(SECRETS) + 2 * len(SECRETS[::5])
        assert leaks(kept.places(), SECRETS) == []
        said_lines = [text for _, text in kept.places()]
        assert sum(text.count("***") for text in said_lines) > 2 * len(SECRETS)


async def test_in_pieces_over_several_turns(tmp_path: Path) -> None:
    cards = [secret for secret in SECRETS if secret.kind == "card"]
    async with product(tmp_path) as kept:
        for number, secret in enumerate(cards):
            size = (1, 2, 4)[number % 3]
            pieces = [secret.value[at : at + size] for at in range(0, len(secret.value), size)]
            spoken = [Secret("card", piece).said("ru", 2) for piece in pieces]
            played = await kept.call(spoken, "ru")
            heard = [str(data["text"]) for kind, data in played.events if kind is EventType.CALLER_SAID]
            assert sum(text not in ("***", "[topic]") for text in heard) <= 2
        await kept.core.recorder.flush()
        assert leaks(kept.places(), cards) == []


OWN_WORDS = [Secret("word", "черемуха"), Secret("word", "cherry tree")]
"""The caller's own, of which the bank gives keyed hashes alone."""


async def say_own_words(kept: Kept) -> list[Played]:
    """The calls of a customer who says his code word where nobody asks for it, and never that it is one."""
    told = "расскажу по порядку как всё было вчера у банкомата черёмуха и деньги не вышли"
    praise = "let me tell you how kind your people were cherry tree and thank you all for it"
    return [
        await kept.call(["здравствуйте, черёмуха, карту потеряла", "оператора", "hangup"], "ru"),
        await kept.call(["баланс", "ну черёмуха же", "карта там, черёмуха", "и всё"], "ru"),
        await kept.call(["черёмушка", "черёмуха, ЧЕРЁМУХА!", "silence", "hangup"], "ru"),
        await kept.call([told, "нет"], "ru", "complaint"),
        await kept.call(["good morning, cherry tree, I lost my card", "hmm cherrytree", "so"], "en"),
        await kept.call([praise, "no"], "en", "thanks"),
    ]


async def test_the_code_word_of_a_known_caller_where_nobody_asks_for_it(tmp_path: Path) -> None:
    async with product(tmp_path) as kept:
        calls = await say_own_words(kept)
        await kept.core.recorder.flush()
        await kept.away.flush()
        assert leaks(kept.places(), OWN_WORDS) == []
        assert not any("cherrytree" in text for _, text in kept.places())
        said = [str(data["text"]) for call in calls for kind, data in call.events if kind is EventType.CALLER_SAID]
        assert "здравствуйте, ***, карту потеряла" in said
        assert "good morning, ***, i lost my card" in said
        assert "черёмушка" in said  # another word
        assert any(place == "dossier" and "***" in text for place, text in kept.shown)
        assert {place for place, _ in kept.places()} >= {"away.jsonl", "dossier", "log", "bank_operations.sqlite"}


async def test_a_code_word_that_nobody_asked_for_proves_nothing_and_costs_no_try(tmp_path: Path) -> None:
    async with core(tmp_path, FakeNlu({"какой баланс": "check_balance"})) as built:
        played = await play(built, CALLER, ["черёмуха, метроном", "какой баланс", "4271", "hangup"])
        steps = [data for kind, data in played.events if kind is EventType.AUTHENTICATION]
        assert [(step["facts"], step["failures"]) for step in steps] == [([], 0), (["last_four"], 0)]
        assert played.responses[-2][-1] == "utter_ask_fact_code_word"
        for subject in ("customer:c-1001", "side:c-1001", ALL):
            assert await built.parts.attempts.failures_since(subject, app.utc_now() - timedelta(days=1)) == 0
        # Nor does the caller hear whether it was his word: the bot says the same upon any other.
        other = await play(built, CALLER, ["мельница, метроном", "какой баланс", "4271", "hangup"])
        assert other.lines == played.lines


async def test_without_the_comparison_the_word_is_found_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KnownCodeWords, "spans", lambda *_: [])
    async with product(tmp_path) as kept:
        await say_own_words(kept)
        await kept.core.recorder.flush()
        await kept.away.flush()
        found = leaks(kept.places(), OWN_WORDS)
    places = {line.partition(": ")[0] for line in found}
    assert {"away.jsonl", "dossier"} <= places and any("sqlite" in place for place in places)
    assert {line.rpartition("word ")[2] for line in found} == {"черемуха", "cherry tree"}


async def test_by_keys_through_the_gateway(tmp_path: Path) -> None:
    """AudioSocket carries keys as frames: at the menu, at a secret question, and one at a time."""
    keyed = [secret for secret in SECRETS if secret.is_digits][::4]
    async with product(tmp_path) as kept, asyncio.TaskGroup() as group:
        built = kept.core
        desk = CallDesk(
            built.parts,
            asr=lambda _language: FakeAsr([]),
            voice=MarkedVoice(1),
            settings=CallSettings(max_calls=50),
            record=built.recorder.emit,
            registered_only=True,
        )
        desk.open(group)
        gateway = AudioSocketGateway(desk, Pacer(), MediaSettings(port=0))
        port = await gateway.start()
        calls = [CallId(str(uuid.uuid4())) for _ in keyed]
        for call_id, secret in zip(calls, keyed, strict=True):
            assert await desk.register(CallRegistration(call_id, caller=CALLER, called="100"))
            await press(port, call_id, secret.value + "#")
        await asyncio.gather(*(ended(built, call_id) for call_id in calls))
        await gateway.stop()
        for call_id in calls:
            await export(kept, call_id)
        assert leaks(kept.places(), keyed) == []
        assert any("[keys]" in text for place, text in kept.shown if place == "export")
        lines = [json.loads(line) for line in kept.log.getvalue().splitlines()]
        of_calls = [line for line in lines if line["logger"].startswith("ivrbot.call")]
        assert of_calls and {line.get("call_id") for line in of_calls} == set(calls)


async def press(port: int, call_id: CallId, keys: str) -> None:
    """A caller who keys everything at once and hangs up."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x01\x00\x10" + uuid.UUID(call_id).bytes)
    for key in keys:
        writer.write(b"\x03\x00\x01" + key.encode())
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.write(b"\x00\x00\x00")
    writer.close()


async def ended(built: app.Core, call_id: CallId) -> None:
    async with asyncio.timeout(20):
        while True:
            await built.recorder.flush()
            events = await built.store.of_call(call_id)
            if any(event.type is EventType.CALL_ENDED for event in events):
                return
            await asyncio.sleep(0.02)


def test_typed_by_operators() -> None:
    for secret in SECRETS:
        for language in LANGUAGES:
            for sentence in secret.sentences(language):
                if len(sentence.split()) > 1:
                    assert leaks([("typed", mask_typed(sentence))], [secret]) == [], sentence


async def test_the_search_finds_what_leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one mask, and with a secret in a log line, the search must cry out; else it proves nothing."""
    card = next(secret for secret in SECRETS if secret.kind == "card")
    word = next(secret for secret in SECRETS if secret.kind == "word")
    monkeypatch.setattr(transcript, "mask_codes", lambda text, *_, **__: text)
    monkeypatch.setattr(transcript, "figures_in", lambda *_: 0)
    async with product(tmp_path) as kept:
        await kept.call([f"карта {card.said('ru', 3)}", f"кодовое слово {word.value}"], "ru")
        logging.getLogger("ivrbot.test").info("a pin: %s", "4829")
        await kept.core.recorder.flush()
        await kept.away.flush()
        found = leaks(kept.places(), [card, word, Secret("pin", "4829")])
    places = {line.partition(": ")[0] for line in found if "word" in line}
    assert "away.jsonl" in places  # the dossier is masked once more when it is sealed
    assert any("sqlite" in place for place in places)
    assert any(f"card {card.value}" in line for line in found)
    assert "log: pin 4829" in found


@pytest.mark.parametrize("way", range(4))
def test_every_spelling_is_searched_for(way: int) -> None:
    for secret in SECRETS:
        for language in LANGUAGES:
            assert leaks([("here", f'{{"text":"вот {secret.said(language, way)}"}}')], [secret]), secret
