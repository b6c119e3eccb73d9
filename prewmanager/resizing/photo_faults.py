"""For how long a photo's faults are known, whatever the preset.

A first time-out may be the machine's fault. The second one is the photo's: it is not rendered for a minute, and for
twice as long after each further one.
"""

from __future__ import annotations

from dataclasses import dataclass

from prewmanager.errors import PhotoHidden, PhotoMissing, PhotoTimedOut, PhotoTooSlow
from prewmanager.previews.outcome import Failure

SLOW_KIND = PhotoTimedOut.kind
FIRST_BACK_OFF_S = 60.0
LONGEST_BACK_OFF_S = 3600.0


@dataclass(frozen=True, slots=True)
class FaultTimes:
    """Seconds: how long a missing photo is known to be so; a hidden one; that a photo has changed.

    `while_s`: how long after a time-out, or after the pause that followed it, a further one counts as the photo's.
    """

    missing_s: float
    hidden_s: float
    changed_s: float
    while_s: float = 600.0

    @property
    def by_kind(self) -> dict[str, float]:
        """Seconds by kind, for those that say something about the photo in every preset."""
        return {PhotoMissing.kind: self.missing_s, PhotoHidden.kind: self.hidden_s}


def back_off_s(timeouts: int) -> float:
    """Return how long a photo is not rendered after so many time-outs, in seconds."""
    return min(FIRST_BACK_OFF_S * 2.0 ** (timeouts - 2), LONGEST_BACK_OFF_S) if timeouts > 1 else 0.0


def slow(left_s: float) -> Failure:
    """Return the failure of a photo that is not rendered for so many seconds more."""
    return Failure.of(PhotoTooSlow("renderings of this photo have timed out", left_s))
