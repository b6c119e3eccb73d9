"""Misses of honest clients while another one asks for 200 made-up names a second; S3 is 15 ms away."""

from __future__ import annotations

import asyncio
import http.client
import multiprocessing
import resource
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from typing import Annotated

import typer
from aiohttp import ClientSession, TCPConnector
from rich.console import Console

from benchmarks import photos, plots
from benchmarks.parts import Parts, running_parts
from benchmarks.percentiles import percentile
from benchmarks.report import Cell, Figure, Report, Table
from benchmarks.results import results_folder
from devstack.backends import S3
from devstack.far_s3 import Distance
from devstack.lambda_server import Lambda
from devstack.programs import LOOPBACK
from tests.lambda_resize.pictures import encode, gradient
from tests.support.site import nginx_variables

_PER_SECOND, _CONNECTIONS, _DELAY_MS = 200, 50, 15
_CONFIGURATIONS: dict[str, dict[str, str]] = {
    "no limit of nginx": {},
    "PREW_NGINX_MISS_RATE=20r/s": {"PREW_NGINX_MISS_RATE": "20r/s"},
}
_FLOODER, _HONEST = "192.0.2.1", "198.51.100.1"


@dataclass(frozen=True)
class _Signals:
    """Between the flood's process and this one."""

    flooding: Event
    stop: Event


@dataclass
class Misses:
    """Milliseconds of each honest miss, and those that were no preview."""

    ms: list[float] = field(default_factory=list)
    failed: int = 0


@dataclass
class Flood:
    """What the flood got, by status; its seconds, its own CPU's, and the invocations that it caused."""

    statuses: Counter[int]
    took_s: float
    cpu_s: float
    invocations: int = 0


def _honest(port: int, run: str, count: int) -> Misses:
    misses = Misses()
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=60)
    for number in range(count):
        started = time.perf_counter()
        connection.request("GET", f"/prew/card/{run}-{number}.jpg", headers={"X-Forwarded-For": _HONEST})
        response = connection.getresponse()
        body = response.read()
        misses.failed += response.status != http.HTTPStatus.OK or not body
        misses.ms.append((time.perf_counter() - started) * 1000)
        time.sleep(0.05)
    return misses


def _flood(port: int, run: str, signals: _Signals, results: multiprocessing.Queue[Flood]) -> None:
    """Ask until `stop`; say when it is a flood, and many photos are known to be missing."""

    async def all_at_their_time() -> Flood:
        statuses, tasks, started = Counter[int](), set[asyncio.Task[None]](), time.monotonic()
        async with ClientSession(connector=TCPConnector(limit=_CONNECTIONS)) as session:

            async def one(number: int) -> None:
                url = f"http://{LOOPBACK}:{port}/prew/card/made-up/{run}-{number}.jpg"
                async with session.get(url, headers={"X-Forwarded-For": _FLOODER}) as response:
                    await response.read()
                    statuses[response.status] += 1

            number = 0
            while not signals.stop.is_set():
                tasks = {task for task in tasks if not task.done()} | {asyncio.create_task(one(number))}
                number += 1
                if number == 2 * _PER_SECOND:
                    signals.flooding.set()
                await asyncio.sleep(max(0.0, started + number / _PER_SECOND - time.monotonic()))
            await asyncio.gather(*tasks)
        spent = resource.getrusage(resource.RUSAGE_SELF)
        return Flood(statuses, time.monotonic() - started, spent.ru_utime + spent.ru_stime)

    results.put(asyncio.run(all_at_their_time()))


def _flooded(port: int, run: str, count: int) -> tuple[Misses, Flood]:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[Flood] = context.Queue()
    signals = _Signals(context.Event(), context.Event())
    flooding = context.Process(target=_flood, args=(port, run, signals, results))
    flooding.start()
    signals.flooding.wait()
    misses = _honest(port, run, count)
    signals.stop.set()
    flood = results.get()
    flooding.join()
    return misses, flood


def _site(parts: Parts, s3: S3, **nginx: str) -> tuple[int, Lambda]:
    far_s3 = parts.far_s3(s3, Distance(_DELAY_MS / 1000))
    function, _ = parts.function(far_s3)
    limits = {"PREW_MAX_RESIZES_PER_SECOND": "50"}
    replicas = [parts.service(parts.redis(), far_s3, function.url, **limits) for _ in range(1)]
    trusted = {"PREW_NGINX_TRUSTED_PROXIES": "127.0.0.0/8"}
    front = parts.nginx(nginx_variables(far_s3, [each.port for each in replicas]) | trusted | nginx)
    return front.port, function


def main(quick: Annotated[bool, typer.Option("--quick", help="into .local/benchmarks")] = False) -> None:
    """Measure each configuration without and with the flood, print the table, write it and the plot."""
    count, folder, console = 20 if quick else 60, results_folder(quick=quick), Console()
    report = Report("honest-misses", "Honest misses while one client asks for made-up names")
    rows: list[list[Cell]] = []
    medians: dict[str, float] = {}
    for name, nginx in _CONFIGURATIONS.items():
        with running_parts() as parts:
            quiet, misses, flood = _measured(parts, nginx, count)
        before, during = percentile(quiet.ms, 50), percentile(misses.ms, 50)
        report.figures.append(Figure(f"{name}: median miss during the flood / before", during / before, "times", 1.5))
        report.figures.append(Figure(f"{name}: honest misses that failed", misses.failed + quiet.failed, "", 0))
        medians |= {f"{name}, before": before, f"{name}, flood": during}
        statuses = ", ".join(f"{status}: {times:,}" for status, times in sorted(flood.statuses.items()))
        times = [f"{percentile(each.ms, 50):.0f} / {percentile(each.ms, 95):.0f}" for each in (quiet, misses)]
        rows.append([name, *times, statuses, flood.invocations, f"{flood.cpu_s / flood.took_s:.0%}"])
    columns = ["", "before, p50 / p95 ms", "during, p50 / p95 ms", "the flood's answers", "its invocations", "its CPU"]
    note = (
        f"{_PER_SECOND} names a second over {_CONNECTIONS} connections; S3 {_DELAY_MS} ms away; photos of 1600 x 1200."
    )
    report.tables.append(Table(f"{count} honest misses, one after the other", columns, rows, note))
    plots.bars(folder / "honest-misses.svg", "An honest miss", "milliseconds, median", medians)
    report.plots.append("honest-misses.svg")
    report.print_on(console)
    report.write(folder)


def _measured(parts: Parts, nginx: dict[str, str], count: int) -> tuple[Misses, Misses, Flood]:
    s3 = parts.s3()
    port, function = _site(parts, s3, **nginx)
    photo = encode(gradient(1600, 1200), "JPEG", quality=90)
    for run in ("warm", "quiet", "flood"):
        photos.store(s3, photo, [f"{run}-{number}.jpg" for number in range(count)])
    _honest(port, "warm", 5)
    quiet = _honest(port, "quiet", count)
    before = function.stats()["invocations"]
    misses, flood = _flooded(port, "flood", count)
    flood.invocations = function.stats()["invocations"] - before - count
    return quiet, misses, flood


if __name__ == "__main__":
    typer.run(main)
