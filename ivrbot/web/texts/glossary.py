"""The words of the pages, each with the sentences that its question mark shows: one glossary for every page.

Gives `LABELS`: "terms" (the word) and "glossary" (what it means), by the same keys; `TEXTS` of the help itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ivrbot.web.texts.both import Text, both

FOR_SCRIPTS: Final = False

_WORDS: Final[Mapping[str, tuple[Text, Text]]] = {
    # the rollout
    "branch": (
        both("Branch", "Ветка"),
        both(
            "One group of topics of the menu, such as “Accounts”. Each is handed over to the bot by itself.",
            "Группа тем меню, например «Счета». Каждую передают роботу отдельно.",
        ),
    ),
    "rung": (
        both("Rung", "Ступень"),
        both(
            "A step of the plan with its share of callers: shadow, 10 %, 20 %, 50 %, 100 %. A branch climbs one "
            "rung at a time.",
            "Шаг плана со своей долей звонящих: тень, 10 %, 20 %, 50 %, 100 %. Ветка поднимается по одной "
            "ступени.",
        ),
    ),
    "share": (
        both("Share", "Доля"),
        both(
            "How many of a branch's callers the draw gives to the bot. A caller keeps his side at every later "
            "call, and whoever is in at 10 % stays in at 20 %.",
            "Какую часть звонящих в ветке жребий отдаёт роботу. За клиентом его сторона закреплена: кто попал к "
            "роботу при 10 %, останется у него и при 20 %.",
        ),
    ),
    "realised_share": (
        both("Realised share", "Доля на деле"),
        both(
            "Calls that really went to the bot, of all calls of the branch in the last days. It is lower than the "
            "share when callers are not eligible, ask for an operator at once or speak of a topic not served.",
            "Сколько звонков ветки за последние дни действительно ушло роботу. Она меньше назначенной, если "
            "звонящий не подходит роботу, сразу просит оператора или называет тему, которой робот не занимается.",
        ),
    ),
    "holdback": (
        both("Holdback", "Контрольный остаток"),
        both(
            "Callers kept with operators even at 100 %, so that the bot can still be compared with people.",
            "Звонящие, которые остаются у операторов и при 100 %, чтобы было с кем сравнивать робота.",
        ),
    ),
    "shadow": (
        both("Shadow", "Тень"),
        both(
            "Operators answer everything; beside them the bot says to itself what it would have done, and is "
            "marked by what they note.",
            "На всё отвечают операторы, а робот рядом решает про себя, что сделал бы он; оценкой служат отметки "
            "операторов.",
        ),
    ),
    "exposure": (
        both("Exposure", "Участие"),
        both(
            "The moment when a call was drawn for the bot or for operators. From then on it counts for that side, "
            "whoever solves it in the end.",
            "Момент, когда звонок по жребию достался роботу или операторам. С этой минуты он считается за этой "
            "стороной, кто бы ни решил вопрос в конце.",
        ),
    ),
    "arm": (
        both("Arm", "Группа"),
        both(
            "The side on which the draw has put a caller: the bot, or the operators it is compared with.",
            "Сторона, на которую жребий поставил звонящего: робот или операторы, с которыми его сравнивают.",
        ),
    ),
    "propensity": (
        both("Chance", "Вероятность"),
        both(
            "The probability with which this caller could be drawn for the bot. Calls that left no choice (0 or "
            "100 %) are not compared.",
            "С какой вероятностью жребий мог отдать этого звонящего роботу. Звонки без выбора (0 или 100 %) в "
            "сравнение не входят.",
        ),
    ),
    "primary": (
        both("Primary measure", "Главный показатель"),
        both(
            "What the bot must be shown to do no worse than operators before the share may rise.",
            "То, в чём робот должен доказать, что он не хуже операторов, прежде чем долю можно поднять.",
        ),
    ),
    "guardrail": (
        both("Guardrail", "Предохранитель"),
        both(
            "A harm that is watched all the time. Shown beyond its limit, it takes the branch back to operators "
            "by itself.",
            "Вред, за которым следят всё время. Доказанный выход за предел сам возвращает ветку операторам.",
        ),
    ),
    "margin": (
        both("Margin", "Допуск"),
        both(
            "How much worse than operators the bot may be and still count as no worse. Set in the plan before any "
            "call was drawn.",
            "Насколько робот может уступать операторам и всё ещё считаться «не хуже». Задан в плане до первого "
            "жребия.",
        ),
    ),
    "non_inferior": (
        both("No worse", "Не хуже"),
        both(
            "Shown: the whole interval lies on the good side of the margin. A mean that merely looks better is "
            "not yet proof.",
            "Доказано: весь интервал лежит по хорошую сторону допуска. Среднее, которое просто выглядит лучше, "
            "ещё не доказательство.",
        ),
    ),
    "interval": (
        both("Interval", "Интервал"),
        both(
            "Where the true difference lies, as far as the calls so far can tell. It narrows with every caller "
            "and stays valid however often somebody looks.",
            "Где лежит настоящая разница, насколько говорят звонки. Сужается с каждым звонящим и остаётся верным, "
            "сколько бы раз на него ни смотрели.",
        ),
    ),
    "verdict": (
        both("Verdict", "Вывод"),
        both(
            "Passed, failed, or not decided yet: the calls so far allow neither answer. Missing, young or old "
            "data always means “not decided yet”, never “passed”.",
            "Пройдено, не пройдено или пока не решено: звонков ещё мало для ответа. Пропуски, молодые и "
            "устаревшие данные всегда значат «пока не решено», но не «пройдено».",
        ),
    ),
    "maturing": (
        both("Maturing", "Дозревает"),
        both(
            "A call counts as truly resolved only when the caller has not rung again for a week. Until then its "
            "value is not used.",
            "Звонок считается решённым, только если клиент неделю не звонил снова. До тех пор его значение не "
            "учитывается.",
        ),
    ),
    "callers_needed": (
        both("Callers needed", "Нужно звонящих"),
        both(
            "How many more callers, in both groups together, must be counted before a decision can fall, if the "
            "bot does as well as operators.",
            "Сколько ещё звонящих в обеих группах вместе нужно учесть до решения, если робот работает наравне с "
            "операторами.",
        ),
    ),
    "earliest_day": (
        both("Earliest decision", "Решение не раньше"),
        both(
            "The first day on which the branch may leave its rung, by the calls of the last weeks and the days "
            "that the plan asks for.",
            "Первый день, когда ветка может сойти со ступени: по числу звонков за последние недели и по срокам "
            "плана.",
        ),
    ),
    "srm": (
        both("Sample ratio", "Соотношение групп"),
        both(
            "Do the groups fill as the draw says? If not, routing or recording is at fault, and nothing may rise "
            "until it is found.",
            "Наполняются ли группы так, как велит жребий? Если нет, сбоит маршрутизация или учёт, и доля не "
            "растёт, пока причину не найдут.",
        ),
    ),
    "freshness": (
        both("Freshness", "Свежесть данных"),
        both(
            "How old the newest call of each side is. While operators' data is late nothing rises.",
            "Сколько времени последнему звонку каждой стороны. Пока данные операторов запаздывают, доля не "
            "растёт.",
        ),
    ),
    "epoch": (
        both("Epoch", "Эпоха"),
        both(
            "A stretch of calls that may be counted together. A rollback, a kill or a changed plan begins a new "
            "one.",
            "Отрезок, звонки которого можно считать вместе. Откат, остановка или новый план начинают следующую.",
        ),
    ),
    "proposal": (
        both("Proposal", "Предложение"),
        both(
            "A rise that waits for a person. The controller makes one when the evidence is there; so may an "
            "owner.",
            "Повышение, которое ждёт человека. Его делает контроллер, когда данных достаточно, или сам владелец.",
        ),
    ),
    "two_person": (
        both("Two persons", "Два лица"),
        both(
            "Whoever proposes a rise cannot approve it: another person must. Going back or stopping needs nobody "
            "else.",
            "Кто предложил повышение, не может его одобрить: это делает другой. Для отката и остановки второй не "
            "нужен.",
        ),
    ),
    "override": (
        both("Override", "В обход правил"),
        both(
            "A person sets a rule of the plan aside, with a reason. It stays stamped on the report and the "
            "certificate.",
            "Человек отменяет правило плана и пишет причину. Отметка об этом остаётся в отчёте и сертификате.",
        ),
    ),
    "kill": (
        both("Stop", "Остановка"),
        both(
            "From the next call on everybody goes to operators. Calls under way finish. Works at once and needs "
            "no second person.",
            "Со следующего звонка все идут к операторам, начатые разговоры заканчиваются. Действует сразу, второй "
            "человек не нужен.",
        ),
    ),
    "rollback": (
        both("Rollback", "Откат"),
        both(
            "The branch goes back to share 0 and has to earn its rungs anew.",
            "Ветка возвращается к доле 0 и заново зарабатывает ступени.",
        ),
    ),
    "exclusion": (
        both("Excluded caller", "Исключённый клиент"),
        both(
            "Always meets an operator and is counted on neither side: an important customer, or one who wants no "
            "robot.",
            "Всегда попадает к оператору и не считается ни в одной группе: важный клиент или тот, кто не хочет "
            "робота.",
        ),
    ),
    "certificate": (
        both("Certificate", "Сертификат"),
        both(
            "One page to print and file: what was decided, on which numbers, by whom, and the hash that proves "
            "it.",
            "Страница для печати и архива: что решено, на каких числах, кем, и хеш, который это подтверждает.",
        ),
    ),
    "chain": (
        both("Chain", "Цепочка"),
        both(
            "Each row carries the hash of the one before it. Whoever changes or removes a row breaks the chain at "
            "that place.",
            "Каждая строка хранит хеш предыдущей. Кто изменит или удалит строку, разорвёт цепочку в этом месте.",
        ),
    ),
    # calls
    "topic": (
        both("Topic", "Тема"),
        both("What the caller wants, as the bot understood it.", "Чего хочет клиент, как это понял робот."),
    ),
    "disposition": (
        both("Bot's part", "Часть робота"),
        both(
            "How the bot's part ended: resolved, handed to an operator, hung up by the caller, or failed.",
            "Чем закончилась часть робота: решено, передано оператору, клиент прервал или не удалось.",
        ),
    ),
    "outcome": (
        both("Outcome", "Итог"),
        both(
            "Whether the caller's question was resolved, by the bot or by a person; unknown until somebody says "
            "so.",
            "Решён ли вопрос клиента, роботом или человеком; неизвестен, пока никто этого не отметил.",
        ),
    ),
    "level": (
        both("Identity", "Личность"),
        both(
            "How surely the caller is the customer: not at all, by his number only, by two facts, or by a code "
            "sent to his phone as well. What was said is never kept.",
            "Насколько точно звонит сам клиент: неизвестно, только по номеру, по двум фактам или ещё и по коду из "
            "СМС. Сказанное при этом не хранится.",
        ),
    ),
    "escalation": (
        both("Hand-over", "Передача"),
        both(
            "The call went to an operator, with the reason and a dossier, so that the caller repeats nothing.",
            "Звонок перешёл к оператору с причиной и досье, чтобы клиенту ничего не пришлось повторять.",
        ),
    ),
    "response_gap": (
        both("Pause before the answer", "Пауза перед ответом"),
        both(
            "From the end of the caller's speech to the first sound of the bot. People leave about 0.2 s; from "
            "0.7 s on it feels slow.",
            "От конца речи клиента до первого звука робота. Люди делают паузу около 0,2 с; с 0,7 с кажется "
            "медленно.",
        ),
    ),
    "barge_in": (
        both("Interruption", "Перебивание"),
        both(
            "The caller spoke while the bot was speaking, and the bot fell silent. “False” if it was only noise.",
            "Клиент заговорил, пока говорил робот, и робот умолк. «Ложное», если это был только шум.",
        ),
    ),
    "no_match": (
        both("Not understood", "Не понято"),
        both(
            "The caller said something that the bot could make no sense of.",
            "Клиент что-то сказал, но робот не понял смысла.",
        ),
    ),
    "no_input": (
        both("Silence", "Молчание"),
        both("The caller said nothing when he was asked.", "Клиент ничего не ответил на вопрос."),
    ),
    "confidence": (
        both("Confidence", "Уверенность"),
        both(
            "How sure the bot was of what the caller meant, from 0 to 100 %. Below its threshold it asks again.",
            "Насколько робот был уверен, что понял клиента, от 0 до 100 %. Ниже порога он переспрашивает.",
        ),
    ),
    "dossier": (
        both("Dossier", "Досье"),
        both(
            "What the operator sees before he answers: who calls, about what, what was tried. Every view is "
            "noted.",
            "Что видит оператор до ответа: кто звонит, зачем, что уже сделано. Каждый просмотр отмечается.",
        ),
    ),
}

TEXTS: Final[Mapping[str, Text]] = {
    "help_what": both("What it means:", "Что это значит:"),
}

LABELS: Final[Mapping[str, Mapping[str, Text]]] = {
    "terms": {key: word for key, (word, _) in _WORDS.items()},
    "glossary": {key: meaning for key, (_, meaning) in _WORDS.items()},
}
