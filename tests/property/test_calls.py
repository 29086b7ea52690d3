"""Whole calls with any turns: nothing secret in an event, nothing done without leave, always an end, no litany."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from itertools import groupby
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbot.config import PROJECT_ROOT
from ivrbot.dialogue.walking import MAX_TIMES_ASKED
from ivrbot.identity.policy import load_policy
from ivrbot.model.call import AssuranceLevel
from ivrbot.model.events import EventType
from ivrbot.model.speech import OUT_OF_SCOPE, IntentScore, Language, NluResult
from tests.fakes.calls import FakeNlu, product_files
from tests.scenario.runner import Played, core, play

POLICY = load_policy(PROJECT_ROOT / "flows" / "assurance.yml")
ACTIONS = product_files()[0].domain.actions
ANNA, STRANGER = "+79161234567", "+74950000001"

TOPICS = {
    "потеряла карту": "block_card",
    "все карты украли": "block_card",
    "мошенники звонят": "report_fraud",
    "какой баланс": "check_balance",
    "последние операции": "recent_transactions",
    "зарплата пришла": "salary_status",
    "какие лимиты": "card_limits",
    "увеличьте лимит": "card_limits",
    "оспорить операцию": "dispute_transaction",
    "сколько платить по кредиту": "loan_info",
    "вклад под проценты": "deposit_info",
    "не могу войти в интернет банк": "online_bank_access",
    "хочу пожаловаться": "complaint",
    "перевыпустите карту": "card_reissue",
}
NEAR = {
    "что с деньгами": ("check_balance", "recent_transactions"),
    "карта не нужна": ("card_reissue", "block_card"),
}
SECRETS = ("черёмуха", "черемуха", "4271", "9030", "05031989", "пятого марта", "соколова", "кукушка", "9161234567")
ASKED_FOR = frozenset(
    {
        "черёмуха",
        "это черёмуха",
        "соколова анна сергеевна",
        "пятого марта восемьдесят девятого",
        "05031989",
        "кукушка",
    }
)
"""Nobody can tell that a bare word is a secret, or a day a birthday, where nothing of the kind was asked for."""

ANSWERS = (
    *("4271", "четыре два семь один", "девяносто тридцать", "9030"),
    *("кодовое слово черёмуха", "моё кодовое слово кукушка"),
    *("да", "нет", "нет, 9030", "другая карта", "первое", "второе", "1", "2", "не знаю", "повторите", "назад"),
    *("отмена", "подождите", "вы робот?", "пять тысяч рублей", "вчера", "silence", "+79161234567", "79161234567#"),
    *sorted(ASKED_FOR),
)
turns = st.lists(st.sampled_from((*TOPICS, *NEAR, *ANSWERS, *ANSWERS)), min_size=1, max_size=12)
openings = st.sampled_from(tuple(TOPICS))


class TableNlu(FakeNlu):
    """Knows the topics of the table; of the near ones it cannot tell which."""

    async def parse(self, text: str, language: Language) -> NluResult:
        if text not in NEAR:
            return await super().parse(text, language)
        first, second = NEAR[text]
        ranking = (IntentScore(first, 0.45), IntentScore(second, 0.4), IntentScore(OUT_OF_SCOPE, 0.15))
        return NluResult(text, first, 0.45, ranking, engine=self.name)


async def held(caller: str, turns: list[str]) -> Played:
    with tempfile.TemporaryDirectory() as folder:
        async with core(Path(folder), TableNlu(TOPICS)) as built:
            return await play(built, caller, turns, instead=prudent)


def prudent(said: list[str], line: str) -> str:
    """Secrets only where one was asked for."""
    asked = bool(said) and said[-1].startswith("utter_ask_fact_")
    return line if asked or line not in ASKED_FOR else "да"


@settings(max_examples=8, deadline=None)
@given(st.sampled_from([ANNA, ANNA, STRANGER]), openings, turns)
def test_any_call(caller: str, opening: str, turns: list[str]) -> None:
    played = asyncio.run(held(caller, [opening, *turns]))
    assert played.end is not None
    check_secrets(played.events)
    check_leave(played.events)
    check_litany(played.responses)


def check_secrets(events: list[tuple[EventType, dict[str, Any]]]) -> None:
    """No card, code word, birthday, name or number, whoever said it and wherever."""
    for type_, data in events:
        written = json.dumps(data, ensure_ascii=False).lower()
        joined = re.sub(r"[\s-]", "", written)
        for secret in SECRETS:
            assert secret not in written, (type_, secret)
            assert secret.replace(" ", "") not in joined, (type_, secret)


def check_leave(events: list[tuple[EventType, dict[str, Any]]]) -> None:
    """What the bank is asked for needs no more than the ladder has reached by then."""
    level, facts = AssuranceLevel.NONE, 0
    for type_, data in events:
        if type_ is EventType.AUTHENTICATION:
            level, facts = AssuranceLevel(data["level"]), len(data["facts"])
        if type_ is EventType.BANK_REQUESTED:
            spec = ACTIONS[data["action"]]
            need = POLICY.requirement(spec.operation or data["action"].removeprefix("bank_"))
            assert spec.optional or (level.rank >= need.level.rank and facts >= need.facts), data["action"]


def check_litany(responses: list[list[str]]) -> None:
    """The same answer is not given more often in a row than a question may be put."""
    said = [tuple(answer) for answer in responses if answer]
    assert all(len(list(same)) <= MAX_TIMES_ASKED for _, same in groupby(said))
