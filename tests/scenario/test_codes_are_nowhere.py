"""A one-time code, keyed, keyed wrongly and said, is found in no file, log, metric or answer of the product."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from ivrbot.call.proving import Proving
from ivrbot.config import SmsSettings
from ivrbot.escalation.dossier import as_json
from ivrbot.metrics import REGISTRY
from ivrbot.nlu.embedded import EmbeddedNlu
from tests.planted import DIGITS, files_of
from tests.scenario.runner import core, play
from tests.unit.nlu_engines import classifier

CODE = "907342"
WRONG = "518264"
UP_TO_THE_CODE = ["мне бы увеличить лимит на снятие наличных", "4271", "черёмуха", "двести тысяч рублей", "да"]


def found_in(text: str) -> list[str]:
    """Spellings of the codes that stand in a text; digits within longer strings, as of hashes, are no code."""
    said = [" ".join(DIGITS["ru"][int(digit)] for digit in code) for code in (CODE, WRONG)]
    spaced = [" ".join(code) for code in (CODE, WRONG)]
    pattern = "|".join(map(re.escape, [CODE, WRONG, *said, *spaced]))
    return re.findall(rf"(?<![0-9A-Za-z])(?:{pattern})(?![0-9A-Za-z])", text)


async def test_codes_are_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    defaults = Proving.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "random_below", lambda _below: int(CODE))
    sms = SmsSettings(via="file", folder=tmp_path / "sms")
    kept = tmp_path / "var"
    words = " ".join(DIGITS["ru"][int(digit)] for digit in CODE)
    shown = []
    with caplog.at_level(logging.DEBUG):
        async with core(kept, EmbeddedNlu(classifier(None)), sms=sms) as built:
            for turns in (
                [*UP_TO_THE_CODE, f"код {words}", WRONG, CODE, f"мой код был {words}", "нет"],
                [*UP_TO_THE_CODE, WRONG, WRONG, WRONG],
                [*UP_TO_THE_CODE, " ".join(CODE), CODE, "оператор", f"код {CODE}"],
            ):
                played = await play(built, "+79161234567", turns)
                assert played.end is not None
                shown += [repr(played.events), repr(played.end), repr(played.lines)]
                if played.end.dossier:
                    shown.append(json.dumps(as_json(played.end.dossier, with_caller=True), ensure_ascii=False))
    messages = [file.read_text("utf-8") for file in sms.folder.iterdir()] if sms.folder else []
    assert len(messages) == 3
    assert all(found_in(message) == [CODE] for message in messages)
    assert "limit_changed" in shown[0], "the code was not taken: the test shows nothing"
    places = [*files_of(kept), ("log", caplog.text), ("metrics", generate_latest(REGISTRY).decode())]
    places += [("shown", text) for text in shown]
    leaked = {place: found for place, text in places if (found := found_in(text))}
    assert leaked == {}
