"""A flood of made-up names under a rate limit of resizes: its cost, and its effect on other clients."""

from __future__ import annotations

import asyncio
import http.client
import math
import multiprocessing
import random
import statistics
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from aiohttp import ClientSession, TCPConnector

from benchmarks.parts import Parts
from benchmarks.percentiles import percentile
from benchmarks.report import Cell, Figure, Report, Table
from benchmarks.systems import REPLICAS, Gate
from devstack.backends import s3_client
from devstack.programs import LOOPBACK

PER_SECOND, BURST = 20, 20
_KNOWN = "prew/card/known.jpg"
_CONNECTIONS = 50
_EVERY_S = 0.01
_BODY_BYTES = 70_000


@dataclass
class Flood:
    """Result of the flood: answers by status, `Retry-After` of the refusals, seconds, invocations."""

    statuses: Counter[int]
    retry_after_s: Counter[int]
    took_s: float
    invocations: int = 0


@dataclass
class Known:
    """Requests for an existing preview, a hundred a second: milliseconds of each answer."""

    ms: list[float] = field(default_factory=list)
    failed: int = 0


def measure(parts: Parts, count: int) -> tuple[Flood, Known, Known]:
    """Request `count` made-up names, and the existing preview before and meanwhile."""
    redis, s3 = parts.redis(), parts.s3()
    gate = Gate(parts.module("gated_lambda"))
    gate.set(is_open=True)
    rate_limit = {"PREW_MAX_RESIZES_PER_SECOND": str(PER_SECOND), "PREW_RESIZE_BURST": str(BURST)}
    replicas = [parts.service(redis, s3, gate.server.url, **rate_limit) for _ in range(REPLICAS)]
    nginx = parts.nginx_before(s3, replicas)
    body = random.Random(1).randbytes(_BODY_BYTES)
    s3_client(s3).put_object(Bucket=s3.bucket, Key=_KNOWN, Body=body, ContentType="image/jpeg")
    quiet = _asked_beside(nginx.port, threading.Event(), within_s=3)
    flood, known = _flooded(nginx.port, count)
    flood.invocations = gate.all_invocations()
    return flood, quiet, known


def _flooded(port: int, count: int) -> tuple[Flood, Known]:
    """The flood comes from a separate process, so that it does not delay the other client."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[Flood] = context.Queue()
    flooding = context.Process(target=_flood, args=(port, count, results))
    flooding.start()
    done = threading.Event()
    known: list[Known] = []
    asking = threading.Thread(target=lambda: known.append(_asked_beside(port, done, within_s=math.inf)))
    asking.start()
    flood = results.get()
    done.set()
    asking.join()
    flooding.join()
    return flood, known[0]


def _flood(port: int, count: int, results: multiprocessing.Queue[Flood]) -> None:
    results.put(asyncio.run(_ask_all(port, count)))


async def _ask_all(port: int, count: int) -> Flood:
    statuses: Counter[int] = Counter()
    retries: Counter[int] = Counter()
    names = iter(range(count))

    async def ask(session: ClientSession) -> None:
        for number in names:
            async with session.get(f"http://{LOOPBACK}:{port}/prew/card/made-up/{number}.jpg") as response:
                await response.read()
                statuses[response.status] += 1
                if "Retry-After" in response.headers:
                    retries[int(response.headers["Retry-After"])] += 1

    started = time.monotonic()
    async with ClientSession(connector=TCPConnector(limit=_CONNECTIONS)) as session:
        await asyncio.gather(*(ask(session) for _ in range(_CONNECTIONS)))
    return Flood(statuses, retries, time.monotonic() - started)


def _asked_beside(port: int, done: threading.Event, *, within_s: float) -> Known:
    known, ends = Known(), time.monotonic() + within_s
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=30)
    while not done.is_set() and time.monotonic() < ends:
        started = time.perf_counter()
        connection.request("GET", f"/{_KNOWN}")
        response = connection.getresponse()
        known.failed += len(response.read()) != _BODY_BYTES or response.status != http.HTTPStatus.OK
        known.ms.append((time.perf_counter() - started) * 1000)
        time.sleep(_EVERY_S)
    connection.close()
    return known


def add_to(report: Report, flood: Flood, quiet: Known, known: Known) -> None:
    """Add the figures to the report."""
    asked = flood.statuses.total()
    allowed = BURST + PER_SECOND * flood.took_s
    report.figures += [
        Figure(f"invocations for {asked:,} made-up names: of those that the rate limit allows",
               flood.invocations / allowed, "times", 1.0),
        Figure("requests for existing previews meanwhile: failed", known.failed, "", 0),
    ]  # fmt: skip
    retries = ", ".join(f"{seconds} s: {times:,}" for seconds, times in sorted(flood.retry_after_s.items()))
    rows: list[list[Cell]] = [
        ["answers", ", ".join(f"{status}: {times:,}" for status, times in sorted(flood.statuses.items()))],
        ["seconds", flood.took_s],
        ["invocations", flood.invocations],
        [f"allowed: {BURST} at once and {PER_SECOND} a second", allowed],
        ["Retry-After", retries],
        ["a preview that exists, before, p50 / p99 ms", _both(quiet)],
        ["the same during it", _both(known)],
    ]
    note = "The flood takes all that two cores have; requests for a known preview wait for their share of them."
    report.tables.append(Table(f"{asked:,} made-up names, {REPLICAS} replicas", ["", ""], rows, note))


def _both(known: Known) -> str:
    return f"{statistics.median(known.ms):.1f} / {percentile(known.ms, 99):.1f}"
