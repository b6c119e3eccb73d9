"""Polishing one preview as values: it is stored, and replaced by one in fewer bytes; and who does it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from prewmanager.previews.catalogue import Preview


@dataclass(frozen=True, slots=True)
class PolishJob:
    """A stored preview, with its ETag in quotes, the ETag of its photo without, and the most bytes that pay."""

    preview: Preview
    etag: str
    source_etag: str
    max_bytes: int


class Polished(StrEnum):
    """What became of a preview, in the function's words.

    `TOO_LITTLE`: it would be hardly smaller, and stays. `CHANGED`: it is gone, or another one, or its photo is.
    `UNABLE`: the store does not compare ETags as it replaces an object, or the function is too old.
    """

    DONE = "done"
    TOO_LITTLE = "too_little"
    CHANGED = "changed"
    UNABLE = "unable"


@dataclass(frozen=True, slots=True)
class PolishResult:
    """What became of a preview, and how many bytes it has at the encoders' full effort."""

    outcome: Polished
    size: int


class Polisher(Protocol):
    """Polishes previews, beside what renders those that somebody waits for."""

    @property
    def can_polish(self) -> bool:
        """Whether it is known to be able to: a function says so in its answers."""
        ...

    async def polish(self, job: PolishJob) -> PolishResult:
        """Render the preview at the most effort, and replace it where that pays and it is still the same.

        Raises the `PreviewFailed` that fits.
        """
        ...
