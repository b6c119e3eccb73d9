"""A large photo that is decoded while it arrives, as a part of `make bench-far`: what a miss takes beside both."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from benchmarks import misses, photos
from benchmarks.parts import Parts
from benchmarks.percentiles import percentile
from benchmarks.report import Cell, Figure, Report, Table
from benchmarks.systems import path_of
from devstack.backends import S3
from devstack.far_s3 import Distance
from lambda_resize.download import Download
from lambda_resize.resize import resize
from lambda_resize.storage import Storage
from prewmanager_presets import Spec
from tests.support.site import nginx_variables

DISTANCE = Distance(0.015, rate=80_000_000)  # bytes a second of each connection
_TARGET = 1.15  # times the longer of download and decoding, and the rest of a miss
_SYSTEMS: Mapping[str, dict[str, str]] = {
    "Lambda": {},
    "worker processes": {"PREW_LAMBDA_FUNCTION": "", "PREW_RESIZE_WORKERS": "1"},
}
_ONE_THREAD = {"VIPS_CONCURRENCY": "1"}  # as everywhere here; `make bench-far` sets it for this process
_WARM_UP = 3
_CARD = Spec(width=720)


def add_to(report: Report, parts: Parts, both: tuple[bytes, bytes], count: int) -> None:
    """Measure both photos, apart and as misses of each system, and add a table and a figure for each system.

    The rest of a miss is that of the small photo, less the time in which that is downloaded and decoded.
    """
    named = dict(zip(("small", "large"), both, strict=True))
    s3 = parts.s3()
    far = parts.far_s3(s3, DISTANCE)
    redis, (function, _) = parts.redis(), parts.function(far, 1, **_ONE_THREAD)
    apart = {name: _apart(s3, far, name, data, count) for name, data in named.items()}
    rows: list[list[Cell]] = []
    for system, settings in _SYSTEMS.items():
        replica = parts.service(redis, far, function.url, **_ONE_THREAD, **settings)
        port = parts.nginx(nginx_variables(far, [replica.port])).port
        _misses(s3, port, f"warm {system}", named["small"], _WARM_UP)
        miss = {name: _misses(s3, port, f"{name} {system}", data, count) for name, data in named.items()}
        rest = miss["small"] - sum(apart["small"])
        download, decode = apart["large"]
        ratio = (miss["large"] - rest) / max(download, decode)
        rows.append([system, download, decode, rest, miss["large"], ratio])
        what = f"{system}: a miss of a large photo, less the rest of a miss, by the longer of download and decoding"
        report.figures.append(Figure(what, ratio, "", _TARGET))
    columns = ["system", "download ms", "decoding ms", "rest ms", "miss ms", "(miss - rest) / longer"]
    title = f"A JPEG of {len(named['large']) / 1e6:.1f} MB, S3 15 ms away, 80 MB/s a connection, medians of {count}"
    report.tables.append(Table(title, columns, rows, "Download: whole, by the function's client."))


def _apart(s3: S3, far: S3, name: str, data: bytes, count: int) -> tuple[float, float]:
    """Return how many milliseconds a download takes, and decoding, scaling and encoding."""
    photos.store(s3, data, [f"{name}-apart.jpg"])
    os.environ.update(far.aws_environment())  # the keys, which the client reads there
    storage = Storage(endpoint=far.endpoint, region=far.region)

    def download() -> None:
        photo = storage.read(far.bucket, f"photo/{name}-apart.jpg", 1 << 30).data
        if isinstance(photo, Download):
            photo.whole()

    return _median_ms(download, count), _median_ms(lambda: resize(data, _CARD), count)


def _median_ms(work: Callable[[], object], count: int) -> float:
    work()
    times = []
    for _ in range(count):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return percentile(times, 50)


def _misses(s3: S3, port: int, run: str, photo: bytes, count: int) -> float:
    names = [f"{run.replace(' ', '-')}-{number}.jpg" for number in range(count)]
    photos.store(s3, photo, names)
    return percentile([miss.wall_ms for miss in misses.ask(port, map(path_of, names))], 50)
