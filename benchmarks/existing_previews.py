"""Requests per second for an existing preview, through prewmanager's nginx and through a minimal one."""

from __future__ import annotations

import random
import re
import secrets
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass

from benchmarks.parts import PRESET, Parts
from benchmarks.plain_nginx import start_plain_nginx
from benchmarks.processes import children, cpu_seconds
from benchmarks.report import Cell, Figure, Report, Table
from devstack.backends import S3, s3_client
from devstack.programs import LOOPBACK, Program, ProgramError, find
from prewmanager.previews.signed_urls import SigningKey, signed_query
from tests.support.site import nginx_variables

TARGET = 0.95
WORKERS = 1
_CONNECTIONS = 32
_PREVIEW_BYTES = 70_000
_SIGNED_FOR_S = 3600
_KEY = f"prew/{PRESET}/exists.jpg"
_PER_SECOND = re.compile(r"Requests/sec:\s+([\d.]+)")
_TOTAL = re.compile(r"(\d+) requests in")
_BAD = re.compile(r"Non-2xx|Socket errors")
OURS, CACHED = "prewmanager's nginx", "prewmanager's nginx, cache on"
SIGNED, SIGNED_CACHED = "prewmanager's nginx, signed URLs", "prewmanager's nginx, cache on, signed URLs"
SIGNED_TARGET = 0.8
PLAIN, PLAIN_CACHE = "plain nginx", "plain nginx, with a cache and an access log"


def wrk() -> str:
    """Return the path of wrk. Raises `SystemExit` with the command that installs it."""
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit("wrk, which generates the load, is not installed: apt-get install wrk")
    return found


def measure(parts: Parts, s3: S3, *, rounds: int, seconds: int) -> dict[str, list[tuple[float, float]]]:
    """Return requests per second, and nginx's CPU microseconds per request, by round; the servers alternate."""
    body = random.Random(1).randbytes(_PREVIEW_BYTES)
    s3_client(s3).put_object(Bucket=s3.bucket, Key=_KEY, Body=body, ContentType="image/jpeg")
    servers = _servers(parts, s3)
    for server in servers.values():
        _load(server, 1)
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, server in servers.items():
            before = _workers_cpu(server.program)
            per_second, total = _load(server, seconds)
            measured[name].append((per_second, (_workers_cpu(server.program) - before) * 1e6 / total))
    return measured


@dataclass(frozen=True)
class _Server:
    program: Program
    port: int
    query: str = ""


def _servers(parts: Parts, s3: S3) -> dict[str, _Server]:
    # Nothing listens on port 1: an existing preview does not need the service.
    variables = nginx_variables(s3, [1]) | {"PREW_NGINX_WORKERS": str(WORKERS)}
    cache = {"PREW_NGINX_CACHE": "on"}
    key = SigningKey("bench", secrets.token_hex(32))
    keys_file = parts.folder("signing-keys") / "keys"
    keys_file.write_text(f"{key.id}:{key.secret}\n", encoding="ascii")
    signing = {"PREW_NGINX_SIGNED": PRESET, "PREW_NGINX_SIGNING_KEYS_FILE": str(keys_file)}
    query = "?" + signed_query(_KEY, int(time.time()) + _SIGNED_FOR_S, key, _KEY.partition("/")[0])
    ours = {
        OURS: (variables, ""),
        SIGNED: (variables | signing, query),
        CACHED: (variables | cache, ""),
        SIGNED_CACHED: (variables | cache | signing, query),
    }
    started = {name: (parts.nginx(own), asked) for name, (own, asked) in ours.items()}
    plain = start_plain_nginx(parts, s3, WORKERS)
    plain_cache = start_plain_nginx(parts, s3, WORKERS, cached=True)
    return {
        **{name: _Server(nginx.program, nginx.port, asked) for name, (nginx, asked) in started.items()},
        PLAIN: _Server(plain.program, plain.port),
        PLAIN_CACHE: _Server(plain_cache.program, plain_cache.port),
    }


def _load(server: _Server, seconds: int) -> tuple[float, int]:
    url = f"http://{LOOPBACK}:{server.port}/{_KEY}{server.query}"
    argv = [find("wrk"), "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", url]
    output = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    rate, total = _PER_SECOND.search(output), _TOTAL.search(output)
    if rate is None or total is None or _BAD.search(output):
        raise ProgramError(f"wrk on {url}:\n{output}")
    return float(rate[1]), int(total[1])


def _workers_cpu(program: Program) -> float:
    return sum(cpu_seconds(pid) for pid in children(program.pid))


def add_to(report: Report, measured: dict[str, list[tuple[float, float]]]) -> dict[str, float]:
    """Add the figures to the report; return requests per second by name, for a plot."""
    rates = {name: statistics.median(rate for rate, _ in rounds) for name, rounds in measured.items()}
    ratios = {name: _ratio(rounds, measured[PLAIN]) for name, rounds in measured.items()}
    cpu = {name: statistics.median(each for _, each in rounds) for name, rounds in measured.items()}
    rows: list[list[Cell]] = [[name, rates[name], ratios[name], cpu[name]] for name in measured]
    columns = ["server", "requests/s", "of plain", "nginx CPU, µs each"]
    title = f"A preview of 70 KB that exists, SeaweedFS behind, {WORKERS} worker, {_CONNECTIONS} connections"
    report.tables.append(Table(title, columns, rows))
    report.figures.append(
        Figure("requests/s for a preview that exists: of plain nginx's", ratios[OURS], "times", TARGET, "at least")
    )
    what = "hits/s out of nginx's cache: of the plain one's with a cache and an access log"
    hits = _ratio(measured[CACHED], measured[PLAIN_CACHE])
    report.figures.append(Figure(what, hits, "times", TARGET, "at least"))
    signed = _ratio(measured[SIGNED], measured[OURS])
    what = "requests/s for a preview that exists, by signed URLs: of unsigned ones'"
    report.figures.append(Figure(what, signed, "times", SIGNED_TARGET, "at least"))
    hits = _ratio(measured[SIGNED_CACHED], measured[CACHED])
    report.figures.append(Figure("hits/s out of nginx's cache, by signed URLs: of unsigned ones'", hits, "times"))
    return rates


def _ratio(rounds: list[tuple[float, float]], others: list[tuple[float, float]]) -> float:
    # Within a round, so that disturbances of the machine affect both sides.
    return statistics.median(rate / other for (rate, _), (other, _) in zip(rounds, others, strict=True))
