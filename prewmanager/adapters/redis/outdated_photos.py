"""Photos whose outdated previews are being deleted, and of which the caches in front have not been told yet.

prew:outdated:<bucket>/<hash of the photo's key>     <tagged or untagged>:<id>, for a day
"""

from __future__ import annotations

from hashlib import blake2b
from uuid import uuid4

from redis.asyncio import Redis, RedisCluster

from prewmanager.adapters.redis.client import Script
from prewmanager.purging.ports import Note

KEY_PREFIX = "prew:outdated:"
_KEPT_MS = 86_400_000  # longer than an event is delivered again

_NOTE = """
local known = redis.call('GET', KEYS[1])
local kind = known and string.match(known, '^untagged:') and 'untagged' or ARGV[1]
return redis.call('SET', KEYS[1], kind .. ':' .. ARGV[2], 'PX', ARGV[3])
"""
_KNOWN = "return redis.call('GET', KEYS[1])"
_DONE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class RedisOutdatedPhotos:
    """An `OutdatedPhotos` of one preview bucket."""

    def __init__(self, redis: Redis | RedisCluster, *, namespace: str) -> None:
        """`namespace` is the flight store's."""
        self._namespace = namespace
        self._note, self._known, self._done = Script(redis, _NOTE), Script(redis, _KNOWN), Script(redis, _DONE)

    async def note(self, photo_key: str, *, untagged: bool) -> None:
        """Remember a photo."""
        kind = "untagged" if untagged else "tagged"
        await self._note(self._name(photo_key), kind, uuid4().hex, _KEPT_MS, failed="a photo could not be noted")

    async def known(self, photo_key: str) -> Note | None:
        """Return what is kept of it."""
        value = await self._known(self._name(photo_key), failed="a photo's note could not be read")
        if not isinstance(value, bytes):
            return None
        return Note(value.decode(), untagged=value.startswith(b"untagged:"))

    async def done(self, photo_key: str, note: Note) -> None:
        """Forget it, unless it was noted once more since."""
        await self._done(self._name(photo_key), note.version, failed="a photo's note could not be deleted")

    def _name(self, photo_key: str) -> str:
        digest = blake2b(photo_key.encode(), digest_size=16).hexdigest()
        return f"{KEY_PREFIX}{self._namespace}/{digest}"
