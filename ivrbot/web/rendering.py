"""Pages: a template, the texts in the reader's language, the navigation that his rights open.

Takes a request and values, gives HTML rendered by Jinja2 with autoescape. Nothing inline: scripts and styles are
files (the content security policy refuses anything else).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ivrbot.model.people import Right
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.web.caller import person_of
from ivrbot.web.texts import LABELS, TEXTS

FOLDER: Final = Path(__file__).parent
COOKIE: Final = "lang"
COOKIE_S: Final = 365 * 24 * 3600

SERVER_ONLY: Final = frozenset({"terms", "glossary"})
"""Kinds of labels that no script asks for."""

NAVIGATION: Final[tuple[tuple[str, str, Right | None], ...]] = (
    ("/", "nav_live", Right.CALLS_SEE),
    ("/phone", "nav_phone", None),
    ("/desk", "nav_desk", Right.DESK_USE),
    ("/docs", "nav_docs", None),
)
"""Address, text, and the right it needs (None: anybody who may come in)."""

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """Render a page for whoever asks.

    Templates get `t` (texts by key), `labels` (names for codes by kind, then code), `language`, `path`, `person`,
    `navigation`, `other_language_href` (this page, as it is, in the other language) and the values given.
    """
    language = language_of(request)
    texts, labels, texts_json = _words(language)
    person = person_of(request)
    other: Language = "en" if language == "ru" else "ru"
    html = _TEMPLATES.get_template(template).render(
        t=texts,
        labels=labels,
        texts_json=texts_json,
        language=language,
        other_language_href=str(request.rel_url.update_query(lang=other)),
        path=request.path,
        person=person,
        navigation=[(href, key) for href, key, right in NAVIGATION if right is None or person.may(right)],
        **values,
    )
    response = web.Response(text=html, content_type="text/html", status=status)
    if request.query.get("lang") == language:
        response.set_cookie(COOKIE, language, max_age=COOKIE_S, httponly=True, samesite="Strict")
    return response


@cache
def _words(language: Language) -> tuple[Mapping[str, str], Mapping[str, Mapping[str, str]], str]:
    """Texts and labels of a language, and what scripts get of them as JSON."""
    texts = {key: text[language] for key, text in TEXTS.items()}
    labels = {kind: {key: text[language] for key, text in table.items()} for kind, table in LABELS.items()}
    for_scripts = {kind: table for kind, table in labels.items() if kind not in SERVER_ONLY}
    return texts, labels, json.dumps({**texts, "labels": for_scripts}, ensure_ascii=False)


def language_of(request: web.Request) -> Language:
    """Language of the page: as asked for, as chosen before, as the browser prefers, English."""
    accepted = (part.strip()[:2].lower() for part in request.headers.get("Accept-Language", "").split(","))
    for wish in (request.query.get("lang"), request.cookies.get(COOKIE), *accepted):
        for language in LANGUAGES:
            if wish == language:
                return language
    return "en"
