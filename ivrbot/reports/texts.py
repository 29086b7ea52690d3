"""Every text of the reports in English and Russian.

Gives dictionaries; keys are what templates ask for. Values in braces are filled in by the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ivrbot.model.speech import Language

Text = Mapping[Language, str]


def _both(en: str, ru: str) -> Text:
    return {"en": en, "ru": ru}


TEXTS: Final[Mapping[str, Text]] = {
    "title": _both("Certificate of non-inferiority", "Сертификат «не хуже»"),
    "title_plain": _both("Record of a promotion", "Запись о повышении доли"),
    "number": _both("No. {seq}", "№ {seq}"),
    "goal": _both("Goal", "Цель"),
    "no_goal": _both("(not recorded)", "(не записана)"),
    "branch": _both("Branch", "Ветка"),
    "share_of_callers": _both("share of callers for the bot", "доля звонящих у робота"),
    "not_started": _both("not started", "не начата"),
    "holdback": _both("{holdback} kept with operators", "{holdback} остаются у операторов"),
    "completed": _both("Hand-over complete", "Передача завершена"),
    "stamp": _both("BY OVERRIDE", "В ОБХОД ПРАВИЛ"),
    "stamp_note": _both(
        "A rule of the plan was set aside by a person:", "Правило плана отменил человек, указав причину:"
    ),
    "override_line": _both(
        "row {seq}, {at}, {who}, {action}: {why}", "строка {seq}, {at}, {who}, {action}: {why}"
    ),
    "decided": _both("Decided", "Решено"),
    "decided_by": _both(
        "by {who}",
        "{who}",
    ),
    "controller": _both("the controller", "контроллер"),
    "proposed_by": _both("Proposed by", "Предложил"),
    "approved_by": _both("Approved by", "Одобрил"),
    "nobody": _both("not needed (automatic)", "не требовалось (автоматически)"),
    "reason": _both("Reason given", "Указанная причина"),
    "plan": _both("Plan revision", "Редакция плана"),
    "epoch": _both("epoch {epoch}", "эпоха {epoch}"),
    "evidence_as_of": _both("Evidence as of", "Данные на момент"),
    "stage_since": _both("On the rung since", "На ступени с"),
    "callers": _both("Callers compared", "Сравнено звонящих"),
    "callers_value": _both("{bot} with the bot, {human} with operators", "{bot} у робота, {human} у операторов"),
    "units_note": _both(
        "of {units} drawn; {without} more had no choice left by the draw",
        "из {units} распределённых; ещё у {without} жребий не оставлял выбора",
    ),
    "no_evidence_none": _both(
        "No comparison of bot and operators lies behind this promotion.",
        "За этим повышением нет сравнения робота с операторами.",
    ),
    "no_evidence_unreadable": _both(
        "The evidence was kept by another version of the program and cannot be read here.",
        "Данные сохранены другой версией программы и здесь не читаются.",
    ),
    "primaries": _both(
        "Primary measures: shown no worse than operators by more than the margin",
        "Главные показатели: доказано, что не хуже операторов больше чем на допуск",
    ),
    "guardrails": _both("Guardrails: current stage alone", "Предохранители: только текущая ступень"),
    "kpi": _both("Measure", "Показатель"),
    "human": _both("Operators", "Операторы"),
    "bot": _both("Bot", "Робот"),
    "difference": _both("Bot − operators", "Робот − операторы"),
    "interval": _both("Interval against the limit", "Интервал и граница"),
    "limit": _both("Limit", "Граница"),
    "verdict": _both("Verdict", "Вывод"),
    "n": _both("n = {n}", "n = {n}"),
    "stage_alone": _both("this stage alone: {value}", "только эта ступень: {value}"),
    "kind_margin": _both("margin {value}", "допуск {value}"),
    "kind_limit": _both("limit {value}", "предел {value}"),
    "kind_level": _both("level of the bot {value}", "уровень робота {value}"),
    "interval_words": _both(
        "{kpi}: estimate {point}, interval {lower} to {upper}, acceptable up to {edge}",
        "{kpi}: оценка {point}, интервал от {lower} до {upper}, допустимо до {edge}",
    ),
    "better_up": _both("more is better", "больше — лучше"),
    "better_down": _both("less is better", "меньше — лучше"),
    "better_": _both("", ""),
    "raw_title": _both("Raw means and the weighted difference", "Простые средние и взвешенная разность"),
    "raw_line": _both(
        "{kpi}: plain means {human} and {bot} differ by {raw}, weighted by {weighted}",
        "{kpi}: простые средние {human} и {bot} отличаются на {raw}, взвешенно на {weighted}",
    ),
    "raw_why": _both(
        "The decision rests on the weighted difference. Plain means take the callers as they fell: while the "
        "share rises, more of the bot's callers come from later weeks, and chance fills the arms a little "
        "otherwise than drawn. So each caller is weighted by the inverse of the probability of his draw.",
        "Решение опирается на взвешенную разность. Простые средние берут звонящих, как вышло: пока доля растёт, у "
        "робота больше звонящих из поздних недель, а случай наполняет группы не точно по жребию. Поэтому каждый "
        "звонящий взвешен обратно вероятности своего жребия.",
    ),
    "data_title": _both("Is the data sound?", "Можно ли верить данным?"),
    "srm": _both("Sample ratio", "Соотношение групп"),
    "srm_ok": _both(
        "the arms fill as drawn (p = {p}, {n} callers)", "группы наполняются по жребию (p = {p}, {n} звонящих)"
    ),
    "srm_bad": _both(
        "MISMATCH (p = {p}, {n} callers): the routing differs from the draw",
        "РАСХОЖДЕНИЕ (p = {p}, {n} звонящих): маршрутизация отличается от жребия",
    ),
    "srm_none": _both("nothing to test", "нечего проверять"),
    "missing": _both("Missing values", "Пропуски"),
    "missing_line": _both(
        "{kpi}: bot {bot} of {bot_all}, operators {human} of {human_all}",
        "{kpi}: робот {bot} из {bot_all}, операторы {human} из {human_all}",
    ),
    "missing_none": _both("none", "нет"),
    "fresh": _both("Newest data", "Свежесть"),
    "fresh_line": _both(
        "bot {bot}, operators {human}, operators' data complete until {source}",
        "робот {bot}, операторы {human}, данные операторов полны до {source}",
    ),
    "shadow": _both("Shadow", "Тень"),
    "shadow_line": _both(
        "topic right in {correct} of {n} real calls; would have served {served}, handed over {handed}; "
        "{synthetic} synthetic calls not counted",
        "тема верна в {correct} из {n} настоящих звонков; обслужил бы {served}, передал бы {handed}; "
        "синтетических звонков не учтено: {synthetic}",
    ),
    "staffing": _both("If it is rolled back", "Если откатить"),
    "staffing_unknown": _both(
        "What a rollback would do to the operators' queue is not known: no staffing data at the time.",
        "Что откат сделает с очередью операторов, неизвестно: на тот момент не было данных о численности смены.",
    ),
    "method": _both("Method", "Метод"),
    "method_text": _both(
        "One row per caller and epoch, in the arm that was drawn whatever happened later; differences weighted by "
        "inverse probability, with confidence sequences that stay valid however often somebody looks (alpha "
        "{alpha}, tightest at {t_opt} callers, repeat window {window} days). A primary measure passes when its "
        "one-sided bound stays within the margin; each guardrail gets its part of alpha; the interval drawn is "
        "the two-sided one.",
        "Одна строка на звонящего и эпоху, в группе по жребию, что бы ни случилось потом; разности взвешены "
        "обратно вероятности, доверительные последовательности верны, сколько бы раз ни смотреть (альфа {alpha}, "
        "у́же всего при {t_opt} звонящих, окно повторов {window} дн.). Главный показатель пройден, когда "
        "односторонняя граница не выходит за допуск; каждому предохранителю — своя часть альфы; нарисован "
        "двусторонний интервал.",
    ),
    "sources": _both(
        "Sources: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, arXiv 2103.06476 (confidence sequences); Lindon, "
        "Malek, arXiv 2011.03567 (sample ratio).",
        "Источники: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, arXiv 2103.06476 (доверительные "
        "последовательности); Lindon, Malek, arXiv 2011.03567 (соотношение групп).",
    ),
    "audit": _both("Audit", "Журнал"),
    "audit_text": _both(
        "Row {seq}, hash {hash}. `ivrbot rollout verify` recomputes the chain and derives this decision again "
        "(decision code, version {version}).",
        "Строка {seq}, хеш {hash}. `ivrbot rollout verify` пересчитывает цепочку и выводит это решение заново "
        "(код решений, версия {version}).",
    ),
    "audit_text_plain": _both(
        "Row {seq}, hash {hash}. `ivrbot rollout verify` recomputes the chain.",
        "Строка {seq}, хеш {hash}. `ivrbot rollout verify` пересчитывает цепочку.",
    ),
    "unknown": _both("not known", "неизвестно"),
    "percentage_points": _both("pp", "п. п."),
    "seconds": _both("s", "с"),
    "milliseconds": _both("ms", "мс"),
    "days": _both("days", "дн."),
}

VERDICTS: Final[Mapping[str, Text]] = {
    "pass": _both("pass", "пройден"),
    "fail": _both("fail", "не пройден"),
    "inconclusive": _both("not decided yet", "пока не решено"),
    "error": _both("error", "ошибка"),
}

ACTIONS: Final[Mapping[str, Text]] = {
    "advance": _both("advance", "повышение"),
    "approve": _both("approval", "одобрение"),
    "start": _both("start", "начало"),
    "set": _both("set by a person", "установлено человеком"),
    "complete": _both("complete", "завершено"),
    "resume": _both("resume", "возобновление"),
}

KPI_NAMES: Final[Mapping[str, Text]] = {
    "true_resolution": _both("solved at the first call, no repeat", "решено с первого звонка, без повтора"),
    "time_to_solution_s": _both("time to the solution", "время до решения"),
    "first_call_resolution": _both("solved at the first call", "решено с первого звонка"),
    "containment": _both("ended without an operator", "обошлось без оператора"),
    "handle_time_s": _both("handling time", "время обработки"),
    "wait_s": _both("waiting time", "время ожидания"),
    "service_level": _both("served within 20 s", "обслужено за 20 с"),
    "abandonment_before_service": _both("hung up before being served", "бросили трубку до ответа"),
    "abandonment_mid_task": _both("hung up in mid-task", "бросили трубку посреди дела"),
    "transfer_rate": _both("transfers", "переводы"),
    "failed_transfer": _both("failed transfers", "неудачные переводы"),
    "repeat_7d": _both("called again", "повторные звонки"),
    "csat": _both("caller's score", "оценка клиента"),
    "csat_response": _both("gave a score", "поставили оценку"),
    "qa_score": _both("quality score", "оценка качества"),
    "no_match": _both("not understood", "не понято"),
    "no_input": _both("silence", "молчание"),
    "misroute": _both("wrong topic", "не та тема"),
    "false_barge_in": _both("false interruptions", "ложные перебивания"),
    "response_gap_ms": _both("pause before the answer", "пауза перед ответом"),
    "response_gap_p95_ms": _both("pause before the answer, 95\u00a0%", "пауза перед ответом, 95\u00a0%"),
    "engine_failure": _both("engine failures", "отказы движков"),
    "cost_per_resolution": _both("cost per solution", "цена решения"),
    "availability": _both("availability", "доступность"),
}

REASONS: Final[Mapping[str, Text]] = {
    "passed": _both(
        "every primary measure shown no worse than operators by its margin, no guardrail breached, data sound",
        "каждый главный показатель доказанно не хуже операторов больше чем на допуск, предохранители целы, данные "
        "в порядке",
    ),
    "shadow_passed": _both(
        "the topic was named as well as the plan asks, on real calls",
        "тема названа не хуже, чем требует план, на настоящих звонках",
    ),
    "complete": _both(
        "the last stage has passed its own minimum and every primary measure",
        "последняя ступень прошла свой минимум и все главные показатели",
    ),
}
"""In place of the audit's sentence, whose numbers the tables show; other codes keep that sentence."""
