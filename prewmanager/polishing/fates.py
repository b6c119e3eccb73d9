"""What becomes of a preview that is to be polished, in the words of metrics, log and `doctor`."""

from __future__ import annotations

from enum import StrEnum

from prewmanager.resizing.polish import Polished


class Fate(StrEnum):
    """The resizer's outcomes, and those that need no rendering.

    `ALREADY`: it is polished, or was found to gain too little. `GONE`: it is not in the bucket. `OTHER_PRESET`: the
    preset has changed since. `FAILED`: twice. `GIVEN_UP`: two processes have ended while they polished it. `FULL`: as
    many wait as may. `UNREACHABLE`: Redis could not be told of it.
    """

    DONE = Polished.DONE
    TOO_LITTLE = Polished.TOO_LITTLE
    CHANGED = Polished.CHANGED
    UNABLE = Polished.UNABLE
    ALREADY = "already"
    GONE = "gone"
    OTHER_PRESET = "other_preset"
    FAILED = "failed"
    GIVEN_UP = "given_up"
    FULL = "full"
    UNREACHABLE = "unreachable"
