"""Texts of log-in, one's own account, people and tokens, refusals; names of roles and rights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ivrbot.web.texts.both import Text, both

TEXTS: Final[Mapping[str, Text]] = {
    "nav_people": both("People", "Сотрудники"),
    # the frame
    "me": both("My account", "Моя учётная запись"),
    "log_out": both("Log out", "Выйти"),
    # log-in
    "login_title": both("Log in", "Вход"),
    "login_lead": both(
        "With the name and password that your administrator gave you.",
        "Введите имя и пароль, которые выдал администратор.",
    ),
    "login_name": both("Name", "Имя"),
    "login_password": both("Password", "Пароль"),
    "login_enter": both("Log in", "Войти"),
    "login_wrong": both("Name or password is wrong.", "Неверное имя или пароль."),
    "login_limited": both(
        "Too many attempts. Try again in {minutes} min.",
        "Слишком много попыток. Повторите через {minutes} мин.",
    ),
    # one's own account
    "account_title": both("My account", "Моя учётная запись"),
    "account_roles": both("Roles", "Роли"),
    "account_branches": both("Branches", "Ветки"),
    "account_rights": both("You may", "Вам доступно"),
    "account_sessions": both("Logged in", "Открытые входы"),
    "account_this": both("this browser", "этот браузер"),
    "account_last_seen": both("last used", "последнее действие"),
    "branches_all": both("all branches", "все ветки"),
    "password_change": both("Change the password", "Сменить пароль"),
    "password_current": both("Current password", "Текущий пароль"),
    "password_new": both("New password", "Новый пароль"),
    "password_again": both("New password again", "Новый пароль ещё раз"),
    "password_rule": both(
        "12 characters or more; a few unrelated words are easy to remember. Other browsers are logged out.",
        "Не короче 12 знаков; легко запомнить несколько не связанных слов. В других браузерах вы выйдете.",
    ),
    "password_must": both(
        "Somebody else knows this password. Choose your own before you go on.",
        "Этот пароль знаете не только вы. Прежде чем продолжить, задайте свой.",
    ),
    "password_changed": both("The password has been changed.", "Пароль изменён."),
    # people
    "people_title": both("People", "Сотрудники"),
    "people_lead": both(
        "Who may log in, what for, and whose calls they see. Every change is in the audit.",
        "Кто может входить, с какими правами и чьи звонки видит. Каждое изменение попадает в аудит.",
    ),
    "people_tokens": both("Tokens of machines", "Токены программ"),
    "people_name": both("Name", "Имя"),
    "people_rights": both("Rights", "Права"),
    "people_state": both("State", "Состояние"),
    "people_active": both("active", "активен"),
    "people_disabled": both("disabled", "отключён"),
    "people_waiting": both("has to change the password", "должен сменить пароль"),
    "people_added": both("Added", "Добавлен"),
    "people_start": both("at the first start", "при первом запуске"),
    "people_add": both("Add a person", "Добавить сотрудника"),
    "people_add_button": both("Add", "Добавить"),
    "people_name_hint": both(
        "Small letters, digits, dots and hyphens: anna.petrova",
        "Латинские буквы, цифры, точки, дефисы: anna.petrova",
    ),
    "people_only": both("only these:", "только эти:"),
    "people_save": both("Save rights", "Сохранить права"),
    "people_saved": both("Saved. The person has to log in again.", "Сохранено. Сотруднику придётся войти заново."),
    "people_reset": both("New password", "Выдать новый пароль"),
    "people_reset_hint": both(
        "Makes a password that is shown once and has to be changed at the next log-in.",
        "Создаёт пароль: он показывается один раз, при первом входе его нужно сменить.",
    ),
    "people_disable": both("Disable", "Отключить"),
    "people_enable": both("Enable again", "Включить снова"),
    "people_disable_hint": both(
        "Logs the person out at once. Tokens that he has made stay valid: revoke them if need be.",
        "Сотрудник сразу выходит из системы. Выданные им токены остаются в силе: при необходимости отзовите их.",
    ),
    "people_recent": both("Recently", "Недавние действия"),
    "people_once": both(
        "Write it down or hand it over now: it is not shown again.",
        "Запишите или передайте сейчас: больше он показан не будет.",
    ),
    "people_password_of": both("Password of {name}", "Пароль для {name}"),
    # tokens
    "tokens_title": both("Tokens of machines", "Токены программ"),
    "tokens_lead": both(
        "A PBX, an IVR or a report fetcher shows a token instead of logging in. "
        "Give each its own, with no more than it needs.",
        "АТС, IVR и выгрузка отчётов предъявляют токен вместо входа. "
        "Выдайте каждой программе свой и только с нужными правами.",
    ),
    "tokens_none": both("No tokens yet.", "Токенов пока нет."),
    "tokens_scopes": both("May", "Права"),
    "tokens_expires": both("Valid until", "Действует до"),
    "tokens_never": both("no end", "бессрочно"),
    "tokens_used": both("Last used", "Последнее использование"),
    "tokens_unused": both("never", "не использовался"),
    "tokens_valid": both("valid", "действует"),
    "tokens_expired": both("expired", "истёк"),
    "tokens_revoked": both("revoked", "отозван"),
    "tokens_revoke": both("Revoke", "Отозвать"),
    "tokens_add": both("Make a token", "Выпустить токен"),
    "tokens_days": both("Days until it expires (empty: never)", "Срок в днях (пусто: бессрочно)"),
    "tokens_made": both("Token {name}", "Токен {name}"),
    # refusals
    "refused_title": both("That did not work", "Не получилось"),
    "refused_help": both("Go back and try again.", "Вернитесь назад и попробуйте ещё раз."),
    "refused_right": both("Needed:", "Нужно право:"),
    "refused_again": both("Try again", "Повторить"),
    "refused_home": both("To the first page", "На главную"),
}

LABELS: Final[Mapping[str, Mapping[str, Text]]] = {
    "roles": {
        "owner": both("Product owner", "Владелец продукта"),
        "analyst": both("Analyst", "Аналитик"),
        "operator": both("Operator", "Оператор"),
        "admin": both("Administrator", "Администратор"),
    },
    "rights": {
        "calls:see": both("see calls and their transcripts", "видеть звонки и их расшифровки"),
        "calls:register": both("register and follow calls (PBX, IVR)", "регистрировать и вести звонки (АТС, IVR)"),
        "recordings:hear": both("hear recordings", "слушать записи"),
        "dossiers:see": both("open dossiers", "открывать досье"),
        "desk:use": both("work at the operator's desk", "работать на месте оператора"),
        "bank:change": both("unblock cards, connect services", "разблокировать карты, подключать услуги"),
        "reports:see": both("see reports", "видеть отчёты"),
        "rollout:see": both("see the rollout", "видеть передачу роботу"),
        "rollout:change": both(
            "propose, approve and stop the rollout", "предлагать, одобрять и останавливать передачу роботу"
        ),
        "quality:score": both("score calls", "оценивать звонки"),
        "audit:see": both("read the audit", "читать аудит"),
        "people:manage": both("manage people and tokens", "управлять сотрудниками и токенами"),
        "data:erase": both("erase a caller's data", "удалять данные клиента"),
        "metrics:read": both("read metrics", "читать метрики"),
        "voiceprint:see": both(
            "see how voices are compared, never a voice", "видеть, как сравнивают голоса, но не сами голоса"
        ),
    },
    "people_faults": {
        "password_short": both("At least 12 characters.", "Не короче 12 знаков."),
        "password_long": both("At most 256 characters.", "Не длиннее 256 знаков."),
        "password_weak": both("That is too easy to guess.", "Такой пароль легко угадать."),
        "password_differs": both("The two new passwords differ.", "Новые пароли не совпадают."),
        "password_wrong": both("The current password is wrong.", "Текущий пароль неверен."),
        "password_same": both("That is the old password.", "Это прежний пароль."),
        "name": both(
            "A name has small letters, digits, dots and hyphens, at most 32.",
            "Имя: латинские строчные буквы, цифры, точки и дефисы, не больше 32 знаков.",
        ),
        "name_taken": both("There is, or was, one of that name.", "Такое имя уже занято или было занято."),
        "roles": both("Choose at least one role.", "Выберите хотя бы одну роль."),
        "scopes": both("Choose at least one right.", "Выберите хотя бы одно право."),
        "branches": both("Choose branches, or all of them.", "Выберите ветки или укажите все."),
        "days": both("A number of days from 1 to 3660.", "Число дней от 1 до 3660."),
        "last_manager": both(
            "Nobody would be left to manage people.", "Не останется никого, кто управляет сотрудниками."
        ),
    },
    "denials": {
        "not_found": both("There is no such page", "Такой страницы нет"),
        "forbidden": both("You may not do that", "Недостаточно прав"),
        "csrf": both("The page was too old", "Страница устарела"),
        "foreign_origin": both("The request came from another site", "Запрос пришёл с другого сайта"),
        "storage_unavailable": both("The database does not answer", "База данных не отвечает"),
        "internal": both("Something went wrong here", "Внутренняя ошибка"),
        "unauthorised": both("Please log in", "Войдите в систему"),
    },
    "denial_help": {
        "not_found": both(
            "It was removed, or belongs to a branch that is not yours.",
            "Она удалена или относится к ветке, к которой у вас нет доступа.",
        ),
        "forbidden": both("Ask your administrator for the right.", "Попросите администратора выдать права."),
        "csrf": both("Open it again and repeat.", "Откройте её заново и повторите."),
        "storage_unavailable": both(
            "Calls go on. Try again in a minute.", "Звонки обслуживаются. Повторите через минуту."
        ),
    },
}
