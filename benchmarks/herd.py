"""Many clients ask at once for one preview that is not there: what S3 and the function get, how long a client waits."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

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
CONFIGURATIONS: Mapping[str, Mapping[str, str]] = {OFF: {}, ON: {"PREW_NGINX_CACHE": "on"}}
_WARM_UP = 3
_HTTP_OK = 200
# Where S3 is this near or nearer, and the cache is on: the most requests for the preview, and of today's wait.
_NEAR_MS, _REQUESTS_TARGET, _WAIT_TARGET = 15, 5, 1.25


@dataclass
class Herds:
    """Rounds of one configuration at one distance: milliseconds of each client, and what was asked in all of them."""

    waits_ms: list[list[float]] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    invocations: int = 0

    def each(self, *verbs: str, segment: str) -> float:
        """Return S3's requests for keys that begin with this segment, of a round."""
        return sum(self.requests[f"{verb} {segment}"] for verb in verbs) / len(self.waits_ms)


Results = dict[tuple[int, str], Herds]  # by delay in milliseconds, and configuration


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
        results[delay_ms, name] = Herds()
    for number in range(rounds):
        for name, site in running.items():
            _round(s3, site, number, photo, results[delay_ms, name], settle_s=0.2 + 3 * delay_ms / 1000)
    return results


def _site(parts: Parts, s3: S3, delay_ms: int, nginx: Mapping[str, str]) -> _Site:
    far = parts.far_s3(s3, Distance(delay_ms / 1000))
    replica, function = with_lambda(parts, far)
    return _Site(far, function, parts.nginx(nginx_variables(far, [replica.port]) | nginx).port)


def _round(s3: S3, site: _Site, number: int, photo: bytes, herds: Herds, *, settle_s: float) -> None:
    """Add one round; its counts are complete `settle_s` after the last answer."""
    name = f"herd-{number}-{site.port}.jpg"
    photos.store(s3, photo, [name])
    time.sleep(settle_s)
    requests, invocations = asked(site.far), site.function.stats()["invocations"]
    with Waiters([site.port], CLIENTS) as waiters:
        began = time.monotonic()
        waiters.ask(path_of(name))
        herds.waits_ms.append([(ended - began) * 1000 for ended in waiters.collect()])
        if set(waiters.statuses) != {_HTTP_OK}:
            raise RuntimeError(f"a herd was answered {dict(waiters.statuses)}")
    time.sleep(settle_s)
    herds.requests += asked(site.far) - requests
    herds.invocations += site.function.stats()["invocations"] - invocations


def add_to(report: Report, results: Results) -> None:
    """Add table and figures to the report."""
    rows: list[list[Cell]] = []
    for (delay_ms, name), herds in results.items():
        waits: list[Cell] = [median_of(herds.waits_ms, percent) for percent in (50, 95, 100)]
        asked_for = [herds.each("GET", "HEAD", segment="prew"), herds.each("GET", segment="photo")]
        rows.append([f"{delay_ms} ms, {name}", len(herds.waits_ms), *asked_for, _invocations(herds), *waits])
    columns = ["S3's distance, nginx", "rounds", "requests for the preview", "reads of the photo", "invocations"]
    note = (
        "Each a mean of the rounds, or their median; configurations in turn. The function asks for the preview too, "
        "beside its read of the photo."
    )
    title = f"{CLIENTS} clients at once for one preview"
    report.tables.append(Table(title, [*columns, "wait p50 ms", "wait p95", "longest"], rows, note))
    for delay_ms in dict.fromkeys(delay for delay, _ in results):
        report.figures += _figures(delay_ms, results[delay_ms, OFF], results[delay_ms, ON])


def _figures(delay_ms: int, off: Herds, on: Herds) -> list[Figure]:
    near, where = delay_ms <= _NEAR_MS, f"{CLIENTS} at once, cache on, S3 {delay_ms} ms away"
    ratio = median_of(on.waits_ms, 50) / median_of(off.waits_ms, 50)
    counts = {
        "requests for the preview": (on.each("GET", "HEAD", segment="prew"), _REQUESTS_TARGET),
        "reads of the photo": (on.each("GET", segment="photo"), 1),
        "invocations": (_invocations(on), 1),
    }
    figures = [Figure(f"{where}: {what}", value, "", most if near else None) for what, (value, most) in counts.items()]
    return [*figures, Figure(f"{where}: median wait, of that with the cache off", ratio, "times", _WAIT_TARGET)]


def _invocations(herds: Herds) -> float:
    return herds.invocations / len(herds.waits_ms)
