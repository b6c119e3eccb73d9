"""`python -m benchmarks.log_volume`: bytes that nginx, the service and the function log per miss and per waiter."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import ClientSession, TCPConnector

from benchmarks import photos
from benchmarks.parts import running_parts
from benchmarks.systems import path_of
from devstack.programs import LOOPBACK

_MISSES = 20
_WAITERS = 50  # per miss, including the one that starts the flight


def measured(level: str) -> dict[str, tuple[int, int]]:
    """Return bytes by log, at this log level of the service: of a miss, and of each further waiter, on average."""
    with running_parts() as parts:
        redis, s3 = parts.redis(), parts.s3()
        function, function_log = parts.function(s3)
        service = parts.service(redis, s3, function.url, PREW_LOG_LEVEL=level)
        nginx = parts.nginx_before(s3, [service])
        names = [f"2026/11/holiday-in-the-mountains-{number:04}.jpg" for number in range(2 * _MISSES)]
        photos.store(s3, photos.jpeg(680, 556, 1), names)
        logs = {"nginx": nginx.access_log, "service": service.program.log, "function": function_log}
        url = f"http://{LOOPBACK}:{nginx.port}"
        before = _sizes(logs)
        alone = _grown(logs, before, url, names[:_MISSES], 1)
        together = _grown(logs, _sizes(logs), url, names[_MISSES:], _WAITERS)
    return {log: (alone[log], round((together[log] - alone[log]) / (_WAITERS - 1))) for log in logs}


def _grown(logs: dict[str, Path], before: dict[str, int], url: str, names: list[str], at_once: int) -> dict[str, int]:
    asyncio.run(_ask(url, names, at_once))
    return {log: round((size - before[log]) / len(names)) for log, size in _sizes(logs).items()}


async def _ask(url: str, names: list[str], at_once: int) -> None:
    async with ClientSession(connector=TCPConnector(limit=0), headers={"User-Agent": "Mozilla/5.0"}) as session:

        async def one(name: str) -> None:
            async with session.get(url + path_of(name)) as response:
                response.raise_for_status()
                await response.read()

        for name in names:
            await asyncio.gather(*(one(name) for _ in range(at_once)))
    await asyncio.sleep(1.5)  # nginx flushes its log once a second


def _sizes(logs: dict[str, Path]) -> dict[str, int]:
    return {log: path.stat().st_size if path.exists() else 0 for log, path in logs.items()}


if __name__ == "__main__":
    for each in ("info", "debug"):
        for name, (miss, waiter) in measured(each).items():
            print(f"{each:<6} {name:<9} {miss:5} bytes a miss {waiter:5} bytes a waiter more")
