"""The dashboard's and the rules' expressions, as Prometheus gets them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "observability"
# What Grafana puts in the place of its variables.
VARIABLES = {"$__rate_interval": "1m", "$job": ".+", "$gb_second_usd": "0.0000166667", "$request_usd": "0.0000002"}


def panels() -> Iterator[tuple[str, str]]:
    """The title and an expression of each panel of the dashboard, its variables filled in."""
    for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            expr = target["expr"]
            for name, value in VARIABLES.items():
                expr = expr.replace(name, value)
            yield panel["title"], expr


def alerts() -> Iterator[tuple[str, str]]:
    """The name and the expression of each alert."""
    for group in yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def metrics(expr: str) -> set[str]:
    """The names of the metrics in an expression: what stands before a brace."""
    return set(re.findall(r"([a-z_]+)\{", expr))


def matched(expr: str, label: str) -> set[str]:
    """The values that an expression asks for in a label, those behind `|` one by one."""
    found = re.findall(rf'\b{label}[=!]~?"([^"]*)"', expr)
    return {value for each in found for value in each.split("|")}
