"""Checks that previews can be polished, and says what was."""

from __future__ import annotations

from prewmanager.adapters.redis.connect import connect
from prewmanager.adapters.redis.polish_queue import SAVED
from prewmanager.commands.checks import Finding, failed, ok
from prewmanager.config.settings import Settings
from prewmanager.errors import FlightStoreUnavailable, PreviewFailed
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.inventory import ObjectHead
from prewmanager.resizing.polish import Polished, Polisher, PolishJob
from prewmanager.shared import polish_queue

POLISHES, POLISHED = "polish: works", "polish: so far"
_TIMEOUT_S = 3.0


async def check_polishes(polisher: Polisher, preview: Preview, found: ObjectHead) -> Finding:
    """Check that a stored preview could be replaced; this one stays, since none is small enough."""
    if not polisher.can_polish:
        return failed(POLISHES, "the function does not say that it can", "deploy this version's function")
    job = PolishJob(preview, found.made.etag, found.source_etag or "", max_bytes=0)
    try:
        outcome = (await polisher.polish(job)).outcome
    except PreviewFailed as error:
        fix = "the effort `small` takes longer and more memory: raise the function's, see its log, or unset PREW_POLISH"
        return failed(POLISHES, f"{error.kind}: {error}", fix)
    if outcome is Polished.TOO_LITTLE:
        return ok(POLISHES, "S3 compares ETags as it replaces an object")
    fix = "unset PREW_POLISH: nothing is polished"
    return failed(POLISHES, f"{outcome.value}: S3 does not compare ETags as it replaces an object (If-Match)", fix)


async def check_polished(settings: Settings) -> list[Finding]:
    """Say how many previews wait, and what became of the others. Nothing where Redis is away: that is a finding."""
    if not settings.polish or settings.redis_url is None:
        return []
    try:
        async with connect(
            settings.redis_url, timeout_s=_TIMEOUT_S, password_file=settings.redis_password_file
        ) as redis:
            queue = polish_queue(settings, redis)
            waiting, counts = await queue.waiting(), await queue.counts()
    except (FlightStoreUnavailable, ValueError):
        return []
    fates = [f"{number} {name}" for name, number in sorted(counts.items()) if name != SAVED]
    return [ok(POLISHED, f"{waiting} wait; {', '.join(fates) or 'none'}; {counts.get(SAVED, 0)} bytes saved")]
