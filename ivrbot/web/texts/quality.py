"""Texts of the quality page: the rubric in words, marks, the sample, figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ivrbot.web.texts.both import Text, both

FOR_SCRIPTS: Final = False

TEXTS: Final[Mapping[str, Text]] = {
    "nav_quality": both("Quality", "Качество"),
    "quality_title": both("Quality of calls", "Качество звонков"),
    "quality_lead": both(
        "Each month calls are drawn by lot in every branch, of the bot and of operators alike, and scored by one"
        " rubric of 100 points. Calls with complaints and thanks are always read.",
        "Каждый месяц в каждой теме случайно отбирают звонки робота и операторов и оценивают по одной шкале"
        " в 100 баллов. Звонки с жалобами и благодарностями разбирают все.",
    ),
    "quality_month": both("Month", "Месяц"),
    "quality_show": both("Show", "Показать"),
    "quality_draw": both("Draw the month's sample", "Отобрать звонки за месяц"),
    "quality_draw_again": both("Add calls that came later", "Добавить поздние звонки"),
    "quality_running": both(
        "This month is not over. What is drawn now stays drawn, and the first weeks will weigh more.",
        "Месяц ещё не закончился. Отобранные сейчас звонки останутся, и первые недели будут весить больше.",
    ),
    "quality_none": both("No calls have been drawn for this month yet.", "За этот месяц звонки ещё не отбирали."),
    "quality_sample": both("Calls to be scored", "Звонки для оценки"),
    "quality_progress": both("scored", "оценено"),
    "quality_of": both("of", "из"),
    "quality_call": both("Call", "Звонок"),
    "quality_branch": both("Branch", "Тема"),
    "quality_why": both("Why it is here", "Почему здесь"),
    "quality_state": both("State", "Состояние"),
    "quality_points": both("Points", "Баллы"),
    "quality_open": both("Score", "Оценить"),
    "quality_see": both("Open", "Открыть"),
    "quality_yours": both("scored by you", "вы оценили"),
    "quality_waiting": both("to be scored", "ждёт оценки"),
    "quality_second": both("needs a second person", "нужен второй эксперт"),
    "quality_done": both("done", "готово"),
    "quality_hidden": both("after you have scored it", "после вашей оценки"),
    "quality_trends": both("By month", "По месяцам"),
    "quality_trends_hint": both(
        "Mean of the calls drawn by lot, with its 95 % interval. Complaints and thanks do not count here.",
        "Среднее по случайно отобранным звонкам с 95-процентным интервалом. Жалобы и благодарности не входят.",
    ),
    "quality_mean": both("Mean", "Среднее"),
    "quality_interval": both("95 % interval", "95 % интервал"),
    "quality_calls": both("Calls", "Звонков"),
    "quality_no_scores": both("Nothing has been scored yet.", "Оценок пока нет."),
    "quality_all_branches": both("All branches", "Все темы"),
    "quality_agreement": both("How far scorers agree", "Насколько эксперты согласны"),
    "quality_agreement_text": both(
        "Calls scored by two people without seeing each other's marks:",
        "Звонков, которые два эксперта оценили независимо:",
    ),
    "quality_difference": both("Mean difference, points", "Среднее расхождение, баллов"),
    "quality_kappa": both("Cohen's kappa of the marks", "Каппа Коэна по отметкам"),
    "quality_form_title": both("Score a call", "Оценить звонок"),
    "quality_blind": both(
        "Other people's marks, the caller's own score and the rollout's figures are not shown until you have"
        " saved.",
        "Чужие отметки, оценка клиента и показатели внедрения не видны, пока вы не сохраните свою оценку.",
    ),
    "quality_transcript": both("Conversation", "Разговор"),
    "quality_no_transcript": both(
        "No words are kept of the operator's part. Listen to the recording in the contact centre's system, if"
        " there is one.",
        "Слова оператора здесь не записаны. Если запись есть, послушайте её в системе контакт-центра.",
    ),
    "quality_listen": both("Listen", "Послушать"),
    "quality_note": both("Remark (no names, no numbers)", "Замечание (без имён и номеров)"),
    "quality_save": both("Save the score", "Сохранить оценку"),
    "quality_saved": both("Saved", "Сохранено"),
    "quality_missing": both("Please mark every criterion.", "Отметьте каждый пункт."),
    "quality_changed": both(
        "You have scored this call; saving replaces your marks.",
        "Вы уже оценили этот звонок; новая оценка заменит прежнюю.",
    ),
    "quality_others": both("Scores of this call", "Оценки этого звонка"),
    "quality_scorer": both("Scored by", "Кто оценил"),
    "quality_weight": both("points", "баллов"),
    "quality_critical": both(
        "A fault here caps the call at 40 points", "Ошибка здесь: не больше 40 баллов за звонок"
    ),
    "quality_back": both("To the month's calls", "К звонкам месяца"),
}

LABELS: Final[Mapping[str, Mapping[str, Text]]] = {
    "criteria": {
        "greeting": both("Greeting", "Приветствие"),
        "identification": both("Identification", "Проверка личности"),
        "understanding": both("Understanding", "Понимание"),
        "correctness": both("Correctness", "Правильность"),
        "effort": both("Caller's effort", "Усилия клиента"),
        "tone": both("Tone", "Тон"),
        "closing": both("Closing", "Завершение"),
        "compliance": both("Compliance", "Соблюдение правил"),
    },
    "criteria_why": {
        "greeting": both(
            "Says the bank's name and who speaks, and that the call is recorded if it is.",
            "Назван банк и кто говорит; если звонок записывается, об этом сказано.",
        ),
        "identification": both(
            "Checks the caller as far as the operation needs, no less and no more.",
            "Личность проверена настолько, насколько нужно для операции: не меньше и не больше.",
        ),
        "understanding": both(
            "Grasps the topic and the details; the caller need not say it again.",
            "Тема и подробности поняты; клиенту не пришлось повторять.",
        ),
        "correctness": both(
            "What was told and done is right, and it was really done.",
            "Сказанное и сделанное верно, и операция действительно выполнена.",
        ),
        "effort": both(
            "The shortest way there: no needless questions, waiting or transfers.",
            "Кратчайший путь: без лишних вопросов, ожидания и переводов.",
        ),
        "tone": both(
            "Polite and clear, and fits the state that the caller is in.",
            "Вежливо, понятно и с учётом состояния клиента.",
        ),
        "closing": both(
            "Says what was done (with its number), asks whether there is more, takes leave.",
            "Сказано, что сделано (с номером), спрошено, нужно ли ещё что-то, есть прощание.",
        ),
        "compliance": both(
            "Asks for no secret that it must not, helps in an emergency first, promises nothing that is not so.",
            "Не спрашивает лишних секретов, в срочном случае сначала помогает, не обещает того, чего нет.",
        ),
    },
    "marks": {
        "yes": both("yes", "да"),
        "partly": both("partly", "частично"),
        "no": both("no", "нет"),
        "na": both("does not apply", "не применимо"),
    },
    "quality_whys": {
        "drawn": both("by lot", "случайный отбор"),
        "complaint": both("complaint", "жалоба"),
        "thanks": both("thanks", "благодарность"),
    },
    "quality_arms": {
        "treatment": both("Bot", "Робот"),
        "control": both("Operators", "Операторы"),
    },
}
