"""What purges report: counts by cache and outcome, and a line in the log for each."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from prometheus_client import CollectorRegistry, Counter

from prewmanager.purging.copies import Copies

_log = structlog.get_logger(__name__)


class PurgeMetrics:
    """A `PurgeObserver`: counts and logs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._purges = Counter(
            "prewmanager_purges",
            "Times that copies of what has changed were purged in a cache (done), or could not be (failed)",
            ["cache", "outcome"],
            registry=registry,
        )

    def expect(self, caches: Iterable[str]) -> None:
        """Create the series of these caches, at 0."""
        for cache in caches:
            for outcome in ("done", "failed"):
                self._purges.labels(cache, outcome)

    def purged(self, cache: str, copies: Copies, error: str | None) -> None:
        """Count and log a purge."""
        self._purges.labels(cache, "failed" if error else "done").inc()
        if error:
            _log.error("purge.failed", cache=cache, error=error, tags=copies.tags, keys=len(copies.keys))
        else:
            _log.info("purge", cache=cache, tags=len(copies.tags), paths=len(copies.paths), keys=len(copies.keys))
