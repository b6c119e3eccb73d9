"""One contract for what is known of photos: in memory, on fakeredis, on a real Redis."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis as RedisClient

from devstack.backends import Redis
from prewmanager.adapters.memory_faults import MemoryPhotoFaults
from prewmanager.adapters.redis.connect import connect
from prewmanager.adapters.redis.photo_faults import PHOTO_KEY_PREFIX, FallbackPhotoFaults, RedisPhotoFaults
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.previews.outcome import Failure
from prewmanager.resizing.photo_faults import FaultTimes
from prewmanager.resizing.ports import PhotoFaults
from tests.support.fakes import FakeClock

TIMES = FaultTimes(missing_s=60, hidden_s=10, changed_s=15)
PHOTO = "photo/a.jpg"


@dataclass(frozen=True)
class Known:
    """The faults, and a way to let seconds pass for the photo."""

    faults: PhotoFaults
    passes: Callable[[float], Awaitable[None]]


def _in_memory() -> Known:
    clock = FakeClock()

    async def passes(seconds: float) -> None:
        clock.now += seconds

    return Known(MemoryPhotoFaults(TIMES, clock), passes)


@contextlib.asynccontextmanager
async def _in_redis(client: RedisClient) -> AsyncIterator[Known]:
    async def passes(seconds: float) -> None:
        """Move the key's times into the past."""
        (key,) = await client.keys(f"{PHOTO_KEY_PREFIX}*")
        left_ms = await client.pttl(key) - round(seconds * 1000)
        value = await client.get(key)
        assert isinstance(value, bytes)
        kind, *times = value.decode().split(":")
        if left_ms <= 0:
            await client.delete(key)
        else:
            moved = [times[0], *(f"{int(each) - round(seconds * 1000)}" for each in times[1:])] if times else []
            await client.set(key, ":".join([kind, *moved]), px=left_ms)

    await client.flushall()
    async with client:
        yield Known(RedisPhotoFaults(client, namespace="photos", times=TIMES), passes)


@pytest.fixture(name="known")
async def _known(any_redis: RedisClient | None) -> AsyncIterator[Known]:
    if any_redis is None:
        yield _in_memory()
    else:
        async with _in_redis(any_redis) as known:
            yield known


async def _kind(known: Known, photo_key: str = PHOTO) -> str | None:
    fault = await known.faults.known(photo_key)
    return fault.kind if fault else None


@pytest.mark.parametrize(("kind", "seconds"), [("missing", 60), ("hidden", 10)])
async def test_a_missing_photo_is_known_for_its_time(known: Known, kind: str, seconds: float) -> None:
    assert await known.faults.record(PHOTO, kind)

    assert await _kind(known, "photo/b.jpg") is None
    await known.passes(seconds - 2)
    assert await _kind(known) == kind
    await known.passes(3)
    assert await _kind(known) is None


async def test_a_fault_of_one_preset_is_not_the_photos(known: Known) -> None:
    assert await known.faults.record(PHOTO, "corrupt")

    assert await _kind(known) is None


@pytest.mark.fault("photo-uploaded-late")
async def test_a_changed_photo_has_no_fault_and_gets_none_of_what_ran_before(known: Known) -> None:
    await known.faults.record(PHOTO, "missing")
    await known.faults.changed(PHOTO)

    assert await _kind(known) is None
    assert [await known.faults.record(PHOTO, kind, 5) for kind in ("missing", "corrupt", "timed_out")] == [False] * 3
    assert await _kind(known) is None
    await known.passes(16)
    assert await known.faults.record(PHOTO, "missing")
    assert await _kind(known) == "missing"


@pytest.mark.fault("photo-too-slow")
async def test_the_second_time_out_is_the_photos_and_each_further_one_doubles_the_pause(known: Known) -> None:
    await known.faults.record(PHOTO, "timed_out", 10)
    assert await _kind(known) is None
    for pause_s in (60, 120, 240):
        await known.passes(10)
        await known.faults.record(PHOTO, "timed_out", 9)
        fault = await known.faults.known(PHOTO)

        assert isinstance(fault, Failure)
        assert fault.kind == "too_slow"
        assert fault.retry_after_s is not None
        assert pause_s - 2 < fault.retry_after_s <= pause_s
        await known.passes(pause_s + 1)
        assert await _kind(known) is None


@pytest.mark.fault("photo-too-slow")
async def test_time_outs_at_the_same_time_are_one(known: Known) -> None:
    """Several presets of a photo on a host that is busy."""
    for _ in range(5):
        await known.faults.record(PHOTO, "timed_out", 10)

    assert await _kind(known) is None


@pytest.mark.fault("photo-too-slow")
async def test_a_time_out_long_ago_does_not_count(known: Known) -> None:
    await known.faults.record(PHOTO, "timed_out", 10)
    await known.passes(601)
    await known.faults.record(PHOTO, "timed_out", 10)

    assert await _kind(known) is None


@pytest.mark.fault("missing-names")
async def test_a_missing_photo_needs_little_memory_whatever_its_name(redis_server: Redis) -> None:
    client = RedisClient.from_url(redis_server.url)
    async with _in_redis(client) as known:
        for name in ("a", "a" * 1000):
            await known.faults.record(f"photo/{name}", "missing")
        sizes = {await client.memory_usage(key) for key in await client.keys(f"{PHOTO_KEY_PREFIX}*")}

    (size,) = sizes
    assert size is not None
    assert size < 200


@pytest.mark.fault("redis-away")
async def test_without_redis_a_process_knows_what_it_has_found_itself() -> None:
    alone = MemoryPhotoFaults(TIMES)
    async with connect("redis://127.0.0.1:1", timeout_s=0.1) as redis:
        faults = FallbackPhotoFaults(RedisPhotoFaults(redis, namespace="photos", times=TIMES), alone)
        assert await faults.record(PHOTO, "missing")
        found = await faults.known(PHOTO)
        with pytest.raises(FlightStoreUnavailable):
            await faults.changed(PHOTO)

        assert found is not None
        assert found.kind == "missing"
        assert await faults.known(PHOTO) is None
