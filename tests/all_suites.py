"""`make test-all`: runs every suite by its make target, and prints one table at the end.

Arguments select targets. The exit code is 1 if one fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from shipping.target import RUNTIME_PYTHON
from tests.compose.project import engine_answers
from tests.one_server.machine import why_not as why_no_machine
from tests.upgrade.previous import why_not as why_no_previous

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ROOT / ".local" / "suites"


@dataclass(frozen=True)
class Row:
    """The result of one suite; without counts if its tests did not run."""

    suite: str
    passed: str = ""
    failed: str = ""
    skipped: str = ""
    seconds: str = ""
    note: str = ""
    ok: bool = True


def _always() -> str:
    return ""


def _why_no_apt() -> str:
    return "" if shutil.which("apt-get") else "apt-get is not here"


def _why_no_chromium() -> str:
    return "" if shutil.which("chromium") or shutil.which("apt-get") else "neither Chromium nor apt-get is here"


def _why_no_compose() -> str:
    return "" if engine_answers() else "no Docker engine answers"


def lambda_python() -> str | None:
    """Return a Python of Lambda's version: LAMBDA_PYTHON, or the one on PATH."""
    candidate = os.environ.get("LAMBDA_PYTHON") or shutil.which(f"python{RUNTIME_PYTHON}")
    code = f"import sys; sys.exit('%d.%d' % sys.version_info[:2] != '{RUNTIME_PYTHON}')"
    # Run it: a version manager also puts the names of Pythons on PATH that are not installed.
    if candidate and subprocess.run([candidate, "-c", code], capture_output=True, check=False).returncode == 0:
        return candidate
    return None


def _why_no_package() -> str:
    return "" if lambda_python() else f"no Python {RUNTIME_PYTHON}: LAMBDA_PYTHON=/path/to/it"


# Each target, with the reason why it cannot run here.
SUITES: dict[str, Callable[[], str]] = {
    "test": _always,
    "test-docs": _always,
    "test-soak": _always,
    "test-upgrade": why_no_previous,
    "test-infra": _always,
    "test-supply": _always,
    "test-observability": _always,
    "test-corpora": _always,
    "test-current": _why_no_apt,
    "test-browser": _why_no_chromium,
    "test-package": _why_no_package,
    "test-compose": _why_no_compose,
    "test-one-server": why_no_machine,
}


def run(suite: str) -> Row:
    """Run one target, with its output shown."""
    report = REPORTS / f"{suite}.xml"
    report.unlink(missing_ok=True)
    options = f"{os.environ.get('PYTEST_ADDOPTS', '')} --junit-xml={report}"
    environment = os.environ | {"PYTEST_ADDOPTS": options, "LAMBDA_PYTHON": lambda_python() or ""}
    started = time.monotonic()
    # Without ARGS, which make would inherit from its own command line.
    argv = ["make", "--no-print-directory", suite, "ARGS="]
    done = subprocess.run(argv, cwd=ROOT, env=environment, check=False)
    seconds = f"{time.monotonic() - started:.0f}"
    ok = done.returncode == 0
    passed, failed, skipped = counts(report) if report.exists() else (0, 0, 0)
    if not passed + failed + skipped:
        return Row(suite, seconds=seconds, note="failed before its tests", ok=False)
    note = "" if ok or failed else "its tests passed, the target failed"
    return Row(suite, str(passed), str(failed), str(skipped), seconds, note, ok)


def counts(report: Path) -> tuple[int, int, int]:
    """Return the passed, failed and skipped tests of a JUnit report."""
    (suite,) = ET.parse(report).getroot().iter("testsuite")  # noqa: S314 -- pytest wrote it just now
    tests, failures, errors, skipped = (int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped"))
    return tests - failures - errors - skipped, failures + errors, skipped


def show(rows: list[Row]) -> None:
    """Print the table."""
    table = Table("suite", box=SIMPLE)
    for column in ("passed", "failed", "skipped", "seconds"):
        table.add_column(column, justify="right")
    table.add_column("")
    for row in rows:
        note = row.note or ("" if row.ok else "failed")
        table.add_row(row.suite, row.passed, row.failed, row.skipped, row.seconds, note)
    console = Console()
    Console(width=None if console.is_terminal else 120).print(table)


def main(names: list[str]) -> int:
    """Run the named suites, by default all; return the exit code."""
    unknown = set(names) - SUITES.keys()
    if unknown:
        print(f"no such suite: {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}", file=sys.stderr)
        return 2
    REPORTS.mkdir(parents=True, exist_ok=True)
    rows = []
    for suite in names or SUITES:
        reason = SUITES[suite]()
        rows.append(Row(suite, note=f"not possible here: {reason}") if reason else run(suite))
    show(rows)
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
