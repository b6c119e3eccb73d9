"""What polishing reports: counts by fate, the bytes saved, and a line in the log for each preview."""

from __future__ import annotations

import structlog
from prometheus_client import CollectorRegistry, Counter

from prewmanager.polishing.fates import Fate

_log = structlog.get_logger(__name__)


class PolishMetrics:
    """A `PolishObserver`: counts and logs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._previews = Counter(
            "prewmanager_polish",
            "Previews that were polished (done), and those that were not, by reason; see PREW_POLISH",
            ["outcome"],
            registry=registry,
        )
        self._saved = Counter(
            "prewmanager_polish_saved_bytes", "Bytes by which polished previews are smaller", registry=registry
        )

    def expect(self) -> None:
        """Create the series, at 0, where previews are polished."""
        for fate in Fate:
            self._previews.labels(fate.value)

    def ended(self, preview_key: str, fate: Fate, before: int = 0, after: int = 0) -> None:
        """Count and log what became of a preview."""
        self._previews.labels(fate.value).inc()
        if fate is Fate.DONE:
            self._saved.inc(before - after)
        if fate is Fate.UNABLE:
            reason = "the store does not compare ETags as it replaces an object (If-Match), or the function is older"
            _log.warning("polish.unable", key=preview_key, reason=reason)
        elif fate in {Fate.DONE, Fate.TOO_LITTLE}:
            _log.info("polish", key=preview_key, outcome=fate.value, before=before, after=after)
        else:
            _log.info("polish", key=preview_key, outcome=fate.value)
