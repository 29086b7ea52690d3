"""Texts of the help page: what each page answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ivrbot.web.texts.both import Text, both

FOR_SCRIPTS: Final = False

TEXTS: Final[Mapping[str, Text]] = {
    "docs_lead": both(
        "Every word that pages use, what each page is for, and what the bot understands. A question mark beside a "
        "word explains it in place.",
        "Слова, которые встречаются на страницах, для чего каждая страница и что понимает робот. Знак вопроса "
        "рядом со словом объясняет его на месте.",
    ),
    "docs_pages": both("What each page answers", "На что отвечает каждая страница"),
    "docs_words": both("What the words mean", "Что значат слова"),
    "docs_topics": both("What the bot understands", "Что понимает робот"),
    "docs_topics_text": both(
        "Topics that the bot recognises, by words or by key. What it does not serve itself goes to an operator at "
        "once.",
        "Темы, которые робот узнаёт по словам или клавише. Что не ведёт сам, сразу передаёт оператору.",
    ),
    "docs_served": both("by the bot", "ведёт робот"),
    "docs_to_operator": both("to an operator", "сразу оператору"),
    "docs_kpis": both("Definitions of all measures", "Определения всех показателей"),
}

LABELS: Final[Mapping[str, Mapping[str, Text]]] = {
    "page_answers": {
        "/": both(
            "Who is on the line with the bot now, and what is being said?",
            "Кто сейчас говорит с роботом и о чём?",
        ),
        "/calls": both(
            "Which calls were there, by day, topic, side and outcome? What exactly happened in this one?",
            "Какие были звонки по дням, темам, сторонам и итогам? Что именно было в этом?",
        ),
        "/rollout": both(
            "Which branch is ready for a larger share, what is still missing, and who has to decide?",
            "Какая ветка готова к большей доле, чего ещё не хватает и кто решает?",
        ),
        "/reports": both(
            "How does the bot do against operators, by branch, rung and day? Why did a day dip?",
            "Как робот справляется по сравнению с операторами, по веткам, ступеням и дням? Почему был провал?",
        ),
        "/quality": both(
            "How good are talks by the same rubric, with the bot and with operators?",
            "Насколько хороши разговоры по одной шкале у робота и у операторов?",
        ),
        "/voiceprint": both(
            "Are callers compared by voice, how often does that err here, and how many have agreed?",
            "Сравнивают ли клиентов по голосу, как часто это ошибается и сколько согласились?",
        ),
        "/desk": both(
            "Who comes to me now, what does he need and what has been done already?",
            "Кто сейчас придёт ко мне, что ему нужно и что уже сделано?",
        ),
        "/phone": both(
            "How does the bot sound to a caller? Place a call from this page.",
            "Как робот звучит для клиента? Позвоните прямо со страницы.",
        ),
        "/audit": both(
            "Who changed what and why, who has seen which call, and is the record whole?",
            "Кто, что и почему менял, кто какой звонок смотрел и цела ли запись?",
        ),
        "/people": both(
            "Who may see and do what, and which machines have tokens?",
            "Кому что можно видеть и делать и у каких программ есть токены?",
        ),
        "/docs": both("This page.", "Эта страница."),
    },
    "docs_groups": {
        "rollout": both("Handing over", "Передача роботу"),
        "evidence": both("Evidence", "Доказательства"),
        "calls": both("Calls", "Звонки"),
    },
}
