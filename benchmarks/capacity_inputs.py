"""The inputs of `benchmarks.capacity`: unit costs from docs/benchmarks, prices and limits with their sources.

`tables` returns what docs/how-to/capacity.md shows; `python -m tests.docs.tables --write` writes it there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from benchmarks.capacity import Fleet, InRedis, Machines, Miss, Prices, fleet, limits
from benchmarks.parts import ROOT
from benchmarks.redis_costs import UNWRITTEN_S
from benchmarks.report import Cell, shown

RATES = (1_000, 10_000, 100_000)
S3_MS = 15  # S3's distance in the measurement
PRICES = Prices(
    function_gb=1.769,
    gb_second=0.0000166667,
    invocation=0.20e-6,
    read=0.0004e-3,
    write=0.005e-3,
    core_hour=0.04048,
    gb_hour=0.004445,
)
MACHINES = Machines(
    core=0.6, network_gbit_s=5, redis_gb=12, process_gb=0.5, invocations=1_000, reads=5_500, writes=3_500
)
# Of the version whose replicas had one channel (decision 23): measured then.
_EARLIER_COMMANDS, _EARLIER_KB, _EARLIER_HELD_KB, _EARLIER_HELD_S = 5, 70.0, 82.6, 30.0
_EARLIER_PUBLISH_US, _EARLIER_SUBSCRIBERS, _EARLIER_HEARD_US = 60.0, 200, 20.0
WRITTEN_FIRST, ANSWERED_FIRST, EARLIER = "written first", "answered first", "earlier"
_PICTURES = (f"photo, {WRITTEN_FIRST}", f"preview, {WRITTEN_FIRST}")
_SECOND = "Redis: CPU that a second replica adds, which waits"
_BENCHMARKS = ROOT / "docs" / "benchmarks"
_LAMBDA, _S3, _FARGATE = (f"https://aws.amazon.com/{page}/pricing/" for page in ("lambda", "s3", "fargate"))
_QUOTAS = "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"
_PREFIXES = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html"
_DATED = "2026-03"


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((_BENCHMARKS / f"{name}.json").read_text(encoding="utf-8"))
    return content


def _figure(name: str, what: str) -> float:
    (value,) = (float(figure["value"]) for figure in _read(name)["figures"] if figure["what"] == what)
    return value


def _cell(name: str, title: str, row: str, column: str) -> float:
    (table,) = (table for table in _read(name)["tables"] if table["title"].startswith(title))
    (cells,) = (cells for cells in table["rows"] if cells[0] == row)
    return float(cells[table["columns"].index(column)])


def miss(design: str) -> Miss:
    """Return what a miss costs, as measured.

    The function is busy until the preview is written, before the answer or after it, and S3 has answered once more, to
    the check of the photo: Lambda bills what follows the answer, too.

    Args:
        design: `WRITTEN_FIRST`, `ANSWERED_FIRST` or `EARLIER`, which wrote first.
    """
    unit, end = "unit-costs", f", {ANSWERED_FIRST if design == ANSWERED_FIRST else WRITTEN_FIRST}"
    return Miss(
        service_cpu_s=_figure(unit, "service: CPU of a miss through nginx") / 1e3,
        service_received_kb=_figure(unit, f"service: received for a miss{end}"),
        service_sent_kb=_figure(unit, f"service: sent for a miss{end}"),
        service_gb=_figure("request-path", "resident memory: service, idle since its start") / 1e3,
        waiting_kb=_cell("flights", "Memory of one of", "prewmanager", "KB each"),
        wall_s=_figure(unit, f"a miss through nginx, S3 {S3_MS} ms away{end}") / 1e3,
        nginx_cpu_s=_figure(unit, "nginx: CPU of a miss") / 1e6,
        function_s=(_figure(unit, f"function: busy for a preview, S3 {S3_MS} ms away, {WRITTEN_FIRST}") + S3_MS) / 1e3,
        preview_reads=_figure(unit, f"S3: reads below the previews' prefix for a miss{end}"),
        photo_reads=_figure(unit, f"S3: reads below the photos' prefix for a miss{end}"),
        writes=_figure(unit, f"S3: writes for a miss{end}"),
    )


def written_first() -> InRedis:
    """Return a miss in Redis with a channel for each flight, written before the answer, as measured."""
    unit = "unit-costs"
    return InRedis(
        cpu_s=_figure(unit, "Redis: CPU of a miss") / 1e6,
        received_kb=_figure(unit, "Redis: received for a miss"),
        held_kb_s=_figure(unit, "Redis: held after a miss") * _figure(unit, "Redis: for how long, at most"),
    )


def answered_first() -> InRedis:
    """Return a miss in Redis whose result has the preview's bytes until it is written, as measured."""
    unit, after = "unit-costs", written_first().held_kb_s
    return InRedis(
        cpu_s=_figure(unit, "Redis, answered first: CPU of a miss") / 1e6,
        received_kb=_figure(unit, "Redis, answered first: received for a miss"),
        held_kb_s=_figure(unit, "Redis, answered first: held until it is written") * UNWRITTEN_S + after,
    )


def earlier() -> InRedis:
    """Return a miss in Redis with one channel for all replicas, a command as costly as now."""
    unit = "unit-costs"
    command_us = _figure(unit, "Redis: CPU of a miss") / _figure(unit, "Redis: commands of a miss")
    body_us = _EARLIER_KB * _figure(unit, "Redis: CPU of a kilobyte received")
    return InRedis(
        cpu_s=(_EARLIER_COMMANDS * command_us + body_us) / 1e6,
        received_kb=_EARLIER_KB,
        held_kb_s=_EARLIER_HELD_KB * _EARLIER_HELD_S,
        message_cpu_s=_EARLIER_PUBLISH_US / _EARLIER_SUBSCRIBERS / 1e6,
        heard_cpu_s=_EARLIER_HEARD_US / 1e6,
    )


def tables() -> dict[str, str]:
    """Return the text of each table of the page by its name."""
    designs = {WRITTEN_FIRST: written_first(), ANSWERED_FIRST: answered_first(), EARLIER: earlier()}
    return {
        "capacity": _fleets(designs),
        "capacity-limits": _limits_table(designs),
        "capacity-costs": _costs(designs),
        "capacity-inputs": _inputs(),
    }


def _fleets(designs: dict[str, InRedis]) -> str:
    columns = [
        "misses/s",
        "replicas",
        "nginx",
        "Redis nodes",
        "GB of replicas, Redis",
        "Gbit/s of replicas, nginx, Redis",
    ]
    columns += ["invocations at once", "$ per million", "bottlenecks, the first one first"]
    rows: list[list[Cell]] = [
        [f"{rate:,}, {name}", *_fleet(fleet(rate, miss(name), each, MACHINES, PRICES)), _reached(rate, name, each)]
        for rate in RATES
        for name, each in designs.items()
    ]
    return _table(columns, rows)


def _fleet(each: Fleet) -> list[Cell]:
    none = "no number"
    return [
        none if each.replicas is None else each.replicas,
        each.nginx,
        none if each.redis is None else each.redis,
        f"{shown(each.replicas_gb) or none}, {shown(each.redis_gb)}",
        ", ".join(map(shown, (each.service_gbit_s, each.nginx_gbit_s, each.redis_gbit_s))),
        each.invocations,
        None if each.usd_per_million is None else f"{each.usd_per_million:.2f}",
    ]


def _reached(rate: float, design: str, in_redis: InRedis) -> str:
    reached = [limit.what for limit in limits(miss(design), in_redis, MACHINES) if limit.misses_per_s <= rate]
    return "; ".join(reached) or "none"


def _limits_table(designs: dict[str, InRedis]) -> str:
    rows: list[list[Cell]] = [
        [f"{limit.what}, {name}", round(limit.misses_per_s), limit.raised_by]
        for name, in_redis in designs.items()
        for limit in limits(miss(name), in_redis, MACHINES)
    ]
    return _table(["what comes to its end", "misses/s", "raised by"], rows)


def _costs(designs: dict[str, InRedis]) -> str:
    unit, cost, first = "unit-costs", miss(WRITTEN_FIRST), miss(ANSWERED_FIRST)
    rows: list[list[Cell]] = [
        ["service: CPU", cost.service_cpu_s * 1e3, "ms"],
        ["service: received, sent", f"{shown(cost.service_received_kb)}, {shown(cost.service_sent_kb)}", "KB"],
        ["service: CPU of a request that waits", _figure(unit, "service: CPU of a request that waits"), "ms"],
        ["service: memory of a request that waits", cost.waiting_kb, "KB"],
        ["nginx: CPU", cost.nginx_cpu_s * 1e6, "µs"],
        ["nginx: CPU of a hit, from S3", _hit_us("prewmanager's nginx"), "µs"],
        ["nginx: CPU of a hit, out of its cache", _hit_us("prewmanager's nginx, cache on"), "µs"],
        ["function: photo, preview", ", ".join(shown(_figure(unit, what)) for what in _PICTURES), "KB"],
        [f"function: busy, S3 {S3_MS} ms away, with the check after the answer", cost.function_s * 1e3, "ms"],
        [f"S3, {WRITTEN_FIRST}: reads, writes", _requests(cost), ""],
        [f"S3, {ANSWERED_FIRST}: reads, writes", _requests(first), ""],
    ]
    for name, each in designs.items():
        rows += [
            [f"Redis, {name}: CPU", each.cpu_s * 1e6, "µs"],
            [f"Redis, {name}: received", each.received_kb, "KB"],
            [f"Redis, {name}: held, times seconds", each.held_kb_s, "KB s"],
        ]
    old = designs[EARLIER]
    rows += [
        [f"Redis, {EARLIER}: CPU of a message to one replica", old.message_cpu_s * 1e6, "µs"],
        [f"replica, {EARLIER}: CPU of a message", old.heard_cpu_s * 1e6, "µs"],
    ]
    rows.append(["Redis: CPU that a second replica adds, which waits", _figure(unit, _SECOND), "µs"])
    return _table(["of one miss", "", "unit"], rows)


def _requests(cost: Miss) -> str:
    return f"{cost.preview_reads + cost.photo_reads:g}, {cost.writes:g}"


def _hit_us(server: str) -> float:
    return _cell("request-path", "A preview of 70 KB that exists", server, "nginx CPU, µs each")


def _inputs() -> str:
    listed = f"[list]({{}}), us-east-1, x86, {_DATED}"
    rows: list[list[Cell]] = [
        ["GB-second of Lambda", f"${PRICES.gb_second:.10f}", listed.format(_LAMBDA)],
        ["request of Lambda", f"${PRICES.invocation * 1e6:.2f} a million", listed.format(_LAMBDA)],
        ["GET or HEAD of S3 Standard", f"${PRICES.read * 1e3:.4f} a thousand", listed.format(_S3)],
        ["PUT of S3 Standard", f"${PRICES.write * 1e3:.3f} a thousand", listed.format(_S3)],
        ["core for an hour", f"${PRICES.core_hour}", listed.format(_FARGATE)],
        ["GB for an hour", f"${PRICES.gb_hour}", listed.format(_FARGATE)],
        ["memory of the function", f"{PRICES.function_gb} GB", "one whole CPU"],
        ["memory of a process", f"{MACHINES.process_gb} GB", "the manifests' limit; Redis: and twice what it holds"],
        ["core in use at the peak", f"{MACHINES.core:.0%}", "choice"],
        ["network of one node, each way", f"{MACHINES.network_gbit_s} Gbit/s", "choice"],
        ["memory of one Redis node", f"{MACHINES.redis_gb} GB", "choice"],
        ["invocations at once", f"{MACHINES.invocations:,}", f"[default quota]({_QUOTAS})"],
        ["reads, writes below one prefix", f"{MACHINES.reads:,}/s, {MACHINES.writes:,}/s", f"[at least]({_PREFIXES})"],
    ]
    return _table(["input", "value", "source"], rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    lines = [columns, ["---", *("--:" for _ in columns[1:])], *rows]
    return "\n".join(f"| {' | '.join(map(shown, line))} |" for line in lines)
