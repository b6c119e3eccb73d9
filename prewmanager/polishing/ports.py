"""What polishing needs from the outside, by role. Adapters implement these; no third-party type crosses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from prewmanager.polishing.fates import Fate


@dataclass(frozen=True, slots=True)
class Waiting:
    """A preview that waits to be polished: the preset with the fingerprint that it had, and the photo's name."""

    preset_name: str
    fingerprint: str
    photo: str


@dataclass(frozen=True, slots=True)
class PolishLease:
    """One process's permission to polish a preview, for a while; `attempt` counts from 1."""

    waiting: Waiting
    attempt: int


class PolishQueue(Protocol):
    """The previews that wait, shared by all replicas. Each method raises `FlightStoreUnavailable`."""

    async def add(self, waiting: Waiting) -> bool:
        """Add a preview, which may be acquired a while later; one that waits already stays. False where it is full."""
        ...

    async def acquire(self) -> PolishLease | None:
        """Acquire the preview that waits longest. Never blocks; one whose process has died is acquired once more."""
        ...

    async def put_back(self, lease: PolishLease, after_s: float, *, tried: bool) -> None:
        """Have a preview wait again, for so long at least; `tried`: the attempt counts."""
        ...

    async def done(self, lease: PolishLease, fate: Fate, saved_bytes: int) -> None:
        """Remove an acquired preview, and count what became of it."""
        ...

    async def keep_as_is(self, waiting: Waiting, etag: str) -> None:
        """Remember for a while that a preview gains too little."""
        ...

    async def is_kept_as_is(self, waiting: Waiting, etag: str) -> bool:
        """Whether a preview is known to gain too little."""
        ...


class PolishObserver(Protocol):
    """Is notified of what becomes of previews, for metrics and the log."""

    def ended(self, preview_key: str, fate: Fate, before: int = 0, after: int = 0) -> None:
        """A preview of so many bytes is polished, to so many, or is not."""
        ...
