"""Polishing: when a preview is polished, and what becomes of it. No Redis, no S3, no function."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from prewmanager.errors import (
    DeadlineExceeded,
    FlightStoreUnavailable,
    Overloaded,
    PhotoCorrupt,
    PhotoFatal,
    PhotoMissing,
    PreviewFailed,
    StorageFailed,
)
from prewmanager.flights.result import Answer, FlightResult
from prewmanager.polishing.fates import Fate
from prewmanager.polishing.later import KeptBriefly, PolishLater, gains, shortened
from prewmanager.polishing.polishing import Polishing, Running
from prewmanager.polishing.ports import PolishLease, Waiting
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.inventory import ObjectHead
from prewmanager.previews.layout import Layout
from prewmanager.previews.outcome import Failure, Made, Outcome, Source
from prewmanager.resizing.load import Load
from prewmanager.resizing.polish import Polished, PolishJob, PolishResult
from prewmanager.telemetry.metrics import Metrics
from prewmanager_presets import Effort, Preset
from tests.support.fakes import CATALOGUE, made, preview

PREVIEW = preview()
WAITING = Waiting("card", PREVIEW.preset.fingerprint, "a.jpg")
HEAD = ObjectHead(
    replace(made(), size=1000, etag='"1"'), datetime(2020, 1, 1, tzinfo=UTC), PREVIEW.preset.fingerprint, "of the photo"
)


@dataclass
class FakeQueue:
    """Redis's, in memory; it is away where a test says so."""

    leases: list[PolishLease] = field(default_factory=lambda: [PolishLease(WAITING, 1)])
    added: list[Waiting] = field(default_factory=list)
    put: list[tuple[float, bool]] = field(default_factory=list)
    fates: list[tuple[Fate, int]] = field(default_factory=list)
    kept: set[tuple[Waiting, str]] = field(default_factory=set)
    is_full: bool = False
    is_away: bool = False

    async def add(self, waiting: Waiting) -> bool:
        self._reach()
        if not self.is_full:
            self.added.append(waiting)
        return not self.is_full

    async def acquire(self) -> PolishLease | None:
        self._reach()
        return self.leases.pop() if self.leases else None

    async def put_back(self, lease: PolishLease, after_s: float, *, tried: bool) -> None:
        del lease
        self.put.append((after_s, tried))

    async def done(self, lease: PolishLease, fate: Fate, saved_bytes: int) -> None:
        del lease
        self.fates.append((fate, saved_bytes))

    async def keep_as_is(self, waiting: Waiting, etag: str) -> None:
        self.kept.add((waiting, etag))

    async def is_kept_as_is(self, waiting: Waiting, etag: str) -> bool:
        return (waiting, etag) in self.kept

    def _reach(self) -> None:
        if self.is_away:
            raise FlightStoreUnavailable("away")


@dataclass
class FakePolisher:
    """Returns or raises what a test says, once its gate is open."""

    outcome: PolishResult | PreviewFailed = field(default_factory=lambda: PolishResult(Polished.DONE, 700))
    can_polish: bool = True
    jobs: list[PolishJob] = field(default_factory=list)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event | None = None
    raises_once: Exception | None = None

    async def polish(self, job: PolishJob) -> PolishResult:
        self.jobs.append(job)
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.raises_once is not None:
            error, self.raises_once = self.raises_once, None
            raise error
        if isinstance(self.outcome, PreviewFailed):
            raise self.outcome
        return self.outcome


@dataclass
class FakeQuota:
    """A quota that has one, or a wait."""

    wait_s: float = 0.0
    whole: bool = True

    async def consume(self, client: str) -> float:
        assert not client
        return self.wait_s

    async def is_whole(self) -> bool:
        return self.whole


@dataclass
class FakeBucket:
    """One preview."""

    head_: ObjectHead | None = HEAD

    async def head(self, key: str) -> ObjectHead | None:
        assert key == PREVIEW.preview_key
        return self.head_


@dataclass
class Setting:
    """What a test changes."""

    queue: FakeQueue = field(default_factory=FakeQueue)
    bucket: FakeBucket = field(default_factory=FakeBucket)
    polisher: FakePolisher = field(default_factory=FakePolisher)
    load: Load = field(default_factory=lambda: Load(at_once=2))
    rate: FakeQuota = field(default_factory=FakeQuota)
    resizes: FakeQuota | None = None
    within_s: float = 5.0
    ends: Counter[Fate] = field(default_factory=Counter)

    def ended(self, preview_key: str, fate: Fate, before: int = 0, after: int = 0) -> None:
        del preview_key, before, after
        self.ends[fate] += 1

    @property
    def polishing(self) -> Polishing:
        return Polishing(
            self.queue,
            CATALOGUE,
            self.bucket,
            self.polisher,
            self.load,
            self.rate,
            self.resizes,
            self,
            within_s=self.within_s,
        )


async def test_a_preview_that_saves_enough_is_polished() -> None:
    setting = Setting()
    pause_s = await setting.polishing.step()

    assert setting.polisher.jobs == [PolishJob(PREVIEW, '"1"', "of the photo", 950)]
    assert (pause_s, setting.queue.fates, setting.ends) == (0.0, [(Fate.DONE, 300)], {Fate.DONE: 1})


@pytest.mark.parametrize(
    ("running", "queued", "resizes", "can", "wait_s", "leases"),
    [
        (1, 0, None, True, 0.0, True),
        (2, 0, None, True, 0.0, False),
        (0, 1, None, True, 0.0, False),
        (0, 0, FakeQuota(whole=True), True, 0.0, True),
        (0, 0, FakeQuota(whole=False), True, 0.0, False),
        (0, 0, None, False, 0.0, False),
        (0, 0, None, True, 2.0, False),
    ],
)
async def test_it_begins_only_where_live_requests_leave_room(
    *, running: int, queued: int, resizes: FakeQuota | None, can: bool, wait_s: float, leases: bool
) -> None:
    setting = Setting(resizes=resizes, rate=FakeQuota(wait_s), polisher=FakePolisher(can_polish=can))
    setting.load.change(running=running, queued=queued)
    pause_s = await setting.polishing.step()

    assert bool(setting.polisher.jobs) is leases
    assert bool(setting.queue.leases) is not leases
    assert leases or pause_s >= 0.25
    assert not wait_s or pause_s == wait_s


@pytest.mark.parametrize(
    ("head", "fate"),
    [
        (None, Fate.GONE),
        (replace(HEAD, fingerprint="another"), Fate.OTHER_PRESET),
        (replace(HEAD, source_etag=None), Fate.OTHER_PRESET),
        (replace(HEAD, polished=True), Fate.ALREADY),
    ],
)
async def test_what_is_not_to_be_polished_costs_no_rendering(head: ObjectHead | None, fate: Fate) -> None:
    setting = Setting(bucket=FakeBucket(head))
    await setting.polishing.step()

    assert (setting.polisher.jobs, setting.queue.fates) == ([], [(fate, 0)])


@pytest.mark.parametrize(
    ("lease", "fate"),
    [
        (PolishLease(replace(WAITING, preset_name="gone"), 1), Fate.OTHER_PRESET),
        (PolishLease(replace(WAITING, fingerprint="another"), 1), Fate.OTHER_PRESET),
        (PolishLease(replace(WAITING, photo="x" * 1100), 1), Fate.OTHER_PRESET),
        (PolishLease(WAITING, 3), Fate.GIVEN_UP),
    ],
)
async def test_a_lease_that_means_nothing_any_more_is_removed(lease: PolishLease, fate: Fate) -> None:
    setting = Setting(queue=FakeQueue([lease]))
    await setting.polishing.step()

    assert (setting.polisher.jobs, setting.queue.fates) == ([], [(fate, 0)])


async def test_what_gains_too_little_is_not_tried_again() -> None:
    setting = Setting(queue=FakeQueue([PolishLease(WAITING, 1)] * 2))
    setting.polisher.outcome = PolishResult(Polished.TOO_LITTLE, 990)
    await setting.polishing.step()
    await setting.polishing.step()

    assert len(setting.polisher.jobs) == 1
    assert setting.queue.fates == [(Fate.TOO_LITTLE, 0), (Fate.ALREADY, 0)]


async def test_where_the_store_or_the_function_cannot_it_pauses() -> None:
    setting = Setting(polisher=FakePolisher(PolishResult(Polished.UNABLE, 0)))

    assert await setting.polishing.step() == 600
    assert setting.ends == {Fate.UNABLE: 1}


@pytest.mark.parametrize(
    ("error", "attempt", "put", "fates"),
    [
        (Overloaded("throttled"), 1, [(60.0, False)], []),
        (Overloaded("throttled"), 2, [(60.0, False)], []),
        (StorageFailed("S3"), 1, [(60.0, True)], []),
        (StorageFailed("S3"), 2, [], [(Fate.FAILED, 0)]),
        (DeadlineExceeded("late"), 1, [(60.0, True)], []),
        (PhotoFatal("died"), 1, [(60.0, True)], []),
        (PhotoFatal("died"), 2, [], [(Fate.FAILED, 0)]),
        (PhotoCorrupt("damaged"), 1, [], [(Fate.FAILED, 0)]),
        (PhotoMissing("removed"), 1, [], [(Fate.CHANGED, 0)]),
    ],
)
async def test_a_failure_that_may_pass_is_tried_once_more(
    error: PreviewFailed, attempt: int, put: list[tuple[float, bool]], fates: list[tuple[Fate, int]]
) -> None:
    setting = Setting(queue=FakeQueue([PolishLease(WAITING, attempt)]), polisher=FakePolisher(error))
    await setting.polishing.step()

    assert (setting.queue.put, setting.queue.fates) == (put, fates)


async def test_one_that_lasts_too_long_is_left_and_tried_once_more() -> None:
    setting = Setting(within_s=0.01, polisher=FakePolisher(gate=asyncio.Event()))
    await setting.polishing.step()

    assert setting.queue.put == [(60.0, True)]


async def test_while_redis_is_away_nothing_is_polished() -> None:
    assert await Setting(queue=FakeQueue(is_away=True)).polishing.step() == 5.0


async def test_the_end_waits_for_the_preview_that_is_being_polished() -> None:
    setting = Setting(polisher=FakePolisher(gate=asyncio.Event()))
    running = Running(setting.polishing)
    await setting.polisher.entered.wait()
    closing = asyncio.create_task(running.close(5))
    await asyncio.sleep(0)
    assert setting.polisher.gate is not None
    setting.polisher.gate.set()
    await closing

    assert setting.queue.fates == [(Fate.DONE, 300)]


async def test_after_an_error_that_nobody_expects_the_next_one_is_polished() -> None:
    queue = FakeQueue(leases=[PolishLease(WAITING, 1), PolishLease(WAITING, 1)])
    setting = Setting(queue=queue, polisher=FakePolisher(raises_once=RuntimeError("a defect")))
    with capture_logs() as logged:
        running = Running(setting.polishing)
        await asyncio.sleep(10)
        await running.close(5)

    assert [each["event"] for each in logged] == ["polish.crashed"]
    assert queue.fates == [(Fate.DONE, 300)]


async def test_one_that_outlasts_the_end_is_left_to_its_lease() -> None:
    setting = Setting(polisher=FakePolisher(gate=asyncio.Event()))
    running = Running(setting.polishing)
    await setting.polisher.entered.wait()
    await running.close(0)

    assert (setting.queue.fates, setting.queue.put) == ([], [])


def _completed(later: PolishLater, outcome: Outcome, source: Source, of: Preview = PREVIEW) -> None:
    later.completed(of, FlightResult(outcome, source), waiters=1, seconds=0.1)


def _later(setting: Setting) -> PolishLater:
    return PolishLater(Metrics(), setting.queue, setting, layout=Layout("photo", "prew"))


async def test_what_was_rendered_for_somebody_waits_to_be_polished() -> None:
    setting, small = Setting(), replace(PREVIEW, preset=Preset(width=720, effort="small"))
    later = _later(setting)
    for source in Source:
        _completed(later, made(), source)
    _completed(later, Failure("failed", ""), Source.MADE)
    _completed(later, made(), Source.MADE, small)
    await asyncio.sleep(0)
    await later.close()

    assert gains(PREVIEW)
    assert not gains(small)
    assert setting.queue.added == [WAITING] * 2  # made, and rendered as a companion


@pytest.mark.parametrize(
    ("queue", "fate"), [(FakeQueue(is_full=True), Fate.FULL), (FakeQueue(is_away=True), Fate.UNREACHABLE)]
)
async def test_what_cannot_wait_is_counted(queue: FakeQueue, fate: Fate) -> None:
    setting = Setting(queue=queue)
    later = _later(setting)
    _completed(later, made(), Source.MADE)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert setting.ends == {fate: 1}


async def test_no_more_than_a_bounded_number_is_on_its_way_to_redis() -> None:
    setting = Setting()
    later = _later(setting)
    for _ in range(1500):
        _completed(later, made(), Source.MADE)

    assert setting.ends == {Fate.UNREACHABLE: 500}
    await later.close()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("public, max-age=31536000", "public, max-age=300"),
        ("public, max-age=31536000, immutable", "public, max-age=300"),
        ("immutable, public, s-maxage=86400, max-age=60", "public, s-maxage=300, max-age=60"),
        ("no-store", "no-store"),
    ],
)
def test_lives_are_shortened(header: str, expected: str) -> None:
    assert shortened(header, 300) == expected


@pytest.mark.parametrize(
    ("source", "effort", "expected"),
    [
        (Source.MADE, "balanced", "public, max-age=5"),
        (Source.JOINED, "balanced", "public, max-age=5"),
        (Source.FOUND, "balanced", "public, max-age=60"),
        (Source.FALLBACK, "balanced", "public, max-age=60"),
        (Source.MADE, "small", "public, max-age=60"),
    ],
)
async def test_caches_ask_again_for_what_is_polished_later(source: Source, effort: Effort, expected: str) -> None:
    class Provider:
        async def preview(self, preview: Preview) -> Answer:
            del preview
            return Answer(made(), source, ())

    of = replace(PREVIEW, preset=Preset(width=720, effort=effort))
    answer = await KeptBriefly(Provider(), most_s=5).preview(of)

    assert answer.made.cache_control == expected


async def test_a_header_that_is_not_there_stays_so() -> None:
    class Provider:
        async def preview(self, preview: Preview) -> Answer:
            del preview
            return Answer(Made("image/jpeg", 1, "", None, b"a"), Source.MADE, ())

    assert (await KeptBriefly(Provider(), most_s=5).preview(PREVIEW)).made.cache_control is None


def test_each_fate_is_a_series_and_savings_are_summed() -> None:
    metrics = Metrics()
    metrics.polish.expect()
    metrics.polish.ended("prew/card/a.jpg", Fate.DONE, 1000, 700)
    metrics.polish.ended("prew/card/a.jpg", Fate.UNABLE)
    metrics.polish.ended("prew/card/a.jpg", Fate.GONE)
    text = metrics.text()

    assert 'prewmanager_polish_total{outcome="done"} 1.0' in text
    assert "prewmanager_polish_saved_bytes_total 300.0" in text
    assert text.count("prewmanager_polish_total{") == len(Fate)
