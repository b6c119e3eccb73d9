"""Checks that Redis answers, is new enough, and accepts what flights write."""

from __future__ import annotations

from pathlib import Path

from prewmanager.adapters.redis.connect import connect
from prewmanager.adapters.redis.server_info import ServerInfo, examine
from prewmanager.adapters.redis.sites import sites
from prewmanager.commands.checks import Finding, failed, ok, skipped
from prewmanager.config.settings import Settings
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.redis_address import parse

SITES = "redis sites"
_MIN_VERSION = (7, 0)
_TIMEOUT_S = 3.0
_MEMORY_FIX = "raise Redis's maxmemory, or set its maxmemory-policy to volatile-ttl: what flights write has a TTL"


async def check_redis(url: str | None, password_file: Path | None = None) -> list[Finding]:
    """Return the findings about Redis, without its password."""
    if url is None:
        return [skipped("redis", "PREW_REDIS_URL is not set: each process coalesces its own requests alone")]
    host = parse(url).shown
    try:
        info = await examine(url, timeout_s=_TIMEOUT_S, password_file=password_file)
    except (FlightStoreUnavailable, ValueError) as error:
        fix = "check PREW_REDIS_URL and its password, that Redis runs, and that the network lets this machine connect"
        return [failed("redis", f"{host}: {error}", fix)]
    return [ok("redis", f"{host} answers"), _version(info), _memory(info), _writes(info)]


async def check_sites(settings: Settings) -> list[Finding]:
    """Check that no other site has the same names in Redis: the two would give each other's previews away."""
    if settings.redis_url is None:
        return []
    namespace = f"{settings.namespace}/{settings.preview_prefix}"
    try:
        async with connect(
            settings.redis_url, timeout_s=_TIMEOUT_S, password_file=settings.redis_password_file
        ) as redis:
            others = [each for each in await sites(redis, namespace) if each != settings.site]
    except (FlightStoreUnavailable, ValueError):
        return []  # another finding says why
    if others:
        fix = (
            "give one of them a Redis or a preview bucket of its own; if it is this site with other presets, restart "
            "all replicas with the same, and ask again after a minute"
        )
        return [failed(SITES, f"{namespace} is also used by: {'; '.join(others)}; here: {settings.site}", fix)]
    return [ok(SITES, f"{namespace} is this site's alone")]


def _version(info: ServerInfo) -> Finding:
    version = tuple(int(part) for part in info.version.split(".")[:2] if part.isdecimal())
    if version < _MIN_VERSION:
        return failed("redis version", info.version, "install Redis 7.0 or newer, or Valkey")
    return ok("redis version", info.version)


def _memory(info: ServerInfo) -> Finding:
    limit = f"a limit of {info.max_bytes}" if info.max_bytes else "no limit"
    detail = f"{info.used_bytes} bytes used, {limit}, policy {info.policy}, {info.evicted_keys} keys evicted"
    full = bool(info.max_bytes) and info.used_bytes >= info.max_bytes
    if full and info.policy == "noeviction":
        return failed("redis memory", detail, _MEMORY_FIX)
    if info.evicted_keys:
        policy = "" if info.policy == "volatile-ttl" else " and set its maxmemory-policy to volatile-ttl"
        fix = f"raise Redis's maxmemory{policy}; CONFIG RESETSTAT forgets what it has evicted since its start"
        return failed("redis memory", detail, fix)
    return ok("redis memory", detail)


def _writes(info: ServerInfo) -> Finding:
    error = info.write_error
    if not error:
        return ok("redis writes", "a key was set and deleted")
    if "OOM" in error or "maxmemory" in error:
        return failed("redis writes", error, _MEMORY_FIX)
    if "READONLY" in error or "read only" in error:
        return failed(
            "redis writes", error, "PREW_REDIS_URL is a replica of Redis: set it to the primary, or the sentinels"
        )
    return failed(
        "redis writes",
        error,
        "allow this user EVALSHA, GET, GETRANGE, SET, DEL, PUBLISH and SUBSCRIBE on prew:*, SCRIPT LOAD, TIME and INFO",
    )
