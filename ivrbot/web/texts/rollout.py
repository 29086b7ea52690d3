"""Texts of the rollout's pages: states, what a branch has shown, in one sentence, what may be done and why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ivrbot.web.texts.both import Text, both

FOR_SCRIPTS: Final = False

TEXTS: Final[Mapping[str, Text]] = {
    "nav_rollout": both("Rollout", "Передача роботу"),
    "rollout_title": both("Rollout", "Передача роботу"),
    "rollout_goal": both("Goal: {goal}", "Цель: {goal}"),
    "rollout_revision": both("Plan {revision}", "План {revision}"),
    "rollout_two_person": both(
        "A rise needs two persons: one proposes, another approves.",
        "Для повышения нужны двое: один предлагает, другой одобряет.",
    ),
    "rollout_one_person": both(
        "The plan lets one person propose and approve.", "По плану один человек может и предложить, и одобрить."
    ),
    "rollout_hours": both("Shares rise within working hours only.", "Доли повышают только в рабочие часы."),
    "rollout_plan_error": both(
        "The plan's file has errors; the plan in force stays in force:",
        "В файле плана ошибки; действует прежний план:",
    ),
    "rollout_all_stopped": both(
        "Everything is stopped: every call goes to operators.",
        "Остановлено всё: каждый звонок идёт к операторам.",
    ),
    "rollout_waiting": both("Waiting for a decision", "Ждут решения"),
    "rollout_after": both("after {branch}", "после ветки «{branch}»"),
    "rollout_ladder": both("Ladder of {branch}", "Ступени ветки «{branch}»"),
    "rollout_now_here": both("now here", "сейчас здесь"),
    "rollout_share_now": both("Share now", "Доля сейчас"),
    "rollout_realised": both(
        "the bot took {share} of calls in 7 days", "роботу досталось {share} звонков за 7 дней"
    ),
    "rollout_since": both("On this rung since", "На ступени с"),
    "rollout_days": both("{days} days, at least {least}", "{days} дн., нужно не меньше {least}"),
    "rollout_days_past": both("{days} days", "{days} дн."),
    "rollout_callers": both("Callers that count", "Учтено звонящих"),
    "rollout_callers_value": both(
        "{bot} with the bot, {human} with operators; at least {least} on each side",
        "{bot} у робота, {human} у операторов; нужно не меньше {least} с каждой стороны",
    ),
    "rollout_shadow_calls": both("Shadow calls", "Теневые звонки"),
    "rollout_shadow_value": both(
        "topic right in {correct} of {n}; {least} accuracy is needed",
        "тема верна в {correct} из {n}; нужна точность {least}",
    ),
    "rollout_shadow_none": both(
        "none predicted and labelled yet; {least} accuracy is needed",
        "предсказанных и размеченных пока нет; нужна точность {least}",
    ),
    "rollout_immature": both("{n} more are maturing", "ещё {n} дозревают"),
    "rollout_needed_value": both("about {n} more", "ещё примерно {n}"),
    "rollout_enough": both("enough are there", "уже достаточно"),
    "rollout_needed_none": both("not known", "неизвестно"),
    "rollout_never": both("not within reach by the present volume", "при нынешнем потоке недостижимо"),
    "rollout_evidence": both("Bot against operators", "Робот против операторов"),
    "rollout_guardrails": both("Guardrails, this rung alone", "Предохранители, только эта ступень"),
    "rollout_data": both("Is the data sound?", "Можно ли верить данным?"),
    "rollout_srm_ok": both("groups fill as drawn", "группы наполняются по жребию"),
    "rollout_srm_bad": both("groups do NOT fill as drawn", "группы наполняются НЕ по жребию"),
    "rollout_srm_none": both("nobody drawn yet", "жребия ещё не было"),
    "rollout_fresh": both("bot {bot}; operators {human}", "робот {bot}; операторы {human}"),
    "rollout_source": both("operators' log complete until {at}", "журнал операторов полон до {at}"),
    "rollout_as_of": both("As of {at}", "На {at}"),
    "rollout_no_view": both(
        "The evidence is still being counted; reload in a moment.", "Данные ещё считаются; обновите страницу."
    ),
    "rollout_no_evidence": both("Nothing to compare on this rung.", "На этой ступени сравнивать нечего."),
    "rollout_more": both("Numbers, guardrails, history", "Числа, предохранители, история"),
    "rollout_all_branches": both("All branches", "Все ветки"),
    "rollout_history": both("History", "История"),
    "rollout_history_none": both("Nothing has happened yet.", "Пока ничего не происходило."),
    "rollout_certificate": both("Certificate", "Сертификат"),
    "rollout_calls": both("Calls of the branch", "Звонки ветки"),
    "rollout_asked": both("{who} proposes {from_} → {to}: “{why}”", "{who} предлагает {from_} → {to}: «{why}»"),
    "rollout_asked_resume": both("{who} asks to resume: “{why}”", "{who} просит возобновить: «{why}»"),
    "rollout_yours": both(
        "It is yours: another person must approve it. You may take it back.",
        "Это ваше предложение: одобрить должен другой. Вы можете его отозвать.",
    ),
    "rollout_controller": both("the controller", "контроллер"),
    "rollout_program": both("the program's start", "запуск программы"),
    "rollout_stage_alone": both("this rung alone {value}", "только эта ступень {value}"),
    "rollout_killed_branch": both("stopped", "остановлена"),
    "rollout_complete": both("complete", "передана"),
    "rollout_override": both("by override", "в обход правил"),
    "rollout_off_plan": both("not in the plan", "нет в плане"),
    "col_when": both("When", "Когда"),
    "col_who": both("Who", "Кто"),
    "col_what": both("What", "Что"),
    "col_why": both("Why", "Почему"),
    "col_from_to": both("From → to", "Было → стало"),
    # what may be done
    "act_propose": both("Propose {to}", "Предложить {to}"),
    "act_propose_do": both("Propose", "Предложить"),
    "act_propose_title": both("Propose a rise: {branch}", "Предложить повышение: {branch}"),
    "act_propose_text": both(
        "The branch stays at {now} until another person approves. From the next call after that {to} of callers "
        "meet the bot.",
        "До одобрения ветка остаётся на {now}. После него со следующего звонка робот отвечает {to} звонящих.",
    ),
    "act_approve": both("Approve", "Одобрить"),
    "act_approve_title": both("Approve: {branch} to {to}", "Одобрить: {branch}, {to}"),
    "act_approve_text": both(
        "From the next call on {to} of callers meet the bot.",
        "Со следующего звонка робот отвечает {to} звонящих.",
    ),
    "act_take_back": both("Take it back", "Отозвать"),
    "act_reject": both("Reject", "Отклонить"),
    "act_reject_title": both("Reject the proposal: {branch}", "Отклонить предложение: {branch}"),
    "act_reject_text": both("The branch stays at {now}.", "Ветка остаётся на {now}."),
    "act_set": both("Set another share", "Задать другую долю"),
    "act_set_title": both("Set the share: {branch}", "Задать долю: {branch}"),
    "act_set_text": both(
        "Goes into force at once, without a proposal. Down is always allowed and begins a new epoch; up only by "
        "one rung, in working hours, and only where the plan asks for no second person.",
        "Вступает в силу сразу, без предложения. Вниз можно всегда, начнётся новая эпоха; вверх — на одну "
        "ступень, в рабочие часы и только если план не требует второго лица.",
    ),
    "act_rollback": both("Roll back", "Откатить"),
    "act_rollback_title": both("Roll back: {branch}", "Откатить: {branch}"),
    "act_rollback_text": both(
        "From the next call on operators serve everybody; the branch has to earn its rungs anew.",
        "Со следующего звонка всех обслуживают операторы; ступени придётся заслужить заново.",
    ),
    "act_kill": both("Stop", "Остановить"),
    "act_kill_all": both("Stop everything", "Остановить всё"),
    "act_kill_title": both("Stop the bot: {branch}", "Остановить робота: {branch}"),
    "act_kill_text": both(
        "From the next call on everybody goes to operators. Calls under way finish. It takes effect at once.",
        "Со следующего звонка все идут к операторам, начатые разговоры заканчиваются. Действует сразу.",
    ),
    "act_resume": both("Resume", "Возобновить"),
    "act_resume_all": both("Resume everything", "Возобновить всё"),
    "act_resume_title": both("Resume: {branch}", "Возобновить: {branch}"),
    "act_resume_text": both(
        "Rungs are as they were; calls of before and after are not counted together.",
        "Ступени остаются прежними; звонки до и после вместе не считаются.",
    ),
    "act_exclude": both("Exclude a caller", "Исключить клиента"),
    "act_exclude_title": both("Exclude a caller from the draw", "Исключить клиента из жребия"),
    "act_exclude_text": both(
        "From the next call on he always meets an operator and is counted on neither side. Only a keyed hash of "
        "the number is kept.",
        "Со следующего звонка он всегда попадает к оператору и не считается ни в одной группе. Хранится только "
        "хеш номера с ключом.",
    ),
    "act_include": both("Let in again", "Вернуть"),
    "act_include_title": both("Let a caller in again", "Вернуть клиента в жребий"),
    "act_include_text": both(
        "From the next call on he is drawn like everybody.", "Со следующего звонка он участвует в жребии."
    ),
    "act_why": both("Reason (kept in the audit)", "Причина (останется в аудите)"),
    "act_share": both("Share of callers", "Доля звонящих"),
    "act_override": both(
        "Set a rule of the plan aside (several rungs, the order of branches or working hours). It is stamped on "
        "the report and the certificate.",
        "В обход правил плана (несколько ступеней, порядок веток или рабочие часы). Отметка останется в отчёте и "
        "сертификате.",
    ),
    "act_number": both("Telephone number", "Номер телефона"),
    "act_kind": both("Why", "Почему"),
    "act_branch": both("Where", "Где"),
    "act_cancel": both("Cancel", "Не надо"),
    "act_refused": both("Not done: {why}", "Не сделано: {why}"),
    "act_allowed": both("Possible: {allowed}.", "Можно: {allowed}."),
    "act_not_open": both("There is nothing to decide here any more.", "Здесь уже нечего решать."),
    "exclusions_title": both("Excluded callers", "Исключённые клиенты"),
    "exclusions_none": both("Nobody is excluded.", "Исключённых нет."),
    "exclusions_more": both("Excluded callers", "Исключённые клиенты"),
    "exclusion_unit": both("Caller (hash)", "Клиент (хеш)"),
    # done
    "done_propose": both(
        "Proposed. Another person has to approve it.", "Предложение отправлено. Одобрить должен другой человек."
    ),
    "done_approve": both("Approved: the new share is in force.", "Одобрено: новая доля действует."),
    "done_reject": both("Rejected.", "Отклонено."),
    "done_set": both("The share is set.", "Доля задана."),
    "done_rollback": both(
        "Rolled back: operators serve everybody.", "Откат выполнен: всех обслуживают операторы."
    ),
    "done_kill": both("Stopped: everybody goes to operators.", "Остановлено: все звонки идут к операторам."),
    "done_resume": both("Resumed.", "Возобновлено."),
    "done_resume_asked": both(
        "Proposed: another person has to approve the end of the stop.",
        "Предложение отправлено: снять остановку должен второй человек.",
    ),
    "done_exclude": both("Excluded.", "Исключён."),
    "done_include": both("Let in again.", "Возвращён."),
}

_STATEMENTS: Final[Mapping[str, Text]] = {
    "not_started": both("Not started: operators serve everybody.", "Не начата: всех обслуживают операторы."),
    "waits_after": both(
        "Waits until {after} is complete; until then operators serve everybody.",
        "Ждёт, пока будет передана ветка «{after}»; до тех пор всех обслуживают операторы.",
    ),
    "killed": both(
        "Stopped by a person: every caller goes to operators.",
        "Остановлена человеком: все звонящие идут к операторам.",
    ),
    "unknown_stage": both(
        "The branch stands on a rung that the plan no longer has.",
        "Ветка стоит на ступени, которой больше нет в плане.",
    ),
    "other_evidence": both(
        "The evidence is of an earlier state; look again in a minute.",
        "Данные от прежнего состояния; загляните через минуту.",
    ),
    "clock": both(
        "Nothing moves: the clock contradicts what was written before.",
        "Ничего не меняется: часы противоречат прежним записям.",
    ),
    "no_holdback": both(
        "Everybody meets the bot and nobody is held back, so there is nothing to compare with.",
        "Все попадают к роботу, контрольного остатка нет, сравнивать не с чем.",
    ),
    "few_shadow_calls": both(
        "Too early: {n} real calls were predicted and labelled, {needed} are needed.",
        "Рано: предсказано и размечено {n} настоящих звонков, нужно {needed}.",
    ),
    "shadow_passed": both(
        "Ready to leave shadow: the bot named the operators' topic in {correct} of {n} real calls.",
        "Готова выйти из тени: робот назвал тему оператора в {correct} из {n} настоящих звонков.",
    ),
    "topic_accuracy": both(
        "Not ready: the bot named the operators' topic in {correct} of {n} real calls; {least} must be shown.",
        "Не готова: робот назвал тему оператора в {correct} из {n} настоящих звонков; нужно доказать {least}.",
    ),
    "srm": both(
        "Nothing may rise: the groups do not fill as the draw says, so routing or recording is at fault.",
        "Повышать нельзя: группы наполняются не по жребию, сбоит маршрутизация или учёт.",
    ),
    "stale_bot": both(
        "Nothing may rise: the bot's newest calls are missing from the data.",
        "Повышать нельзя: в данных нет последних звонков робота.",
    ),
    "stale_operators": both(
        "Nothing may rise: the operators' newest calls are missing from the data.",
        "Повышать нельзя: в данных нет последних звонков операторов.",
    ),
    "stale_rows": both(
        "Nothing may rise: nobody was drawn for more than a week.",
        "Повышать нельзя: больше недели не было ни одного жребия.",
    ),
    "absent": both("{kpi}: the data does not hold this measure.", "{kpi}: этого показателя в данных нет."),
    "missing_values": both(
        "{kpi}: more than 1 % of the values that should be there are missing.",
        "{kpi}: не хватает больше 1 % значений, которые уже должны быть.",
    ),
    "few_callers": both(
        "Too early to say: on this rung {bot} callers with the bot and {human} with operators count, {needed} are "
        "needed on each side.",
        "Судить рано: на этой ступени учтено {bot} звонящих у робота и {human} у операторов, нужно {needed} с "
        "каждой стороны.",
    ),
    "no_variance": both(
        "{kpi}: the values do not spread enough to judge.", "{kpi}: значения почти одинаковы, судить нельзя."
    ),
    "not_shown": both(
        "Not shown yet: in “{kpi}” the bot differs from operators by {difference}, somewhere between {lower} and "
        "{upper}; no worse than {margin} must be shown.",
        "Пока не доказано: «{kpi}» у робота отличается на {difference}, где-то от {lower} до {upper}; нужно "
        "доказать, что не хуже чем на {margin}.",
    ),
    "worse_in_stage": both(
        "Over all rungs no worse, but on this rung alone “{kpi}” is off by {stage}, beyond the margin of "
        "{margin}.",
        "По всем ступеням не хуже, но только на этой «{kpi}» отличается на {stage}, за допуском {margin}.",
    ),
    "primary_failed": both(
        "Shown worse: in “{kpi}” the bot differs from operators by {difference}, beyond the margin of {margin}; "
        "the branch goes back to operators.",
        "Доказано хуже: «{kpi}» у робота отличается на {difference}, за допуском {margin}; ветка возвращается "
        "операторам.",
    ),
    "guardrail_failed": both(
        "A guardrail is breached: “{kpi}”, limit {margin}; the branch goes back to operators.",
        "Сработал предохранитель: «{kpi}», предел {margin}; ветка возвращается операторам.",
    ),
    "min_days": both(
        "Shown no worse than operators; the rung must last {left} more days.",
        "Доказано не хуже операторов; ступень должна простоять ещё {left} дн.",
    ),
    "min_days_shadow": both(
        "Topics are named well enough; the shadow must last {left} more days.",
        "Темы названы достаточно точно; тень должна простоять ещё {left} дн.",
    ),
    "passed": both(
        "Ready for {next}: every primary measure is shown no worse than operators and no guardrail is breached.",
        "Готова к {next}: все главные показатели доказанно не хуже, чем у операторов, предохранители целы.",
    ),
    "complete": both(
        "Complete: the last rung has passed; guardrails go on.",
        "Передана: последняя ступень пройдена, предохранители следят дальше.",
    ),
    "already_complete": both(
        "Complete; guardrails go on watching.", "Передана; предохранители продолжают следить."
    ),
    "query_failed": both(
        "The evidence could not be read; nothing moves.", "Данные не прочитались; ничего не меняется."
    ),
    "query_slow": both(
        "The evidence took too long; nothing moves.", "Данные считались слишком долго; ничего не меняется."
    ),
    "internal": both(
        "The evidence could not be judged; the log says more.", "Данные не удалось оценить; подробности в логе."
    ),
}

LABELS: Final[Mapping[str, Mapping[str, Text]]] = {
    "statements": _STATEMENTS,
    "exclusions": {
        "vip": both("important customer", "важный клиент"),
        "opt_out": both("wants no robot", "отказался от робота"),
    },
    "audit_actions": {
        "start": both("started", "начата"),
        "adopt": both("new plan", "новый план"),
        "new_experiment": both("new experiment", "новый эксперимент"),
        "propose": both("proposed", "предложено"),
        "approve": both("approved", "одобрено"),
        "reject": both("rejected", "отклонено"),
        "withdraw": both("proposal withdrawn", "предложение снято"),
        "set": both("share set", "доля задана"),
        "advance": both("advanced", "повышена"),
        "hold": both("looked, no change", "без изменений"),
        "complete": both("complete", "передана"),
        "roll_back": both("rolled back", "откат"),
        "kill": both("stopped", "остановлена"),
        "resume": both("resumed", "возобновлена"),
        "exclude": both("caller excluded", "клиент исключён"),
        "include": both("caller let in", "клиент возвращён"),
    },
    "rollout_refusals": {
        "whoever proposed it cannot approve it": both(
            "whoever proposed it cannot approve it; another person must",
            "кто предложил, не может одобрить; нужен другой человек",
        ),
        "a rise needs two persons by the plan": both(
            "a rise needs two persons by the plan: propose it, and let another person approve",
            "по плану повышение решают двое: предложите, а одобрит другой",
        ),
        "shares rise within working hours only": both(
            "shares rise within working hours only", "доли повышают только в рабочие часы"
        ),
        "more than one rung up": both("that is more than one rung up", "это больше чем на одну ступень"),
        "is killed": both("the branch is stopped; resume it first", "ветка остановлена; сначала возобновите"),
        "is no rise": both("that is no rise", "это не повышение"),
        "is required": both("a reason is required", "нужна причина"),
        "is at share 0 already": both("the branch is at share 0 already", "ветка уже на доле 0"),
        "has no state": both("the branch has not come into force yet", "ветка ещё не введена в действие"),
        "not a share of the ladder": both("there is no rung with that share", "такой доли нет среди ступеней"),
        "no such proposal": both("there is no such proposal", "такого предложения нет"),
        "was made from a state that no longer holds": both(
            "the branch has changed since it was proposed", "ветка изменилась с тех пор, как это предложили"
        ),
        "is approved": both("it is approved already", "уже одобрено"),
        "is rejected": both("it is rejected already", "уже отклонено"),
        "is expired": both("the proposal has expired", "предложение устарело"),
        "the kill was taken back already": both("it is resumed already", "уже возобновлено"),
        "not in the plan": both("the branch is not in the plan", "ветки нет в плане"),
        "changed_meanwhile": both(
            "somebody changed the branch at the same moment; look and try again",
            "ветку в этот момент изменил кто-то другой; посмотрите и повторите",
        ),
        "no number": both("this is not a telephone number", "это не номер телефона"),
        "not_excluded": both("this caller is not excluded there", "этот клиент там не исключён"),
    },
    "rollout_refusal_ends": {
        "is at this share already": both("the branch is at this share already", "ветка уже на этой доле"),
        "is complete": both("the branch before it is not complete yet", "предыдущая ветка ещё не передана"),
        "is on its last rung": both("the branch is on its last rung", "ветка уже на последней ступени"),
    },
}
