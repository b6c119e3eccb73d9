"""What is paid for: the function's invocations and GB-seconds, and the stored bytes.

Prices are left to the dashboard: they differ by region and change. docs/observability.md multiplies.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import lru_cache
from typing import Self

from prometheus_client import CollectorRegistry, Counter

from prewmanager.resizing.render import InvocationCost
from prewmanager.telemetry.buffer import MetricsBuffer


class CostMetrics:
    """A `CostMeter`: counters by preset."""

    def __init__(self, registry: CollectorRegistry, buffer: MetricsBuffer) -> None:
        self._buffer = buffer
        invocations = Counter(
            "prewmanager_lambda_invocations",
            "Invocations of the resize function that ended, well or badly, by preset",
            ["preset"],
            registry=registry,
        )
        gb_seconds = Counter(
            "prewmanager_lambda_gigabyte_seconds",
            "Duration times memory of the resize function, as its responses report them, by preset",
            ["preset"],
            registry=registry,
        )
        stored = Counter(
            "prewmanager_stored_bytes",
            "Bytes of the previews that flights of this process had written, by preset",
            ["preset"],
            registry=registry,
        )
        self._cold_starts = Counter(
            "prewmanager_lambda_cold_starts",
            "Invocations that were the first one of their sandbox",
            registry=registry,
        )
        # Looking up a labelled counter takes longer than counting.
        self._invocations: Callable[[str], Counter] = lru_cache(maxsize=1024)(invocations.labels)
        self._gb_seconds: Callable[[str], Counter] = lru_cache(maxsize=1024)(gb_seconds.labels)
        self._stored: Callable[[str], Counter] = lru_cache(maxsize=1024)(stored.labels)

    def of(self, source: str) -> Self:
        """Return the same counters for the presets of a source, `source/preset`."""
        other = copy(self)
        invocations, gb_seconds, stored = self._invocations, self._gb_seconds, self._stored
        other._invocations = lambda preset: invocations(f"{source}/{preset}")  # noqa: SLF001 -- a copy of this one
        other._gb_seconds = lambda preset: gb_seconds(f"{source}/{preset}")  # noqa: SLF001 -- a copy of this one
        other._stored = lambda preset: stored(f"{source}/{preset}")  # noqa: SLF001 -- a copy of this one
        return other

    def invoked(self, preset: str, cost: InvocationCost) -> None:
        """Count one invocation for this preset."""
        self._buffer.count(self._invocations(preset).inc)
        self._buffer.count(self._gb_seconds(preset).inc, cost.gb_seconds)
        if cost.cold_start:
            self._buffer.count(self._cold_starts.inc)

    def stored(self, preset: str, size: int) -> None:
        """Count a written preview of so many bytes."""
        self._buffer.count(self._stored(preset).inc, size)
