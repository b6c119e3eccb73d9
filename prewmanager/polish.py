"""Builds what polishes previews: the notes of what was rendered, and a task that polishes what waits."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from prewmanager.config.settings import Settings
from prewmanager.polishing.later import PolishLater
from prewmanager.polishing.polishing import Polishing, Running
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.ports import ObjectReader
from prewmanager.purging.polished import PurgePolished
from prewmanager.purging.purger import Purger
from prewmanager.resizing.load import Load
from prewmanager.resizing.polish import Polisher
from prewmanager.shared import Shared
from prewmanager.telemetry.metrics import Metrics


def noting(shared: Shared, settings: Settings, metrics: Metrics) -> PolishLater | None:
    """Return the observer that notes what is rendered, around the metrics; None where nothing is polished."""
    if shared.polish is None:
        return None
    metrics.polish.expect()
    return PolishLater(metrics, shared.polish.queue, metrics.polish, layout=settings.layout)


@contextlib.asynccontextmanager
async def polishing(
    later: PolishLater | None,
    shared: Shared,
    settings: Settings,
    *,
    catalogue: Catalogue,
    previews: ObjectReader,
    polisher: Polisher,
    load: Load,
    purger: Purger,
) -> AsyncIterator[None]:
    """Polish what waits while the block runs; nothing, without `later`.

    `load` is that of live requests; `purger` tells caches of what was replaced.
    """
    if later is None or shared.polish is None:
        yield
        return
    running = Running(
        Polishing(
            shared.polish.queue,
            catalogue,
            previews,
            polisher,
            load,
            shared.polish.rate,
            shared.quota,
            PurgePolished(later.reports, purger, catalogue),
            within_s=settings.invoke_timeout,
        )
    )
    try:
        yield
    finally:
        await running.close(settings.shutdown_grace / 3)
        await later.close()
