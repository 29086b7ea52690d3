"""Writes the table of docs/reference/kpis.md from the formulas: python -m tools.kpi_reference."""

from __future__ import annotations

import re

from ivrbot.analytics.kpi_reference import markdown
from ivrbot.config import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "reference" / "kpis.md"


def main() -> None:
    """Replace the table, which is the first one of the page."""
    text = PAGE.read_text("utf-8")
    table = re.compile(r"^\| name \|.*?\n(?!\|)", re.DOTALL | re.MULTILINE)
    PAGE.write_text(table.sub(lambda _: markdown(), text, count=1), "utf-8")


if __name__ == "__main__":
    main()
