"""The guard: refusals and denials are seen, symptoms and reproaches are not taken for them."""

from __future__ import annotations

import pytest

from ivrbot.nlu.data import load_training_data
from ivrbot.nlu.guard import asserted_part, is_asserted, is_negated
from tests.unit.nlu_engines import NLU_DATA

NEGATED = [
    ("ru", "block_card", "не блокируйте карту"),
    ("ru", "block_card", "Не надо, пожалуйста, ничего блокировать"),
    ("ru", "block_card", "блокировать карту не нужно"),
    ("ru", "block_card", "блокировать ничего не надо лимит скажите"),
    ("ru", "block_card", "замораживать карту пока не стоит пин сменить хочу"),
    ("ru", "block_card", "не надо пожалуйста мою карту сразу блокировать"),
    ("ru", "block_card", "блокировать карту запрещаю"),
    ("ru", "block_card", "блокировать её я вам запрещаю"),
    ("ru", "block_card", "блокировать карту я передумала"),
    ("ru", "block_card", "я её не теряла"),
    ("ru", "card_reissue", "перевыпускать я её не собираюсь"),
    ("ru", "check_balance", "не говорю что мне не нужен баланс"),
    ("ru", "card_limits", "не трогайте мои лимиты"),
    ("ru", "loan_info", "не предлагайте мне больше кредитов"),
    ("ru", "operator", "не переключайте меня"),
    ("ru", "report_fraud", "никто меня не обманывал"),
    # the contrary of a blocking
    ("ru", "block_card", "разблокируйте мне карточку"),
    ("ru", "block_card", "уберите с неё блокировку"),
    ("ru", "block_card", "карта заблокирована, разморозьте"),
    ("ru", "block_card", "вы мне карту заблокировали снимите блок"),
    ("en", "block_card", "could you unlock my card again"),
    ("en", "block_card", "my card got frozen, lift the block"),
    ("en", "block_card", "please do not freeze anything"),
    ("en", "block_card", "I haven't really lost it"),
    ("en", "loan_info", "I really don't need any loan"),
    ("en", "operator", "no need for an operator"),
    ("en", "deposit_info", "i'm not interested in deposits"),
]
ASSERTED = [
    ("ru", "block_card", "одну разблокируйте а другую заблокируйте"),
    ("ru", "block_card", "не разблокируйте её, заблокируйте"),
    ("en", "block_card", "unblock that one and freeze the other"),
    ("ru", "block_card", "заблокируйте карту не ждите"),
    ("ru", "block_card", "почему вы до сих пор не заблокировали карту"),
    ("ru", "block_card", "не могу заблокировать карту"),
    ("ru", "block_card", "не могли бы вы заблокировать карту"),
    ("ru", "block_card", "не заблокируете ли карту"),
    ("ru", "block_card", "перевыпускать не надо заблокируйте"),
    ("ru", "block_card", "хочу заблокировать не надо перевыпускать"),
    ("ru", "card_reissue", "хочу перевыпустить не надо блокировать"),
    ("ru", "card_limits", "отключать карту не нужно лимит поднимите"),
    ("ru", "block_card", "карта не блокируется"),
    ("ru", "block_card", "я её не теряла у меня её украли"),
    ("ru", "block_card", "Карту украли. Не надо меня переводить."),
    ("ru", "block_card", "не кладите трубку заблокируйте карту"),
    ("ru", "check_balance", "не подскажите баланс"),
    ("ru", "operator", "не хочу с роботом разговаривать дайте оператора"),
    ("ru", "operator", "мне не нужен робот мне нужен человек"),
    ("ru", "salary_status", "зарплата не пришла"),
    ("ru", "online_bank_access", "приложение не работает"),
    ("ru", "loan_info", "не могу платить кредит"),
    ("ru", "pin_change", "не помню пин"),
    ("en", "block_card", "why don't you block my card"),
    ("en", "block_card", "they don't block my card"),
    ("en", "operator", "i don't want a robot get me an operator"),
    ("en", "salary_status", "i don't see my salary"),
    ("en", "dispute_transaction", "the shop won't refund me"),
    ("en", "pin_change", "i don't know my pin"),
]


@pytest.mark.parametrize(("language", "intent", "text"), NEGATED)
def test_refused_or_denied(language, intent, text) -> None:
    assert is_negated(text, language, intent)


@pytest.mark.parametrize(("language", "intent", "text"), ASSERTED)
def test_asked_for(language, intent, text) -> None:
    assert not is_negated(text, language, intent)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_never_fires_on_a_training_example_of_its_own_intent(language) -> None:
    examples = load_training_data(NLU_DATA)[language].examples
    wrong = [example.text for example in examples if is_negated(example.text, language, example.intent)]
    assert wrong == []


def test_intents_without_cues_are_left_alone() -> None:
    assert not is_negated("нет не надо", "ru", "deny")
    assert not is_negated("", "ru", "block_card")
    assert not is_asserted("что угодно", "ru", "deny")


def test_contrast_is_seen() -> None:
    text = "не блокируйте карту а перевыпустите её"
    assert is_negated(text, "ru", "block_card")
    assert is_asserted(text, "ru", "card_reissue")
    assert not is_asserted(text, "ru", "report_fraud")


@pytest.mark.parametrize(
    ("language", "text", "left"),
    [
        ("ru", "не надо ничего блокировать баланс скажите", "баланс скажите"),
        ("ru", "баланс мне не нужен где у вас банкоматы", "где у вас банкоматы"),
        ("ru", "карту я не теряла срок у неё вышел", "срок у нее вышел"),
        ("ru", "я про вклад спрашиваю переводить на оператора не надо", "я про вклад спрашиваю"),
        ("ru", "мне не кредит а вклад", "а вклад"),
        ("ru", "не блокируйте карту", ""),
        ("ru", "не могу войти в приложение", "не могу войти в приложение"),
        ("ru", "зарплата не пришла", "зарплата не пришла"),
        ("ru", "это не моя операция", "это не моя операция"),
        ("ru", "почему не заблокировали карту", "почему не заблокировали карту"),
        ("en", "i haven't lost my card what's my balance", "what's my balance"),
        ("en", "i don't need a loan i need a deposit", "i need a deposit"),
        ("en", "it's not the balance it's the last payments", "it's the last payments"),
        ("en", "don't block my card", ""),
        ("en", "i can't log in to the app", "i can't log in to the app"),
        ("ru", "замораживать карту пока не надо лимит какой", "лимит какой"),
        ("ru", "блокировать не стоит зарплата пришла", "зарплата пришла"),
        ("ru", "не надо отключать карту сколько на балансе", "сколько на балансе"),
        ("ru", "не надо говорить какой баланс", ""),
        ("en", "you needn't block it when is my salary due", "when is my salary due"),
    ],
)
def test_what_is_left_without_what_is_refused(language, text, left) -> None:
    assert asserted_part(text, language) == left
