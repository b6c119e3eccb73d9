"""Redis: is it there, new enough, and does it take what flights write?"""

from __future__ import annotations

from urllib.parse import urlsplit

from prewmanager.adapters.redis.server_info import ServerInfo, examine
from prewmanager.commands.checks import Finding, failed, ok, skipped
from prewmanager.errors import FlightStoreUnavailable

_OLDEST = (7, 0)
_TIMEOUT_S = 3.0
_MEMORY_CURE = "raise Redis's maxmemory, or set its maxmemory-policy to volatile-ttl: what flights write has a TTL"


async def check_redis(url: str | None) -> list[Finding]:
    """Findings about Redis; its password is not in them."""
    if url is None:
        return [skipped("redis", "PREW_REDIS_URL is not set: each process coalesces for itself")]
    host = urlsplit(url).netloc.rpartition("@")[2] or urlsplit(url).path
    try:
        facts = await examine(url, timeout_s=_TIMEOUT_S)
    except (FlightStoreUnavailable, ValueError) as error:
        fix = "is PREW_REDIS_URL right, with its password, is Redis running, and does the network let this machine in?"
        return [failed("redis", f"{host}: {error}", fix)]
    return [ok("redis", f"{host} answers"), _version(facts), _memory(facts), _writes(facts)]


def _version(facts: ServerInfo) -> Finding:
    version = tuple(int(part) for part in facts.version.split(".")[:2] if part.isdecimal())
    if version < _OLDEST:
        return failed("redis version", facts.version, "install Redis 7.0 or newer: flights need SET with NX and GET")
    return ok("redis version", facts.version)


def _memory(facts: ServerInfo) -> Finding:
    bound = f"{facts.max_bytes} bytes" if facts.max_bytes else "no bound"
    said = f"{facts.used_bytes} bytes used, {bound}, policy {facts.policy}"
    full = bool(facts.max_bytes) and facts.used_bytes >= facts.max_bytes
    if full and facts.policy == "noeviction":
        return failed("redis memory", said, _MEMORY_CURE)
    return ok("redis memory", said)


def _writes(facts: ServerInfo) -> Finding:
    error = facts.write_error
    if not error:
        return ok("redis writes", "a key was set and deleted")
    if "OOM" in error or "maxmemory" in error:
        return failed("redis writes", error, _MEMORY_CURE)
    if "READONLY" in error or "read only" in error:
        return failed("redis writes", error, "PREW_REDIS_URL names a replica: name the primary, or the sentinels")
    return failed("redis writes", error, "allow its user SET, GET, DEL, EVALSHA, PUBLISH and SUBSCRIBE on prew:*")
