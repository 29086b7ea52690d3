"""Texts of the operator's desk: his telephone, the caller in hand, changes at the bank, call-backs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ivrbot.web.texts.both import Text, both

TEXTS: Final[Mapping[str, Text]] = {
    "desk_mine": both("My telephone and queues", "Мой телефон и очереди"),
    "desk_my_phone": both("My telephone's name in the queues", "Имя моего телефона в очередях"),
    "desk_my_phone_hint": both(
        "As in the exchange, for example operator1: then the dossier comes up when your telephone rings. Without"
        " an exchange leave it empty.",
        "Как на станции, например operator1: тогда досье откроется, когда зазвонит ваш телефон. Без станции"
        " оставьте пустым.",
    ),
    "desk_my_queues": both("Queues that I serve", "Мои очереди"),
    "desk_heard": both("heard with", "расслышано на"),
    "desk_ringing": both("Your telephone rings", "Звонит ваш телефон"),
    "desk_talking": both("you are talking", "вы говорите"),
    "hand_take": both("I serve this caller", "Обслуживаю этого клиента"),
    "hand_hint": both("Then you can change things at the bank for him.", "Тогда можно менять его данные в банке."),
    "hand_other": both("A colleague serves this caller.", "Этого клиента обслуживает коллега."),
    "hand_lost": both("Take the caller in hand again first.", "Сначала снова нажмите «Обслуживаю этого клиента»."),
    "hand_unknown": both(
        "The bot has not found out who calls: nothing can be changed from here.",
        "Робот не установил, кто звонит: отсюда ничего изменить нельзя.",
    ),
    "at_the_bank": both("At the bank", "В банке"),
    "bank_silent": both(
        "The bank's system does not tell the cards now.", "Система банка сейчас не показывает карты."
    ),
    "unblock": both("Unblock", "Разблокировать"),
    "sms_on": both("SMS service: on", "СМС-уведомления: подключены"),
    "sms_off": both("SMS service: off", "СМС-уведомления: отключены"),
    "sms_connect": both("Connect", "Подключить"),
    "offer": both("May be offered", "Можно предложить"),
    "change_reason": both("Reason, for the record", "Причина, для журнала"),
    "change_checked": both("I have checked who is calling", "Я проверил, кто звонит"),
    "change_next": both("Next", "Дальше"),
    "change_cancel": both("Cancel", "Отмена"),
    "change_confirm": both("Confirm", "Подтвердить"),
    "change_done": both("Done.", "Готово."),
    "change_unchanged": both("It was so already.", "Так уже и было."),
    "change_reference": both("Reference", "Номер обращения"),
    "change_refused": both("This cannot be done. Check the reason.", "Так нельзя. Проверьте причину."),
    "change_rejected": both("The bank has refused.", "Банк отказал."),
    "change_away": both(
        "The bank's system does not answer. Nothing was done.", "Система банка не отвечает. Ничего не сделано."
    ),
    "change_unknown": both(
        "It is not known whether it was done. Press again: it is done once only.",
        "Неизвестно, выполнено ли. Нажмите ещё раз: дважды это не выполнится.",
    ),
    "callback_due": both("now", "пора"),
    "callback_attempts": both("attempts:", "попыток:"),
    "callback_number": both("Show the number", "Показать номер"),
    "callback_no_answer": both("No answer", "Не дозвонились"),
}

LABELS: Final[Mapping[str, Mapping[str, Text]]] = {
    "changes": {
        "unblock_card": both("Unblock card", "Разблокировать карту"),
        "connect_sms_service": both("Connect the SMS service", "Подключить СМС-уведомления"),
    },
    "offers": {
        "salary_sms": both("free messages about the salary", "бесплатные СМС о зарплате"),
        "online_bank": both("internet bank: log in with the number", "интернет-банк: вход по номеру телефона"),
    },
    "slots": {
        "card": both("card", "карта"),
        "card_kind": both("kind of card", "вид карты"),
        "amount_minor": both("amount, kopecks", "сумма, копеек"),
        "made_on": both("day", "день"),
        "city": both("city", "город"),
        "street": both("street", "улица"),
        "term": both("term", "срок"),
        "deposit_wish": both("deposit", "вклад"),
        "limit_change": both("limit", "лимит"),
        "phone": both("telephone", "телефон"),
    },
    "slot_values": {
        "all": both("all", "все"),
        "own": both("his own", "свой"),
        "new": both("a new one", "новый"),
        "change": both("change", "изменить"),
        "three_months": both("three months", "три месяца"),
        "half_year": both("half a year", "полгода"),
        "one_year": both("one year", "год"),
        "moscow": both("Moscow", "Москва"),
        "petersburg": both("Saint Petersburg", "Санкт-Петербург"),
        "novosibirsk": both("Novosibirsk", "Новосибирск"),
        "yekaterinburg": both("Yekaterinburg", "Екатеринбург"),
        "kazan": both("Kazan", "Казань"),
    },
    "card_states": {
        "active": both("in use", "действует"),
        "blocked": both("blocked", "заблокирована"),
    },
    "card_kinds": {
        "salary debit": both("salary card", "зарплатная карта"),
        "debit": both("debit card", "дебетовая карта"),
        "credit": both("credit card", "кредитная карта"),
        "virtual": both("virtual card", "виртуальная карта"),
    },
}
