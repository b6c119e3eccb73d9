"""The generated pages of docs/reference: `python -m tests.docs.reference --write` updates them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import typer

from prewmanager.cli import app
from prewmanager.telemetry.metrics import Metrics
from tests.contract_examples.examples import example
from tests.docs.faults import matrix
from tests.docs.shapes import FILE, schema
from tests.docs.tables import REFERENCE

_CONTRACTS = {
    "request_minimal": "The smallest request, as the first source system sends it:",
    "request_full": "A request of the service:",
    "response_full": "The answer; without `data` if the preview is too large to inline:",
    "request_answer_first": "A request that may be answered before the preview is written, if that is not "
    "larger, and the write ends within so many seconds after the answer:",
    "response_unwritten": "The answer then:",
    "response_minimal": "The smallest answer that the service accepts:",
    "response_failed": "A failure, with its kind:",
}


def commands() -> str:
    """Return each command with its options."""
    lines = ["# Commands", "", "`prewmanager COMMAND --help` prints the same.", ""]
    group: Any = typer.main.get_command(app)
    lines += [group.epilog, ""]
    for name, command in group.commands.items():
        lines += [f"## prewmanager {name}", "", _paragraph(command.help), ""]
        rows = list(_parameters(command))
        if rows:
            lines += ["| | default | |", "|---|---|---|", *rows, ""]
        if command.epilog:
            label, *examples = command.epilog.splitlines()
            lines += [label, "", *(f"    {each}" for each in examples), ""]
    return "\n".join(lines).rstrip() + "\n"


def _parameters(command: Any) -> Iterator[str]:
    for each in command.params:
        if each.param_type_name == "argument":
            yield f"| `{each.metavar}…` | | {each.help} |"
        else:
            shown = "" if each.default in {None, "", False} else f"`{each.default}`"
            yield f"| `{each.opts[0]}` | {shown} | {each.help or ''} |"


def _paragraph(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def metrics() -> str:
    """Return each metric with its type, labels and help."""
    rows, all_metrics = [], Metrics()
    all_metrics.redis_is(up=True)
    all_metrics.redis_has_evicted(0)
    for family in all_metrics.registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if family.name.startswith("prewmanager"):
            rows.append(f"| `{name}` | {family.type} | {family.documentation} |")
    text = "Each replica serves these at `/metrics`, on its own port, with those of the process"
    head = ["# Metrics", "", f"{text} (`process_…`).", "", "| metric | type | |", "|---|---|---|"]
    return "\n".join([*head, *sorted(rows)]) + "\n"


def function() -> str:
    """Return the function's contract, with the examples that test both sides."""
    lines = ["# The resize function's contract", ""]
    lines += ["JSON in, JSON out. Fields are only ever added, and each side works with older versions of the other."]
    for name, caption in _CONTRACTS.items():
        shown = json.dumps(example(name), indent=2, ensure_ascii=False).splitlines()
        lines += ["", caption, "", *(f"    {line}" for line in shown)]
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    return {
        "commands.md": commands(),
        "metrics.md": metrics(),
        "function.md": function(),
        "faults.md": matrix(),
        FILE.name: schema(),
    }


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python -m tests.docs.reference --write")
    for file, content in pages().items():
        (REFERENCE / file).write_text(content, encoding="utf-8")
