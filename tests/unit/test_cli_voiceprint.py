"""`ivrbot voiceprint enrol / verify / erase / show / rewrap`: exit codes, JSON without a vector, noted use."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ivrbot import app, upkeep
from ivrbot.cli.voiceprint import voiceprint
from ivrbot.config import Settings
from ivrbot.media.wav import write_wav
from ivrbot.storage.activity import ActivityLog
from tests.fakes.voice_engine import A_STRANGERS, ANNAS, HER_SISTERS, FakeVoiceEngine, voice

CUSTOMER = "c-1001"
MASTER = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(range(1, 33))).decode()


@pytest.fixture(autouse=True)
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeVoiceEngine:
    for name in list(os.environ):
        if name.startswith("IVRBOT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IVRBOT_VOICEPRINT_MASTER_KEY", MASTER)
    monkeypatch.setenv("IVRBOT_VOICEPRINT__ACCEPT", "0.95")
    fake = FakeVoiceEngine()
    monkeypatch.setattr(upkeep, "voiceprint_engine", lambda _settings: fake)
    return fake


def wav(name: str, who: int = ANNAS, seconds: float = 8.0) -> str:
    write_wav(Path(name), voice(who, seconds))
    return name


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(voiceprint, arguments)


def run(*arguments: str, code: int = 0) -> dict[str, Any]:
    done = invoke(*arguments, "--json")
    assert done.exit_code == code, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def enrol(*files: str, code: int = 0) -> dict[str, Any]:
    return run("enrol", "--customer", CUSTOMER, "--consent-ref", "letter 12", *files, code=code)


THREE = [8.0, 8.1, 8.2]


def three() -> list[str]:
    return [wav(f"{seconds}.wav", ANNAS, seconds) for seconds in THREE]


def test_three_files_make_a_voiceprint_and_two_do_not() -> None:
    files = three()
    done = enrol(*files[:2])
    assert (done["kept"], done["done"], done["waiting"]) == (2, False, 2)
    assert enrol(files[0])["waiting"] == 2  # the same sound is the same call
    assert enrol(files[2])["done"] is True
    shown = run("show", "--customer", CUSTOMER)
    assert (shown["consent"], shown["enrolled"], shown["calls"], shown["waiting"]) == (True, True, 3, 0)
    assert run("show")["enrolled"] == {"a" * 64: 1}


def test_without_consent_nothing_is_heard_or_kept(engine: FakeVoiceEngine) -> None:
    refused = invoke("enrol", "--customer", CUSTOMER, *three())
    assert refused.exit_code == 1
    assert "--consent-ref" in refused.stderr
    assert engine.heard == []
    assert run("show")["masters"] == {}


def test_consent_given_once_counts_for_the_next_time() -> None:
    files = three()
    enrol(files[0])
    assert run("enrol", "--customer", CUSTOMER, *files[1:])["done"] is True


def test_a_file_that_is_too_short_is_told_and_fails() -> None:
    done = enrol(wav("short.wav", seconds=2), code=1)
    assert done["files"] == [
        {"file": "short.wav", "speech_ms": 2000, "snr_db": 25.0, "doubt": "too_little_speech"}
    ]
    assert done["kept"] == 0


@pytest.mark.parametrize(
    ("who", "verdict", "code"),
    [(ANNAS, "accept", 0), (HER_SISTERS, "step_up", 1), (A_STRANGERS, "flag", 1)],
)
def test_verify_tells_the_verdict_and_the_exit_code_says_yes_only_to_it(who: int, verdict: str, code: int) -> None:
    enrol(*three())
    told = run("verify", "--customer", CUSTOMER, wav("now.wav", who), code=code)
    assert told["verdict"] == verdict
    assert told["model"] == "a" * 12


def test_nobody_is_like_somebody_who_is_not_enrolled() -> None:
    told = run("verify", "--customer", CUSTOMER, wav("now.wav"), code=1)
    assert (told["verdict"], told["doubt"]) == ("indeterminate", "not_enrolled")


def test_erased_is_gone_and_he_is_not_asked_again() -> None:
    enrol(*three())
    assert run("erase", "--customer", CUSTOMER, "--why", "his letter") == {"erased": True, "is_file_clean": True}
    assert run("show", "--customer", CUSTOMER) == {"consent": False, "enrolled": False, "waiting": 0}
    assert run("verify", "--customer", CUSTOMER, wav("now.wav"), code=1)["doubt"] == "not_enrolled"
    assert run("show")["withdrawn"] == 1
    assert run("erase", "--customer", CUSTOMER, "--why", "again")["erased"] is False


def test_wholly_forgotten_is_as_if_he_had_never_been_asked() -> None:
    enrol(*three())
    assert run("erase", "--customer", CUSTOMER, "--why", "his letter", "--forget")["erased"] is True
    assert run("show", "--customer", CUSTOMER)["consent"] is None
    assert run("show")["withdrawn"] == 0


def test_erasing_needs_no_master_key(monkeypatch: pytest.MonkeyPatch) -> None:
    enrol(*three())
    monkeypatch.delenv("IVRBOT_VOICEPRINT_MASTER_KEY")
    assert run("erase", "--customer", CUSTOMER, "--why", "the key is lost")["erased"] is True
    missing = invoke("show", "--customer", CUSTOMER)
    assert missing.exit_code == 3
    assert "openssl rand -base64 32" in missing.stderr


def test_a_wrong_master_key_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVRBOT_VOICEPRINT_MASTER_KEY", "c2hvcnQ=")
    wrong = invoke("show", "--customer", CUSTOMER)
    assert wrong.exit_code == 2
    assert "c2hvcnQ=" not in wrong.output


def test_another_master_key_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    enrol(*three())
    Path("old").write_text(MASTER)
    monkeypatch.setenv("IVRBOT_VOICEPRINT_MASTER_KEY", OTHER)
    unopened = invoke("show", "--customer", CUSTOMER)
    assert unopened.exit_code == 1
    assert "storage_damaged" in unopened.stderr
    assert run("rewrap", "--old-key-file", "old") == {"keys": 1}
    assert run("rewrap", "--old-key-file", "old") == {"keys": 0}
    assert run("show", "--customer", CUSTOMER)["enrolled"] is True


def test_each_use_is_noted_without_the_customer_or_a_vector() -> None:
    enrol(*three())
    run("verify", "--customer", CUSTOMER, wav("now.wav"))
    run("show")
    run("erase", "--customer", CUSTOMER, "--why", "card 4276 5500 1234 5678")

    async def noted() -> list[tuple[str, str, str]]:
        async with app.store_of(Settings()) as store:
            rows = await ActivityLog(store).read(kind="voiceprint")
            assert CUSTOMER not in str(rows)
            assert "5500" not in str(rows)
            return [(row.action, row.kind, row.ref) for row in reversed(rows)]

    ref = upkeep.customer_ref(Settings(), CUSTOMER)
    assert asyncio.run(noted()) == [
        ("enrol", "voiceprint", ref),
        ("verify", "voiceprint", ref),
        ("view", "voiceprint", ""),
        ("erase", "voiceprint", ref),
    ]
