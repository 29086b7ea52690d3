"""Answers to secret questions: how they are read and what they are worth."""

from __future__ import annotations

import hmac
from datetime import date

import pytest

from ivrbot.identity.facts import (
    MAX_CONTENT_WORDS,
    MAX_HYPOTHESES,
    MAX_READINGS_PER_HYPOTHESIS,
    assess,
    match,
    name_canonical,
    readings,
)
from ivrbot.identity.state import Attempt
from ivrbot.language.phonetic import loose_key, phonetic_key
from ivrbot.model.bank import Fact, FactHashes, fact_hash
from ivrbot.model.speech import Language

KEY = b"a key for tests only"
TODAY = date(2026, 3, 9)
WHO = "c-9"


def hashes_of(**facts: set[str]) -> FactHashes:
    return FactHashes(
        WHO,
        {
            Fact(name): frozenset(fact_hash(KEY, WHO, Fact(name), value) for value in values)
            for name, values in facts.items()
        },
    )


OWNER = hashes_of(
    last_four={"5512", "0044"},
    date_of_birth={"1966-12-01"},
    code_word={phonetic_key("подсолнух", "ru"), phonetic_key("sun flower", "en")},
    full_name={name_canonical(parts, "ru") for parts in (("Олег", "Львович", "Дроздов"), ("Олег", "Дроздов"))},
)


def judge(
    asked: Fact, *said: str, keyed: bool = False, language: Language = "ru", unasked: bool = True
) -> Attempt:
    return assess(OWNER, KEY, asked, said, keyed=keyed, language=language, today=TODAY, unasked_words=unasked)


@pytest.mark.parametrize(
    ("asked", "said", "language"),
    [
        (Fact.LAST_FOUR, "пять пять один два", "ru"),
        (Fact.LAST_FOUR, "Пятьдесят пять двенадцать.", "ru"),
        (Fact.LAST_FOUR, "ноль ноль сорок четыре", "ru"),
        (Fact.LAST_FOUR, "fifty five twelve", "en"),
        (Fact.DATE_OF_BIRTH, "первое декабря шестьдесят шестого года", "ru"),
        (Fact.DATE_OF_BIRTH, "01.12.1966", "ru"),
        (Fact.DATE_OF_BIRTH, "December first nineteen sixty six", "en"),
        (Fact.CODE_WORD, "Подсолнух.", "ru"),
        (Fact.CODE_WORD, "моё кодовое слово это, э, падсолнух", "ru"),
        (Fact.CODE_WORD, "под солнух", "ru"),
        (Fact.CODE_WORD, "it's sunflower", "en"),
        (Fact.FULL_NAME, "Дроздов Олег Львович", "ru"),
        (Fact.FULL_NAME, "меня зовут Олег Дроздов", "ru"),
    ],
)
def test_natural_answers_prove_what_was_asked(asked: Fact, said: str, language: Language) -> None:
    attempt = judge(asked, said, language=language)
    assert attempt.matched == {asked}
    assert not attempt.wrong


@pytest.mark.parametrize(
    ("asked", "keys", "proven"),
    [
        (Fact.LAST_FOUR, "5512", {Fact.LAST_FOUR}),
        (Fact.LAST_FOUR, "5512#", {Fact.LAST_FOUR}),
        (Fact.DATE_OF_BIRTH, "01121966", {Fact.DATE_OF_BIRTH}),
        (Fact.DATE_OF_BIRTH, "011266", {Fact.DATE_OF_BIRTH}),
        (Fact.CODE_WORD, "5512", {Fact.LAST_FOUR}),
    ],
)
def test_keyed_answers(asked: Fact, keys: str, proven: set[Fact]) -> None:
    attempt = judge(asked, keys, keyed=True)
    assert attempt.matched == proven
    assert not attempt.wrong


@pytest.mark.parametrize("keys", ["", "#", "551", "55123", "99991966", "**", "٥٥١٢"])
def test_keys_that_cannot_be_an_answer_are_no_failure(keys: str) -> None:
    assert judge(Fact.LAST_FOUR, keys, keyed=True) == Attempt()


def test_any_hypothesis_may_hold_the_answer() -> None:
    assert judge(Fact.CODE_WORD, "под солнцем", "подсолнух").matched == {Fact.CODE_WORD}


def test_another_fact_than_the_asked_one_and_two_at_once() -> None:
    assert judge(Fact.LAST_FOUR, "подсолнух").matched == {Fact.CODE_WORD}
    both = judge(Fact.LAST_FOUR, "карта пятьдесят пять двенадцать, кодовое слово подсолнух")
    assert both.matched == {Fact.LAST_FOUR, Fact.CODE_WORD}
    assert both.card == "5512"
    birth = judge(Fact.CODE_WORD, "я родился первого двенадцатого тысяча девятьсот шестьдесят шестого")
    assert birth.matched == {Fact.DATE_OF_BIRTH}
    assert not birth.wrong


def test_the_year_of_a_birth_is_not_taken_for_a_card() -> None:
    attempt = judge(Fact.DATE_OF_BIRTH, "01.12.1966")
    assert not attempt.wrong


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Fact.LAST_FOUR, "пять пять один три"),
        (Fact.CODE_WORD, "ромашка"),
        (Fact.DATE_OF_BIRTH, "второе декабря шестьдесят шестого года"),
        (Fact.FULL_NAME, "Иван Дроздов"),
        (Fact.CODE_WORD, "пять пять один три"),
    ],
)
def test_wrong_answers_are_wrong(asked: Fact, said: str) -> None:
    attempt = judge(asked, said)
    assert attempt.wrong
    assert not attempt.matched


@pytest.mark.parametrize(
    ("asked", "said", "language"),
    [
        (Fact.LAST_FOUR, "не помню", "ru"),
        (Fact.CODE_WORD, "Я забыла.", "ru"),
        (Fact.CODE_WORD, "I don't remember", "en"),
        (Fact.LAST_FOUR, "нет карты, её же украли", "ru"),
    ],
)
def test_not_knowing_is_no_failure(asked: Fact, said: str, language: Language) -> None:
    assert judge(asked, said, language=language) == Attempt(declined=True)


def test_fillers_alone_are_nothing() -> None:
    assert judge(Fact.CODE_WORD, "э, моё кодовое слово, сейчас, секунду") == Attempt()


def test_words_beside_the_question_are_a_side_guess_and_can_be_switched_off() -> None:
    assert judge(Fact.LAST_FOUR, "ромашка").side_guess
    assert not judge(Fact.LAST_FOUR, "ромашка").wrong
    assert judge(Fact.LAST_FOUR, "подсолнух", unasked=False) == Attempt()


def test_a_thief_with_the_card_gets_no_free_guess_at_the_code_word() -> None:
    guess = judge(Fact.CODE_WORD, "5512 ромашка")
    assert guess.side_guess or guess.wrong
    shut = judge(Fact.CODE_WORD, "5512 подсолнух", unasked=False)
    assert shut.matched == {Fact.LAST_FOUR}


def test_a_birth_that_is_known_gives_no_free_guess_at_the_card() -> None:
    assert judge(Fact.CODE_WORD, "первое декабря шестьдесят шестого года 4444").side_guess
    for card in ("4444", "5512"):
        shut = judge(Fact.CODE_WORD, f"первое декабря шестьдесят шестого года {card}", unasked=False)
        assert shut == Attempt(matched=frozenset({Fact.DATE_OF_BIRTH}))
    assert judge(Fact.CODE_WORD, "5512", unasked=False).matched == {Fact.LAST_FOUR}
    assert judge(Fact.CODE_WORD, "4444", unasked=False).wrong


def test_a_name_that_is_known_gives_no_free_guess_at_the_code_word() -> None:
    assert judge(Fact.CODE_WORD, "ромашка Олег Дроздов").side_guess
    assert judge(Fact.FULL_NAME, "ромашка Олег Дроздов").side_guess


def test_a_code_word_of_two_words_is_no_side_guess() -> None:
    attempt = judge(Fact.CODE_WORD, "sun flower", language="en")
    assert attempt == Attempt(matched=frozenset({Fact.CODE_WORD}))


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ("я не помню цифры, кодовое слово подсолнух", "ru"),
        ("не помню цифры кодовое слово подсолнух", "ru"),
        ("послушайте я вчера два раза диктовала оператору кодовое слово подсолнух", "ru"),
        ("I don't have the card on me but the code word is sunflower", "en"),
    ],
)
def test_what_is_announced_is_heard_whatever_stands_before_it(said: str, language: Language) -> None:
    attempt = judge(Fact.LAST_FOUR, said, language=language)
    assert attempt.matched == {Fact.CODE_WORD}
    assert not attempt.wrong


def test_what_is_taken_back_behind_its_cue_is_no_answer() -> None:
    assert judge(Fact.CODE_WORD, "кодовое слово не помню") == Attempt(declined=True)
    assert judge(Fact.CODE_WORD, "у меня нет кодового слова") == Attempt(declined=True)


@pytest.mark.parametrize(
    ("said", "language"), [("что?", "ru"), ("какое кодовое слово", "ru"), ("зачем вам это", "ru"), ("what?", "en")]
)
def test_a_question_back_is_no_answer(said: str, language: Language) -> None:
    assert judge(Fact.CODE_WORD, said, language=language) == Attempt()


def test_figures_that_read_as_a_date_too_are_what_was_asked_for() -> None:
    seven = hashes_of(last_four={"0901"}, date_of_birth={"1966-12-01"})
    said = "ноль девять ноль один"
    attempt = assess(seven, KEY, Fact.LAST_FOUR, [said], keyed=False, language="ru", today=TODAY)
    assert attempt.matched == {Fact.LAST_FOUR}
    assert not attempt.wrong


def test_a_dictionary_in_one_breath_is_no_answer() -> None:
    flood = " ".join(["ромашка", "тюльпан", "роза", "гвоздика", "подсолнух"])
    assert len(flood.split()) > MAX_CONTENT_WORDS
    assert judge(Fact.CODE_WORD, flood) == Attempt()
    assert judge(Fact.CODE_WORD, "подсолнух " * 200) == Attempt()


def test_the_number_of_hypotheses_and_readings_is_bounded() -> None:
    many = [f"слово{chr(1072 + n)} ещё{chr(1072 + n)} одно" for n in range(30)]
    for fact in Fact:
        assert len(readings(fact, many, False, "ru", TODAY)) <= MAX_HYPOTHESES * MAX_READINGS_PER_HYPOTHESIS


def test_a_birth_in_the_future_is_none() -> None:
    assert readings(Fact.DATE_OF_BIRTH, ["10032026"], True, "ru", TODAY) == ()
    assert readings(Fact.DATE_OF_BIRTH, ["10.03.2026"], False, "ru", TODAY) == ()


def test_nobody_and_somebody_without_facts_never_match() -> None:
    answers = dict.fromkeys(Fact, ("x", "", "0" * 64))
    assert match(None, KEY, answers) == {}
    assert match(FactHashes(WHO, {}), KEY, answers) == {}


def test_hashes_are_bound_to_key_customer_and_fact() -> None:
    digest = fact_hash(KEY, WHO, Fact.CODE_WORD, "x")
    others = {
        fact_hash(KEY + b"2", WHO, Fact.CODE_WORD, "x"),
        fact_hash(KEY, "c-8", Fact.CODE_WORD, "x"),
        fact_hash(KEY, WHO, Fact.FULL_NAME, "x"),
        fact_hash(KEY, WHO, Fact.CODE_WORD, "y"),
    }
    assert digest not in others
    assert len(others) == 4
    assert match(OWNER, KEY + b"2", {Fact.LAST_FOUR: ("5512",)}) == {}


def test_the_number_of_comparisons_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    real = hmac.compare_digest

    def counting(one: str, other: str) -> bool:
        compared.append(one)
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counting)

    def comparisons(hashes: FactHashes | None, said: tuple[str, ...]) -> int:
        compared.clear()
        match(hashes, KEY, {Fact.CODE_WORD: said})
        return len(compared)

    right, wrong = phonetic_key("подсолнух", "ru"), ("а", "б", "в", "г")
    nobody = comparisons(None, wrong)
    assert nobody >= len(wrong)
    places = [(right, *wrong[1:]), (*wrong[:2], right, wrong[3]), (*wrong[:3], right), wrong]
    assert {comparisons(OWNER, said) for said in places} == {nobody}
    assert comparisons(hashes_of(last_four={"5512"}), wrong) == nobody


@pytest.mark.parametrize(
    "said", ["ромашка", "моё кодовое слово ромашка", "пять пять один три", "Иван Дроздов", "да"]
)
@pytest.mark.parametrize("asked", list(Fact))
def test_nobody_is_refused_as_somebody_is(asked: Fact, said: str) -> None:
    nobody = assess(None, KEY, asked, [said], keyed=False, language="ru", today=TODAY)
    assert nobody == judge(asked, said)


@pytest.mark.parametrize(
    "said",
    [
        "на имя Дроздова Олега Львовича",
        "дроздов олег",
        "Олегу Дроздову",
        "карта Олега Дроздова",
    ],
)
def test_a_name_may_stand_in_any_form(said: str) -> None:
    assert judge(Fact.FULL_NAME, said).matched == {Fact.FULL_NAME}


@pytest.mark.parametrize(
    "said", ["на имя Дроздова Ивана", "Олегу Дроздовскому", "Ольги Дроздовой", "Львовича Олега"]
)
def test_another_name_is_none_of_its_forms(said: str) -> None:
    assert judge(Fact.FULL_NAME, said).wrong


def test_a_code_word_of_two_russian_words_is_no_side_guess() -> None:
    owner = hashes_of(code_word={phonetic_key("белый медведь", "ru")})
    attempt = assess(
        owner, KEY, Fact.CODE_WORD, ["белый медведь"], keyed=False, language="ru", today=TODAY, unasked_words=True
    )
    assert attempt == Attempt(matched=frozenset({Fact.CODE_WORD}))


def test_a_word_heard_badly_is_accepted_by_its_loose_key_where_that_is_kept() -> None:
    strict = {phonetic_key("катамаран", "ru")}
    for kept, accepted in ((strict, False), (strict | {loose_key("катамаран", "ru")}, True)):
        owner = hashes_of(code_word=kept)
        said = ["Кудовое слово катемаран."]
        attempt = assess(owner, KEY, Fact.CODE_WORD, said, keyed=False, language="ru", today=TODAY)
        assert (Fact.CODE_WORD in attempt.matched) is accepted
        assert attempt.wrong is not accepted
