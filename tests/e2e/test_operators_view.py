"""What an operator sees of real processes: versions, levels, what is counted, and a log that cannot be written."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from devstack.backends import S3, Redis
from devstack.programs import Program, answers, find, free_ports
from prewmanager import __version__
from tests.e2e.test_workers import Service
from tests.support.asking import ask
from tests.support.fakes import until_reported
from tests.support.gated_lambda import GatedLambda, failed, function_error
from tests.support.site import RunSite, Site


@pytest.fixture(name="function")
async def _function(s3: S3) -> AsyncIterator[GatedLambda]:
    async with GatedLambda(s3, is_open=True).running() as function:
        yield function


@pytest.fixture(name="watched")
def _watched(run_site: RunSite, redis_server: Redis, function: GatedLambda) -> Iterator[Site]:
    with run_site(redis=redis_server, function=function, settings={"PREW_LOG_LEVEL": "warning"}) as site:
        yield site


@contextlib.contextmanager
def _running(program: Program) -> Iterator[Program]:
    try:
        yield program
    finally:
        program.kill()


async def test_version_and_presets_are_where_replicas_can_be_compared(watched: Site) -> None:
    health = json.loads((await asyncio.to_thread(ask, watched.ports[0], "/healthz")).body)

    assert health == {"status": "alive", "version": __version__}
    assert watched.metric("prewmanager_build_info", watched.ports[0], version=__version__) == 1
    assert watched.metric("prewmanager_preset_info", watched.ports[0], preset="card") == 1


async def test_three_failures_of_the_function_are_three_warnings_and_count_once(
    watched: Site, function: GatedLambda
) -> None:
    port, paths = watched.ports[0], [f"/prew/card/fails/{number}.jpg" for number in range(3)]
    function.script.extend(function_error() for _ in range(3))
    found = [await asyncio.to_thread(watched.get, path) for path in paths]
    again = [await asyncio.to_thread(watched.get, paths[-1]) for _ in range(5)]
    await until_reported(lambda: watched.metric("prewmanager_requests_total", port) == 8)
    lines = [json.loads(line) for line in watched.log_of().splitlines()]

    assert {each.status for each in [*found, *again]} == {502}
    assert [(line["event"], line["level"], line["outcome"]) for line in lines] == [("flight", "warning", "failed")] * 3
    assert watched.metric("prewmanager_flights_total", port, outcome="failed") == 3
    assert watched.metric("prewmanager_cached_failures_total", port, outcome="failed") == 5
    assert watched.metric("prewmanager_requests_total", port, source="failed") == 3
    assert watched.metric("prewmanager_requests_total", port, source="cached") == 5


async def test_a_missing_photo_is_one_flight_however_often_it_is_asked_for(
    watched: Site, function: GatedLambda
) -> None:
    function.script.append(failed("missing"))
    for _ in range(20):
        assert (await asyncio.to_thread(watched.get, "/prew/card/missing/once.jpg")).status == 404
    port = watched.ports[0]
    await until_reported(lambda: watched.metric("prewmanager_cached_failures_total", port, outcome="missing") == 19)

    assert watched.metric("prewmanager_flights_total", port, outcome="missing") == 1
    assert watched.log_of() == ""


@pytest.mark.fault("log-unwritable")
async def test_a_log_on_a_full_disk_costs_no_answer_and_no_metric(
    s3: S3, redis_server: Redis, function: GatedLambda, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    site = Site(tmp_path, s3, redis_server, function)
    argv = ["sh", "-c", 'exec "$0" serve 2> /dev/full', find("prewmanager")]
    program = Program("mute", argv, tmp_path / "mute.log", site.environment | {"PREW_PORT": str(port)})
    with _running(program):
        program.wait_ready(lambda: answers(port))
        function.script.append(function_error())
        statuses = [(await asyncio.to_thread(ask, port, f"/prew/card/mute-{port}/{n}.jpg")).status for n in range(3)]
        await until_reported(lambda: site.metric("prewmanager_requests_total", port) == 3)

        assert statuses == [502, 200, 200]
        assert site.metric("prewmanager_flights_total", port, outcome="failed") == 1
        assert site.metric("prewmanager_flights_total", port, outcome="made") == 2
        assert site.metric("prewmanager_log_lines_lost_total", port) >= 3


async def test_redis_is_not_up_before_it_was_reached(s3: S3, function: GatedLambda, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    site = Site(tmp_path, s3, None, function, settings={"PREW_REDIS_URL": "redis://127.0.0.1:1/0"})
    environment = site.environment | {"PREW_PORT": str(port)}
    program = Program("alone", [find("prewmanager"), "serve"], tmp_path / "alone.log", environment)
    with _running(program):
        program.wait_ready(lambda: answers(port))
        text = (await asyncio.to_thread(ask, port, "/metrics")).body.decode()

    assert "prewmanager_redis_up 0.0" in text


async def test_a_miss_has_its_trace_in_the_histogram(watched: Site) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    await asyncio.to_thread(watched.get, "/prew/card/exemplar.jpg", "GET", {"X-Request-Id": trace})
    await until_reported(lambda: _has_exemplar(watched.ports[0], trace))


def _has_exemplar(port: int, trace: str) -> bool:
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    text = ask(port, "/metrics", "GET", accept).body.decode()
    return text.endswith("# EOF\n") and f'# {{trace_id="{trace}"}}' in text


async def test_several_workers_have_their_processes_metrics_and_count_those_that_died(
    s3: S3, redis_server: Redis, function: GatedLambda, tmp_path: Path
) -> None:
    site = Site(tmp_path, s3, redis_server, function)
    service = Service(site, tmp_path / "workers.log")
    with _running(service.program):
        before = service.metric("process_resident_memory_bytes")
        assert service.metric("prewmanager_workers_died_total") == 0
        os.kill(service.pids[0], signal.SIGKILL)
        await until_reported(lambda: service.metric("prewmanager_workers_died_total") == 1)
        await until_reported(lambda: service.metric("prewmanager_redis_up") == 1)

        trace = "1bf7651916cd43dd8448eb211c80319d"
        headers = {"X-Request-Id": trace}
        await asyncio.to_thread(ask, service.port, "/prew/card/workers-exemplar.jpg", "GET", headers)
        for _ in range(8):  # whichever of the workers is asked
            await until_reported(lambda: _has_exemplar(service.port, trace))

        assert before > 3 * 30_000_000
        assert service.metric("process_cpu_seconds_total") > 0
        assert 0 < service.metric("process_open_fds") < service.metric("process_max_fds")
        assert service.metric("process_start_time_seconds") > 1_700_000_000
        assert service.metric('prewmanager_flights_total{outcome="storage",preset="card"}') == 0
