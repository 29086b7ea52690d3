"""The certificate as one A4 page of HTML, and as JSON.

Takes a `Certificate` and a language, gives text. The page stands alone: style and pictures are in it, scripts are
not, so that it can be mailed, printed and filed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ivrbot.model.events import JsonValue
from ivrbot.model.speech import Language
from ivrbot.reports.interval import Picture, draw
from ivrbot.reports.numbers import amount, per_cent, whole
from ivrbot.reports.texts import ACTIONS, KPI_NAMES, REASONS, TEXTS, VERDICTS, Text
from ivrbot.rollout.governing.certificate import Certificate, Evidenced, KpiLine
from ivrbot.rollout.judging.snapshot import to_json

FOLDER: Final = Path(__file__).parent / "templates"


def certificate_json(certificate: Certificate) -> dict[str, JsonValue]:
    """All of a certificate as JSON values; numbers in raw units, times in UTC."""
    document = to_json(certificate)
    if not isinstance(document, dict):
        raise TypeError("a certificate is an object")
    return document


@cache
def style() -> str:
    """The style sheet that stands in every page."""
    return (FOLDER / "certificate.css").read_text("utf-8")


@cache
def style_source() -> str:
    """What a content security policy must allow for `style()`: 'sha256-...'."""
    digest = hashlib.sha256(style().encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def certificate_html(certificate: Certificate, language: Language, timezone: str = "UTC") -> str:
    """One page.

    Args:
        certificate: what it says.
        language: of its texts; reasons that people wrote stay as they are.
        timezone: IANA name, for its times.
    """
    return (
        _environment()
        .get_template("certificate.html")
        .render(
            c=certificate,
            e=certificate.evidence,
            say=Sayer(language, timezone),
            language=language,
            style=Markup(style()),
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class Sayer:
    """Words, numbers and times in one language, for the template."""

    def __init__(self, language: Language, timezone: str) -> None:
        self.language = language
        self.timezone = timezone
        self._zone = ZoneInfo(timezone)

    def text(self, key: str, **values: object) -> str:
        """A text with its values filled in."""
        return TEXTS[key][self.language].format(**values)

    def verdict(self, code: str) -> str:
        """A verdict in a word."""
        return self._named(VERDICTS, code)

    def action(self, code: str) -> str:
        """An action of the audit."""
        return self._named(ACTIONS, code)

    def kpi(self, name: str) -> str:
        """A KPI in a few words."""
        return self._named(KPI_NAMES, name)

    def reason(self, evidence: Evidenced) -> str:
        """Why it was decided; the audit's own words where the code has none here."""
        known = REASONS.get(evidence.reason)
        return known[self.language] if known else evidence.sentence

    def _named(self, table: Mapping[str, Text], code: str) -> str:
        return table[code][self.language] if code in table else code

    def who(self, name: str) -> str:
        """A person or the program."""
        return self.text("controller") if name == "controller" else name.removeprefix("user:")

    def time(self, at: datetime | None) -> str:
        """To the minute, in the page's time zone."""
        return self.text("unknown") if at is None else at.astimezone(self._zone).strftime("%Y-%m-%d %H:%M")

    def share(self, value: float) -> str:
        """A share of callers."""
        return per_cent(value, self.language)

    def whole(self, value: int) -> str:
        """A count."""
        return whole(value, self.language)

    def value(self, kpi: str, value: float | None) -> str:
        """A value of a KPI."""
        return amount(kpi, value, self.language)

    def difference(self, kpi: str, value: float | None) -> str:
        """A difference in a KPI, with its sign."""
        return amount(kpi, value, self.language, difference=True)

    def p_value(self, value: float | None) -> str:
        """A probability, to two digits."""
        if value is None:
            return "—"
        text = "< 0.0001" if value < 0.0001 else f"{value:.2g}"
        return text.replace(".", ",") if self.language == "ru" else text

    def limit(self, line: KpiLine) -> str:
        """Margin, limit or level of a KPI."""
        metric = line.metric
        shown = amount(metric.kpi, metric.margin, self.language, difference=line.kind != "level", signed=False)
        return self.text(f"kind_{line.kind}", value=shown)

    def picture(self, line: KpiLine) -> Markup:
        """The interval against the limit. A level is drawn on the axis of the bot's own mean, from its bound."""
        metric = line.metric
        level = line.kind == "level"
        point, lower, upper = metric.difference, metric.lower, metric.upper
        if level and metric.bot is not None and metric.bound is not None:
            point = metric.bot
            lower, upper = sorted((metric.bound, metric.bot + (metric.bot - metric.bound)))
        label = self.text(
            "interval_words",
            kpi=self.kpi(metric.kpi),
            **{
                name: amount(metric.kpi, number, self.language, difference=not level)
                for name, number in (
                    ("point", point),
                    ("lower", lower),
                    ("upper", upper),
                    ("edge", line.acceptable),
                )
            },
        )
        picture = Picture(point, lower, upper, line.acceptable, line.better == "down", metric.verdict.value, label)
        return Markup(draw(picture))

    def roles(self, evidence: Evidenced, role: str) -> list[KpiLine]:
        """Primaries or guardrails."""
        return [line for line in evidence.kpis if line.metric.role.value == role]

    def raw(self, evidence: Evidenced) -> list[KpiLine]:
        """Primaries whose raw means are known."""
        return [line for line in self.roles(evidence, "primary") if line.raw_difference is not None]

    def missing(self, evidence: Evidenced) -> list[KpiLine]:
        """KPIs that lack values."""
        return [line for line in evidence.kpis if line.bot.missing or line.human.missing]

    def staffing(self, values: Mapping[str, Any] | None) -> str:
        """What the operators' queue would feel, "" when not known."""
        sentence = (values or {}).get(f"sentence_{self.language}") or (values or {}).get("sentence")
        return str(sentence) if sentence else ""
