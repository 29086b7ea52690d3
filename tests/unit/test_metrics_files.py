"""The board, the alarms and the reference know the metrics that there are, and no others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.metrics import MetricWrapperBase

from ivrbot import metrics
from ivrbot.config import PROJECT_ROOT
from ivrbot.yamlfile import read_yaml

BOARD = PROJECT_ROOT / "deploy" / "grafana" / "ivrbot.json"
ALERTS = PROJECT_ROOT / "deploy" / "prometheus" / "alerts.yml"
REFERENCE = PROJECT_ROOT / "docs" / "reference" / "metrics.md"
PERSONAL = {"caller", "number", "phone", "customer", "name", "call_id", "user", "who", "text"}

_NAME = re.compile(r"\bivrbot_[a-z_]+")
_LABELS = re.compile(r"(ivrbot_[a-z_]+)\{([^}]*)\}")


def known() -> dict[str, MetricWrapperBase]:
    """Every metric of the product by the name that is shown for it."""
    found = [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
    return {one._name + ("_total" if one._type == "counter" else ""): one for one in found}


def samples() -> dict[str, set[str]]:
    """Names that expressions may use, with their labels."""
    names: dict[str, set[str]] = {}
    for name, metric in known().items():
        labels = set(metric._labelnames)
        if metric._type == "histogram":
            names |= {f"{name}_bucket": labels | {"le"}, f"{name}_count": labels, f"{name}_sum": labels}
        else:
            names[name] = labels
    return names


def board_expressions() -> list[str]:
    board = json.loads(BOARD.read_text("utf-8"))
    found = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    return [*found, *(one["definition"] for one in board["templating"]["list"] if "definition" in one)]


def rules() -> list[Any]:
    return [rule for group in read_yaml(ALERTS).data["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    yield from board_expressions()
    yield from (str(rule["expr"]) for rule in rules())


@pytest.mark.parametrize("expression", list(expressions()))
def test_an_expression_uses_metrics_and_labels_that_exist(expression: str) -> None:
    there = samples()
    used = set(_NAME.findall(expression))
    assert used and not used - there.keys()
    labels = set().union(*(there[name] for name in used)) | {"instance"}
    grouped = {
        label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",") if label
    }
    asked = {
        part.split("=")[0].rstrip("!~ ") for _, group in _LABELS.findall(expression) for part in group.split(",")
    }
    assert not (grouped | asked) - labels


def test_the_board_shows_every_metric() -> None:
    shown = set(_NAME.findall(" ".join(board_expressions())))
    assert not {name for name in known() if not any(used.startswith(name) for used in shown)}


def test_panels_have_their_place_and_their_words() -> None:
    panels = json.loads(BOARD.read_text("utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["description"] for panel in panels if panel["type"] != "row")
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def test_every_alarm_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"] and len(str(rule["annotations"]["description"]).split()) >= 8
    assert len({rule["alert"] for rule in rules()}) == len(rules())


def test_the_reference_lists_every_metric_with_its_labels() -> None:
    rows = dict(re.findall(r"^\| `(ivrbot_\w+)` \| (\w+ \| [^|]*) \|", REFERENCE.read_text("utf-8"), re.MULTILINE))
    made = {
        name: f"{one._type} | " + (", ".join(f"`{label}`" for label in one._labelnames) or "none")
        for name, one in known().items()
    }
    assert rows == made


def test_no_label_is_personal_and_none_is_unbounded() -> None:
    for name, one in known().items():
        assert not set(one._labelnames) & PERSONAL, name
        assert len(one._labelnames) <= 2
