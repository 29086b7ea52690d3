"""Texts of the reports, and the KPIs' definitions in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ivrbot.analytics.kpi_reference import definitions
from ivrbot.reports.texts import KPI_NAMES
from ivrbot.web.texts.both import Text, both

FOR_SCRIPTS: Final = False

TEXTS: Final[Mapping[str, Text]] = {
    "nav_reports": both("Reports", "Отчёты"),
    "reports_title": both("Bot and operators", "Робот и операторы"),
    "reports_lead": both(
        "Figures count calls. Whether the bot is as good as operators is told by the comparison of callers below, "
        "never by two averages side by side.",
        "Цифры считают звонки. Не хуже ли робот операторов, говорит сравнение звонящих ниже, а не два средних "
        "рядом.",
    ),
    "reports_state": both(
        "As of {time}. Comparisons use calls up to {until}.",
        "Данные на {time}. В сравнения вошли звонки до {until}.",
    ),
    "reports_none": both("No call has been counted yet.", "Пока не посчитано ни одного звонка."),
    "reports_none_hint": both(
        "The server counts new calls every few minutes.", "Сервер считает новые звонки раз в несколько минут."
    ),
    "reports_nothing": both(
        "No drawn calls fit these filters.", "По этим условиям нет звонков, распределённых жребием."
    ),
    "reports_hour": both("Hour of the day", "Час дня"),
    "reports_measure": both("Measure to take apart", "Разобрать показатель"),
    "reports_day": both("Day in question", "Какой день разобрать"),
    "reports_downloads": both("Download", "Скачать"),
    "reports_print": both("Print or save as PDF", "Печать или PDF"),
    "reports_definitions": both("What each measure means", "Что значит каждый показатель"),
    "reports_ready": both("Which branch is ready?", "Какая ветка готова?"),
    "reports_ready_none": both(
        "No branch is on a rung where callers are drawn for both sides.",
        "Ни одна ветка не стоит на ступени, где жребий делит звонящих между роботом и операторами.",
    ),
    "reports_compared": both(
        "Bot − operators, per caller, weighted by the chance of the draw, over the whole epoch: filters for days, "
        "topics, hours and queues do not change it.",
        "Робот − операторы, по звонящим, с учётом вероятности жребия, за всю эпоху: условия по дням, темам, "
        "часам и "
        "очередям на сравнение не действуют.",
    ),
    "reports_overview": both("Branches at a glance", "Ветки коротко"),
    "reports_stage": both("Rung: {stage}", "Ступень: {stage}"),
    "reports_all_stages": both("all rungs", "все ступени"),
    "reports_calls": both("Calls", "Звонки"),
    "reports_kpi": both("Measure", "Показатель"),
    "reports_operators": both("Operators", "Операторы"),
    "reports_bot": both("Bot", "Робот"),
    "reports_difference": both("Bot − operators", "Робот − операторы"),
    "reports_verdict": both("Verdict", "Вывод"),
    "reports_n": both("n = {n}", "n = {n}"),
    "reports_maturing": both("{count} maturing", "дозревает: {count}"),
    "reports_by_day": both("Day by day", "По дням"),
    "reports_by_day_hint": both(
        "Bands are 95 % intervals of one look. Open marks: most calls of the day are still maturing.",
        "Полосы — 95 % интервалы одного взгляда. Пустые значки: большинство звонков дня ещё дозревает.",
    ),
    "reports_table_of": both("The numbers behind the chart", "Числа к графику"),
    "reports_date": both("Day", "День"),
    "reports_funnel": both("Where all calls went", "Куда попали все звонки"),
    "reports_funnel_sum": both("All calls: {count}", "Всего звонков: {count}"),
    "reports_share": both("Share", "Доля"),
    "reports_topics": both("Topics that the bot does not serve", "Темы, которых робот не обслуживает"),
    "reports_topics_none": both("None in these days.", "За эти дни таких нет."),
    "reports_topic": both("Topic", "Тема"),
    "reports_branch": both("Branch", "Ветка"),
    "reports_transfers": both("Which transfers failed, and why?", "Какие переводы не удались и почему?"),
    "reports_transfers_hint": both(
        "Calls that the bot had to serve and handed to a person, by its reason.",
        "Звонки, которые робот должен был обслужить, но передал человеку, — по причине передачи.",
    ),
    "reports_transfers_none": both("The bot handed nobody over.", "Робот никого не передавал."),
    "reports_reason": both("Reason", "Причина"),
    "reports_transferred": both("Transfers", "Переводы"),
    "reports_reached": both("Reached a person", "Человек ответил"),
    "reports_gave_up": both("Caller gave up", "Клиент не дождался"),
    "reports_failed": both("Nobody came", "Никто не ответил"),
    "reports_dip": both("Why did a day differ?", "Почему день выпал?"),
    "reports_dip_none": both(
        "No day stands out in {kpi}. Choose a day above to take it apart all the same.",
        "По показателю «{kpi}» ни один день не выделяется. День для разбора можно выбрать выше.",
    ),
    "reports_dip_said": both(
        "{kpi} on {day}: {value}; in the {days} days on either side {usual}. Largest contributions to the "
        "difference "
        "of {change}:",
        "{kpi}, {day}: {value}; за {days} дней до и после — {usual}. Что сильнее всего дало разницу {change}:",
    ),
    "reports_dip_odd": both("Days that stand out:", "Дни, которые выделяются:"),
    "reports_dip_by": both("By {by}", "Разрез: {by}"),
    "reports_part": both("Contribution", "Вклад"),
    "reports_that_day": both("That day", "В этот день"),
    "reports_around": both("Around it", "Вокруг"),
    "reports_share_that_day": both("Share of calls", "Доля звонков"),
    "reports_dip_reasons": both("Transfers by reason, of all calls", "Переводы по причинам, от всех звонков"),
    "reports_unmeasured": both("Not measured", "Не измерено"),
    "reports_plain": both("Why plain averages say something else", "Почему простые средние говорят другое"),
    "reports_links": both("Every underlined number opens its calls.", "Подчёркнутое число открывает свои звонки."),
    "definitions_title": both("What each measure means", "Что значит каждый показатель"),
    "definitions_lead": both(
        "Each is computed in one place, for both sides alike. This page is made from that place.",
        "Каждый считается в одном месте и одинаково для обеих сторон. Эта страница сделана из него.",
    ),
    "definitions_better": both("Better", "Лучше"),
    "definitions_role": both("May decide", "Может решать"),
    "definitions_counts": both("Counts", "Считает"),
    "definitions_formula": both("Definition", "Определение"),
    "definitions_waits": both("waits for the repeat window", "ждёт окна повторов"),
}

_RU: Final[Mapping[str, str]] = {
    "true_resolution": "1, если вопрос решён с первого обращения и клиент не вернулся в ту же ветку за окно "
    "повторов.",
    "time_to_solution_s": "Секунды на телефоне от звонка до подтверждённого решения: первое обращение и все "
    "повторы "
    "за окно. Считаются меню, ожидание, робот и человек. Последнее обращение — до решения, прежние целиком. Не "
    "больше "
    "time_cap_s; столько же, если последнее обращение не помогло.",
    "first_call_resolution": "1, если первое обращение решило вопрос, иначе 0. Робот решает подтверждённой банком "
    "операцией или выданным ответом, человек — тем, что ответил, если отметка не говорит иного.",
    "containment": "1, если звонок робота закончился без просьбы о человеке. Только для сведения: кто бросил "
    "трубку, "
    "тоже «обошёлся».",
    "handle_time_s": "Секунды робота и людей: разговор, удержание, работа после разговора.",
    "wait_s": "Секунды в очереди до ответа человека; 0, если робот обслужил сразу. Среднее — ASA, только по "
    "обслуженным, поэтому ничего не решает.",
    "service_level": "1, если обслужен за 20 с, иначе 0; положившие трубку за 5 с не считаются.",
    "abandonment_before_service": "1, если клиент ушёл, никем не обслуженный, прождав больше 5 с.",
    "abandonment_mid_task": "1, если клиент положил трубку до решения, где бы он ни был, позже 5 с от начала.",
    "transfer_rate": "1, если обслуживший первым передал дальше: робот — человеку, человек — в другое место.",
    "failed_transfer": "1, если звонок передан людям и никто не ответил: истекло время, пустая очередь, вышел по "
    "кнопке, в очередь не попал. Кто сам не дождался, считается бросившим.",
    "repeat_7d": "1, если клиент вернулся в ветку за окно повторов, чем бы ни кончилось первое обращение.",
    "csat": "Оценка клиента от 1 до 5; смотреть вместе с долей поставивших.",
    "csat_response": "1, если клиент поставил оценку, иначе 0: на чём стоит средняя оценка.",
    "qa_score": "От 0 до 100 по единой карте качества для робота и людей; нет у тех, кого не оценивали.",
    "no_match": "1, если робот хотя бы раз не разобрал сказанное.",
    "no_input": "1, если клиент хотя бы раз промолчал в ответ.",
    "misroute": "1, если оператор назвал тему другой ветки.",
    "false_barge_in": "1, если шум хотя бы раз перебил робота.",
    "response_gap_ms": "Медиана пауз робота перед ответом; в отчётах — по всем паузам вместе.",
    "response_gap_p95_ms": "Пауза, которую не превышают 95 % всех пауз, с шагом 10 мс.",
    "engine_failure": "1, если в звонке отказал движок или упал робот.",
    "cost_per_resolution": "Стоимость всех звонков, делённая на число решённых: минуты робота и людей по тарифам "
    "настроек; нерешённые тоже стоят денег.",
    "availability": "Доля минут со звонками, в которые каждый был обслужен как задумано: без отказов движков и "
    "без "
    "оставшихся без ответа.",
}

LABELS: Final[Mapping[str, Mapping[str, Text]]] = {
    "kpis": KPI_NAMES,
    "kpi_definitions": {item.name: both(item.text, _RU[item.name]) for item in definitions()},
    "kpi_roles": {
        "primary, guardrail": both("primary, guardrail", "главный, предохранитель"),
        "guardrail by level": both("guardrail by level", "предохранитель по уровню"),
        "shown only": both("nothing, shown only", "ничего, для сведения"),
    },
    "kpi_counts": {
        "first contacts": both("first contacts", "первые обращения"),
        "contacts": both("calls", "звонки"),
        "all together": both("all together", "все вместе"),
    },
    "kpi_better": {"up": both("more", "больше"), "down": both("less", "меньше"), "-": both("—", "—")},
    "funnel": {
        "outside": both("Queues only, without the product", "Только очередь, мимо системы"),
        "hung_up_at_greeting": both("Hung up at the greeting", "Положили трубку на приветствии"),
        "operator_without_topic": both("Operator, no topic stated", "К оператору без темы"),
        "unserved_topic": both("Topic without a bot", "Тема, которой робот не обслуживает"),
        "ineligible": both("Served topic, not drawn", "Тема робота, но без жребия"),
        "drawn_operator": both("Drawn for operators", "Жребий: операторы"),
        "drawn_bot": both("Drawn for the bot", "Жребий: робот"),
    },
    "verdict_words": {
        "pass": both("no worse", "не хуже"),
        "fail": both("worse", "хуже"),
        "inconclusive": both("not decided yet", "пока не решено"),
        "error": both("error", "ошибка"),
    },
    "report_splits": {
        "branch": both("branch", "ветка"),
        "topic": both("topic", "тема"),
        "hour": both("hour", "час"),
        "queue": both("queue", "очередь"),
        "arm": both("side", "сторона"),
    },
}
