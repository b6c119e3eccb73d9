"""The previews that wait to be polished, in Redis.

prew:polish:<bucket>/<prefix>          a sorted set: `<attempt>:<fingerprint>:<preset>:<photo>` by the time, Redis's
                                       own in milliseconds since 1970, from which it may be acquired
prew:polish:<bucket>/<prefix>/kept/…   the ETag of a preview that gains too little, for an hour
prew:polish:<bucket>/<prefix>/counts   a hash: how many previews ended how, and the bytes saved

An acquired one has the next attempt, and the time at which its lease ends: then what a process has left that died is
acquired again. Before that, nobody else gets it, so at any time one process polishes a preview.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import cast

from redis.asyncio import Redis, RedisCluster

from prewmanager.adapters.redis.client import Script, translated
from prewmanager.polishing.fates import Fate
from prewmanager.polishing.polishing import MOST_ATTEMPTS
from prewmanager.polishing.ports import PolishLease, Waiting

POLISH_KEY_PREFIX = "prew:polish:"
MOST_WAITING = 10_000  # some two megabytes of Redis's memory; with the longest names eleven
SAVED = "saved_bytes"
_LIFE_MS = 24 * 3600 * 1000  # of the queue after the last change, and so of what nobody polishes
_KEPT_S = 3600
_COUNTED_S = 7 * 24 * 3600

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
# Arguments: the member without its attempt, milliseconds until it may be acquired, most members, life of the key.
_ADD = f"""{_NOW}
for attempt = 0, {MOST_ATTEMPTS + 1} do
  if redis.call('ZSCORE', KEYS[1], attempt .. ':' .. ARGV[1]) then return 1 end
end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[2], '0:' .. ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
"""
# Arguments: milliseconds of a lease, life of the key.
_ACQUIRE = f"""{_NOW}
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1)
if not found[1] then return false end
local attempt, waiting = string.match(found[1], '^(%d):(.*)$')
local acquired = string.format('%d:%s', attempt + 1, waiting)
redis.call('ZREM', KEYS[1], found[1])
redis.call('ZADD', KEYS[1], now + ARGV[1], acquired)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return acquired
"""
# Arguments: the member as it was acquired, the member as it is to wait, milliseconds until it may be acquired, life.
_PUT_BACK = f"""{_NOW}
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
"""
_DONE = "return redis.call('ZREM', KEYS[1], ARGV[1])"
# Arguments: the fate, the bytes saved, life of the key in seconds.
_COUNT = f"""
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('HINCRBY', KEYS[1], '{SAVED}', ARGV[2])
return redis.call('EXPIRE', KEYS[1], ARGV[3])
"""


class RedisPolishQueue:
    """A `PolishQueue` that all replicas of a site share."""

    def __init__(
        self, redis: Redis | RedisCluster, *, site: str, after_s: float, lease_s: float, most: int = MOST_WAITING
    ) -> None:
        """`site` is the previews' bucket and prefix.

        A preview may be acquired `after_s` seconds after it was added, and again `lease_s` after a lease.
        """
        self._redis = redis
        self._key = f"{POLISH_KEY_PREFIX}{site}"
        self._after_ms, self._lease_ms, self._most = round(after_s * 1000), round(lease_s * 1000), most
        self._add, self._acquire, self._put_back, self._done, self._count = (
            Script(redis, text) for text in (_ADD, _ACQUIRE, _PUT_BACK, _DONE, _COUNT)
        )

    async def add(self, waiting: Waiting) -> bool:
        """Add a preview; False where the queue is full."""
        args = (_text(waiting), self._after_ms, self._most, _LIFE_MS)
        return bool(await self._add(self._key, *args, failed="a preview could not be queued"))

    async def acquire(self) -> PolishLease | None:
        """PolishLease the preview that waits longest."""
        acquired = await self._acquire(self._key, self._lease_ms, _LIFE_MS, failed="no preview could be acquired")
        if not isinstance(acquired, bytes):
            return None
        attempt, fingerprint, preset, photo = acquired.decode().split(":", 3)
        return PolishLease(Waiting(preset, fingerprint, photo), int(attempt))

    async def put_back(self, lease: PolishLease, after_s: float, *, tried: bool) -> None:
        """Have a preview wait again; one that another process has acquired meanwhile stays as it is."""
        attempt = lease.attempt if tried else lease.attempt - 1
        args = (_member(lease), f"{attempt}:{_text(lease.waiting)}", round(after_s * 1000), _LIFE_MS)
        await self._put_back(self._key, *args, failed="a preview could not be put back")

    async def done(self, lease: PolishLease, fate: Fate, saved_bytes: int) -> None:
        """Remove an acquired preview, and count its fate."""
        await self._done(self._key, _member(lease), failed="a preview could not be taken off the queue")
        args = (fate.value, saved_bytes, _COUNTED_S)
        await self._count(f"{self._key}/counts", *args, failed="a polished preview could not be counted")

    async def keep_as_is(self, waiting: Waiting, etag: str) -> None:
        """Remember for an hour that a preview gains too little."""
        await translated(self._redis.set(self._kept(waiting), etag, ex=_KEPT_S), "a preview could not be remembered")

    async def is_kept_as_is(self, waiting: Waiting, etag: str) -> bool:
        """Whether a preview is known to gain too little."""
        known = await translated(self._redis.get(self._kept(waiting)), "what is known could not be read")
        return known == etag.encode()

    async def waiting(self) -> int:
        """Return how many previews wait or are being polished."""
        return int(str(await translated(self._redis.zcard(self._key), "the queue could not be counted")))

    async def counts(self) -> dict[str, int]:
        """Return how many previews ended how, and the bytes saved, since counting began: a week without one ends it."""
        found = await translated(
            self._redis.execute_command("HGETALL", f"{self._key}/counts"), "what was polished could not be read"
        )
        return {name.decode(): int(number) for name, number in cast("dict[bytes, bytes]", found).items()}

    def _kept(self, waiting: Waiting) -> str:
        return f"{self._key}/kept/{blake2b(_text(waiting).encode(), digest_size=16).hexdigest()}"


def _text(waiting: Waiting) -> str:
    return f"{waiting.fingerprint}:{waiting.preset_name}:{waiting.photo}"


def _member(lease: PolishLease) -> str:
    return f"{lease.attempt}:{_text(lease.waiting)}"
