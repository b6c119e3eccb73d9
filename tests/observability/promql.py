"""The PromQL expressions of dashboard and rules, as Prometheus gets them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "observability"
# Values for Grafana's variables.
VARIABLES = {"$__rate_interval": "1m", "$job": ".+", "$gb_second_usd": "0.0000166667", "$request_usd": "0.0000002"}


# What is counted by others: Prometheus, the blackbox exporter, and mtail with our program.
_OF_NGINX = re.findall(r"^counter (\w+)", (FOLDER / "nginx.mtail").read_text(), re.MULTILINE)
COUNTED_BY_OTHERS = {"up", "probe_success", *_OF_NGINX}


def panels() -> Iterator[tuple[str, str]]:
    """Yield title and expression of each panel of the dashboard, with its variables replaced."""
    for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            expr = target["expr"]
            for name, value in VARIABLES.items():
                expr = expr.replace(name, value)
            yield panel["title"], expr


def alerts() -> Iterator[tuple[str, str]]:
    """Yield name and expression of each alert."""
    for group in yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def metrics(expr: str) -> set[str]:
    """Return the names of the metrics in an expression, which precede a brace."""
    return set(re.findall(r"([a-z0-9_]+)\{", expr))


def matched(expr: str, label: str) -> set[str]:
    """Return the values of a label in an expression's matchers, split at each vertical bar."""
    found = re.findall(rf'\b{label}[=!]~?"([^"]*)"', expr)
    return {value for each in found for value in each.split("|")}
