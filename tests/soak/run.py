"""One run: starts the system, measures it at rest, loads it under faults, and measures it again."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from tests.soak.clients import Clients
from tests.soak.faults import FAULTS
from tests.soak.library import Library
from tests.soak.load import BURST, Load
from tests.soak.measure import MEMORY, Measured, at_rest, leaks, measure
from tests.soak.pictures import pictures
from tests.soak.schedule import NO_FAULT, Schedule
from tests.soak.system import System
from tests.soak.truth import Answer, Outcome, Request, violation

_OURS = 500
# What no fault explains, by the names of logs.
_DEFECTS = {"replica-*.log": ("flight.crashed", "request.crashed", "Traceback"), "lambda.log": ('"kind": "internal"',)}


@dataclass
class Result:
    """What a run found.

    Attributes:
        seen: Outcomes by the request's kind.
        faults: How often each fault was injected.
        errors: Statuses of 5xx, cuts and hanging clients, by the fault of the time, allowed or not.
        violations: Kinds of violations, with their number and the first of each kind.
        before: The system at rest, before the load.
        after: The same, after it.
    """

    seconds: float
    seen: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    faults: Counter[str] = field(default_factory=Counter)
    errors: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    violations: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    before: Measured = field(default_factory=dict)
    after: Measured = field(default_factory=dict)


async def soak(folder: Path, seconds: float, seed: int, clients: int, names: list[str] | None = None) -> Result:
    """Run the soak for a time, with faults of these names, by default all; its logs stay in the folder."""
    return await _Run(folder, seconds, seed, names or list(FAULTS)).run(clients)


class Renderings:
    """Which previews a burst has had rendered while there was no fault: each is rendered once, over all replicas."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, str]] = set()

    def repeats(self, request: Request, answer: Answer, near: str) -> bool:
        """Note an answer, and return whether it is of a second rendering."""
        if request.kind != BURST or near != NO_FAULT or answer.headers.get("x-preview") != "made":
            return False
        preview = (request.path, request.variant)
        repeats = preview in self._seen
        self._seen.add(preview)
        return repeats


def defects(folder: Path) -> list[str]:
    """Return the lines of the logs in a folder that name a defect."""
    return [
        line
        for pattern, signs in _DEFECTS.items()
        for log in folder.glob(pattern)
        for line in log.read_text(errors="replace").splitlines()
        if any(sign in line for sign in signs)
    ]


class _Run:
    def __init__(self, folder: Path, seconds: float, seed: int, names: list[str]) -> None:
        self._system = System(folder)
        self._result = Result(seconds)
        # Their own numbers, so that the sequence of faults does not depend on the order of answers.
        self._schedule = Schedule(Random(seed), names)
        self._random = Random(seed + 1)
        self._renderings = Renderings()
        self._began = asyncio.get_running_loop().time()

    async def run(self, clients: int) -> Result:
        async with AsyncExitStack() as exits:
            await exits.enter_async_context(self._system.running())
            session = await exits.enter_async_context(
                ClientSession(
                    # Nothing to repeat, as browsers do, where nginx closes an idle connection at this very moment.
                    connector=TCPConnector(limit=0, force_close=True),
                    timeout=ClientTimeout(total=None),
                    auto_decompress=False,
                    cookie_jar=DummyCookieJar(),
                )
            )
            library = Library(self._system, session, await asyncio.to_thread(pictures), self._random)
            load = Load(Clients(self._system.nginx.url, session, self._observe), library, self._random)
            started = await measure(self._system)
            await load.prepare()
            # Once without faults: what a process keeps of its first requests is no leak.
            await self._load_for(min(10.0, self._result.seconds / 4), load, clients)
            warm = await measure(self._system)
            self._result.before = started | {figure: warm[figure] for figure in warm if figure[1] == MEMORY}
            await self._loaded(load, clients)
        return self._result

    async def _loaded(self, load: Load, clients: int) -> None:
        """Run the load with faults, and compare what is left with what was before."""
        self._began = asyncio.get_running_loop().time()
        done = asyncio.Event()
        # A fault that cannot be injected ends the run: the rest of it would show nothing.
        async with asyncio.TaskGroup() as group:
            group.create_task(self._schedule.run(self._system, done))
            await self._load_for(self._result.seconds, load, clients)
            done.set()
        self._result.after = await at_rest(self._system, self._result.before)
        self._result.faults = self._schedule.counts()
        for leak in leaks(self._result.before, self._result.after):
            self._count(f"not back: {leak}", "")
        self._read_logs()

    async def _load_for(self, seconds: float, load: Load, clients: int) -> None:
        done = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, done.set)
        await load.run(clients, done)

    def _observe(self, request: Request, outcome: Outcome, start: float, end: float) -> None:
        self._result.seen[request.kind][outcome.word] += 1
        if not isinstance(outcome, Answer) or outcome.status >= _OURS:
            self._result.errors[self._schedule.near(start, end)][outcome.word] += 1
        allowed = self._schedule.allowed(start, end, stored=request.stored)
        known_s = self._schedule.known_s(start, end)
        wrong = violation(request, outcome, start, end, allowed, known_s=known_s)
        if wrong:
            near = self._schedule.near(start, end)
            at = f"{start - self._began:.1f} to {end - self._began:.1f} s"
            what = f"{request.method} {request.path} {request.variant} at {at}"
            self._count(f"{request.kind}: {wrong}", f"{what}{_origin(outcome)}: {near}")

        if isinstance(outcome, Answer) and self._renderings.repeats(request, outcome, self._schedule.near(start, end)):
            self._count(f"{request.kind}: rendered once more without a fault", f"{request.path} {request.variant}")

    def _count(self, what: str, where: str) -> None:
        self._result.violations[what] += 1
        self._result.first.setdefault(what, where)

    def _read_logs(self) -> None:
        for line in defects(self._system.folder):
            self._count("a defect in a log", line[:2000])


def _origin(outcome: Outcome) -> str:
    """Return who answered, and under which id the logs have the request."""
    if not isinstance(outcome, Answer):
        return ""
    source, request_id = outcome.headers.get("x-preview", "no X-Preview"), outcome.headers.get("x-request-id")
    return f" ({source}, request {request_id})"
