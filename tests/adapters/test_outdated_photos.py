"""Photos of which caches have not been told yet: in Redis, and in one process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis as RedisClient

from devstack.backends import Redis
from prewmanager.adapters.memory_outdated import MOST, MemoryOutdatedPhotos
from prewmanager.adapters.redis.outdated_photos import KEY_PREFIX, RedisOutdatedPhotos
from prewmanager.purging.ports import Note, OutdatedPhotos


@pytest.fixture(params=["redis", "memory"], name="photos")
async def _photos(request: pytest.FixtureRequest, redis_server: Redis) -> AsyncIterator[OutdatedPhotos]:
    if request.param == "memory":
        yield MemoryOutdatedPhotos()
        return
    client = RedisClient.from_url(redis_server.url)
    yield RedisOutdatedPhotos(client, namespace="outdated")
    async for name in client.scan_iter(match=f"{KEY_PREFIX}*"):
        await client.delete(name)
    await client.aclose()


async def test_a_note_stays_until_it_is_done(photos: OutdatedPhotos) -> None:
    before = await photos.known("photo/a.jpg")
    await photos.note("photo/a.jpg", untagged=False)
    note = await photos.known("photo/a.jpg")
    assert note is not None
    await photos.done("photo/a.jpg", note)

    assert (before, note.untagged, await photos.known("photo/a.jpg")) == (None, False, None)


async def test_one_noted_again_meanwhile_is_not_done(photos: OutdatedPhotos) -> None:
    await photos.note("photo/a.jpg", untagged=True)
    earlier = await photos.known("photo/a.jpg")
    await photos.note("photo/a.jpg", untagged=False)
    assert earlier is not None
    await photos.done("photo/a.jpg", earlier)
    note = await photos.known("photo/a.jpg")

    assert isinstance(note, Note)
    assert note != earlier
    assert note.untagged


async def test_a_process_keeps_so_many() -> None:
    photos = MemoryOutdatedPhotos()
    for number in range(MOST + 1):
        await photos.note(f"photo/{number}.jpg", untagged=False)

    assert await photos.known("photo/0.jpg") is None
    assert await photos.known(f"photo/{MOST}.jpg") is not None
