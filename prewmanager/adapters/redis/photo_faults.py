"""What all replicas know of photos, in Redis.

prew:photo:<bucket>/<hash>
    missing, hidden          until `PREW_MISSING_TTL`, or a sixth of it
    slow:<n>:<last>:<end>    n renderings have timed out, the last one at `last`; it is not rendered until `end`
    changed                  it has been uploaded or removed: what runs now may know the earlier one

The key holds a hash of the photo's key (BLAKE2b, 128 bits): whoever asks for long made-up names fills no memory.
"""

from __future__ import annotations

from hashlib import blake2b

from redis.asyncio import Redis, RedisCluster

from prewmanager.adapters.redis.client import Script
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.previews.outcome import Failure
from prewmanager.resizing.photo_faults import FIRST_BACK_OFF_S, LONGEST_BACK_OFF_S, SLOW_KIND, FaultTimes, slow
from prewmanager.resizing.ports import PhotoFaults

PHOTO_KEY_PREFIX = "prew:photo:"

_PARSED = """
local value = redis.call('GET', KEYS[1]) or ''
local timeouts, last, ends = string.match(value, '^slow:(%d+):(%d+):(%d+)$')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
_KNOWN = f"""{_PARSED}
if not timeouts then return value end
if tonumber(timeouts) < 2 or now >= tonumber(ends) then return '' end
return string.format('slow:%.0f', ends - now)
"""
# Renderings at the same time are one occasion: a process, or its host, may have been busy.
_RECORD = f"""{_PARSED}
if value == 'changed' then return 0 end
if ARGV[1] ~= 'slow' then
  if tonumber(ARGV[2]) > 0 then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
  return 1
end
if timeouts and now - ARGV[3] < tonumber(last) then return 1 end
timeouts = tonumber(timeouts or 0) + 1
local pause = timeouts < 2 and 0 or math.min(ARGV[4] * 2 ^ (timeouts - 2), tonumber(ARGV[5]))
redis.call('SET', KEYS[1], string.format('slow:%d:%.0f:%.0f', timeouts, now, now + pause), 'PX', pause + ARGV[2])
return 1
"""
_CHANGED = "return redis.call('SET', KEYS[1], 'changed', 'PX', ARGV[1])"


def photo_name(namespace: str, photo_key: str) -> str:
    """Return the key in Redis of what is known of a photo."""
    return f"{PHOTO_KEY_PREFIX}{namespace}/{blake2b(photo_key.encode(), digest_size=16).hexdigest()}"


class RedisPhotoFaults:
    """A `PhotoFaults` of one preview bucket, which raises `FlightStoreUnavailable`."""

    def __init__(self, redis: Redis | RedisCluster, *, namespace: str, times: FaultTimes) -> None:
        """`namespace` is the flight store's."""
        self._namespace = namespace
        self._times = times
        self._known = Script(redis, _KNOWN)
        self._record = Script(redis, _RECORD)
        self._changed = Script(redis, _CHANGED)

    async def known(self, photo_key: str) -> Failure | None:
        """Return the photo's fault."""
        value = await self._known(self._name(photo_key), failed="a photo's faults could not be read")
        kind, _, left_ms = value.decode().partition(":") if isinstance(value, bytes) else ("", "", "")
        if kind == "slow":
            return slow(int(left_ms) / 1000)
        return Failure(kind, "known to be so") if kind in self._times.by_kind else None

    async def record(self, photo_key: str, kind: str, seconds: float = 0.0) -> bool:
        """Record a fault, unless the photo has changed."""
        is_slow = kind == SLOW_KIND
        kept_s = self._times.while_s if is_slow else self._times.by_kind.get(kind, 0.0)
        times_ms = [round(each * 1000) for each in (kept_s, seconds, FIRST_BACK_OFF_S, LONGEST_BACK_OFF_S)]
        recorded = await self._record(
            self._name(photo_key),
            "slow" if is_slow else kind,
            *times_ms,
            failed="a photo's fault could not be written",
        )
        return bool(recorded)

    async def changed(self, photo_key: str) -> None:
        """Delete the photo's fault, and have none recorded by what runs now."""
        name, changed_ms = self._name(photo_key), round(self._times.changed_s * 1000)
        await self._changed(name, changed_ms, failed="a photo's faults could not be deleted")

    def _name(self, photo_key: str) -> str:
        return photo_name(self._namespace, photo_key)


class FallbackPhotoFaults:
    """A `PhotoFaults` that knows what this process does for as long as Redis is not available."""

    def __init__(self, shared: PhotoFaults, alone: PhotoFaults) -> None:
        self._shared = shared
        self._alone = alone

    async def known(self, photo_key: str) -> Failure | None:
        """Return the photo's fault."""
        try:
            return await self._shared.known(photo_key)
        except FlightStoreUnavailable:
            return await self._alone.known(photo_key)

    async def record(self, photo_key: str, kind: str, seconds: float = 0.0) -> bool:
        """Record a fault where the next rendering finds it."""
        try:
            return await self._shared.record(photo_key, kind, seconds)
        except FlightStoreUnavailable:
            return await self._alone.record(photo_key, kind, seconds)

    async def changed(self, photo_key: str) -> None:
        """Delete the photo's fault, in both places. Raises `FlightStoreUnavailable`."""
        await self._alone.changed(photo_key)
        await self._shared.changed(photo_key)
