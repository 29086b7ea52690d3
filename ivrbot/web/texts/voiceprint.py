"""Texts of the page about voices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ivrbot.web.texts.both import Text, both

FOR_SCRIPTS: Final = False

TEXTS: Final[Mapping[str, Text]] = {
    "nav_voiceprint": both("Voices", "Голоса"),
    "voice_title": both("Comparing voices", "Сравнение голосов"),
    "voice_lead": both(
        "Whether callers are compared by voice, how often that errs on the bank's own recordings, and how many"
        " customers have agreed to it.",
        "Сравнивают ли клиентов по голосу, как часто это ошибается на записях самого банка и сколько клиентов"
        " на это согласились.",
    ),
    "voice_state": both("State", "Состояние"),
    "voice_off": both("switched off", "выключено"),
    "voice_on": both("on", "работает"),
    "voice_broken": both("switched on, but not working", "включено, но не работает"),
    "voice_off_hint": both(
        "No voice is kept or compared. The setting voiceprint.enabled switches it on.",
        "Голоса не сохраняют и не сравнивают. Включает настройка voiceprint.enabled.",
    ),
    "voice_broken_hint": both(
        "The model or the library is missing: ivrbot doctor says which. Callers are asked for one-time codes.",
        "Нет модели или библиотеки: команда ivrbot doctor покажет, чего именно. У клиентов спрашивают код из СМС.",
    ),
    "voice_model": both("Model (start of its hash)", "Модель (начало хеша)"),
    "voice_accept": both("Accepted from a likeness of", "Принимается при сходстве от"),
    "voice_flag": both("Another's voice below", "Чужой голос ниже"),
    "voice_between": both("Between the two, or in doubt", "Между ними и при сомнении"),
    "voice_between_value": both("a one-time code by text message", "код из СМС"),
    "voice_speech": both("Speech needed", "Нужно речи"),
    "voice_noise": both("Signal above the noise, at least", "Сигнал громче шума не меньше чем на"),
    "voice_notice": both("Whose model it is, and its licence", "Чья это модель и по какой лицензии"),
    "voice_limits": both("What it cannot do", "Чего оно не может"),
    "voice_limits_machine": both(
        "It does not tell a person from a machine. When it was measured, 92 % of cloned voices passed the"
        " comparison. So a voice alone opens nothing: it counts only after two facts are proven, only where the"
        " policy names it for the operation, and only with digits that the caller repeats on the spot.",
        "Оно не отличает человека от машины. При измерении сравнение прошли 92 % поддельных голосов. Поэтому"
        " один голос ничего не открывает: он засчитывается только после двух доказанных фактов, только для"
        " операций, где он разрешён политикой, и только с цифрами, которые клиент тут же повторяет.",
    ),
    "voice_limits_law": both(
        "It may not be lawful for you. Russian law 572-FZ keeps biometric identification by banks in the state"
        " system, and the US guideline NIST SP 800-63B-4 is quoted as forbidding comparison of voices. Ask your"
        " lawyers before switching it on.",
        "Закон может его запрещать. В России 572-ФЗ оставляет биометрическую идентификацию в банках за"
        " государственной системой, а американское руководство NIST SP 800-63B-4, как его цитируют, запрещает"
        " сравнение голосов. Спросите юристов, прежде чем включать.",
    ),
    "voice_rates": both("How often it errs here", "Как часто оно ошибается здесь"),
    "voice_rates_none": both(
        "Not measured yet. Run ivrbot voiceprint calibrate on recordings of your own callers: error rates from"
        " elsewhere say little about your lines.",
        "Ещё не измерено. Запустите ivrbot voiceprint calibrate на записях своих клиентов: чужие цифры мало что"
        " говорят о ваших линиях.",
    ),
    "voice_rates_other": both(
        "These rates are another model's. Measure again.", "Эти цифры получены на другой модели. Измерьте заново."
    ),
    "voice_rates_synthetic": both(
        "Measured on machine-made voices: a check of the tool, not of people.",
        "Измерено на синтетических голосах: это проверка инструмента, о людях она не говорит.",
    ),
    "voice_measured": both("Measured", "Измерено"),
    "voice_set": both("Recordings", "Записи"),
    "voice_set_text": both("speakers, calls in all:", "говорящих, звонков всего:"),
    "voice_eer": both("Equal error rate", "Равная ошибка (EER)"),
    "voice_at": both("At a likeness of", "При сходстве"),
    "voice_far": both("Strangers accepted", "Принято чужих"),
    "voice_frr": both("Owners not accepted", "Не принято своих"),
    "voice_trials": both("of trials", "из сравнений"),
    "voice_interval": both("95 % interval", "95 % интервал"),
    "voice_threshold_accept": both("accepted (in force)", "принимается (действует)"),
    "voice_flagged": both("Owners taken for another", "Своих принято за чужих"),
    "voice_flagged_below": both("below a likeness of", "при сходстве ниже"),
    "voice_threshold_far": both("strangers accepted at most", "чужих принято не больше"),
    "voice_too_small": both("too few recordings to say", "записей мало, сказать нельзя"),
    "voice_people": both("Customers", "Клиенты"),
    "voice_enrolled": both("enrolled (three calls)", "голос сохранён (три звонка)"),
    "voice_unfinished": both("enrolment begun", "сохранение начато"),
    "voice_agreed": both("have agreed", "согласились"),
    "voice_declined": both("have declined", "отказались"),
    "voice_withdrawn": both("have withdrawn", "отозвали согласие"),
    "voice_verdicts": both("Comparisons of the last 30 days", "Сравнения за 30 дней"),
    "voice_verdicts_none": both(
        "No voice was compared in the last 30 days.", "За последние 30 дней голоса не сравнивали."
    ),
    "voice_doubts": both("Why nothing could be said", "Почему нельзя было решить"),
    "voice_count": both("Calls", "Звонков"),
    "voice_erase": both("Erase a voice", "Удалить голос"),
    "voice_erase_hint": both(
        "Destroys the key of the customer's voice; no copy of the database opens it any more. It is kept that he"
        " does not agree, so that he is not asked again.",
        "Уничтожает ключ к голосу клиента: ни одна копия базы его больше не откроет. Остаётся отметка, что он"
        " не согласен, чтобы не спрашивать снова.",
    ),
    "voice_customer": both("Customer (the bank's number of him)", "Клиент (его номер в банке)"),
    "voice_why": both("Reason (his request, its date)", "Причина (заявление, дата)"),
    "voice_erase_button": both("Erase", "Удалить"),
    "voice_erased_yes": both("Erased.", "Удалено."),
    "voice_erased_nothing": both(
        "There was nothing of this customer's voice. It is noted that he does not agree.",
        "Голос этого клиента не хранился. Отмечено, что он не согласен.",
    ),
    "voice_erased_missing": both("Customer and reason are both needed.", "Укажите клиента и причину."),
}

LABELS: Final[Mapping[str, Mapping[str, Text]]] = {
    "voice_verdicts": {
        "accept": both("his own voice", "свой голос"),
        "step_up": both("not sure: a code was asked", "не уверено: спросили код"),
        "flag": both("another's voice: to the fraud desk", "чужой голос: в отдел мошенничества"),
        "indeterminate": both("could not be said: a code was asked", "решить нельзя: спросили код"),
    },
    "voice_doubts": {
        "too_little_speech": both("too little speech", "мало речи"),
        "too_noisy": both("too noisy", "слишком шумно"),
        "other_model": both("the voice was kept by another model", "голос сохранён другой моделью"),
        "not_enrolled": both("no voice was kept", "голос не сохранён"),
        "engine_failed": both("the engine failed", "сбой движка"),
        "store_failed": both("the database did not answer", "база данных не ответила"),
        "wrong_digits": both("the digits were not repeated", "цифры не повторены"),
        "declined": both("he would not say the digits", "клиент не захотел называть цифры"),
        "keyed": both("keys were pressed instead", "вместо голоса нажали клавиши"),
        "answer_differs": both(
            "the digits were in another voice than the rest", "цифры сказаны не тем голосом, что остальное"
        ),
    },
}
