"""Fakes of our own ports, for fast tests: they count, and stand still until a test lets them go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from prewmanager.errors import PreviewFailed, StorageFailed
from prewmanager.previews.outcome import Failure, Made, Outcome, Source
from prewmanager.flights.result import FlightResult
from prewmanager.resizing.render import Siblings
from prewmanager.previews.catalogue import Catalogue, Preview
from prewmanager.previews.preset import Preset

CATALOGUE = Catalogue({"card": Preset(width=720), "thumb": Preset(width=200)}, "photo", "prew")


def made(body: bytes = b"picture") -> Made:
    """A small preview with this body."""
    return Made("image/jpeg", len(body), f'"{body.hex()[:8]}"', "public, max-age=60", body)


def preview(path: str = "/prew/card/a.jpg") -> Preview:
    """What a path asks for."""
    return CATALOGUE.resolve(path)


class GatedResizer:
    """Counts its calls; each waits for `gate`, then answers with random-free bytes that name the call."""

    def __init__(self, store: FakeStore | None = None, error: PreviewFailed | Exception | None = None) -> None:
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        self.calls: list[str] = []
        self.store = store
        self.error = error
        self.knows_companions = True
        self.failures: dict[str, Failure] = {}

    async def resize(self, preview: Preview, also: Siblings | None = None) -> Made:
        self.calls.append(preview.preview_key)
        call = len(self.calls)
        self.entered.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        result = made(f"{preview.preview_key} made by call {call}".encode())
        if self.store is not None:
            self.store.objects[preview.preview_key] = result
        if also is not None:
            self._make_also(also, call)
        return result

    def _make_also(self, also: Siblings, call: int) -> None:
        for companion in also.previews if self.knows_companions else ():
            outcome = self.failures.get(companion.preset_name) or made(
                f"{companion.preview_key} made by call {call}".encode()
            )
            if isinstance(outcome, Made):
                if self.store is not None:
                    self.store.objects[companion.preview_key] = outcome
                outcome = replace(outcome, body=None)
            also.outcomes[companion.preset_name] = outcome


class FakeStore:
    """A bucket in a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[str, Made] = {}
        self.looks = 0
        self.broken = False

    async def find(self, key: str) -> Made | None:
        self.looks += 1
        if self.broken:
            raise StorageFailed("the fake is broken")
        return self.objects.get(key)

    async def stream(self, key: str) -> tuple[Made, AsyncIterator[bytes]]:
        found = await self.find(key)
        if found is None:
            raise StorageFailed(f"{key} is not there")

        async def pieces() -> AsyncIterator[bytes]:
            body = found.body or b""
            for start in range(0, len(body), 3):
                yield body[start : start + 3]

        return found, pieces()


class RecordingObserver:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.flights: list[tuple[str, Outcome, Source]] = []
        self.takeovers: list[str] = []
        self.waiters = 0

    def completed(self, preview: Preview, result: FlightResult, seconds: float) -> None:
        assert seconds >= 0
        self.flights.append((preview.preview_key, result.outcome, result.source))

    def waiting(self, change: int) -> None:
        self.waiters += change

    def took_over(self, preview: Preview) -> None:
        self.takeovers.append(preview.preview_key)


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def until(holds: Callable[[], bool]) -> None:
    """Let other tasks run until something holds; the test's own time limit ends it where it never does."""
    while not holds():  # noqa: ASYNC110 -- what is waited for is the state of a fake, which has no event
        await asyncio.sleep(0)


async def until_told(holds: Callable[[], bool]) -> None:
    """Return when something holds that takes a request to a server to know."""
    while not await asyncio.to_thread(holds):  # noqa: ASYNC110 -- of another process, which has no event for us
        await asyncio.sleep(0.01)
