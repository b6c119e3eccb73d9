"""The Grafana dashboard, built by Grafana's own SDK: `python -m observability.dashboard --write` writes its JSON."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus, timeseries
from grafana_foundation_sdk.builders.common import StackingConfig, VizLegendOptions, VizTooltipOptions
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendPlacement, StackingMode, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

from observability.panels import ROWS, Panel
from prewmanager.commands.arguments import LIST_GB_SECOND_USD, LIST_REQUEST_USD

FILE = Path(__file__).with_name("dashboard.json")
_SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
_COLUMNS, _HEIGHT = 24, 8


def dashboard() -> str:
    """Return the dashboard's JSON, as Grafana imports it."""
    made = (
        builders.Dashboard("prewmanager")
        .uid("prewmanager")
        .description("Rendered previews: how many, how fast, how often without success, and at what cost")
        .tags(["prewmanager"])
        .time("now-6h", "now")
        .refresh("1m")
        .readonly()
        .with_variable(builders.DatasourceVariable("source").label("Prometheus").type("prometheus"))
        .with_variable(
            builders.QueryVariable("job")
            .label("Installation")
            .datasource(_SOURCE)
            .query("label_values(prewmanager_build_info, job)")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .include_all(include_all=True)
            .all_value(".+")
        )
        .with_variable(_price("gb_second_usd", "US$ for a GB-second", LIST_GB_SECOND_USD))
        .with_variable(_price("request_usd", "US$ for an invocation", LIST_REQUEST_USD))
    )
    # Grafana renumbers panels without ids at each import, which would break links to panels.
    numbers = itertools.count(1)
    for title, panels in ROWS.items():
        made = made.with_row(builders.Row(title).id(next(numbers)))
        for panel in panels:
            made = made.with_panel(_drawn(panel, _COLUMNS // len(panels)).id(next(numbers)))
    return json.dumps(made.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _price(name: str, label: str, usd: float) -> builders.TextBoxVariable:
    return builders.TextBoxVariable(name).label(label).default_value(f"{usd:.10f}".rstrip("0"))


def _drawn(panel: Panel, width: int) -> timeseries.Panel:
    drawn = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.question)
        .unit(panel.unit)
        .min(0)
        .datasource(_SOURCE)
        .span(width)
        .height(_HEIGHT)
        .legend(VizLegendOptions().placement(LegendPlacement.BOTTOM).show_legend(show_legend=True))
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    drawn = drawn.fill_opacity(40 if panel.stacked else 0)
    if panel.stacked:
        drawn = drawn.stacking(StackingConfig().mode(StackingMode.NORMAL))
    for number, query in enumerate(panel.queries):
        target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).range()
        drawn = drawn.with_target(target.ref_id(chr(ord("A") + number)))
    return drawn


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python -m observability.dashboard --write")
    FILE.write_text(dashboard(), encoding="utf-8")
