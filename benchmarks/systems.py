"""The systems to compare, on one Redis and one Lambda: prewmanager, reference implementation, physical limit."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.request import Request, urlopen

from redis import Redis as RedisClient

from benchmarks.parts import PRESET, Parts, Replica

REPLICAS = 3


class Gate:
    """A client of `benchmarks.gated_lambda`."""

    def __init__(self, server: Replica) -> None:
        self.server = server

    def set(self, *, is_open: bool, delay_ms: float = 0) -> None:
        """Open or close the gate; through the open gate, an invocation takes `delay_ms`."""
        url = f"{self.server.url}/-/gate?open={int(is_open)}&delay_ms={delay_ms}"
        urlopen(Request(url, method="POST"), timeout=10).close()  # noqa: S310 -- of this machine

    def invocations(self, name: str) -> int:
        """Return the number of invocations for the photo of this name."""
        with urlopen(f"{self.server.url}/-/counts", timeout=10) as response:  # noqa: S310 -- of this machine
            return int(json.load(response).get(f"photo/{name}", 0))

    def all_invocations(self) -> int:
        """Return the total number of invocations."""
        with urlopen(f"{self.server.url}/-/counts", timeout=10) as response:  # noqa: S310 -- of this machine
            return sum(json.load(response).values())


@dataclass(frozen=True)
class System:
    """The replicas of one system; without a gate they hold their requests themselves."""

    name: str
    replicas: Sequence[Replica]
    gate: Gate | None = None

    @property
    def ports(self) -> list[int]:
        """The ports of the replicas."""
        return [replica.port for replica in self.replicas]

    def hold(self) -> None:
        """Hold all answers from now on."""
        if self.gate:
            self.gate.set(is_open=False)

    def release(self) -> None:
        """Release the held answers by a signal, which takes the same microseconds in all three systems."""
        for replica in [self.gate.server] if self.gate else self.replicas:
            os.kill(replica.program.pid, signal.SIGUSR1)


@dataclass
class Stage:
    """One Redis, one S3 and one gated Lambda for all systems."""

    parts: Parts
    gate: Gate = field(init=False)

    def __post_init__(self) -> None:
        self._redis = self.parts.redis()
        self._s3 = self.parts.s3()
        self.gate = Gate(self.parts.module("gated_lambda"))
        self._redis_client = RedisClient.from_url(self._redis.url)

    def prewmanager(self, replicas: int) -> System:
        """Start replicas of the service."""
        started = [self.parts.service(self._redis, self._s3, self.gate.server.url) for _ in range(replicas)]
        return System("prewmanager", started, self.gate)

    def reference(self, replicas: int) -> System:
        """Start the algorithm that this project replaces."""
        options = (f"--redis-url={self._redis.url}", f"--lambda-url={self.gate.server.url}")
        return System("reference", [self.parts.module("reference", *options) for _ in range(replicas)], self.gate)

    def limit(self, replicas: int) -> System:
        """Start the bare handler."""
        return System("limit", [self.parts.module("limit") for _ in range(replicas)])

    def all_three(self, replicas: int) -> list[System]:
        """Start one of each, in the order in which rounds alternate."""
        return [self.prewmanager(replicas), self.reference(replicas), self.limit(replicas)]

    def redis_commands(self) -> int:
        """Return the number of commands that Redis has run, including those in scripts, without INFO."""
        counts = cast("dict[str, dict[str, int]]", self._redis_client.info("commandstats"))
        return sum(each["calls"] for name, each in counts.items() if name != "cmdstat_info")


def path_of(name: str) -> str:
    """Return the path of the preview of the photo with this name."""
    return f"/prew/{PRESET}/{name}"
