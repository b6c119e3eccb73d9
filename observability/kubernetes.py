"""The alerts as Prometheus's operator reads them: `python -m observability.kubernetes --write` writes the resource."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

RULES = Path(__file__).with_name("rules.yml")
FILE = Path(__file__).resolve().parents[1] / "infra" / "kubernetes" / "watch" / "rules.yaml"
_HEAD = """\
# observability/rules.yml, written by `python -m observability.kubernetes --write`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: prewmanager
spec:
"""


def resource() -> str:
    """Return the resource's YAML."""
    return _HEAD + textwrap.indent(RULES.read_text(encoding="utf-8"), "  ")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        FILE.write_text(resource(), encoding="utf-8")
    else:
        sys.stdout.write(resource())
