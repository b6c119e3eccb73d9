"""The folder for results."""

from __future__ import annotations

from pathlib import Path

from benchmarks.parts import ROOT


def results_folder(*, quick: bool) -> Path:
    """Return docs/benchmarks, or a folder in .local for a quick run, whose results are not committed."""
    folder = ROOT / (".local/benchmarks" if quick else "docs/benchmarks")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
