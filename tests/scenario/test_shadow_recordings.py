"""Twelve short calls as a contact centre records them, through the real recogniser."""

from __future__ import annotations

import json
import os
import wave
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ivrbot.cli.main import main
from ivrbot.config import PROJECT_ROOT
from ivrbot.media.resample import resample
from ivrbot.media.wav import encode_wav
from ivrbot.model.audio import Pcm, silence
from tests.caller_speech import CallerVoice, caller_pcm

CALLS: tuple[tuple[str, CallerVoice, tuple[str, ...]], ...] = (
    ("check_balance", "anna", ("Добрый день. Подскажите, сколько денег у меня на карте?",)),
    ("block_card", "elena", ("Здравствуйте, я потерял карту, заблокируйте её, пожалуйста.",)),
    ("loan_info", "irina", ("Хочу узнать, когда следующий платёж по кредиту.",)),
    ("deposit_info", "anna", ("Какие у вас сейчас ставки по вкладам?",)),
    ("dispute_transaction", "elena", ("С меня списали деньги за покупку, которую я не делал.",)),
    ("operator", "irina", ("Соедините меня с оператором, пожалуйста.",)),
    ("find_office", "anna", ("Где ближайшее отделение банка?",)),
    ("salary_status", "elena", ("Мне уже пришла зарплата?",)),
    ("online_bank_access", "irina", ("Не могу войти в интернет-банк.",)),
    ("atm_problem", "anna", ("Банкомат не отдал мне деньги.",)),
    ("block_card", "elena", ("Украли сумку вместе с картой, срочно заблокируйте.",)),
    ("check_balance", "irina", ("Алло, здравствуйте.", "Скажите, пожалуйста, баланс по карте.")),
)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    models = Path(os.environ.get("IVRBOT_MODELS__DIR") or PROJECT_ROOT / "var" / "models")
    if not (models / "whisper-base").is_dir():
        pytest.skip(f"needs {models / 'whisper-base'}: run `ivrbot models pull`")
    monkeypatch.setenv("IVRBOT_MODELS__DIR", str(models))
    monkeypatch.setenv("IVRBOT_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def operator_says() -> Pcm:
    """Somebody else's words, on the other side of the line."""
    return caller_pcm("Банк, слушаю вас, чем я могу помочь?", "anna")


def recorded(folder: Path) -> list[str]:
    """Stereo at 8 and 16 kHz, the operator right; the first call goes on for three minutes."""
    for number, (_, voice, turns) in enumerate(CALLS, start=1):
        operator = operator_says()
        caller = Pcm(bytes(len(operator)) + b"".join(silence(1200) + caller_pcm(text, voice) for text in turns))
        if number == 1:
            caller = Pcm(caller + silence(180_000))
        data = encode_wav(caller, operator)
        (folder / f"call-{number:02}.wav").write_bytes(data if number % 2 else at_16_khz(caller, operator))
    return [f"call-{number:02}.wav" for number in range(1, len(CALLS) + 1)]


def at_16_khz(*channels: Pcm) -> bytes:
    sides = [resample(channel.ljust(max(map(len, channels)), b"\0"), 8000, 16000) for channel in channels]
    path = Path("sixteen.wav")
    with wave.open(str(path), "wb") as file:
        file.setparams((len(sides), 2, 16000, 0, "NONE", ""))
        file.writeframes(b"".join(sides[at % 2][at // 2 * 2 : at // 2 * 2 + 2] for at in range(len(sides[0]))))
    return path.read_bytes()


def noted(folder: Path) -> str:
    rows = [f"call-{number:02}.wav,{topic},resolved" for number, (topic, _, _) in enumerate(CALLS, start=1)]
    (folder / "noted.csv").write_text("\n".join(["file,topic,outcome", *rows]), "utf-8")
    return "noted.csv"


def shadow(*arguments: str) -> Any:
    result = CliRunner().invoke(main, ["shadow", *arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.models
def test_what_the_bot_would_have_done(own_folder: Path) -> None:
    answer = shadow(*recorded(own_folder), "--dispositions", noted(own_folder), "--synthetic", "--store")

    calls = answer["calls"]
    right = [call for call in calls if call["topic"] == call["operator_topic"]]
    assert len(calls) == len(CALLS)
    assert len(right) >= 9
    assert all(row["n"] == 0 for row in answer["branches"])
    assert sum(row["synthetic"] for row in answer["branches"] if row["branch"] == "front") == len(CALLS)
    asked = next(call for call in calls if call["operator_topic"] == "operator")
    assert (asked["expected"], asked["would_resolve"]) == ("caller_asked", False)
    assert shadow()["branches"] == answer["branches"]
