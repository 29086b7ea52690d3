"""The secret is compared before its words may mean anything else; what was something else costs no try."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from ivrbot.call.attempts import side_subject
from ivrbot.call.authentication import Authenticator, CustomerLocks
from ivrbot.call.beside import inside
from ivrbot.config import PROJECT_ROOT
from ivrbot.identity.policy import load_policy
from ivrbot.language.phonetic import phonetic_key
from ivrbot.model.bank import BankAnswer, BankRequest, Customer, Fact, FactHashes, fact_hash
from ivrbot.model.call import CallId
from ivrbot.model.dialogue import Authenticate, AuthReply
from ivrbot.simulate.world import OwnAttempts
from tests.fakes.calls import FakeNlu

POLICY = load_policy(PROJECT_ROOT / "flows" / "assurance.yml")
KEY = b"sixteen bytes or more of a key"
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
PHONE = "+79161234567"
TOPIC = "а какой у меня баланс"


class OneCustomer:
    """A bank with one customer, whose code word is a question that everybody asks."""

    def __init__(self, code_word: str) -> None:
        digest = fact_hash(KEY, "c", Fact.CODE_WORD, phonetic_key(code_word, "ru"))
        self._hashes = FactHashes("c", {Fact.CODE_WORD: frozenset({digest})})

    async def find_customer(self, phone: str) -> Customer | None:
        return Customer("c", "Anna", PHONE) if phone == PHONE else None

    async def find_by_name(self, names: Sequence[str], born: Sequence[str]) -> tuple[Customer, ...]:
        return ()

    async def fact_hashes(self, customer_id: str) -> FactHashes:
        return self._hashes

    async def execute(self, request: BankRequest) -> BankAnswer:
        raise NotImplementedError

    async def close(self) -> None:
        pass


class Asked:
    """One call in which the code word has been asked for."""

    def __init__(self, code_word: str = "черёмуха", caller: str = PHONE) -> None:
        self.nlu = FakeNlu(
            {TOPIC: "check_balance", f"черёмуха {TOPIC}": "check_balance", "где ваше отделение": "find_office"}
        )
        self.attempts = OwnAttempts()
        self.ladder = Authenticator(
            bank=OneCustomer(code_word),
            attempts=self.attempts,
            policy=POLICY,
            key=KEY,
            locks=CustomerLocks(),
            call_id=CallId("call"),
            caller=caller,
            now=lambda: AT,
            meaning=inside(self.nlu),
        )

    async def says(self, text: str, *, beside: bool = False, wish: str = "", fact: str = "code_word") -> AuthReply:
        if not self.ladder.state.asked:
            await self.ladder.run(Authenticate("block_card", begin=True), "ru")
        return await self.ladder.run(Authenticate("block_card", fact, (text,), beside=beside, wish=wish), "ru")


async def test_a_code_word_that_is_a_topic_is_never_lost() -> None:
    asked = Asked(code_word="зимний баланс")
    assert (await asked.says("зимний баланс", beside=True)).status == "granted"
    assert asked.nlu.read == []


async def test_a_topic_is_answered_as_one_and_is_no_wrong_answer() -> None:
    asked = Asked()
    reply = await asked.says(TOPIC, beside=True)
    assert (reply.status, reply.fact) == ("beside", "code_word")
    assert reply.meaning is not None
    assert reply.meaning.intent == "check_balance"
    assert asked.ladder.state.failures == 0
    assert (await asked.says("черёмуха")).status == "granted"


async def test_guesses_dressed_as_questions_are_limited() -> None:
    asked = Asked()
    for _ in range(POLICY.limits.side_guesses_per_day):
        assert (await asked.says("это ромашка", beside=True)).status == "beside"
    assert (await asked.says("это ромашка", beside=True)).status == "wrong"


async def from_a_talkative_office() -> Asked:
    """A call from a number whose guesses beside the question are used up for the day."""
    asked = Asked()
    for call in range(POLICY.limits.side_guesses_per_number):
        await asked.attempts.add_failure(side_subject(KEY, PHONE), CallId(f"colleague-{call}"), AT)
    return asked


@pytest.mark.parametrize(("text", "beside"), [("зачем вам это", True), (TOPIC, True), (TOPIC, False)])
async def test_who_shares_a_number_with_talkers_is_never_locked_out_by_talking(text: str, beside: bool) -> None:
    asked = await from_a_talkative_office()
    for _ in range(2 * POLICY.limits.failures_per_number):
        assert (await asked.says(text, beside=beside)).status == "beside"
    counts = asked.ladder.state.counts
    assert (asked.ladder.state.failures, counts.customer, counts.number, counts.side) == (0, 0, 0, 0)
    assert (await asked.says("черёмуха")).status == "granted"


async def test_from_there_a_guess_dressed_as_a_question_is_not_compared() -> None:
    asked = await from_a_talkative_office()
    assert (await asked.says("это черёмуха", beside=True)).status == "beside"
    assert (await asked.says(f"черёмуха {TOPIC}")).status == "beside"
    assert asked.ladder.state.facts == ()


@pytest.mark.parametrize("text", ["ромашка", "кодовое слово у меня ромашка", "какая ромашка 4271"])
async def test_from_there_what_answers_the_question_counts_as_everywhere(text: str) -> None:
    asked = await from_a_talkative_office()
    assert (await asked.says(text)).status == "wrong"
    assert asked.ladder.state.failures == 1
    assert asked.nlu.read == []


async def test_one_word_that_names_a_topic_is_a_guess() -> None:
    reply = await Asked().says("зарплата")
    assert reply.status == "wrong"


async def test_figures_are_an_answer_whatever_stands_around_them() -> None:
    reply = await Asked().says("а какой баланс на карте 4271", beside=True)
    assert reply.status == "wrong"


async def test_what_announces_the_secret_is_not_shown_to_an_engine() -> None:
    asked = Asked()
    assert (await asked.says("кодовое слово у меня ромашка")).status == "wrong"
    assert asked.nlu.read == []


async def test_a_wish_for_another_fact_is_granted_where_it_serves() -> None:
    reply = await Asked().says("можно дату рождения", beside=True, wish="date_of_birth")
    assert (reply.status, reply.fact) == ("ask", "date_of_birth")
    reply = await Asked().says("можно номер телефона", wish="phone")
    assert (reply.status, reply.fact) == ("ask", "code_word")


async def test_a_locked_caller_hears_no_more_than_before() -> None:
    asked = Asked()
    reply = await asked.says("ромашка")
    while reply.status in {"wrong", "unclear", "ask"}:  # the ladder's own tests hold that this ends
        reply = await asked.says("ромашка", fact=reply.fact)
    assert reply.status == "refused"
    assert (await asked.says(TOPIC, beside=True)).status == "refused"


@pytest.mark.parametrize("text", ["зачем вам моя фамилия", "а где ваше отделение"])
async def test_before_anybody_is_found_nothing_is_compared(text: str) -> None:
    asked = Asked(caller="+79990001122")
    reply = await asked.says(text, beside=True, fact="name_and_birth")
    assert (reply.status, asked.ladder.state.held) == ("beside", frozenset())


async def test_who_would_rather_name_the_number_of_his_account_may() -> None:
    asked = Asked(caller="+79990001122")
    reply = await asked.says("можно номер телефона", wish="phone", fact="name_and_birth")
    assert (reply.status, reply.fact) == ("ask", "phone")
