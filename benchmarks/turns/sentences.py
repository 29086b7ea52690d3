"""What callers of a bank's line say, by kind of turn and language; never training data.

A bar marks where a person hesitates when he hesitates: both halves are then spoken with a pause between. A slash
marks such a place where what was said could have been all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ivrbot.model.speech import Language

KINDS: Final = ("topic", "yes/no", "digits", "date", "name", "code word", "operator", "unclear")

TOPICS: Final[Mapping[Language, Mapping[str, tuple[str, ...]]]] = {
    "ru": {
        "block_card": (
            "здравствуйте | у меня вчера украли карту",
            "я где-то потеряла карточку / нужно её заблокировать",
            "заблокируйте пожалуйста | мою карту",
        ),
        "check_balance": (
            "подскажите пожалуйста | сколько денег у меня на карте",
            "я хочу узнать | остаток на карте",
            "какой у меня | сейчас баланс",
        ),
        "find_office": (
            "где находится | ваше ближайшее отделение",
            "мне нужен адрес | офиса банка",
        ),
        "online_bank": (
            "я никак не могу | войти в интернет банк",
            "как мне подключить | личный кабинет",
        ),
        "salary": (
            "мне уже пришла | зарплата на карту",
            "скажите пожалуйста | когда была зарплата",
        ),
        "loan": (
            "когда у меня следующий | платёж по кредиту",
            "сколько мне осталось | платить за кредит",
        ),
    },
    "en": {
        "block_card": (
            "hello | my card was stolen yesterday",
            "i have lost my card / and i want it blocked",
            "please block | my card",
        ),
        "check_balance": (
            "could you tell me | how much money is on my card",
            "i would like to know | my balance",
            "what is | my balance now",
        ),
        "find_office": (
            "where is | your nearest branch",
            "i need the address / of an office",
        ),
        "online_bank": (
            "i can not log in / to the internet bank",
            "how do i get | into online banking",
        ),
        "salary": (
            "has my salary | come in yet",
            "tell me please | when my salary was paid",
        ),
        "loan": (
            "when is my next | loan payment",
            "how much do i still | owe on my loan",
        ),
    },
}

PLAIN: Final[Mapping[Language, Mapping[str, tuple[str, ...]]]] = {
    "ru": {
        "no": ("нет", "нет / не надо", "нет спасибо", "ну | нет наверное", "не нужно"),
        "yes": ("да", "да верно", "ну | да", "да пожалуйста", "конечно"),
        "operator": ("оператор", "соедините | с оператором пожалуйста", "позовите живого человека"),
        "unclear": ("ну вот это самое / понимаете", "какая-то такая | штука", "алло / вы меня слышите"),
        "city": ("в москве", "в | казани", "в городе | екатеринбурге"),
    },
    "en": {
        "no": ("no", "no / thank you", "no thanks", "well | no", "not now"),
        "yes": ("yes", "yes that is right", "well | yes", "yes please", "of course"),
        "operator": ("operator", "let me speak | to an operator", "i want to talk to a person"),
        "unclear": ("well it is this | thing you know", "it is sort of / like that", "hello / can you hear me"),
        "city": ("in moscow", "in | kazan", "in the city | of moscow"),
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Customer:
    """A fixed customer of the demo bank and how he says who he is.

    Attributes:
        number: his telephone, in international form.
        facts: sentences by language and kind (digits, date, name, code word).
    """

    number: str
    facts: Mapping[Language, Mapping[str, tuple[str, ...]]]


CUSTOMERS: Final = (
    Customer(
        "+79161234567",
        {
            "ru": {
                "digits": ("сорок два | семьдесят один", "четыре два | семь один"),
                "date": (
                    "пятое марта | тысяча девятьсот восемьдесят девятого года",
                    "пятого марта | восемьдесят девятого",
                ),
                "name": ("соколова | анна сергеевна",),
                "code word": ("черёмуха",),
            },
            "en": {
                "digits": ("four two | seven one", "forty two | seventy one"),
                "date": ("the fifth of march | nineteen eighty nine", "march fifth | nineteen eighty nine"),
                "name": ("anna | sokolova",),
                "code word": ("cherry tree",),
            },
        },
    ),
    Customer(
        "+79031112233",
        {
            "ru": {
                "digits": ("одиннадцать | восемьдесят восемь", "один один | восемь восемь"),
                "date": ("двадцать первое ноября | тысяча девятьсот семьдесят пятого года",),
                "name": ("орлов | пётр ильич",),
                "code word": ("метроном",),
            },
            "en": {
                "digits": ("one one | eight eight", "eleven | eighty eight"),
                "date": ("the twenty first of november | nineteen seventy five",),
                "name": ("peter | orlov",),
                "code word": ("metronome",),
            },
        },
    ),
    Customer(
        "+79265550011",
        {
            "ru": {
                "digits": ("семьдесят семь | девятнадцать", "семь семь | один девять"),
                "date": ("тридцатое июля | две тысячи первого года",),
                "name": ("ким | мария викторовна",),
                "code word": ("акварель",),
            },
            "en": {
                "digits": ("seven seven | one nine", "seventy seven | nineteen"),
                "date": ("the thirtieth of july | two thousand one",),
                "name": ("maria | kim",),
                "code word": ("water colour",),
            },
        },
    ),
)  # fmt: skip


def every_sentence(language: Language) -> list[str]:
    """All sentences of a language."""
    pools = [*TOPICS[language].values(), *PLAIN[language].values()]
    pools += [pool for customer in CUSTOMERS for pool in customer.facts[language].values()]
    return [sentence for pool in pools for sentence in pool]
