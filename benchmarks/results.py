"""Where results go."""

from __future__ import annotations

from pathlib import Path

from benchmarks.parts import ROOT


def results_folder(*, quick: bool) -> Path:
    """The committed folder, or a private one for a run that is too short to be kept."""
    folder = ROOT / (".local/benchmarks" if quick else "docs/benchmarks")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
