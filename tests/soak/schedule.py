"""When which fault is injected, and what clients may see of it."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from tests.docs.faults import promises
from tests.soak.faults import FAULTS
from tests.soak.system import TIMES, System

NO_FAULT = "no fault"
_LASTS_S = (0.5, 4.0)
_PAUSE_S = (1.0, 5.0)
# A dead replica's flight is taken over after a lease, and a failure is kept for a while.
_AFTERMATH_S = TIMES["PREW_LEASE"] + TIMES["PREW_TRANSIENT_TTL"]
# A replica may be on its own meanwhile.
_WITHOUT_REDIS = {name for name in FAULTS if name.startswith("redis-")} - {"redis-emptied"}


@dataclass
class Injected:
    """A fault that was injected, with the event loop's times."""

    name: str
    began: float
    ended: float = math.inf


@dataclass
class Schedule:
    """The faults of one run, one after another, in an order that the random numbers determine."""

    random: Random
    names: list[str]
    injected: list[Injected] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._promises = {promise.name: promise for promise in promises() if promise.allowed is not None}
        missing = set(self.names) - self._promises.keys()
        assert not missing, f"tests/promises does not say what is allowed under {missing}"

    async def run(self, system: System, done: asyncio.Event) -> None:
        """Inject one fault after another until the event; each is over when this returns."""
        upcoming = self._sequence()
        while not done.is_set():
            await asyncio.sleep(self.random.uniform(*_PAUSE_S))
            name, lasts_s, seed = next(upcoming)
            fault = Injected(name, asyncio.get_running_loop().time())
            self.injected.append(fault)
            async with FAULTS[name](system, Random(seed)):
                await asyncio.sleep(lasts_s)
            fault.ended = asyncio.get_running_loop().time()

    def allowed(self, start: float, end: float, *, stored: bool = False) -> set[str]:
        """Return what clients may see in this time, by the words of outcomes; `stored`: of what S3 has."""
        near = [self._promises[fault.name] for fault in self._near(start, end)]
        return {word for promise in near for word in promise.allows(stored=stored)}

    def known_s(self, start: float, end: float) -> float:
        """Return how long replicas may know what was wrong with a photo: events reach those that have Redis."""
        without_redis = any(fault.name in _WITHOUT_REDIS for fault in self._near(start, end))
        return max(TIMES["PREW_MISSING_TTL"], TIMES["PREW_REJECTED_TTL"]) if without_redis else 0.0

    def near(self, start: float, end: float) -> str:
        """Return the names of the faults whose effects this time may show."""
        return ", ".join(fault.name for fault in self._near(start, end)) or NO_FAULT

    def counts(self) -> Counter[str]:
        """Return how often each was injected."""
        return Counter(fault.name for fault in self.injected)

    def _near(self, start: float, end: float) -> Iterator[Injected]:
        return (each for each in self.injected if each.began <= end and start <= each.ended + _AFTERMATH_S)

    def _sequence(self) -> Iterator[tuple[str, float, int]]:
        """Yield faults for ever: each once, in random order, before any comes again."""
        while True:
            for name in self.random.sample(self.names, len(self.names)):
                yield name, self.random.uniform(*_LASTS_S), self.random.getrandbits(32)
