"""Percentiles over one round, and their medians over rounds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that `percent` of the values do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


def median_of(rounds: Sequence[Sequence[float]], percent: float) -> float:
    """Return the median over rounds of the percentile within each round."""
    return statistics.median(percentile(values, percent) for values in rounds)
