"""Every text of the pages in English and Russian, and names for codes (topics, reasons, levels).

Gives dictionaries; keys are what templates and scripts ask for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ivrbot.model.speech import Language

Text = Mapping[Language, str]


def _both(en: str, ru: str) -> Text:
    return {"en": en, "ru": ru}


TEXTS: Final[Mapping[str, Text]] = {
    "skip": _both("To the content", "К содержанию"),
    "nav_label": _both("Pages", "Разделы"),
    "nav_live": _both("Live calls", "Звонки"),
    "nav_phone": _both("Softphone", "Телефон"),
    "nav_desk": _both("Operator's desk", "Место оператора"),
    "nav_docs": _both("Documentation", "Документация"),
    "other_language": _both("Русский", "English"),
    "no_script": _both("This page needs JavaScript.", "Для этой страницы нужен JavaScript."),
    "connection_lost": _both(
        "No connection to the server. Trying again…", "Нет связи с сервером. Пробуем ещё раз…"
    ),
    # live calls
    "live_title": _both("Live calls", "Звонки"),
    "live_none": _both("No calls right now.", "Сейчас звонков нет."),
    "live_try": _both("Place one with the softphone", "Позвонить с телефона на странице"),
    "live_now": _both("In progress", "Идут сейчас"),
    "live_ended": _both("Just ended", "Только что закончились"),
    "no_topic": _both("Topic not stated yet", "Тема ещё не названа"),
    "bot": _both("Bot", "Робот"),
    "caller": _both("Caller", "Клиент"),
    "operator": _both("Operator", "Оператор"),
    "you": _both("You", "Вы"),
    "hidden": _both("(answer hidden)", "(ответ скрыт)"),
    "unclear": _both("(not understood)", "(неразборчиво)"),
    # softphone
    "phone_title": _both("Call the bank", "Позвонить в банк"),
    "phone_lead": _both(
        "A robot answers. Speak, or press keys.", "Отвечает робот. Говорите или нажимайте клавиши."
    ),
    "your_call": _both("Your call", "Ваш звонок"),
    "calling_as": _both("Calling as", "Кто звонит"),
    "other_number": _both("Another number", "Другой номер"),
    "number": _both("Telephone number", "Номер телефона"),
    "withheld": _both("Number withheld", "Номер скрыт"),
    "language": _both("Language of the call", "Язык разговора"),
    "call": _both("Call", "Позвонить"),
    "hang_up": _both("Hang up", "Положить трубку"),
    "keypad": _both("Keypad", "Клавиатура"),
    "microphone": _both("Microphone", "Микрофон"),
    "transcript": _both("Conversation", "Разговор"),
    "transcript_empty": _both(
        "What you and the bot say appears here.", "Здесь появится то, что скажете вы и робот."
    ),
    "state_idle": _both("Not in a call", "Звонка нет"),
    "state_connecting": _both("Connecting…", "Соединяем…"),
    "state_listening": _both("Listening to you", "Слушаем вас"),
    "state_hearing": _both("You are speaking", "Вы говорите"),
    "state_speaking": _both("The bot is speaking", "Робот говорит"),
    "state_waiting": _both("Waiting for an operator", "Ждём оператора"),
    "state_operator": _both("You are with an operator", "Вы говорите с оператором"),
    "state_ended": _both("The call has ended", "Звонок закончен"),
    "escalated": _both(
        "Your call goes to an operator, who already knows what you said. Queue:",
        "Переводим вас на оператора: он уже знает, что вы сказали. Очередь:",
    ),
    "operator_joined": _both("An operator has joined.", "Оператор на связи."),
    "operator_left": _both("The operator has left.", "Оператор отключился."),
    "nobody_came": _both("Nobody was free to take the call.", "Никто не смог ответить."),
    "write_operator": _both("Write to the operator", "Написать оператору"),
    "write_caller": _both("Write to the caller", "Написать клиенту"),
    "send": _both("Send", "Отправить"),
    "error_insecure": _both(
        "The browser gives the microphone to https pages and to localhost only.",
        "Браузер даёт микрофон только страницам https и localhost.",
    ),
    "error_no_microphone": _both(
        "No microphone was found. Connect one and call again.",
        "Микрофон не найден. Подключите его и позвоните ещё раз.",
    ),
    "error_denied": _both(
        "The microphone was refused. Allow it in the address bar and call again.",
        "Доступ к микрофону запрещён. Разрешите его в адресной строке и позвоните ещё раз.",
    ),
    "error_microphone": _both("The microphone cannot be used.", "Микрофон не работает."),
    "error_busy": _both(
        "All lines are busy. Please try again in a minute.", "Все линии заняты. Попробуйте через минуту."
    ),
    "error_refused": _both("The call was not taken. Please try again.", "Звонок не принят. Попробуйте ещё раз."),
    "error_gone": _both(
        "The connection to the server was lost. The call is over.", "Связь с сервером потеряна. Звонок прерван."
    ),
    "error_protocol": _both("The server did not understand this page.", "Сервер не понял эту страницу."),
    # desk
    "desk_title": _both("Operator's desk", "Место оператора"),
    "desk_list": _both("Escalated calls", "Переведённые звонки"),
    "desk_none": _both("No calls have been escalated yet.", "Переведённых звонков пока нет."),
    "desk_pick": _both("Choose a call to see its dossier.", "Выберите звонок, чтобы увидеть досье."),
    "desk_new": _both("New call", "Новый звонок"),
    "desk_waiting": _both("waiting", "ждёт"),
    "desk_urgent": _both("urgent", "срочно"),
    "take": _both("Take the call", "Принять звонок"),
    "speak": _both("Speak with the caller", "Говорить с клиентом"),
    "speaking": _both("Microphone and speaker are on", "Микрофон и динамик включены"),
    "finish": _both("End the call", "Завершить звонок"),
    "with_caller": _both("You are connected with the caller", "Вы на связи с клиентом"),
    "caller_left": _both("The caller has left.", "Клиент отключился."),
    "caller_gone": _both(
        "The caller is no longer waiting, or a colleague has taken the call.",
        "Клиент уже не ждёт, или звонок принял коллега.",
    ),
    "on_telephone": _both("This caller is not waiting on this page.", "Этот клиент не ждёт на этой странице."),
    "who": _both("Who", "Кто"),
    "unknown_caller": _both("Unknown caller", "Неизвестный клиент"),
    "level": _both("Identity", "Личность"),
    "facts": _both("checked by", "проверено по"),
    "topic": _both("Topic", "Тема"),
    "reason": _both("Why here", "Почему здесь"),
    "queue": _both("Queue", "Очередь"),
    "slots": _both("What the caller named", "Что назвал клиент"),
    "tried": _both("What the bot did", "Что сделал робот"),
    "nothing": _both("nothing", "ничего"),
    "suggestion": _both("Suggested next step", "Что сделать дальше"),
    "time": _both("Time", "Время"),
    "last_words": _both("Last words", "Последние слова"),
    "last_contacts": _both("Earlier contacts", "Прежние обращения"),
    "open_claims": _both("Open claims", "Открытые заявления"),
    "callbacks": _both("Call-backs", "Перезвонить"),
    "callbacks_none": _both("Nobody is waiting for a call-back.", "Перезванивать никому не нужно."),
    "callbacks_hint": _both(
        "When you call back, ask for no code, password or code word.",
        "Когда перезваниваете, не спрашивайте кодов, паролей и кодовое слово.",
    ),
    "callback_done": _both("Done", "Готово"),
    "callback_again": _both("Dial again", "Набрать снова"),
    "say_what": _both("What was it about, and how did it end?", "О чём был звонок и чем закончился?"),
    "real_topic": _both("The call was about", "Тема звонка"),
    "other_topic": _both("Something else", "Что-то другое"),
    "outcome": _both("The caller's question is", "Вопрос клиента"),
    "note_code": _both("Your code, if you use one", "Ваш код, если есть"),
    "save": _both("Save", "Сохранить"),
    "saved": _both("Saved.", "Сохранено."),
    "already_saved": _both("Saved already.", "Уже сохранено."),
    "not_saved": _both("Not saved. Please try again.", "Не сохранено. Попробуйте ещё раз."),
    # documentation
    "docs_title": _both("Documentation", "Документация"),
    "docs_api": _both("HTTP API (OpenAPI 3.1)", "HTTP API (OpenAPI 3.1)"),
    "docs_api_text": _both(
        "Machine clients show the token of api.token in the data folder: Authorization: Bearer …",
        "Программы предъявляют токен из файла api.token в папке данных: Authorization: Bearer …",
    ),
    "docs_try": _both("Try it", "Попробовать"),
    "docs_phone": _both(
        "Open the softphone, call as one of the demo customers and say what you want.",
        "Откройте телефон, позвоните от имени демонстрационного клиента и скажите, что нужно.",
    ),
    "docs_say": _both(
        "For example: “I lost my card”, “What is my balance?”, “Operator, please”.",
        "Например: «Я потеряла карту», «Какой у меня баланс?», «Оператора, пожалуйста».",
    ),
    "docs_desk": _both(
        "Keep the operator's desk open in a second tab: escalated calls appear there with their dossier.",
        "Держите место оператора открытым на второй вкладке: переведённые звонки появятся там вместе с досье.",
    ),
    "docs_probes": _both("Probes and metrics", "Проверки и метрики"),
}

LABELS: Final[Mapping[str, Mapping[str, Text]]] = {
    "topics": {
        "block_card": _both("Block a card", "Блокировка карты"),
        "card_reissue": _both("Re-issue a card", "Перевыпуск карты"),
        "report_fraud": _both("Fraud", "Мошенничество"),
        "check_balance": _both("Balance", "Баланс"),
        "recent_transactions": _both("Recent operations", "Последние операции"),
        "salary_status": _both("Salary", "Зарплата"),
        "card_limits": _both("Card limits", "Лимиты по карте"),
        "dispute_transaction": _both("Disputed operation", "Спорная операция"),
        "loan_info": _both("Loan", "Кредит"),
        "deposit_info": _both("Deposit", "Вклад"),
        "find_office": _both("Offices", "Отделения"),
        "online_bank_access": _both("Internet bank", "Интернет-банк"),
        "complaint": _both("Complaint", "Жалоба"),
        "thanks": _both("Thanks", "Благодарность"),
        "pin_change": _both("PIN", "ПИН-код"),
        "atm_problem": _both("Cash machine", "Банкомат"),
        "operator": _both("Operator", "Оператор"),
    },
    "queues": {
        "block_card": _both("Cards", "Карты"),
        "balance": _both("Accounts", "Счета"),
        "disputes": _both("Disputes", "Споры"),
        "loans": _both("Loans", "Кредиты"),
        "deposits": _both("Deposits", "Вклады"),
        "other": _both("General", "Общая"),
    },
    "reasons": {
        "caller_asked": _both("asked for an operator", "попросил оператора"),
        "topic_not_served": _both("the bot does not serve this topic", "робот не обслуживает эту тему"),
        "control_arm": _both("call for operators by the rollout", "звонок для операторов по плану"),
        "not_eligible": _both("not eligible for the bot", "не подходит роботу"),
        "no_match": _both("was not understood", "не удалось понять"),
        "no_input": _both("said nothing", "молчал"),
        "authentication_failed": _both("identity not confirmed", "личность не подтверждена"),
        "caller_upset": _both("the caller is upset", "клиент расстроен"),
        "fraud": _both("fraud", "мошенничество"),
        "flow": _both("next step needs an operator", "дальше нужен оператор"),
        "asr_failure": _both("speech recognition failed", "сбой распознавания речи"),
        "tts_failure": _both("speech output failed", "сбой синтеза речи"),
        "nlu_failure": _both("understanding failed", "сбой понимания"),
        "bank_unavailable": _both("the bank's system did not answer", "система банка не ответила"),
        "bank_rejected": _both("the bank's system refused", "система банка отказала"),
        "bank_outcome_unknown": _both("outcome of the operation unknown", "исход операции неизвестен"),
        "storage_failure": _both("storage failed", "сбой хранилища"),
        "internal_error": _both("internal error", "внутренняя ошибка"),
        "overload": _both("too many calls", "слишком много звонков"),
        "time_limit": _both("time limit", "предел времени"),
        "served": _both("served", "обслужен"),
        "declined": _both("wanted nothing more", "больше ничего не нужно"),
        "hung_up": _both("hung up", "положил трубку"),
        "callback": _both("asked to be called back", "попросил перезвонить"),
    },
    "dispositions": {
        "resolved": _both("Resolved", "Решено"),
        "escalated": _both("To an operator", "Оператору"),
        "abandoned": _both("Abandoned", "Прервано"),
        "failed": _both("Failed", "Не удалось"),
    },
    "callback_states": {
        "open": _both("waiting", "ждёт"),
        "dialling": _both("being dialled", "набираем"),
        "done": _both("done", "сделано"),
        "given_up": _both("given up", "не удалось"),
    },
    "callback_results": {
        "answered": _both("answered", "ответил"),
        "busy": _both("busy", "занято"),
        "no_answer": _both("no answer", "не отвечает"),
        "failed": _both("cannot be reached", "недоступен"),
        "no_operator": _both("no operator was free", "не было свободного оператора"),
        "not_placed": _both("the exchange did not dial", "АТС не набрала номер"),
        "lost": _both("not known how it ended", "неизвестно, чем кончилось"),
        "erased": _both("the number was erased", "номер удалён"),
        "by_hand": _both("by a colleague", "перезвонил сотрудник"),
    },
    "outcomes": {
        "resolved": _both("resolved", "решён"),
        "unresolved": _both("not resolved", "не решён"),
        "unknown": _both("I do not know", "неизвестно"),
    },
    "levels": {
        "none": _both("not identified", "не установлена"),
        "identified": _both("by number only", "только по номеру"),
        "verified": _both("verified", "подтверждена"),
        "strong": _both("strongly verified", "надёжно подтверждена"),
    },
    "facts": {
        "code_word": _both("code word", "кодовому слову"),
        "last_four": _both("card digits", "цифрам карты"),
        "date_of_birth": _both("date of birth", "дате рождения"),
        "full_name": _both("full name", "полному имени"),
    },
    "gateways": {
        "audiosocket": _both("Telephone", "Телефон"),
        "softphone": _both("Softphone", "Телефон на странице"),
        "microphone": _both("Microphone", "Микрофон"),
        "text": _both("Text", "Текст"),
    },
    "languages": {"ru": _both("Russian", "Русский"), "en": _both("English", "Английский")},
    "suggestions": {
        "suggest_secure_cards": _both(
            "Secure all cards first, then ask what happened.", "Сначала защитите все карты, затем расспросите."
        ),
        "suggest_block_now": _both("Block the card at once.", "Сразу заблокируйте карту."),
        "suggest_check_outcome": _both(
            "Check whether the operation went through before repeating it.",
            "Проверьте, прошла ли операция, прежде чем повторять её.",
        ),
        "suggest_verify_caller": _both(
            "Confirm the caller's identity yourself.", "Подтвердите личность клиента сами."
        ),
        "suggest_do_operation": _both("Do the operation for the caller.", "Выполните операцию за клиента."),
        "suggest_listen_first": _both("Listen first.", "Сначала выслушайте."),
        "suggest_apologise": _both("Apologise for the fault, then serve.", "Извинитесь за сбой и обслужите."),
        "suggest_ask_topic": _both("Ask what the call is about.", "Спросите, по какому вопросу звонок."),
        "suggest_serve_topic": _both("Serve the stated topic.", "Решите названный вопрос."),
    },
}
