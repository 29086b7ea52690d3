"""Pages: a template, the texts in the reader's language, the navigation that his rights open.

Takes a request and values, gives HTML rendered by Jinja2 with autoescape. Nothing inline: scripts and styles are
files (the content security policy refuses anything else).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ivrbot.model.people import Person, Right
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.web.caller import ANONYMOUS, CSRF, GUEST, person_of
from ivrbot.web.texts import LABELS, SCRIPT_NAMES, TEXTS

FOLDER: Final = Path(__file__).parent
SIMULATED: Final = web.AppKey("simulated", bool)
"""Nobody has made the calls of this database: every page says so."""
ZONE: Final[web.AppKey[Callable[[], str]]] = web.AppKey("zone")
"""Gives the IANA name of the zone that every time on the pages is of."""
COOKIE: Final = "lang"
COOKIE_S: Final = 365 * 24 * 3600

NAVIGATION: Final[tuple[tuple[str, str, Right | None], ...]] = (
    ("/", "nav_live", Right.CALLS_SEE),
    ("/calls", "nav_calls", Right.CALLS_SEE),
    ("/rollout", "nav_rollout", Right.ROLLOUT_SEE),
    ("/reports", "nav_reports", Right.REPORTS_SEE),
    ("/quality", "nav_quality", Right.QUALITY_SCORE),
    ("/voiceprint", "nav_voiceprint", Right.VOICEPRINT_SEE),
    ("/desk", "nav_desk", Right.DESK_USE),
    ("/phone", "nav_phone", None),
    ("/audit", "nav_audit", Right.AUDIT_SEE),
    ("/people", "nav_people", Right.PEOPLE_MANAGE),
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
    `navigation`, `csrf` (for what changes something; "" without a session), `other_language_href` (this page, as
    it is, in the other language), `zone` (IANA name, of every time shown) and the values given.
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
        simulated=request.config_dict.get(SIMULATED, False),
        person=person,
        known=person is not ANONYMOUS,
        zone=request.config_dict[ZONE](),
        navigation=navigation_of(person),
        csrf=request.get(CSRF, ""),
        **values,
    )
    response = web.Response(text=html, content_type="text/html", status=status)
    if request.query.get("lang") == language:
        response.set_cookie(COOKIE, language, max_age=COOKIE_S, httponly=True, samesite="Strict")
    return response


def navigation_of(person: Person) -> list[tuple[str, str]]:
    """Pages that somebody may open."""
    if person is ANONYMOUS:
        return []
    if person is GUEST:
        return [(href, key) for href, key, _ in NAVIGATION if href == "/phone"]
    return [(href, key) for href, key, right in NAVIGATION if right is None or person.may(right)]


@cache
def _words(language: Language) -> tuple[Mapping[str, str], Mapping[str, Mapping[str, str]], str]:
    """Texts and labels of a language, and what scripts get of them as JSON."""
    texts = {key: text[language] for key, text in TEXTS.items()}
    labels = {kind: {key: text[language] for key, text in table.items()} for kind, table in LABELS.items()}
    told: dict[str, object] = {key: text for key, text in texts.items() if key in SCRIPT_NAMES}
    told["labels"] = {kind: table for kind, table in labels.items() if kind in SCRIPT_NAMES}
    return texts, labels, json.dumps(told, ensure_ascii=False)


def texts_of(language: Language) -> Mapping[str, str]:
    """Texts by key."""
    return _words(language)[0]


def labels_of(language: Language) -> Mapping[str, Mapping[str, str]]:
    """Names for codes, by kind."""
    return _words(language)[1]


def language_of(request: web.Request) -> Language:
    """Language of the page: as asked for, as chosen before, as the browser prefers, English."""
    accepted = (part.strip()[:2].lower() for part in request.headers.get("Accept-Language", "").split(","))
    for wish in (request.query.get("lang"), request.cookies.get(COOKIE), *accepted):
        for language in LANGUAGES:
            if wish == language:
                return language
    return "en"
