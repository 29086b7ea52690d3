"""Masking of what callers say: nothing secret stays readable, nothing that the call is about is lost."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date

import pytest
from num2words import num2words

from ivrbot.language.masking import MASK, figures_in, holds_figures, mask_codes, mask_typed, secret_of
from ivrbot.language.numbers import find_runs
from ivrbot.language.tokens import tokenise, words
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.nlu.data import load_training_data
from tests.unit.nlu_engines import NLU_DATA

TODAY = date(2026, 3, 2)
DRAWS = 700

SECRETS: list[tuple[Language, str, str]] = [
    # cards, in every way of saying sixteen digits
    ("ru", "номер карты 4276 1234 5678 4271", "4276 1234 5678 4271"),
    ("ru", "сорок два семьдесят шесть двенадцать тридцать четыре пятьдесят шесть семьдесят восемь сорок два "
           "семьдесят один", "сорок семьдесят двенадцать пятьдесят"),
    ("ru", "четыре два семь шесть, один два три четыре, пять шесть семь восемь, четыре два семь один",
     "четыре семь шесть восемь"),
    ("ru", "четыре тысячи двести семьдесят шесть тысяча двести тридцать четыре пять тысяч шестьсот семьдесят "
           "восемь четыре тысячи двести семьдесят один", "двести тридцать шестьсот"),
    ("en", "my card is four two seven six one two three four five six seven eight four two seven one",
     "four seven eight three"),
    ("en", "forty two seventy six, twelve thirty four, fifty six seventy eight, forty two seventy one",
     "forty seventy fifty"),
    ("en", "double four two one triple seven zero nine", "triple seven"),
    ("en", "4276-1234-5678-4271", "4276 5678 4271"),
    # the last four, volunteered
    ("ru", "карта 4271 пропала", "4271"),
    ("ru", "заканчивается на 42 71", "42 71"),
    ("ru", "заканчивается на сорок два", "сорок"),
    ("en", "it ends in forty two seventy one", "forty seventy"),
    ("en", "four thousand two hundred seventy one are the last digits", "four seventy"),
    # CVV, PIN, one-time codes
    ("ru", "три цифры на обороте 123", "123"),
    ("ru", "цвв сто двадцать три", "сто двадцать"),
    ("ru", "пин код 5000", "5000"),
    ("ru", "мой пин четыре восемь два девять", "четыре восемь"),
    ("ru", "пришёл код из смс 48 29 13", "48 29 13"),
    ("ru", "код подтверждения сорок восемь двадцать девять тринадцать", "сорок двадцать тринадцать"),
    ("en", "the security code is 123", "123"),
    ("en", "my pin is four eight two nine", "four eight nine"),
    ("en", "the code is 482 913", "482 913"),
    # words that are secrets
    ("ru", "кодовое слово у меня черёмуха", "черемуха черёмуха"),
    ("ru", "моё кодовое слово - метроном, запишите", "метроном"),
    ("ru", "черёмуха это моё кодовое слово", "черемуха черёмуха"),
    ("ru", "пароль ромашка", "ромашка"),
    ("ru", "девичья фамилия матери иванова", "иванова"),
    ("en", "my code word is cherry tree", "cherry tree"),
    ("en", "cherry tree is my code word", "cherry tree"),
    ("en", "the password is sunflower please help", "sunflower"),
    # documents
    ("ru", "паспорт серия 45 08 номер 123456", "45 08 123456"),
    ("ru", "серия сорок пять ноль восемь номер сто двадцать три четыреста пятьдесят шесть", "сорок сто четыреста"),
    ("ru", "снилс 112-233-445 95", "112 233 445 95"),
    ("en", "passport number 45 08 123456", "08 123456"),
    # telephones
    ("ru", "перезвоните на 8 916 123-45-67", "916 123 45 67"),
    ("ru", "плюс семь девятьсот шестнадцать сто двадцать три сорок пять шестьдесят семь", "девятьсот сто сорок"),
    ("en", "call me on plus seven nine one six one two three four five six seven", "nine three five"),
    # e-mail
    ("ru", "моя почта anna.sokolova@example.ru", "anna sokolova example"),
    ("ru", "анна точка соколова собака пример точка ру", "анна соколова пример"),
    ("ru", "джон точка смит девяносто девять собака почта точка ком", "джон смит девяносто почта"),
    ("en", "write to anna dot sokolova at example dot com", "anna sokolova example"),
    # birth dates, asked or not
    ("ru", "родилась пятого марта восемьдесят девятого года", "пятого марта восемьдесят"),
    ("ru", "дата рождения 05.03.1989", "05 03 1989"),
    ("ru", "соколова анна пятое марта тысяча девятьсот восемьдесят девятого", "пятое марта восемьдесят"),
    ("en", "I was born on March fifth 1989", "march fifth 1989"),
    ("en", "the fifth of march nineteen eighty nine", "fifth march eighty"),
    # more than any reading could hold
    ("en", " ".join(["four", "two", "seven", "six"] * 20), "four two seven six"),
]  # fmt: skip

READABLE: list[tuple[Language, str, str]] = [
    ("ru", "списали 5000 рублей", "5000 рублей"),
    ("ru", "сняли двенадцать тысяч триста сорок пять рублей", "двенадцать тысяч триста сорок пять рублей"),
    ("ru", "покупка на 12 345,67 руб", "12 345"),
    ("ru", "перевела пять тысяч маме", "пять тысяч"),
    ("ru", "украли полторы тысячи", "полторы тысячи"),
    ("ru", "на карту пришло 15 тысяч", "15 тысяч"),
    ("ru", "кредит 412 000 рублей", "412 000"),
    ("ru", "списание пятого марта", "пятого марта"),
    ("ru", "платёж 28 февраля 2026 года", "28 февраля 2026"),
    ("ru", "операция от 28.02.2026 в 15:30", "28.02.2026 15:30"),
    ("ru", "в две тысячи двадцать пятом году открыла вклад", "двадцать пятом году"),
    ("ru", "номер заявки 700012", "700012"),
    ("ru", "по обращению 483 920 какой ответ", "483 920"),
    ("ru", "прошло 45 дней", "45 дней"),
    ("ru", "на две карты пришло триста рублей", "две триста рублей"),
    ("ru", "забыла кодовое слово и хочу его поменять", "хочу поменять"),
    ("ru", "забыл пароль от интернет-банка", "интернет банка"),
    ("ru", "поменять пин код на карте", "на карте"),
    ("ru", "ставка 15,5 процентов на 1000 дней", "15 процентов 1000"),
    ("ru", "карта под 25,99 процентов", "25,99"),
    ("ru", "код 15 минут не приходит", "15 минут"),
    ("ru", "код пришёл в 15:30", "15:30"),
    ("ru", "пин меняли в 2024 году", "2024"),
    ("ru", "код двадцать пятого марта не пришёл", "двадцать пятого"),
    ("ru", "карту открыл в 2024 году, за 28 дней потратил 12 345,50 рублей", "2024 28 12 345,50"),
    ("ru", "с карты перевела 12345 пятого марта", "12345"),
    ("ru", "сделала 1500 операций", "1500"),
    ("ru", "на карте было две, нет, три тысячи рублей", "две три"),
    ("ru", "карта одна, нет, две", "одна две"),
    ("ru", "код пришёл двадцать пятого, нет, двадцать шестого марта", "двадцать"),
    ("ru", "по делу 483 920 какой ответ", "483 920"),
    ("en", "they charged me 5000 rubles", "5000 rubles"),
    ("en", "a payment of twelve thousand three hundred roubles", "twelve thousand three hundred roubles"),
    ("en", "I transferred five thousand to my brother", "five thousand"),
    ("en", "it was $1,250.50 yesterday", "1 250 50"),
    ("en", "on February 28th 2026", "february 28 2026"),
    ("en", "my claim number 700012", "700012"),
    ("en", "my password doesn't work", "password work"),
    ("en", "I forgot the code word and want to change it", "want change"),
    ("en", "at 15:30 in the afternoon", "15:30"),
    ("en", "the code came 10 minutes ago", "10"),
    ("en", "i waited for my card for two to three weeks", "two to three weeks"),
    ("en", "they want to know what to do with the card for one to two days", "for one to two days"),
]


@pytest.mark.parametrize(("language", "text", "pieces"), SECRETS)
def test_nothing_secret_stays(language: Language, text: str, pieces: str) -> None:
    masked = mask_codes(text, language, today=TODAY)
    assert MASK in masked
    assert not set(pieces.split()) & set(masked.replace("-", " ").replace(".", " ").split()), masked


@pytest.mark.parametrize(("language", "text", "pieces"), READABLE)
def test_what_the_call_is_about_stays(language: Language, text: str, pieces: str) -> None:
    masked = mask_codes(text, language, today=TODAY)
    assert masked == text
    assert all(piece in text.lower() for piece in pieces.split())


@pytest.mark.parametrize(("language", "text", "masked"), [
    ("ru", "по карте 4276 пятого марта списали 500 рублей", "по карте *** пятого марта списали 500 рублей"),
    ("ru", "карта 4276 двадцать первого мая", "карта *** двадцать первого мая"),
    ("ru", "по карте сорок два семьдесят пятого марта", "по карте *** марта"),
    ("ru", "карта 4271 перевод прошла, операция 4829", "карта *** перевод прошла, операция ***"),
    ("ru", "перевела на 4276550012344271 пятого марта", "перевела на *** пятого марта"),
    ("ru", "карта четыре два не помню семь один вроде", "карта *** не помню *** вроде"),
    ("ru", "пин четыре? два? семь? один?", "пин ***? ***? ***? ***?"),
    ("ru", "мой код это 42+71", "мой код это ***+ ***"),
    ("ru", "карта четыре два ой сим адин, ушло 500 рублей", "карта *** ой ***, ушло 500 рублей"),
    ("ru", "такое дело карту украли а на ней 4276 пин", "такое дело карту украли а на ней *** пин"),
    ("ru", "такое дело 42765500 видите", "такое дело *** видите"),
    ("ru", "карта 4276 рублевая", "карта *** рублевая"),
    ("ru", "карта 4276 бонусная", "карта *** бонусная"),
    ("ru", "карта кредитная 4200", "карта кредитная ***"),
    ("ru", "карта 4271 год назад открыта", "карта *** год назад открыта"),
    ("ru", "код 482913 минуту назад пришел", "код *** минуту назад пришел"),
    ("ru", "цвв 123 раза два ввожу", "цвв *** раза два ввожу"),
    ("ru", "мой пин 15:30", "мой пин ***"),
    ("en", "the card is four two no wait seven one", "the card is *** no wait ***"),
    ("en", "my pin is won to three for", "my pin is ***"),
    ("en", "card for two seven six was lost", "card *** was lost"),
    ("en", "the code is won, ate, six, tree", "the code is ***"),
    ("en", "card 4276 payment failed", "card *** payment failed"),
    ("en", "the code is 482913 minutes ago", "the code is *** minutes ago"),
    ("en", "my pin is 15:30", "my pin is ***"),
])  # fmt: skip
def test_what_stands_behind_a_code_does_not_make_it_a_sum_or_a_day(
    language: Language, text: str, masked: str
) -> None:
    assert mask_codes(text, language, today=TODAY) == masked


def dictated(code: str, language: Language, rng: random.Random, largest: int) -> str:
    """A number in groups of up to so many, words and figures mixed; a group that begins with 0 digit by digit."""
    groups: list[str] = []
    while code:
        size = rng.randint(1, largest)
        group, code = code[:size], code[size:]
        parts = list(group) if group[0] == "0" else [group]
        in_words = " ".join(num2words(int(part), lang=language) for part in parts)
        groups.append(group if rng.random() < 0.3 else in_words.replace("-", " ").replace(",", ""))
    return rng.choice([" ", ", ", " - "]).join(groups)


@pytest.mark.parametrize(("length", "largest"), [(16, 4), (4, 1)])
@pytest.mark.parametrize(("language", "carriers"), [
    ("ru", ["карта {}", "мой номер {} запишите", "по карте {} пятого марта списали", "карта {} рублёвая",
            "с карты {} деньги ушли", "карта {} семь дней назад пропала", "перевела на {} пятнадцатого мая"]),
    ("en", ["my card is {}", "it is {} you see", "card {} payment failed", "card {} march fifth",
            "card {} was lost two days ago"]),
])  # fmt: skip
def test_no_figure_of_a_card_stays_however_it_is_dictated(
    language: Language, carriers: list[str], length: int, largest: int
) -> None:
    rng = random.Random(f"cards {language}")
    for draw in range(DRAWS):
        carrier = carriers[draw % len(carriers)]
        text = carrier.format(dictated("".join(rng.choices("0123456789", k=length)), language, rng, largest))
        masked = mask_codes(text, language, today=TODAY)
        assert MASK in masked
        assert Counter(words(masked, language)) <= Counter(words(carrier, language)), text


@pytest.mark.parametrize(("language", "text", "holds"), [
    ("ru", "там на конце 4271 кажется", True), ("ru", "пусть семь", True),
    ("ru", "пусть там сим адин будет", True),
    ("ru", "сим карта не ловит", False), ("ru", "хочу пить", False), ("ru", "петя хочет петь", False),
    ("ru", "а баланс у меня какой", False), ("en", "it is xero nill i believe", True),
    ("en", "what about my balance", False), ("en", "a knot", False),
])  # fmt: skip
def test_figures_in_a_sentence(language: Language, text: str, holds: bool) -> None:
    assert holds_figures(text, language) is holds


@pytest.mark.parametrize("language", LANGUAGES)
def test_figures_by_ear_are_found_in_no_sentence_without_a_plain_one(language: Language) -> None:
    """A sentence about something else must be understood where a secret was asked for."""
    sentences = {example.text for example in load_training_data(NLU_DATA)[language].examples}
    plain = {text for text in sentences if any(find_runs(tokenise(text, language), language, code=True))}
    assert len(sentences) > 1000 and plain
    assert {text for text in sentences if holds_figures(text, language)} == plain


@pytest.mark.parametrize(("language", "text", "digits"), [
    ("ru", "сорок два", 2), ("ru", "ну четыре, два", 2), ("ru", "четыре карты", 0), ("ru", "да", 0),
    ("en", "4276", 4),
])  # fmt: skip
def test_turns_of_nothing_but_figures(language: Language, text: str, digits: int) -> None:
    assert figures_in(text, language) == digits


def test_a_secret_given_once_is_masked_when_it_is_said_again() -> None:
    secret = secret_of("ну моё это Черёмуха", "ru")
    assert secret == ("черемуха",)
    assert mask_codes("я же сказала, черёмуха!", "ru", secrets=[secret]) == "я же сказала, ***!"
    assert mask_codes("черёмухой", "ru", secrets=[()]) == "черёмухой"


@pytest.mark.parametrize("text", ["соедините меня с оператором пожалуйста", "не помню", "", "слово не назову"])
def test_sentences_are_no_secrets(text: str) -> None:
    assert secret_of(text, "ru") == ()


def test_typed_texts_are_masked_in_both_languages() -> None:
    assert mask_typed("клиент назвал пин 4829") == "клиент назвал пин ***"
    assert mask_typed("his code word is cherry tree") == "his code word is ***"
    assert mask_typed("Обещали ответ до 10 марта") == "Обещали ответ до 10 марта"


def test_a_readable_sum_beside_a_code() -> None:
    masked = mask_codes("по карте 4271 списали 5000 рублей", "ru")
    assert masked == "по карте *** списали 5000 рублей"
