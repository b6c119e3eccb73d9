"""Many clients ask at once for one preview that is not there: what S3 and the function get, how long a client waits."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from benchmarks import misses, photos
from benchmarks.far_systems import asked, with_lambda
from benchmarks.parts import Parts
from benchmarks.percentiles import median_of
from benchmarks.report import Cell, Figure, Report, Table
from benchmarks.systems import path_of
from benchmarks.waiters import Waiters
from devstack.backends import S3
from devstack.far_s3 import Distance
from devstack.lambda_server import Lambda
from tests.support.site import nginx_variables

CLIENTS = 300
DELAYS_MS = (1, 15, 400)
OFF, ON = "cache off", "cache on"
CONFIGURATIONS: dict[str, dict[str, str]] = {OFF: {}, ON: {"PREW_NGINX_CACHE": "on"}}
_WARM_UP = 3
_HTTP_OK = 200
# Where S3 is this near or nearer, and the cache is on: the most requests for the preview, and of today's wait.
_NEAR_MS, _REQUESTS_TARGET, _WAIT_TARGET = 15, 5, 1.25


@dataclass(frozen=True)
class Burst:
    """One burst: milliseconds of each client, what S3 was asked, and invocations."""

    waits_ms: list[float]
    requests: Counter[str]
    invocations: int


Results = dict[tuple[int, str], list[Burst]]  # by delay in milliseconds, and configuration


@dataclass(frozen=True)
class _Site:
    far: S3
    function: Lambda
    port: int


def measure(parts: Parts, delay_ms: int, *, photo: bytes, rounds: int) -> Results:
    """Measure each configuration at one distance, in turn."""
    s3 = parts.s3()
    running = {name: _site(parts, s3, delay_ms, nginx) for name, nginx in CONFIGURATIONS.items()}
    results: Results = {}
    for name, site in running.items():
        names = [f"warm-up-{number}-{site.port}.jpg" for number in range(_WARM_UP)]
        photos.store(s3, photo, names)
        misses.ask(site.port, map(path_of, names))
        results[delay_ms, name] = []
    for number in range(rounds):
        for name, site in running.items():
            burst = _burst(s3, site, number, photo, pause_s=0.2 + 3 * delay_ms / 1000)
            results[delay_ms, name].append(burst)
    return results


def _site(parts: Parts, s3: S3, delay_ms: int, nginx: dict[str, str]) -> _Site:
    far = parts.far_s3(s3, Distance(delay_ms / 1000))
    replica, function = with_lambda(parts, far)
    return _Site(far, function, parts.nginx(nginx_variables(far, [replica.port]) | nginx).port)


def _burst(s3: S3, site: _Site, number: int, photo: bytes, *, pause_s: float) -> Burst:
    """Send one burst; its counts are complete `pause_s` after the last answer."""
    name = f"burst-{number}-{site.port}.jpg"
    photos.store(s3, photo, [name])
    time.sleep(pause_s)
    requests, invocations = asked(site.far), site.function.stats()["invocations"]
    with Waiters([site.port], CLIENTS) as waiters:
        began = time.monotonic()
        waiters.ask(path_of(name))
        waits_ms = [(ended - began) * 1000 for ended in waiters.collect()]
        if set(waiters.statuses) != {_HTTP_OK}:
            raise RuntimeError(f"a burst was answered {dict(waiters.statuses)}")
    time.sleep(pause_s)
    return Burst(waits_ms, asked(site.far) - requests, site.function.stats()["invocations"] - invocations)


def add_to(report: Report, results: Results) -> None:
    """Add table and figures to the report."""
    rows: list[list[Cell]] = [
        [
            f"{delay_ms} ms, {name}",
            len(bursts),
            *_counts(bursts).values(),
            *(_wait(bursts, each) for each in (50, 95, 100)),
        ]
        for (delay_ms, name), bursts in results.items()
    ]
    columns = ["S3's distance, nginx", "rounds", *_counts([]), "wait p50 ms", "wait p95", "longest"]
    note = (
        "Counts are means of the rounds, waits their medians; configurations in turn. The function asks for the "
        "preview too, beside its read of the photo."
    )
    report.tables.append(Table(f"{CLIENTS} clients at once for one preview", columns, rows, note))
    for delay_ms in dict.fromkeys(delay for delay, _ in results):
        report.figures += _figures(delay_ms, results[delay_ms, OFF], results[delay_ms, ON])


def _figures(delay_ms: int, off: list[Burst], on: list[Burst]) -> list[Figure]:
    where = f"{CLIENTS} at once, cache on, S3 {delay_ms} ms away"
    targets = (_REQUESTS_TARGET, 1, 1) if delay_ms <= _NEAR_MS else (None, None, None)
    counted = zip(_counts(on).items(), targets, strict=True)
    figures = [Figure(f"{where}: {what}", value, "", most) for (what, value), most in counted]
    ratio = _wait(on, 50) / _wait(off, 50)
    return [*figures, Figure(f"{where}: median wait, of that with the cache off", ratio, "times", _WAIT_TARGET)]


def _counts(bursts: list[Burst]) -> dict[str, float]:
    """Return means."""
    requests = sum((burst.requests for burst in bursts), Counter[str]())
    number = max(1, len(bursts))
    return {
        "requests for the preview": (requests["GET prew"] + requests["HEAD prew"]) / number,
        "reads of the photo": requests["GET photo"] / number,
        "invocations": sum(burst.invocations for burst in bursts) / number,
    }


def _wait(bursts: list[Burst], percent: float) -> float:
    return median_of([burst.waits_ms for burst in bursts], percent)
