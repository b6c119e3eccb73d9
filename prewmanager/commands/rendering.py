"""Has previews made through a coalescer, as a request would, and keeps account of what came of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from prewmanager.errors import InvalidKey, Overloaded, PreviewFailed
from prewmanager.flights.coalescer import Coalescer
from prewmanager.previews.catalogue import Catalogue, Preview

MAX_LISTED = 1000  # failures that are listed one by one; all are counted
_TRIES = 20
_SETTLED_S = 0.1  # an outcome is told a moment before it is remembered

Sleep = Callable[[float], Awaitable[None]]


@dataclass(slots=True)
class RenderReport:
    """How many were made here, `joined` with others or `found` made by them, and failed, by kind."""

    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, str]] = field(default_factory=list)

    def add_failure(self, key: str, error: PreviewFailed) -> None:
        """Count one, and list it while there is room."""
        self.failed[error.kind] += 1
        if len(self.failures) < MAX_LISTED:
            self.failures.append({"key": key, "kind": error.kind, "detail": error.detail})


@dataclass(frozen=True, slots=True)
class Renderer:
    """Makes one preview after the other; `pause_s` is how long a failure for lack of capacity is remembered."""

    coalescer: Coalescer
    account: RenderReport
    pause_s: float
    sleep: Sleep = asyncio.sleep

    async def make(self, preview: Preview) -> bool:
        """Have it made; False, and on the account, where that failed. Nobody waits, so a throttled one comes again."""
        for _ in range(_TRIES):
            try:
                answer = await self.coalescer.preview(preview)
            except Overloaded as error:
                last: PreviewFailed = error
                await self.sleep(max(error.retry_after_s or 0.0, self.pause_s) + _SETTLED_S)
            except PreviewFailed as error:
                last = error
                break
            else:
                self.account.done[answer.source.value] += 1
                return True
        self.account.add_failure(preview.preview_key, last)
        return False


def addressable(catalogue: Catalogue, preset: str, name: str) -> Preview | None:
    """The preview of the photo with this name, or None where no request can ask for it (see `preview.decode_path`)."""
    try:
        return catalogue.resolve(quote(f"/{catalogue.preview_prefix}/{preset}/{name}"))
    except InvalidKey:
        return None
