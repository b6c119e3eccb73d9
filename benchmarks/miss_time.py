"""The time of a miss by component: the whole system, one client, a warm sandbox, new photos."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import misses, photos
from benchmarks.misses import Miss
from benchmarks.parts import Replica
from benchmarks.report import Cell, Figure, Report, Table
from benchmarks.systems import path_of
from devstack.backends import S3
from devstack.lambda_server import Lambda
from devstack.nginx_server import Nginx

OWN_SHARE_TARGET_MS = 5.0
_WARM_UP = 5
_SEPARATOR = re.compile(r"\s*[,:]\s*")  # between the servers that nginx asked for one request
_MAX_RECENT = 100  # entries in the Lambda emulator's list


@dataclass
class MissTimes:
    """All misses by request path, and the function's own timings, in milliseconds."""

    through_nginx: list[Miss] = field(default_factory=list)
    direct: list[Miss] = field(default_factory=list)
    checks_ms: list[float] = field(default_factory=list)
    sandbox_ms: list[float] = field(default_factory=list)
    function_ms: dict[str, list[float]] = field(default_factory=dict)


def measure(s3: S3, function: Lambda, function_log: Path, service: Replica, nginx: Nginx, *, count: int) -> MissTimes:
    """Request `count` previews on each request path, alternating."""
    names = [f"miss-{number}.jpg" for number in range(_WARM_UP + 2 * count)]
    photos.store(s3, photos.jpeg(), names)
    misses.ask(service.port, map(path_of, names[:_WARM_UP]))
    skipped = len(list(_function_timings(function_log)))
    times = MissTimes()
    for name in names[_WARM_UP::2]:
        times.through_nginx += misses.ask(nginx.port, [path_of(name)])
        other = names[names.index(name) + 1]
        times.direct += misses.ask(service.port, [path_of(other)])
    recent = function.stats()["recent"][-min(2 * count, _MAX_RECENT) :]
    times.sandbox_ms = [each["duration_ms"] for each in recent]
    for timings in list(_function_timings(function_log))[skipped:]:
        for name, ms in timings.items():
            times.function_ms.setdefault(name, []).append(ms)
    nginx.program.stop()  # its access log is complete once it ends
    times.checks_ms = list(_checks(nginx.access_log))
    return times


def _function_timings(log: Path) -> Iterator[dict[str, float]]:
    """Return the function's log of each preview: `read`, `resize` and `write` in milliseconds."""
    for line in log.read_text(encoding="utf-8").splitlines():
        start = line.find('{"request_id"')
        if start >= 0 and "timings" in (entry := json.loads(line[start:])):
            yield entry["timings"]


def _checks(access_log: Path) -> Iterator[float]:
    """Return how long nginx waited for S3's 404, from its access log, in whole milliseconds."""
    for line in access_log.read_text(encoding="utf-8").splitlines():
        yield float(_SEPARATOR.split(json.loads(line)["upstream_seconds"])[0]) * 1000


def add_to(report: Report, times: MissTimes) -> dict[str, float]:
    """Add the figures to the report; return milliseconds by component, for a plot."""
    wall = statistics.median(miss.wall_ms for miss in times.through_nginx)
    direct = statistics.median(miss.wall_ms for miss in times.direct)
    own = {name: statistics.median(map(_own_share, each)) for name, each in _ways(times).items()}
    sandbox = statistics.median(times.sandbox_ms)
    parts = {
        "function: reads the photo": statistics.median(times.function_ms["read"]),
        "function: resizes": statistics.median(times.function_ms["resize"]),
        "function: writes the preview": statistics.median(times.function_ms["write"]),
    }
    parts["function: the rest, and the runtime client"] = sandbox - sum(parts.values())
    parts["Lambda: invocation around the function"] = _timing(times, "lambda") - sandbox
    parts["service: existence check in S3"] = _timing(times, "s3")
    parts["service: acquire in Redis"] = _timing(times, "lock")
    parts["service: the rest, and the result to Redis"] = direct - sum(parts.values())
    parts["nginx, and its request to S3"] = wall - direct
    rows: list[list[Cell]] = [[name, ms, ms / wall * 100] for name, ms in parts.items()]
    count = len(times.through_nginx)
    title = f"A miss at concurrency 1, {count} each way, medians: a JPEG of 2724 by 2224 pixels, 720 wide"
    report.tables.append(Table(title, ["part", "ms", "% of all"], [*rows, ["all, through nginx", wall, 100.0]]))
    check_ms = statistics.mean(times.checks_ms)
    what = "a miss less Lambda and both requests to S3, through nginx"
    report.figures.append(Figure(what, own["through nginx"] - check_ms, "ms", OWN_SHARE_TARGET_MS))
    report.figures.append(Figure("nginx's request to S3, left out above (whole ms in its log, mean)", check_ms, "ms"))
    report.figures.append(
        Figure("a miss less Lambda and the existence check, of the service alone", own["direct"], "ms")
    )
    return parts


def _ways(times: MissTimes) -> dict[str, list[Miss]]:
    return {"through nginx": times.through_nginx, "direct": times.direct}


def _own_share(miss: Miss) -> float:
    return miss.wall_ms - miss.server_timing_ms["lambda"] - miss.server_timing_ms["s3"]


def _timing(times: MissTimes, name: str) -> float:
    return statistics.median(miss.server_timing_ms[name] for miss in [*times.through_nginx, *times.direct])
