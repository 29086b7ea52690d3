"""Texts of the audit's page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ivrbot.web.texts.both import Text, both

FOR_SCRIPTS: Final = False

TEXTS: Final[Mapping[str, Text]] = {
    "nav_audit": both("Audit", "Аудит"),
    "audit_title": both("Audit", "Аудит"),
    "audit_lead": both(
        "Who changed what and why, and who has seen which call. Rows are only ever added.",
        "Кто, что и почему изменил и кто какой звонок смотрел. Строки только добавляются.",
    ),
    "audit_log": both("Log", "Журнал"),
    "audit_action": both("Action", "Действие"),
    "audit_who": both("Who", "Кто"),
    "audit_nobody": both("not known", "неизвестно"),
    "audit_thing": both("About", "О чём"),
    "audit_looks": both("also looks that changed nothing", "и проверки без изменений"),
    "audit_none": both("No rows fit these filters.", "По этим условиям записей нет."),
    "audit_older": both("Older", "Раньше"),
    "audit_newest": both("Newest", "К новым"),
    "audit_verify": both("Verify both chains", "Проверить обе цепочки"),
    "audit_verified_rollout": both(
        "Rollout: chain intact, {rows} rows; {rederived} of {decisions} decisions derived again with the same "
        "result.",
        "Передача роботу: цепочка цела, строк: {rows}; заново выведено решений: {rederived} из {decisions}, итог "
        "тот же.",
    ),
    "audit_broken_rollout": both(
        "Rollout: THE CHAIN IS BROKEN{where}: {reason}.", "Передача роботу: ЦЕПОЧКА РАЗОРВАНА{where}: {reason}."
    ),
    "audit_verified_activity": both("Activity log: chain intact.", "Журнал действий: цепочка цела."),
    "audit_broken_activity": both(
        "Activity log: THE CHAIN IS BROKEN{where}: {reason}.",
        "Журнал действий: ЦЕПОЧКА РАЗОРВАНА{where}: {reason}.",
    ),
    "audit_at_row": both(" at row {seq}", " на строке {seq}"),
    "audit_newest_hash": both(
        "Newest hash, to be kept elsewhere: {hash}", "Последний хеш, храните его отдельно: {hash}"
    ),
    "audit_export": both("Whole rollout audit as a file:", "Аудит передачи целиком, файлом:"),
    "audit_row": both("No.", "№"),
}

LABELS: Final[Mapping[str, Mapping[str, Text]]] = {
    "audit_logs": {"rollout": both("rollout", "передача роботу"), "activity": both("activity", "действия")},
    "activity_actions": {
        "view": both("viewed", "просмотр"),
        "log_in": both("logged in", "вход"),
        "log_in_refused": both("log-in failed", "неудачный вход"),
        "log_out": both("logged out", "выход"),
        "add": both("added", "добавление"),
        "change": both("changed", "изменение"),
        "change_password": both("changed the password", "смена пароля"),
        "reset_password": both("reset the password", "сброс пароля"),
        "disable": both("disabled", "отключение"),
        "enable": both("enabled", "включение"),
        "set_rights": both("changed rights", "смена прав"),
        "revoke": both("revoked", "отзыв"),
        "score": both("scored", "оценка качества"),
        "draw_sample": both("drew the sample", "выборка для проверки"),
        "take_in_hand": both("took in hand", "взял звонок"),
        "export": both("exported", "выгрузка"),
        "disposition": both("noted the outcome", "отметка об исходе"),
        "callback_done": both("call-back done", "перезвонил"),
        "callback_again": both("dial again", "набрать снова"),
        "unblock_card": both("unblocked a card", "разблокировка карты"),
        "connect_sms_service": both("connected the SMS service", "подключение СМС-сервиса"),
        "erase": both("erased a caller's data", "удаление данных клиента"),
        "enrol": both("enrolled a voice", "сохранение голоса"),
        "verify": both("compared a voice", "сравнение голоса"),
        "backup": both("backed up", "резервная копия"),
        "rewrap": both("changed the master key", "смена главного ключа"),
    },
    "activity_kinds": {
        "call": both("call", "звонок"),
        "dossier": both("dossier", "досье"),
        "transcript": both("transcript", "расшифровка"),
        "recording": both("recording", "запись"),
        "person": both("person", "сотрудник"),
        "token": both("token", "токен"),
        "callback": both("call-back", "обратный звонок"),
        "callback_number": both("number of a call-back", "номер обратного звонка"),
        "quality_sample": both("quality sample", "выборка качества"),
        "voiceprint": both("voiceprint", "отпечаток голоса"),
        "audit": both("audit", "аудит"),
        "caller": both("caller", "клиент"),
        "database": both("database", "база данных"),
        "branch": both("branch", "ветка"),
    },
}
