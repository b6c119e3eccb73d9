"""One request has one id in the logs of nginx, the service and the function."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from devstack.backends import Redis
from devstack.lambda_server import Lambda
from tests.e2e.test_request_path import photo
from tests.support.asking import ask
from tests.support.fakes import until_reported
from tests.support.otlp_collector import TREE_OF_A_MISS, Collector, parents
from tests.support.site import RunSite, Site

ID = "correlated-0001"


def entries(log: Path, **expected: str) -> list[dict[str, Any]]:
    """Return the log's JSON lines with these values, without a runtime's prefix."""
    found = []
    for line in log.read_text(errors="replace").splitlines():
        start = line.find("{")
        if start >= 0 and line.endswith("}"):
            entry = json.loads(line[start:])
            if expected.items() <= entry.items():
                found.append(entry)
    return found


async def test_one_id_in_every_log(site: Site, function: Lambda) -> None:
    site.put("correlation/a.jpg", photo(400, 300))
    answer = await asyncio.to_thread(site.get, "/prew/thumb/correlation/a.jpg", "GET", {"X-Request-Id": ID})
    await until_reported(lambda: bool(entries(site.nginx.access_log, request_id=ID)))
    # A replica's line is written after its answer.
    await until_reported(lambda: any(entries(service.log, request_id=ID) for service in site.services))
    flights = [entry for service in site.services for entry in entries(service.log, request_id=ID)]
    (invocation,) = entries(function.program.log, request_id=ID)

    assert (answer.status, answer.headers["X-Request-Id"]) == (200, ID)
    assert [(entry["event"], entry["key"]) for entry in flights] == [("flight", "prew/thumb/correlation/a.jpg")]
    assert invocation["dst"].endswith("/prew/thumb/correlation/a.jpg")
    assert invocation["aws_request_id"]
    assert invocation["duration_ms"] > 0


@pytest.mark.parametrize("bad", ["a b c d e f", '","forged":"x', "?short"])
async def test_a_bad_id_reaches_no_log(site: Site, function: Lambda, bad: str) -> None:
    name = f"correlation/bad{len(bad)}.jpg"
    site.put(name, photo(400, 300))
    answer = await asyncio.to_thread(ask, site.ports[0], f"/prew/thumb/{name}", headers={"X-Request-Id": bad})
    await until_reported(lambda: bool(entries(site.services[0].log, key=f"prew/thumb/{name}")))
    (flight,) = entries(site.services[0].log, key=f"prew/thumb/{name}")
    (invocation,) = entries(function.program.log, dst=f"{site.s3.bucket}/prew/thumb/{name}")

    assert answer.status == 200
    assert "request_id" not in flight
    assert invocation["request_id"] is None
    assert bad not in site.log_of(0) + function.program.log.read_text()


async def test_a_miss_is_one_trace(run_site: RunSite, redis_server: Redis, function: Lambda) -> None:
    collector = Collector()
    async with collector.running() as url:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}
        site = run_site(redis=redis_server, function=function, settings=settings)
        await asyncio.to_thread(site.__enter__)
        try:
            site.put("correlation/traced.jpg", photo(400, 300))
            answer = await asyncio.to_thread(site.get, "/prew/thumb/correlation/traced.jpg")
        finally:
            await asyncio.to_thread(site.__exit__)
    request_id = answer.headers["X-Request-Id"]
    trace = collector.trace(request_id)
    (invocation,) = entries(function.program.log, request_id=request_id)

    assert parents(trace.values()) == TREE_OF_A_MISS
    assert invocation["traceparent"] == f"00-{request_id}-{trace['resize'].span_id}-01"
    assert trace["nginx GET"].began_ns <= trace["GET preview"].began_ns <= trace["resize"].began_ns
