"""What is paid for, counted: the function's invocations and GB-seconds, and the bytes that were stored.

Prices are left to whoever looks: they differ by region and change. docs/observability.md has the multiplication.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter

from prewmanager.flights.ports import InvocationCost


class CostMetrics:
    """Counters by preset; a `CostMeter`."""

    def __init__(self, registry: CollectorRegistry, note: Callable[[Callable[[float], None], float], None]) -> None:
        """`note` has a counter's `inc` called with an amount, now or soon."""
        self._note = note
        invocations = Counter(
            "prewmanager_lambda_invocations",
            "Invocations of the resize function that ended, well or badly, by preset",
            ["preset"],
            registry=registry,
        )
        gb_seconds = Counter(
            "prewmanager_lambda_gigabyte_seconds",
            "Time times memory of the resize function as its answers say them, by preset",
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
        # Looking a labelled counter up takes longer than counting.
        self._invocations = lru_cache(maxsize=1024)(invocations.labels)
        self._gb_seconds = lru_cache(maxsize=1024)(gb_seconds.labels)
        self._stored = lru_cache(maxsize=1024)(stored.labels)

    def invoked(self, preset: str, usage: InvocationCost) -> None:
        """Count one invocation for this preset."""
        self._note(self._invocations(preset).inc, 1)
        self._note(self._gb_seconds(preset).inc, usage.gb_seconds)
        if usage.cold_start:
            self._note(self._cold_starts.inc, 1)

    def stored(self, preset: str, size: int) -> None:
        """Count a preview of so many bytes that was written."""
        self._note(self._stored(preset).inc, size)
