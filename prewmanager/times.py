"""The times that follow from the settings: of a flight, of its results, and of what is known of a photo."""

from __future__ import annotations

from prewmanager.config.names import is_amazons
from prewmanager.config.settings import Settings
from prewmanager.errors import PhotoRejected, PhotoTooSlow, failure_classes
from prewmanager.flights.lease import Lifetimes, Timing
from prewmanager.resizing.photo_faults import FaultTimes

_UNSEEN_S = 10.0  # Amazon's S3 shows at once what was written; some stores need seconds
# In so many seconds after its answer a preview is written, or never: ten in which the write may begin, and as long as
# the function lets one take, retries included (`LONGEST_WRITE_S` in lambda_resize, which compares the two itself).
UNWRITTEN_S = 30


# Of the answers of a flight, where its preview is polished later: caches keep them no longer, and ask S3 then.
KEPT_BRIEFLY_S = 300


def timing(settings: Settings) -> Timing:
    """Return the deadlines of a flight."""
    return Timing(
        lease_s=settings.lease,
        lock_ttl_s=settings.lock_ttl,
        invoke_s=settings.invoke_timeout,
        wait_s=settings.wait_timeout,
    )


def lifetimes(settings: Settings) -> Lifetimes:
    """Return how long results are cached; what all presets of a photo have in common has `fault_times`."""
    times, by_kind = fault_times(settings).by_kind, {}
    for kind, failure in failure_classes().items():
        if kind in times:
            by_kind[kind] = min(settings.transient_ttl, times[kind])
        elif issubclass(failure, PhotoRejected) and failure is not PhotoTooSlow:
            by_kind[kind] = settings.rejected_ttl
        else:
            by_kind[kind] = settings.transient_ttl
    return Lifetimes(settings.result_ttl, by_kind, unseen_s(settings), UNWRITTEN_S)


def fault_times(settings: Settings) -> FaultTimes:
    """Return how long faults of photos are known."""
    return FaultTimes(
        missing_s=settings.missing_ttl, hidden_s=settings.missing_ttl / 6, changed_s=settings.invoke_timeout
    )


def unseen_s(settings: Settings) -> float:
    """Return how many seconds after a preview was written the bucket may not show it yet."""
    return 0.0 if is_amazons(settings.s3_endpoint) else _UNSEEN_S
