"""Fakes of our own ports for fast tests: they count calls, and wait until a test opens their gate."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from prewmanager.errors import StorageFailed
from prewmanager.flights.result import FlightResult
from prewmanager.previews.catalogue import Catalogue, Preview
from prewmanager.previews.inventory import ListedPage, StoredObject
from prewmanager.previews.layout import Layout
from prewmanager.previews.outcome import Failure, Made, Outcome, Source
from prewmanager.resizing.render import RenderJob, RenderResult
from prewmanager_presets import Preset

CATALOGUE = Catalogue({"card": Preset(width=720), "thumb": Preset(width=200)}, Layout("photo", "prew"))


def made(body: bytes = b"picture") -> Made:
    """Return a small preview with this body."""
    return Made("image/jpeg", len(body), f'"{body.hex()[:8]}"', "public, max-age=60", body)


def preview(path: str = "/prew/card/a.jpg") -> Preview:
    """Return the preview that a path names."""
    return CATALOGUE.resolve(path)


def job(path: str = "/prew/card/a.jpg", *companions: str) -> RenderJob:
    """Return the job for a path, with the companions that further paths name."""
    return RenderJob(preview(path), tuple(map(preview, companions)))


class GatedResizer:
    """Counts its calls; each waits for `gate`, then returns bytes that name the call."""

    def __init__(self, store: FakeStore | None = None, error: Exception | None = None) -> None:
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        self.calls: list[str] = []
        self.store = store
        self.error = error
        self.knows_companions = True
        self.failures: dict[str, Failure] = {}
        self.can: frozenset[str] = frozenset()
        self.finds: Made | None = None
        self.asked_to_find: list[bool] = []
        self.asked_to_answer_first: list[bool] = []
        self.writes: list[asyncio.Future[bool] | None] = []
        self.reports = False

    async def resize(self, job: RenderJob) -> RenderResult:
        self.calls.append(job.preview.preview_key)
        self.asked_to_find.append(job.find)
        self.asked_to_answer_first.append(job.answer_first)
        call = len(self.calls)
        self.entered.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        if job.find and self.finds is not None:
            return RenderResult(self.finds, found=True, can=self.can)
        if job.answer_first:
            return self._answered_first(job.preview, call)
        return RenderResult(self._make(job.preview, call), self._companions(job, call), can=self.can)

    def _answered_first(self, preview: Preview, call: int) -> RenderResult:
        """Return a preview that the test is to write, and to report."""
        self.writes.append(asyncio.get_running_loop().create_future() if self.reports else None)
        body = f"{preview.preview_key} made by call {call}".encode()
        return RenderResult(replace(made(body), etag="", stored=False), can=self.can, write=self.writes[-1])

    def _companions(self, job: RenderJob, call: int) -> Mapping[str, Outcome]:
        return {
            each.preset_name: self.failures.get(each.preset_name) or replace(self._make(each, call), body=None)
            for each in job.companions
            if self.knows_companions
        }

    def _make(self, preview: Preview, call: int) -> Made:
        result = made(f"{preview.preview_key} made by call {call}".encode())
        if self.store is not None:
            self.store.objects[preview.preview_key] = result
        return result


class FakeStore:
    """A bucket in a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[str, Made] = {}
        self.requests = 0
        self.broken = False
        self.late = 0  # how many more requests do not show what was written

    async def find(self, key: str) -> Made | None:
        self.requests += 1
        if self.broken:
            raise StorageFailed("the fake is broken")
        if self.late and key in self.objects:
            self.late -= 1
            return None
        return self.objects.get(key)

    async def exists(self, key: str) -> bool | None:
        with contextlib.suppress(StorageFailed):
            return await self.find(key) is not None
        return None

    async def stream(self, key: str) -> tuple[Made, AsyncIterator[bytes]]:
        found = await self.find(key)
        if found is None:
            raise StorageFailed(f"{key} is not there")

        async def pieces() -> AsyncIterator[bytes]:
            body = found.body or b""
            for start in range(0, len(body), 3):
                yield body[start : start + 3]

        return found, pieces()


class FakePhotoReader:
    """A bucket of photos that counts its existence checks, and knows what the test says."""

    def __init__(self) -> None:
        self.existing: dict[str, bool] = {}
        self.checks = 0

    async def exists(self, key: str) -> bool | None:
        self.checks += 1
        return self.existing.get(key)


class FakePages:
    """A listing of photos with these names, which records its requests; a token is the number of the next key."""

    def __init__(self, *names: str) -> None:
        self.keys = [f"photo/{name}" for name in names]
        self.requests: list[tuple[str, int, str | None]] = []

    async def page(self, prefix: str, limit: int, token: str | None) -> ListedPage:
        self.requests.append((prefix, limit, token))
        keys = [key for key in self.keys if key.startswith(prefix)]
        start = int(token or 0)
        end = start + limit
        objects = [StoredObject(key, 5, datetime(2020, 1, 1, tzinfo=UTC)) for key in keys[start:end]]
        return ListedPage(objects, str(end) if end < len(keys) else None)


class RecordingLease:
    """Counts its calls; the flight store answers while `gate` is open."""

    keeps_previews = False

    def __init__(self, on_complete: Callable[[], None] = lambda: None) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.own = True
        self.renewals: list[float] = []
        self.renewals_ended = 0
        self.releases = 0
        self.released = False
        self._on_complete = on_complete

    async def renew(self) -> bool:
        self.renewals.append(asyncio.get_running_loop().time())
        await self.gate.wait()
        self.renewals_ended += 1
        return self.own

    async def complete(self, outcome: Outcome, ttl_s: float) -> bool:
        assert outcome is not None
        assert ttl_s > 0
        self._on_complete()
        await self.gate.wait()
        return self.own

    async def release(self) -> None:
        self.releases += 1
        await self.gate.wait()
        self.released = True

    async def replace(self, outcome: Outcome | None, ttl_s: float) -> None:
        """Do nothing."""


class RecordingObserver:
    """Records its notifications."""

    def __init__(self) -> None:
        self.flights: list[tuple[str, Outcome, Source]] = []
        self.takeovers: list[str] = []
        self.lost: list[str] = []
        self.crashes: list[str] = []
        self.refusals = 0
        self.waiters = 0

    def completed(self, preview: Preview, result: FlightResult, *, waiters: int, seconds: float) -> None:
        assert seconds >= 0
        assert waiters >= 0
        self.flights.append((preview.preview_key, result.outcome, result.source))

    def waiting(self, change: int) -> None:
        self.waiters += change

    def took_over(self, preview: Preview) -> None:
        self.takeovers.append(preview.preview_key)

    def write_lost(self, preview: Preview) -> None:
        self.lost.append(preview.preview_key)

    def crashed(self, preview: Preview) -> None:
        self.crashes.append(preview.preview_key)

    def refused(self) -> None:
        self.refusals += 1


class FakeClock:
    """A clock that only the test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def until(holds: Callable[[], bool]) -> None:
    """Let other tasks run until a condition holds; otherwise the test's time limit ends it."""
    while not holds():  # noqa: ASYNC110 -- the state of a fake has no event
        await asyncio.sleep(0)


async def until_reported(holds: Callable[[], bool]) -> None:
    """Return when a condition holds that a request to a server checks."""
    while not await asyncio.to_thread(holds):  # noqa: ASYNC110 -- the state of another process has no event
        await asyncio.sleep(0.01)
