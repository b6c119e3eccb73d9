"""`serve --workers N`: several processes on one port, one service to every observer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientConnectionError, ClientSession

from devstack.backends import S3, Redis
from devstack.programs import LOOPBACK, Program, answers, find, free_ports
from tests.support.asking import ask
from tests.support.fakes import until_reported
from tests.support.gated_lambda import GatedLambda
from tests.support.site import Site

WORKERS = 3


class Service:
    """A service of several workers."""

    def __init__(self, site: Site, log: Path) -> None:
        self.port = free_ports(1)[0]
        environment = site.environment | {"PREW_PORT": str(self.port), "PREW_SHUTDOWN_GRACE": "5"}
        argv = [find("prewmanager"), "serve", "--workers", str(WORKERS)]
        self.program = Program("workers", argv, log, environment)
        self.program.wait_ready(lambda: answers(self.port) and len(self.pids) == WORKERS and self.serving == WORKERS)

    @property
    def pids(self) -> list[int]:
        children = Path(f"/proc/{self.program.pid}/task/{self.program.pid}/children")
        return [int(pid) for pid in children.read_text().split()] if children.exists() else []

    @property
    def serving(self) -> int:
        return self.program.log.read_text().count('"serving"')

    def metric(self, name: str) -> float:
        text = ask(self.port, "/metrics").body.decode()
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


@pytest.fixture(name="service")
async def _service(s3: S3, redis_server: Redis, tmp_path: Path) -> AsyncIterator[tuple[Service, GatedLambda]]:
    async with GatedLambda(s3).running() as function:
        site = Site(tmp_path, s3, redis_server, function)
        service = Service(site, tmp_path / "workers.log")
        yield service, function
        service.program.kill()


async def _get(port: int, path: str) -> int:
    async with ClientSession() as session, session.get(f"http://{LOOPBACK}:{port}{path}") as response:
        await response.read()
        return response.status


async def test_workers_share_flights_and_metrics(service: tuple[Service, GatedLambda]) -> None:
    workers, function = service
    path = f"/prew/card/workers/{os.getpid()}-{workers.port}.jpg"
    requests = [asyncio.create_task(_get(workers.port, path)) for _ in range(90)]
    await until_reported(lambda: workers.metric("prewmanager_waiting") == 90)
    function.gate.set()
    statuses = await asyncio.gather(*requests)

    assert set(statuses) == {200}
    assert sum(function.invocations.values()) == 1
    # Workers count a request shortly after answering it.
    await until_reported(lambda: workers.metric("prewmanager_requests_total") == 90)
    assert workers.metric("prewmanager_waiting") == 0
    assert workers.metric("prewmanager_redis_up") == 1


@pytest.mark.fault("worker-killed")
async def test_a_worker_that_dies_is_replaced(service: tuple[Service, GatedLambda]) -> None:
    workers, function = service
    function.gate.set()
    os.kill(workers.pids[0], signal.SIGKILL)
    statuses = [await _get(workers.port, f"/prew/card/workers/dies-{workers.port}-{n}.jpg") for n in range(10)]
    await until_reported(lambda: workers.serving == WORKERS + 1)

    assert set(statuses) == {200}
    assert len(workers.pids) == WORKERS


@pytest.mark.fault("worker-killed")
async def test_a_service_whose_workers_have_just_died_ends_all_the_same(service: tuple[Service, GatedLambda]) -> None:
    workers, _ = service
    for pid in workers.pids:
        os.kill(pid, signal.SIGKILL)
    await until_reported(lambda: workers.program.log.read_text().count("worker.died") == WORKERS)
    os.kill(workers.program.pid, signal.SIGTERM)

    assert await asyncio.to_thread(workers.program.process.wait, 20) == 0
    assert not workers.pids


@pytest.mark.fault("worker-killed")
async def test_workers_that_die_together_are_all_replaced(service: tuple[Service, GatedLambda]) -> None:
    workers, _ = service
    killed = workers.pids
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    await until_reported(lambda: workers.serving == 2 * WORKERS)

    assert len(workers.pids) == WORKERS
    assert set(killed).isdisjoint(workers.pids)


@pytest.mark.fault("stopped-at-start")
async def test_a_signal_while_workers_are_started_reaches_them_all(service: tuple[Service, GatedLambda]) -> None:
    """They are started again, and the signal comes when the first of them is there."""
    workers, _ = service
    for pid in workers.pids:
        os.kill(pid, signal.SIGKILL)
    await until_reported(lambda: not workers.pids)

    def first() -> None:
        while not workers.pids:
            pass

    await asyncio.to_thread(first)
    os.kill(workers.program.pid, signal.SIGTERM)

    assert await asyncio.to_thread(workers.program.process.wait, 20) == 0
    assert not workers.pids


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.fault("replica-restarted")
async def test_workers_end_after_their_requests(service: tuple[Service, GatedLambda], number: signal.Signals) -> None:
    workers, function = service
    pids = workers.pids
    in_flight = asyncio.create_task(_get(workers.port, f"/prew/card/workers/ends-{workers.port}-{number}.jpg"))
    await function.entered.wait()
    os.kill(workers.program.pid, number)
    await until_reported(lambda: workers.program.log.read_text().count('"stopping"') == WORKERS)
    function.gate.set()

    assert await in_flight == 200
    assert await asyncio.to_thread(workers.program.process.wait, 20) == 0
    await until_reported(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


async def test_a_second_signal_ends_the_workers_at_once(service: tuple[Service, GatedLambda]) -> None:
    workers, function = service
    in_flight = asyncio.create_task(_get(workers.port, f"/prew/card/workers/second-{workers.port}.jpg"))
    await function.entered.wait()
    os.kill(workers.program.pid, signal.SIGTERM)
    await until_reported(lambda: workers.program.log.read_text().count('"stopping"') == WORKERS)
    os.kill(workers.program.pid, signal.SIGTERM)
    await asyncio.to_thread(workers.program.process.wait, 3)
    with contextlib.suppress(OSError):
        await in_flight

    assert not workers.pids


@pytest.mark.fault("parent-killed")
async def test_workers_end_with_a_parent_that_is_killed(service: tuple[Service, GatedLambda]) -> None:
    workers, _ = service
    pids = workers.pids
    os.kill(workers.program.pid, signal.SIGKILL)

    await until_reported(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in pids))


@pytest.mark.fault("few-descriptors")
async def test_too_few_file_descriptors_are_an_answer_with_the_true_reason(
    s3: S3, redis_server: Redis, tmp_path: Path
) -> None:
    """With 64 of them, 100 misses at once; whoever is accepted gets an answer, and afterwards all is well."""
    async with GatedLambda(s3, is_open=True).running() as function:
        environment = Site(tmp_path, s3, redis_server, function).environment
        port, log = free_ports(1)[0], tmp_path / "few.log"
        argv = ["prlimit", "--nofile=64", find("prewmanager"), "serve"]
        service = Program("few", argv, log, environment | {"PREW_PORT": str(port)})
        service.wait_ready(lambda: answers(port))
        paths = [f"/prew/card/few/{port}-{number}.jpg" for number in range(100)]
        answered = await asyncio.gather(*(_get(port, path) for path in paths), return_exceptions=True)
        await until_reported(lambda: answers(port))
        later = [await _get(port, f"/prew/card/few/later-{port}-{number}.jpg") for number in range(5)]
        service.stop()
    text = log.read_text()

    assert {answer for answer in answered if isinstance(answer, int)} <= {200, 502, 503}
    assert all(isinstance(answer, int | ClientConnectionError) for answer in answered)
    assert "Too many open files" in text
    assert "crashed" not in text
    assert later == [200] * 5


@pytest.mark.timeout(180)  # 400 renderings, on a machine that does other things
@pytest.mark.fault("large-results")
async def test_large_previews_for_slow_clients_need_bounded_memory(s3: S3, redis_server: Redis, tmp_path: Path) -> None:
    """400 clients that read nothing, for 200 MB of previews: 64 MiB of them are held, the others stay in the bucket."""
    async with GatedLambda(s3, is_open=True, picture_bytes=500_000).running() as function:
        environment = Site(tmp_path, s3, redis_server, function).environment
        port, log = free_ports(1)[0], tmp_path / "memory.log"
        service = Program("memory", [find("prewmanager"), "serve"], log, environment | {"PREW_PORT": str(port)})
        service.wait_ready(lambda: answers(port))
        idle_mb = _resident_mb(service.pid)
        writers = []
        for number in range(400):
            _, writer = await asyncio.open_connection(LOOPBACK, port, limit=1000)
            writer.write(f"GET /prew/card/memory/{port}-{number}.jpg HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            writers.append(writer)
            if len(writers) % 20 == 0:  # more at once may wait for longer than a request may
                await until_reported(lambda: _flights(port) >= len(writers))
        held_mb = _resident_mb(service.pid) - idle_mb
        for writer in writers:
            writer.close()
        service.stop()

    assert held_mb < 140


def _flights(port: int) -> float:
    lines = ask(port, "/metrics").body.decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("prewmanager_flights_total{"))


def _resident_mb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024
