"""What is told without a wish, and what is asked."""

from __future__ import annotations

import pytest

from ivrbot.language.telling import tells_only
from ivrbot.model.speech import Language


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ru", "У меня вчера вытащили кошелёк."),
        ("ru", "здравствуйте я оставила карту в такси"),
        ("ru", "банкомат не отдал деньги"),
        ("ru", "я никак не могу зайти в приложение"),
        ("ru", "пенсия на карту не приходит"),
        ("en", "Somebody took my purse."),
        ("en", "Hello, my wallet was taken on the train."),
        ("en", "I cannot open the application"),
        ("en", "the payment did not go through"),
        ("en", "My card is missing."),
    ],
)
def test_it_is_only_told(language: Language, text: str) -> None:
    assert tells_only(text, language)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ru", "У меня вытащили кошелёк, заблокируйте карту."),
        ("ru", "я потерял телефон и хочу поменять номер"),
        ("ru", "Пенсия уже пришла?"),
        ("ru", "а пенсия пришла ли"),
        ("ru", "сколько я потратил"),
        ("ru", "остаток по вкладу"),
        ("ru", "оператор"),
        ("ru", "Здравствуйте"),
        ("ru", "могу я узнать остаток"),
        ("ru", ""),
        ("en", "I lost my phone and I want to change the number"),
        ("en", "I need a statement"),
        ("en", "I would like to pay"),
        ("en", "has my pension come"),
        ("en", "can you see if it was paid"),
        ("en", "my limits"),
        ("en", "operator"),
        ("en", "Is my card blocked?"),
        ("en", "when was the last payment"),
        ("en", "block the card"),
    ],
)
def test_something_is_asked_or_wished_for_or_nothing_is_told(language: Language, text: str) -> None:
    assert not tells_only(text, language)
