"""Reports as markup: the body of the page, and a file that stands alone.

Takes a `View`, gives HTML. The file has no script, no address outside itself and its style inside, so that it
can be mailed and printed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ivrbot.analytics.figures import Figure
from ivrbot.analytics.kpis import KPIS
from ivrbot.model.speech import Language
from ivrbot.reports.charts import Chart, plotly_figure, svg
from ivrbot.reports.comparison import Comparison
from ivrbot.reports.report_texts import LACKS, kpi_name, mixing_sentence, money, shown, standing_of, why_text
from ivrbot.reports.view import HEADLINES, View
from ivrbot.web.rendering import FOLDER, labels_of, texts_of
from ivrbot.web.saying import Say

VERDICT_TAGS: Final = {"pass": "", "fail": "bad", "inconclusive": "quiet", "error": "warn"}
KINDS: Final = {"branch": "branches", "topic": "topics", "hour": "", "queue": "queues", "arm": "arms"}
"""Kind of labels of a split's groups."""


@dataclass(frozen=True, slots=True)
class Words:
    """What the template says values with.

    Attributes:
        linked: numbers open their calls; False in a file.
        currency: ISO 4217 code of amounts.
    """

    say: Say
    language: Language
    linked: bool
    currency: str

    def kpi(self, name: str) -> str:
        """A KPI in a few words."""
        return kpi_name(name, self.language)

    def value(self, kpi: str, figure: Figure | None) -> str:
        """A figure's value with its unit."""
        return "—" if figure is None else self.raw(kpi, figure.value)

    def heading(self, kpi: str) -> str:
        """A KPI over a row of bare values: an amount's with its currency."""
        sign = money(self.currency, self.language)
        return f"{self.kpi(kpi)}, {sign}" if sign and KPIS[kpi].unit == "minor" else self.kpi(kpi)

    def bare(self, kpi: str, figure: Figure) -> str:
        """A figure's value with its unit, an amount without its currency."""
        return shown(kpi, figure.value, self.language)

    def raw(self, kpi: str, value: float | None) -> str:
        """A value with its unit."""
        return shown(kpi, value, self.language, currency=self.currency)

    def ends(self, kpi: str, figure: Figure | None) -> str:
        """Both ends of a figure's interval, "" without one."""
        if figure is None or figure.lower is None:
            return ""
        return f"{self.raw(kpi, figure.lower)}\u00a0… {self.raw(kpi, figure.upper)}"

    def change(self, kpi: str, value: float | None) -> str:
        """A difference with its sign."""
        return shown(kpi, value, self.language, difference=True, currency=self.currency)

    def interval(self, item: Comparison) -> str:
        """Ends of a comparison's sequence."""
        if item.lower is None:
            return ""
        return f"{self.change(item.kpi, item.lower)}\u00a0… {self.change(item.kpi, item.upper)}"

    def why(self, item: Comparison) -> str:
        """What the verdict says."""
        return why_text(item, self.language)

    def mixing(self, item: Comparison) -> str:
        """Why plain averages say something else; "" where they do not."""
        return mixing_sentence(item, self.language)

    def standing(self, items: tuple[Comparison, ...]) -> tuple[str, Comparison | None]:
        """A branch's verdict and the KPI that it hangs on."""
        verdict, worst = standing_of(list(items))
        return verdict.value, worst

    def lacks(self, code: str) -> str:
        """Why a KPI has no value."""
        return LACKS[code][self.language]

    def svg(self, chart: Chart) -> Markup:
        """The chart without a script."""
        return Markup(svg(chart, self.language))

    def figure(self, chart: Chart) -> str:
        """The chart for Plotly, as JSON."""
        return json.dumps(plotly_figure(chart, self.language), ensure_ascii=False)


def report_body(
    view: View, say: Say, *, linked: bool = True, dip_href: Callable[[date], str] = lambda _: ""
) -> Markup:
    """The body of a report.

    Args:
        view: what it shows.
        say: language and time zone.
        linked: numbers open the list of their calls.
        dip_href: address of the page that takes a day apart.
    """
    return Markup(_rendered("report_body.html", view, say, linked=linked, dip_href=dip_href))


def report_file(view: View, say: Say) -> str:
    """A page that stands alone."""
    sheet = (FOLDER / "static" / "report-file.css").read_text("utf-8")
    body = report_body(view, say, linked=False)
    style = Markup(f"<style>{sheet}</style>")
    return _rendered("report_file.html", view, say, linked=False, body=body, style_sheet=style)


def _rendered(template: str, view: View, say: Say, *, linked: bool, **more: Any) -> str:
    language = say.language
    return (
        _environment()
        .get_template(template)
        .render(
            view=view,
            words=Words(say, language, linked, view.report.currency),
            say=say,
            t=texts_of(language),
            labels=labels_of(language),
            language=language,
            tags=VERDICT_TAGS,
            kinds=KINDS,
            headlines=HEADLINES,
            **more,
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
