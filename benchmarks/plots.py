"""Plots as SVG files that change only where the figures do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter

from benchmarks.report import shown

# The salt replaces random element ids; text stays text, a tenth of the size of outlines.
mpl.rcParams.update(
    {"svg.hashsalt": "prewmanager", "svg.fonttype": "none", "axes.spines.top": False, "axes.spines.right": False}
)
# By the beginning of a name: a system has the same colour in all plots.
_COLOURS = {
    "prewmanager": "#1769aa",
    "service": "#1769aa",
    "reference": "#c2410c",
    "function": "#15803d",
    "Lambda": "#86b88f",
    "resize": "#15803d",
    "redis": "#c2410c",
    "s3": "#b45309",
    "nginx": "#6b7280",
    "GET preview": "#1769aa",
    "flight": "#60a5fa",
    "jpeg": "#1769aa",
    "progressive": "#60a5fa",
    "png": "#c2410c",
    "webp": "#15803d",
}
_OTHERS = "#6b7280"


def lines(path: Path, title: str, labels: tuple[str, str], series: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Draw a line for each series of points, on logarithmic axes; `labels` are those of x and y."""
    canvas = Canvas(figsize=(6.4, 4), layout="constrained")
    axes = canvas.subplots()
    for name, points in series.items():
        x, y = zip(*points, strict=True)
        dashes = "--" if "p99" in name else "-"
        axes.plot(x, y, dashes, marker="o", markersize=4, color=_colour(name), label=name)
    axes.set(title=title, xlabel=labels[0], ylabel=labels[1], xscale="log", yscale="log")
    ticks = sorted({x for points in series.values() for x, _ in points})
    axes.set_xticks(ticks, [f"{x:g}" for x in ticks])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axes.minorticks_off()
    axes.grid(visible=True, alpha=0.3)
    axes.legend(frameon=False)
    _save(canvas, path)


def bars(path: Path, title: str, label: str, values: Mapping[str, float]) -> None:
    """Draw a bar for each value, labelled with the value."""
    canvas = Canvas(figsize=(6.4, 0.8 + 0.45 * len(values)), layout="constrained")
    axes = canvas.subplots()
    names = list(values)[::-1]
    drawn = axes.barh(names, [values[name] for name in names], color=[*map(_colour, names)], height=0.6)
    axes.bar_label(drawn, [shown(values[name]) for name in names], padding=4)
    axes.set(title=title, xlabel=label)
    axes.margins(x=0.12)
    _save(canvas, path)


def waterfall(path: Path, title: str, label: str, rows: Sequence[tuple[str, float, float]]) -> None:
    """Draw a bar for each row of name, start and duration, the first on top, labelled with the duration."""
    canvas = Canvas(figsize=(6.4, 0.8 + 0.34 * len(rows)), layout="constrained")
    axes = canvas.subplots()
    names, begins, durations = zip(*rows, strict=True)
    drawn = axes.barh(names, durations, left=begins, color=[*map(_colour, names)], height=0.6)
    axes.bar_label(drawn, [f"{duration:.1f}" for duration in durations], padding=4)
    axes.set(title=title, xlabel=label)
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.set_xlim(left=0)
    _save(canvas, path)


def _colour(name: str) -> str:
    return next((colour for what, colour in _COLOURS.items() if name.startswith(what)), _OTHERS)


def _save(canvas: Canvas, path: Path) -> None:
    canvas.savefig(path, format="svg", metadata={"Date": None})
    # matplotlib leaves trailing blanks, which the pre-commit hooks would remove.
    tidy = "\n".join(line.rstrip() for line in path.read_text(encoding="utf-8").splitlines())
    path.write_text(tidy + "\n", encoding="utf-8")
