"""`make fuzz`: FUZZ_MINUTES (10), SEED (from the clock), FUZZ_FORMATS (all; names with commas).

Prints the files that cost most for their bytes. Those that violate a limit are written to .local/fuzz; then it exits
with 1. The same seed draws the same first files; later ones vary what cost most, which is measured.
"""

from __future__ import annotations

import os
import sys
import time

from rich.console import Console
from rich.table import Table

from devstack.one_server import ROOT
from tests.fuzz.run import GRAMMARS, Findings, fuzz, save


def main() -> int:
    """Run the fuzzer and return the exit code."""
    seed = int(os.environ.get("SEED") or time.time())
    minutes = float(os.environ.get("FUZZ_MINUTES") or 10)
    names = [name for name in os.environ.get("FUZZ_FORMATS", "").split(",") if name]
    if unknown := set(names) - GRAMMARS.keys():
        sys.stderr.write(f"no such format: {', '.join(sorted(unknown))}; there are {', '.join(GRAMMARS)}\n")
        return 2
    console = Console()
    console.print(f"SEED={seed} for {minutes:g} minutes", highlight=False)
    shown, findings = 0, Findings()
    for findings in fuzz(seed, 60 * minutes, names or None):
        for find in findings.violations[shown:]:
            path = save(find, ROOT / ".local" / "fuzz")
            console.print(f"{find.kind}, {find.seconds:.1f} s, {find.megabytes:.0f} MB: {path}", soft_wrap=True)
        shown = len(findings.violations)
    console.print(_table(findings))
    console.print(f"SEED={seed}: {findings.tried} files, {shown} over a limit", highlight=False)
    return 1 if findings.violations else 0


def _table(findings: Findings) -> Table:
    table = Table("format", "outcome", "bytes", "seconds", "MB")
    for name, best in sorted(findings.best.items()):
        for find in best[:3]:
            table.add_row(name, find.kind, str(len(find.data)), f"{find.seconds:.2f}", f"{find.megabytes:.0f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
