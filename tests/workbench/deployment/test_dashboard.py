"""The CloudWatch dashboard in resources.yaml: it shows the metrics that the bot emits, and exists only with [metrics]."""

import json
import re
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from chalicelib.counting.ledger_stream import from_stream
from chalicelib.counting.metrics import metric_lines
from chalicelib.domain.settings import MetricsSettings
from tests.support.builders import some_settings
from tests.support.embedded_metrics import extract
from tests.support.streams import batch, sent_records
from workbench.deployment.setup import Setup
from workbench.local.ministack import REGION, MiniStack

SEARCH = re.compile(r"""SEARCH\('\{([\w/]+),([\w,]+)\} (.*) MetricName="(\w+)"', '(Sum|p\d\d)', 300\)""")


def apply(project: Path, ministack: MiniStack, metrics: MetricsSettings | None, stage: str = "dev") -> None:
    setup = Setup(project, stage, ministack.client, pause_s=0.02)
    setup.stack.execute(setup.plan(replace(some_settings(), metrics=metrics)))


def dashboards(ministack: MiniStack) -> dict[str, Any]:
    client = ministack.client("cloudwatch")
    names = [entry["DashboardName"] for entry in client.list_dashboards()["DashboardEntries"]]
    return {name: json.loads(client.get_dashboard(DashboardName=name)["DashboardBody"]) for name in names}


def shown(metric: Any) -> tuple[str, str, frozenset[str]]:
    """Namespace, name and dimensions of what one line of a widget shows."""
    if isinstance(metric[0], str):
        namespace, name, *rest = metric
        return namespace, name, frozenset(word for word in rest[::2] if isinstance(word, str))
    match = SEARCH.fullmatch(metric[0]["expression"])
    assert match, metric
    assert match[3] in ('Stage="dev"', "FunctionName=dropnote-dev")
    return match[1], match[4], frozenset(match[2].split(","))


def test_dashboard_shows_exactly_the_metrics_that_are_emitted(project: Path, ministack: MiniStack) -> None:
    apply(project, ministack, MetricsSettings())
    (dashboard,) = dashboards(ministack).values()
    shown_metrics = {shown(metric) for widget in dashboard["widgets"] for metric in widget["properties"]["metrics"]}
    transitions, _ = from_stream(batch(*sent_records(1)))
    emitted = {datum.schema for datum in extract(metric_lines(transitions, MetricsSettings(), "dev"))}
    assert {metric for metric in shown_metrics if metric[0] == "Dropnote"} == emitted
    assert {(namespace, name) for namespace, name, _ in shown_metrics if namespace != "Dropnote"} == {
        ("AWS/Lambda", "Errors"),
        ("AWS/Lambda", "Invocations"),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
    }


def test_widgets_fill_the_grid_without_overlapping(project: Path, ministack: MiniStack) -> None:
    """Amazon CloudWatch API reference, "Dashboard body structure and syntax": 24 columns; every metric widget has a region."""
    apply(project, ministack, MetricsSettings())
    widgets = dashboards(ministack)["dropnote-dev"]["widgets"]
    cells = [
        (x, y) for each in widgets for x in range(each["x"], each["x"] + each["width"]) for y in range(each["y"], each["y"] + 6)
    ]
    assert len(set(cells)) == len(cells) == 24 * 18
    assert {each["properties"]["region"] for each in widgets} == {REGION}


def test_only_a_stage_with_metrics_has_a_dashboard(project: Path, ministack: MiniStack) -> None:
    apply(project, ministack, None, "dev")
    apply(project, ministack, MetricsSettings(), "prod")
    assert list(dashboards(ministack)) == ["dropnote-prod"]
