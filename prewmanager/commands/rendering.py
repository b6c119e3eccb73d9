"""Renders previews through a coalescer, as requests do, and counts the outcomes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

from prewmanager.commands.output import Listing
from prewmanager.errors import InvalidKey, Overloaded, PreviewFailed
from prewmanager.flights.coalescer import Coalescer
from prewmanager.previews.catalogue import Catalogue, Preview
from prewmanager.previews.outcome import Failure, Source

_MAX_ATTEMPTS = 20
_MARGIN_S = 0.1  # waiters get a failure a moment before it is cached

Sleep = Callable[[float], Awaitable[None]]
Done = Source | Literal["deleted"]
"""How a preview was brought up to date."""


@dataclass(frozen=True, slots=True)
class RenderReport:
    """How many previews succeeded, by source, and failed, by kind."""

    done: Mapping[str, int]
    failed: Mapping[str, int]

    def summary(self) -> str:
        """Format the counts as one line, empty if nothing was counted."""
        return ", ".join(f"{count} {name}" for name, count in (*self.done.items(), *self.failed.items()))


@dataclass(frozen=True, slots=True)
class FailedPreview:
    """A preview that could not be rendered, or deleted: its key, the failure's kind, and more for the log."""

    type: Literal["failure"] = field(default="failure", init=False)
    key: str
    kind: str
    detail: str


class RenderCounter:
    """Counts outcomes, and lists those that failed."""

    def __init__(self, listing: Listing) -> None:
        self._done = Counter[str]()
        self._failed = Counter[str]()
        self._listing = listing

    def add(self, key: str, outcome: Done | Failure) -> None:
        """Count the outcome of the preview with this key."""
        if not isinstance(outcome, Failure):
            self._done[outcome] += 1
            return
        self._failed[outcome.kind] += 1
        self._listing.add(FailedPreview(key, outcome.kind, outcome.detail))

    def report(self) -> RenderReport:
        """Return the counts so far."""
        return RenderReport(dict(self._done), dict(self._failed))


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders single previews; `transient_s` is how long a transient failure stays cached."""

    coalescer: Coalescer
    transient_s: float
    sleep: Sleep = asyncio.sleep

    async def render(self, preview: Preview) -> Source | Failure:
        """Render the preview, and retry while the resizer is overloaded, since no client waits for it."""
        for _ in range(_MAX_ATTEMPTS):
            try:
                answer = await self.coalescer.preview(preview)
            except Overloaded as error:
                failure = Failure.of(error)
                await self.sleep(max(error.retry_after_s or 0.0, self.transient_s) + _MARGIN_S)
            except PreviewFailed as error:
                return Failure.of(error)
            else:
                return answer.source
        return failure


def addressable(catalogue: Catalogue, preset: str, name: str) -> Preview | None:
    """Return the preview of the photo with this name, or None if no request path can name it."""
    try:
        return catalogue.resolve(quote(f"/{catalogue.layout.previews_in(preset)}{name}"))
    except InvalidKey:
        return None
