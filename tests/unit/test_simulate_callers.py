"""Simulated callers: sentences, numbers, mishearing, behaviour, and the truth about a call."""

from __future__ import annotations

import random
from datetime import date

import pytest
from num2words import num2words

from ivrbot.bank.demo import CUSTOMERS, OFFICES
from ivrbot.model.bank import BankAnswer, BankOperation, BankRequest
from ivrbot.model.call import Disposition
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.simulate import words_en, words_ru
from ivrbot.simulate.caller import DELIVERS, Caller
from ivrbot.simulate.grammar import all_of, say
from ivrbot.simulate.moves import HangUp, Line, Press, Quiet, Words
from ivrbot.simulate.noise import SPARED, misheard
from ivrbot.simulate.outcome import Outcome
from ivrbot.simulate.persona import GOALS, Persona, draw
from ivrbot.simulate.spoken import date_in_words, digits_in_words, sum_in_words
from ivrbot.simulate.summary import Summary
from ivrbot.simulate.truth import CITY_SPOKEN, QUEUES, Traces, Truth, judge

ANNA = CUSTOMERS[0]


def persona(goal: str, **wanted: object) -> Persona:
    """The first caller of a seed who is as wanted."""
    return next(
        one
        for one in (draw(11, number, goals=[goal], noise=0.0) for number in range(2000))
        if all(getattr(one, name) == value for name, value in wanted.items())
    )


# --- sentences ------------------------------------------------------------------------------------------


def test_a_template_gives_each_of_its_sentences() -> None:
    template = "(a|b [c]) {x}"
    said = {say(template, random.Random(seed), {"x": "1"}) for seed in range(60)}
    assert said == {"a 1", "b 1", "b c 1"}
    assert all_of(template) == 3


@pytest.mark.parametrize("template", ["(a", "a)", "[a|b"])
def test_a_template_with_an_open_bracket_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="bracket"):
        say(template, random.Random(1))


@pytest.mark.parametrize("words", [words_ru, words_en], ids=["ru", "en"])
def test_every_goal_and_answer_has_sentences_in_each_language(words: object) -> None:
    assert set(words.TOPICS) == set(GOALS)  # type: ignore[attr-defined]
    assert set(words.SAY) == set(words_ru.SAY)  # type: ignore[attr-defined]
    templates = [line for lines in (*words.TOPICS.values(), *words.SAY.values()) for line in lines]  # type: ignore[attr-defined]
    assert sum(all_of(template) for template in templates) > 300


@pytest.mark.parametrize("seed", range(8))
def test_digits_in_russian_are_the_digits(seed: int) -> None:
    said = digits_in_words("4071", "ru", random.Random(seed))
    assert said in {"четыре ноль семь один", "сорок семьдесят один"}


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (
            date(1989, 3, 5),
            {"пятое марта восемьдесят девятого", "пятое марта тысяча девятьсот восемьдесят девятого"},
        ),
        (date(2001, 7, 30), {"тридцатое июля две тысячи первого"}),
        (date(1975, 11, 21), {"двадцать первое ноября семьдесят пятого"}),
        (date(1940, 1, 3), {"третье января сорокового"}),
    ],
)
def test_birth_dates_in_russian(day: date, words: set[str]) -> None:
    said = {date_in_words(day, "ru", random.Random(seed)).removesuffix(" года") for seed in range(30)}
    assert words <= {text.replace("одна тысяча", "тысяча") for text in said}


def test_sums() -> None:
    said = {sum_in_words(500_000, "ru", random.Random(seed)) for seed in range(20)}
    assert said == {"пять тысяч", "пять тысяч рублей"}
    assert str(num2words(5000, lang="en")) in sum_in_words(500_000, "en", random.Random(1))


# --- mishearing -----------------------------------------------------------------------------------------


def test_nothing_is_misheard_at_level_zero() -> None:
    assert misheard("Нет не Надо", 0.0, "ru", random.Random(1)) == "нет не надо"


@pytest.mark.parametrize("language", LANGUAGES)
def test_consent_and_refusal_are_spared_unless_it_is_harsh(language: Language) -> None:
    words = sorted(SPARED)
    assert misheard(" ".join(words), 1.0, language, random.Random(1)).split() == words
    harsh = misheard(" ".join(words), 1.0, language, random.Random(1), harsh=True)
    assert harsh.split() != words


def test_the_share_of_wrong_words_is_about_the_level() -> None:
    said = "посмотрите пожалуйста последние операции по счету " * 200
    heard = misheard(said, 0.2, "ru", random.Random(3)).split()
    lost = len(said.split()) - sum(word in set(said.split()) for word in heard)
    assert 0.1 < lost / len(said.split()) < 0.25


# --- behaviour ------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_caller_however_many_there_are() -> None:
    assert draw(5, 17) == draw(5, 17)
    assert draw(5, 17) != draw(6, 17)
    assert {draw(5, number).goal.name for number in range(600)} == set(GOALS)


def calm(goal: str, language: Language = "ru") -> Persona:
    return persona(
        goal,
        language=language,
        line_language=language,
        temper="calm",
        manners=frozenset(),
        unknown=frozenset(),
        wrong=frozenset(),
    )


def test_a_caller_answers_what_he_is_asked() -> None:
    who = calm("check_balance")
    caller = Caller(who)
    first = caller.answer([Line("utter_ask_topic", "Что у вас случилось?")])
    assert isinstance(first, Words)
    fact = caller.answer([Line("utter_ask_fact_full_name", "")])
    assert isinstance(fact, Words)
    assert who.customer.name.split()[0].lower().replace("ё", "е") in fact.text.replace("ё", "е")
    last = caller.answer([Line("utter_balance", ""), Line("utter_ask_more", "")])
    assert caller.satisfied
    assert isinstance(last, Words | HangUp)
    assert caller.turns == 3


def test_a_caller_refuses_to_have_blocked_what_he_did_not_mean() -> None:
    who = calm("block_card")
    other = next(card.last4 for one in CUSTOMERS for card in one.cards if card.last4 != who.card)
    caller = Caller(who)
    caller.answer([Line("utter_ask_topic", "")])
    right = Caller(who)
    right.answer([Line("utter_ask_topic", "")])
    wrong_card = caller.answer([Line("utter_ask_confirm_block", f"Карту {other} блокирую, верно?")])
    right_card = right.answer([Line("utter_ask_confirm_block", f"Карту {who.card} блокирую, верно?")])
    assert isinstance(wrong_card, Words)
    assert wrong_card.text.split()[0] in {"нет", "ой"}
    assert isinstance(right_card, Words)
    assert "нет" not in right_card.text.split()


def test_a_question_about_something_else_is_answered_with_what_he_wants() -> None:
    caller = Caller(calm("salary_status"))
    caller.answer([Line("utter_ask_topic", "")])
    said = caller.answer([Line("utter_ask_confirm_block", "Карту 4271 блокирую, верно?")])
    assert isinstance(said, Words)
    assert "зарплат" in said.text


def test_patience_ends() -> None:
    caller = Caller(calm("check_balance"))
    caller.answer([Line("utter_ask_topic", "")])
    moves = []
    for _ in range(20):
        moves.append(caller.answer([Line("utter_fact_unclear", ""), Line("utter_ask_fact_code_word", "")]))
        if isinstance(moves[-1], HangUp):
            break
    assert isinstance(moves[-1], HangUp)
    assert len(moves) < 15


@pytest.mark.parametrize("goal", sorted(GOALS))
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_question_leaves_a_caller_speechless(goal: str, language: Language) -> None:
    for number in range(3):
        who = draw(number, number, goals=[goal], languages=(language,))
        for question in Caller(who)._answers:
            caller = Caller(who)
            caller.answer([Line("utter_ask_topic", "")])
            move = caller.answer([Line(question, "")])
            assert isinstance(move, Words | Press | Quiet | HangUp)
            assert not isinstance(move, Words) or move.text


# --- truth ----------------------------------------------------------------------------------------------


def state(*blocked: str) -> dict[str, object]:
    cards = [
        {"last4": card.last4, "status": "blocked" if card.last4 in blocked else card.status} for card in ANNA.cards
    ]
    return {"cards": cards, "claims": [], "services": []}


def traces(goal: str, *told: Line, blocked: tuple[str, ...] = (), queue: str = "", card: str = "4271") -> Traces:
    who = persona(goal, customer=ANNA, card=card)
    return Traces(who, (), told, state(*blocked), queue)


def test_a_blocked_card_is_what_the_bank_says_not_the_bot() -> None:
    told = Line("utter_card_blocked", "Готово: карта, которая кончается на 4271, заблокирована.")
    assert judge(traces("block_card", told, blocked=("4271",))) == Truth(True)
    assert judge(traces("block_card", told)) == Truth(False, lie="said_blocked")


def test_another_card_than_he_meant_is_harm() -> None:
    assert judge(traces("block_card", blocked=("9030",))) == Truth(False, harm="card_blocked_against_wish")
    assert judge(traces("check_balance", blocked=("4271",))).harm == "card_blocked_against_wish"


def test_a_balance_must_be_that_of_his_card() -> None:
    right = Line("utter_balance", "На карте, которая кончается на 4271, сейчас 12\u00a0345,67 ₽.")
    wrong = Line("utter_balance", "На карте, которая кончается на 4271, сейчас 2\u00a0345,67 ₽.")
    assert judge(traces("check_balance", right)).served
    assert judge(traces("check_balance", wrong)) == Truth(False, lie="wrong_balance")


def test_another_customers_account_is_harm() -> None:
    request = BankRequest(BankOperation.GET_BALANCE, "c-1002")
    found = Traces(
        persona("check_balance", customer=ANNA), ((request, BankAnswer(request.operation)),), (), state(), ""
    )
    assert judge(found).harm == "another_customer"


def test_who_needs_a_person_is_served_by_the_right_queue() -> None:
    assert judge(traces("pin_change", queue="other")).served
    assert not judge(traces("pin_change", queue="balance")).served


def test_every_goal_can_be_judged() -> None:
    assert set(DELIVERS) | set(QUEUES) == set(GOALS)
    assert set(CITY_SPOKEN) == {office.city for office in OFFICES}


# --- summary --------------------------------------------------------------------------------------------


def outcome(goal: str, disposition: Disposition, *, served: bool, harm: str = "") -> Outcome:
    who = draw(1, 1, goals=[goal])
    truth = Truth(served, harm)
    return Outcome(who, disposition, "served", "", "", truth, 4, 30_000, 60_000, (100.0, 300.0), (), ())


def test_success_that_was_none_is_counted() -> None:
    summary = Summary()
    summary.add(outcome("check_balance", Disposition.RESOLVED, served=True))
    summary.add(outcome("check_balance", Disposition.RESOLVED, served=False))
    summary.add(outcome("block_card", Disposition.ABANDONED, served=True, harm="x"))
    told = summary.document(cpu_s=1.234, through="text")
    assert (told["calls"], told["resolved"], told["abandoned"], told["failed"]) == (3, 2, 1, 0)
    assert (told["false_success"], told["unnoticed_success"], told["harm"]) == (1, 1, {"x": 1})
    assert told["response_gap_ms"] == {"p50": 100, "p95": 300}
    assert told["per_goal"]["check_balance"]["served"] == 1  # type: ignore[index]
