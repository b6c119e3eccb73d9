"""What the system holds at rest: memory, descriptors, tasks, and keys in Redis."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import redis as sync_redis
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.processes import children, memory
from devstack.programs import LOOPBACK
from tests.soak.system import Replica, System

# Connections are kept for reuse: nginx keeps those to replicas and S3 for 30 s, the service those to S3 for 180 s.
BACK_WITHIN_S = 200.0
_POLL_S = 1.0
_WITHIN_S = 60.0  # that a replica has to answer, under any load
_ESTABLISHED = "01"  # in /proc/net/tcp


@dataclass(frozen=True)
class Bound:
    """How much more than before something may be afterwards: a share of it, and some on top."""

    share: float
    more: float

    def holds(self, before: float, after: float) -> bool:
        """Return whether it is back."""
        return after <= before * (1 + self.share) + self.more


# Memory is kept by allocators and grows by the number of connections that were open at once; those to Lambda are kept,
# and up to 64 to Redis. The service's S3 client closes what is idle for 90 s, at times only after twice that. These two
# have bounds of their own.
MEMORY, KEPT, KEPT_TO_REDIS = "RSS, MB", "connections kept to S3", "connections kept to Redis"
BOUNDS = {
    MEMORY: Bound(0.25, 25),
    "descriptors": Bound(0, 20),
    KEPT: Bound(0, 100),
    KEPT_TO_REDIS: Bound(0, 64),
    "tasks": Bound(0, 3),
    "waiting": Bound(0, 0),
    "resizes": Bound(0, 0),
    "Redis keys": Bound(0, 0),
}
Measured = dict[tuple[str, str], float]


async def measure(system: System) -> Measured:
    """Return each figure by process and name."""
    return dict(await asyncio.to_thread(lambda: list(_figures(system))))


def leaks(before: Measured, after: Measured) -> list[str]:
    """Return what is not back to where it was."""
    return [
        f"{process}: {name} {before[process, name]:.0f} → {value:.0f}"
        for (process, name), value in after.items()
        if not BOUNDS[name].holds(before[process, name], value)
    ]


async def at_rest(system: System, before: Measured) -> Measured:
    """Return the figures once all are back, or after `BACK_WITHIN_S`."""
    await system.all_answer()
    for _ in range(round(BACK_WITHIN_S / _POLL_S)):
        if not leaks(before, await measure(system)):
            break
        await asyncio.sleep(_POLL_S)
    return await measure(system)


def _figures(system: System) -> Iterator[tuple[tuple[str, str], float]]:
    for number, replica in enumerate(system.replicas, 1):
        process = f"replica {number}"
        rss, descriptors = _process(replica.program.pid)
        kept, kept_to_redis = _connections_to(replica.s3.port), _connections_to(replica.redis.port)
        yield (process, MEMORY), rss
        yield (process, "descriptors"), descriptors - kept - kept_to_redis
        yield (process, KEPT), kept
        yield (process, KEPT_TO_REDIS), kept_to_redis
        yield (process, "tasks"), _tasks(replica)
        metrics = _metrics(replica)
        yield (process, "waiting"), metrics["prewmanager_waiting"]
        yield (process, "resizes"), metrics["prewmanager_resizes"]
    workers = [(each, *_process(each)) for each in children(system.nginx.program.pid)]
    yield ("nginx", MEMORY), sum(rss for _, rss, _ in workers)
    yield ("nginx", "descriptors"), sum(descriptors for _, _, descriptors in workers)
    with sync_redis.Redis.from_url(system.redis.url) as client:
        yield ("Redis", "Redis keys"), float(client.dbsize())


def _process(pid: int) -> tuple[float, int]:
    return memory(pid).rss_mb, len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _connections_to(port: int) -> int:
    """Return the number of established connections to a loopback port."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:])
    return sum(remote.endswith(f":{port:04X}") and state == _ESTABLISHED for _, _, remote, state, *_ in rows)


def _tasks(replica: Replica) -> float:
    replica.tasks_file.unlink(missing_ok=True)
    os.kill(replica.program.pid, signal.SIGUSR1)
    # The handler runs when the event loop wakes up, at the latest for this request.
    ends = time.monotonic() + _WITHIN_S
    while not replica.tasks_file.exists():
        if time.monotonic() > ends:
            raise TimeoutError(f"{replica.program.name} does not report its tasks")
        replica.answers()
    return float(replica.tasks_file.read_text(encoding="ascii"))


def _metrics(replica: Replica) -> dict[str, float]:
    with urlopen(f"http://{LOOPBACK}:{replica.port}/metrics", timeout=_WITHIN_S) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {sample.name: sample.value for family in families for sample in family.samples}
