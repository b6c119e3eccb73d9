"""What is known of photos: which S3 is asked for, which are rendered, and which are rendered again."""

from __future__ import annotations

import asyncio

import pytest

from prewmanager.adapters.memory_faults import MemoryPhotoFaults
from prewmanager.errors import PhotoCorrupt, PhotoMissing, PhotoTimedOut, PhotoTooSlow, PreviewFailed
from prewmanager.previews.outcome import Failure, Source
from prewmanager.resizing.photo_faults import FaultTimes
from prewmanager.resizing.photos import PhotoFaultsResizer, Photos
from prewmanager.resizing.render import RenderJob, RenderResult
from tests.support.fakes import FakeClock, FakePhotoReader, GatedResizer, job, made, until
from tests.support.replica import InMemoryReplica

TIMES = FaultTimes(missing_s=60, hidden_s=10, changed_s=15)


class ScriptedResizer:
    """Raises the errors of its script, one for each call, and then renders."""

    def __init__(self, *script: PreviewFailed) -> None:
        self.script = list(script)
        self.calls = 0

    async def resize(self, job: RenderJob) -> RenderResult:  # noqa: ARG002 -- each job is rendered alike
        self.calls += 1
        if self.script:
            raise self.script.pop(0)
        return RenderResult(made())


def _photos() -> Photos:
    return Photos(MemoryPhotoFaults(TIMES), FakePhotoReader())


@pytest.mark.fault("missing-names")
async def test_while_many_photos_are_missing_s3_is_asked_and_the_resizer_is_not() -> None:
    replica = InMemoryReplica(error=PhotoMissing())
    replica.resizer.gate.set()
    for number in range(30):
        replica.photo_reader.existing[f"photo/none-{number}.jpg"] = False
        with pytest.raises(PhotoMissing):
            await replica.ask(f"/prew/card/none-{number}.jpg")

    assert len(replica.resizer.calls) == 5
    assert replica.photo_reader.checks == 25


@pytest.mark.fault("missing-names")
async def test_once_few_photos_are_missing_nobody_is_asked_any_more() -> None:
    replica = InMemoryReplica(error=PhotoMissing())
    replica.resizer.gate.set()
    for number in range(6):
        with pytest.raises(PhotoMissing):
            await replica.ask(f"/prew/card/none-{number}.jpg")
    replica.resizer.error = None
    for number in range(20):
        await replica.ask(f"/prew/card/there-{number}.jpg")
    before = replica.photo_reader.checks
    await replica.ask("/prew/card/another.jpg")

    assert before > 0
    assert replica.photo_reader.checks == before


@pytest.mark.fault("missing-names")
async def test_a_photo_of_which_s3_does_not_say_whether_it_is_there_is_rendered() -> None:
    """To credentials that may not read photos."""
    replica = InMemoryReplica(error=PhotoMissing())
    replica.resizer.gate.set()
    for number in range(20):
        with pytest.raises(PhotoMissing):
            await replica.ask(f"/prew/card/none-{number}.jpg")

    assert len(replica.resizer.calls) == 20


async def test_a_missing_photo_is_missing_in_every_preset() -> None:
    replica = InMemoryReplica(error=PhotoMissing())
    replica.resizer.gate.set()
    for preset in ("card", "thumb", "card"):
        with pytest.raises(PhotoMissing):
            await replica.ask(f"/prew/{preset}/a.jpg")

    assert len(replica.resizer.calls) == 1


@pytest.mark.fault("photo-uploaded-late")
async def test_a_photo_that_changes_while_it_is_found_missing_is_read_again() -> None:
    replica = InMemoryReplica(error=PhotoMissing())
    request = replica.ask()
    await replica.resizer.entered.wait()
    await replica.coalescer.photo_changed("photo/a.jpg", replica.catalogue.of_photo("photo/a.jpg"))
    replica.resizer.gate.set()
    with pytest.raises(PhotoMissing):
        await request

    assert len(replica.resizer.calls) == 2


@pytest.mark.fault("photo-uploaded-late")
@pytest.mark.parametrize("error", [PhotoMissing(), PhotoCorrupt(), PhotoTimedOut()])
async def test_a_photo_that_has_changed_is_rendered_again_once(error: PreviewFailed) -> None:
    photos = _photos()
    again = ScriptedResizer(error)
    await photos.changed("photo/a.jpg")
    await PhotoFaultsResizer(again, photos, slow_s=0).resize(job())
    twice = ScriptedResizer(error, error)
    with pytest.raises(type(error)):
        await PhotoFaultsResizer(twice, photos, slow_s=0).resize(job())

    assert (again.calls, twice.calls) == (2, 2)


@pytest.mark.fault("photo-too-slow")
async def test_a_job_that_has_queued_learns_that_the_photo_is_too_slow() -> None:
    clock = FakeClock()
    faults = MemoryPhotoFaults(TIMES, clock)
    photos, resizer = Photos(faults, FakePhotoReader()), ScriptedResizer()
    fresh, queued = job(), RenderJob(job().preview, created=0.0)
    for _ in range(2):
        await faults.record("photo/a.jpg", "timed_out", 10)
        clock.now += 20
    with pytest.raises(PhotoTooSlow):
        await PhotoFaultsResizer(resizer, photos, slow_s=0).resize(queued)
    assert resizer.calls == 0
    await PhotoFaultsResizer(resizer, photos, slow_s=0).resize(fresh)

    assert resizer.calls == 1


@pytest.mark.fault("photo-too-slow")
@pytest.mark.parametrize(("slow_s", "known"), [(0.0, "too_slow"), (100.0, None)])
async def test_a_rendering_that_its_flights_deadline_ends_counts_if_it_was_long(
    slow_s: float, known: str | None
) -> None:
    """One that has queued before it began meets the deadline of its flight before its own limit."""
    clock = FakeClock()
    faults = MemoryPhotoFaults(TIMES, clock)
    resizer = GatedResizer()
    for _ in range(2):
        rendering = asyncio.create_task(
            PhotoFaultsResizer(resizer, Photos(faults, FakePhotoReader()), slow_s=slow_s).resize(job())
        )
        await resizer.entered.wait()
        resizer.entered.clear()
        rendering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await rendering
        clock.now += 20
    fault = await faults.known("photo/a.jpg")

    assert (fault.kind if fault else None) == known


class FaultsOfAnUpload(MemoryPhotoFaults):
    """The photo is uploaded between a flight's lookup and its end."""

    async def known(self, photo_key: str) -> Failure | None:
        known = await super().known(photo_key)
        await self.changed(photo_key)
        return known


@pytest.mark.fault("photo-uploaded-late")
async def test_a_known_fault_is_not_cached_once_the_photo_has_changed() -> None:
    faults = FaultsOfAnUpload(TIMES)
    await faults.record("photo/a.jpg", "missing")
    replica = InMemoryReplica(faults=faults)
    replica.resizer.gate.set()
    with pytest.raises(PhotoMissing):
        await replica.ask()
    await until(lambda: not replica.coalescer.in_flight())

    assert (await replica.ask()).source is Source.MADE
