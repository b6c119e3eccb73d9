"""Incidents, each in real programs, and what an operator sees of it: alert, panel, doctor's line, the log's line.

Prometheus evaluates the shipped rules with minutes that last a second. docs/how-to/incidents.md is the table of these.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from redis import Redis as BlockingRedis

from devstack.backends import S3, Redis, start_redis
from devstack.lambda_server import Lambda
from devstack.programs import LOOPBACK, Program, answers, find, free_ports
from tests.e2e.test_request_path import photo
from tests.observability.promql import panels
from tests.support.fakes import until_reported
from tests.support.gated_lambda import GatedLambda, failed, throttled
from tests.support.prometheus import Prometheus, watching
from tests.support.site import RunSite, Site

pytestmark = [
    pytest.mark.skipif(os.environ.get("PREW_TEST_PROMETHEUS") != "1", reason="takes minutes: make test-observability"),
    pytest.mark.timeout(180),
]
PANELS = dict(panels())
# Short, so that what is refused or silent is a failure soon.
IMPATIENT = {
    "PREW_LAMBDA_TIMEOUT": "1",
    "PREW_INVOKE_TIMEOUT": "2",
    "PREW_LOCK_TTL": "6",
    "PREW_LEASE": "1",
    "PREW_WAIT_TIMEOUT": "8",
    "PREW_TRANSIENT_TTL": "0.1",
}


class Misbehaving(GatedLambda):
    """A function that answers each invocation in one way."""

    def __init__(self, s3: S3, answer: Callable[[], web.Response]) -> None:
        super().__init__(s3, is_open=True)
        self._answer = answer

    async def answer(self, event: dict[str, Any]) -> web.Response:
        assert event["src_key"]
        return self._answer()


@dataclass
class Watched:
    """A site with an incident, and the Prometheus that watches it."""

    site: Site
    prometheus: Prometheus

    async def fires(self, alert: str, request: Callable[[int], str] = "/prew/card/incident/{}.jpg".format) -> None:
        """Send requests until the alert fires, five at once, each with a number of its own."""
        numbers = itertools.count()

        async def one_by_one() -> None:
            while True:
                await asyncio.to_thread(self.site.get, request(next(numbers)))
                await asyncio.sleep(0.05)

        clients = [asyncio.create_task(one_by_one()) for _ in range(5)]
        try:
            await until_reported(lambda: alert in self.prometheus.firing())
        finally:
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)

    async def shows(self, *titles: str) -> None:
        """Return when these panels have something to show."""
        for title in titles:
            await until_reported(lambda expr=PANELS[title]: self.prometheus.shows(expr))  # type: ignore[misc]  # mypy sees no default

    def logged(self, event: str, replica: int = 0, **fields: str) -> bool:
        """Whether a replica has logged an event with these fields."""
        lines = (json.loads(line) for line in self.site.log_of(replica).splitlines())
        return any(line.get("event") == event and fields.items() <= line.items() for line in lines)


async def diagnosed(site: Site, *arguments: str, **changed: str) -> dict[str, dict[str, str]]:
    """Return what doctor finds to be wrong, by check."""
    environment = site.environment | {"PREW_PORT": str(site.ports[0])} | changed
    argv = [find("prewmanager"), "doctor", "--json", *arguments]
    done = await asyncio.to_thread(
        subprocess.run, argv, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    found = [each for each in json.loads(done.stdout) if each["state"] == "failed"]
    assert done.returncode == (1 if found else 0), done.stderr
    return {each["check"]: each for each in found}


@contextlib.asynccontextmanager
async def incident(
    run_site: RunSite, folder: Path, function: GatedLambda | Lambda | None, redis: Redis, **more: Any
) -> AsyncIterator[Watched]:
    """Run a watched site with this function."""
    watched_folder = folder / "watching"
    watched_folder.mkdir()
    replicas = more.pop("watched_replicas", None)
    site = await asyncio.to_thread(run_site(redis=redis, function=function, **more).__enter__)
    with contextlib.ExitStack() as exits:
        exits.callback(site.__exit__, None, None, None)
        site.put("canary.jpg", photo(300, 200))
        site.delete_previews("card")  # another test's, since all share the bucket
        prometheus = await asyncio.to_thread(exits.enter_context, watching(watched_folder, site, replicas=replicas))
        yield Watched(site, prometheus)


@contextlib.asynccontextmanager
async def misbehaving(s3: S3, answer: Callable[[], web.Response]) -> AsyncIterator[GatedLambda]:
    async with Misbehaving(s3, answer).running() as function:
        yield function


@pytest.fixture(name="good")
async def _good(s3: S3) -> AsyncIterator[GatedLambda]:
    async with GatedLambda(s3, is_open=True).running() as function:
        yield function


async def test_a_photo_that_always_fails(run_site: RunSite, s3: S3, redis_server: Redis, tmp_path: Path) -> None:
    async with (
        misbehaving(s3, lambda: failed("corrupt")) as function,
        incident(run_site, tmp_path, function, redis_server) as watched,
    ):
        await watched.fires("PrewmanagerPhotosFail", lambda _: "/prew/card/canary.jpg")
        await watched.shows("Failures from the cache", "Failures by kind")
        found = await diagnosed(watched.site, "--photo=photo/canary.jpg")

        assert watched.logged("flight", outcome="corrupt", key="prew/card/canary.jpg", level="info")
        assert found == {}


async def test_slow_previews(run_site: RunSite, good: GatedLambda, redis_server: Redis, tmp_path: Path) -> None:
    async with incident(run_site, tmp_path, good, redis_server) as watched:

        async def hold() -> None:
            while True:
                good.gate.clear()
                await asyncio.sleep(5.5)
                good.gate.set()
                await asyncio.sleep(0.1)

        holding = asyncio.create_task(hold())
        try:
            await watched.fires("PrewmanagerSlow")
        finally:
            holding.cancel()
        await watched.shows("Duration of flights", "Steps, p95")

        assert watched.logged("flight", outcome="made")


async def test_lambda_throttles(run_site: RunSite, s3: S3, redis_server: Redis, tmp_path: Path) -> None:
    async with (
        misbehaving(s3, throttled) as function,
        incident(run_site, tmp_path, function, redis_server, settings=IMPATIENT) as watched,
    ):
        await watched.fires("PrewmanagerOverloaded")
        await watched.shows("Failures by kind")
        found = await diagnosed(watched.site)

        assert watched.logged("flight", outcome="throttled", level="warning")
        assert "concurrency" in found["function: makes a preview"]["fix"]


def _denied() -> web.Response:
    body = {"Message": "User: arn:aws:iam::1:user/x is not authorized to perform: lambda:InvokeFunction"}
    return web.json_response(body, status=403, headers={"X-Amzn-ErrorType": "AccessDeniedException"})


async def test_lambda_denies(run_site: RunSite, s3: S3, redis_server: Redis, tmp_path: Path) -> None:
    async with (
        misbehaving(s3, _denied) as function,
        incident(run_site, tmp_path, function, redis_server, settings=IMPATIENT) as watched,
    ):
        await watched.fires("PrewmanagerLambdaRefuses")
        await watched.shows("Failures by kind")
        found = await diagnosed(watched.site)

        assert watched.logged("flight.left_to_others", level="warning")
        assert watched.logged("flight", outcome="unable", level="warning")
        assert "lambda:InvokeFunction" in found["function: makes a preview"]["detail"]


async def test_the_function_dies(
    run_site: RunSite, faulty_functions: Lambda, redis_server: Redis, tmp_path: Path
) -> None:
    more = {"function_name": "dies"}
    async with incident(run_site, tmp_path, faulty_functions, redis_server, **more) as watched:
        await watched.fires("PrewmanagerFunctionDies")
        await watched.shows("Failures by kind")
        found = await diagnosed(watched.site, "--photo=photo/canary.jpg")

        assert watched.logged("flight", outcome="crashed", level="warning")
        assert "it died at photo/canary.jpg" in found["function: makes a preview"]["detail"]


@pytest.mark.parametrize("how", ["full", "read-only"])
async def test_redis_refuses_writes(
    run_site: RunSite, good: GatedLambda, redis_server: Redis, tmp_path: Path, how: str
) -> None:
    options = {"full": ["--maxmemory", "1000"], "read-only": ["--replicaof", LOOPBACK, str(redis_server.port)]}[how]
    redis = await asyncio.to_thread(start_redis, tmp_path, options=options)
    try:
        async with incident(run_site, tmp_path, good, redis) as watched:
            await watched.fires("PrewmanagerAlone")
            await watched.shows("Redis", "Flights without Redis")
            found = await diagnosed(watched.site)

            assert watched.logged("redis.refuses", level="error")
            assert "redis writes" in found
    finally:
        redis.program.stop()


async def test_redis_evicts(run_site: RunSite, good: GatedLambda, tmp_path: Path) -> None:
    options = ["--maxmemory", "4mb", "--maxmemory-policy", "volatile-ttl"]
    redis = await asyncio.to_thread(start_redis, tmp_path, options=options)
    try:
        async with incident(run_site, tmp_path, good, redis) as watched:
            await until_reported(lambda: watched.prometheus.shows("prewmanager_redis_evicted_keys"))
            with BlockingRedis.from_url(redis.url) as client:

                def has_evicted() -> bool:
                    """Whether the alert fires; another program fills Redis meanwhile."""
                    for number in range(50):
                        client.set(f"other:{number}", b"x" * 100_000, ex=60)
                    return "PrewmanagerRedisEvicts" in watched.prometheus.firing()

                await until_reported(has_evicted)
            await watched.shows("Redis")
            found = await diagnosed(watched.site)

            assert "maxmemory" in found["redis memory"]["fix"]
    finally:
        redis.program.stop()


async def test_a_wrong_bucket(run_site: RunSite, function: Lambda, redis_server: Redis, tmp_path: Path) -> None:
    settings = {"PREW_SOURCE_BUCKET": "no-such-bucket"} | IMPATIENT
    async with incident(run_site, tmp_path, function, redis_server, settings=settings) as watched:
        await watched.fires("PrewmanagerStorageRefuses")
        await watched.shows("Failures by kind")
        found = await diagnosed(watched.site)

        assert watched.logged("flight", outcome="storage", level="warning")
        assert "PREW_SOURCE_BUCKET" in found["photos: list"]["fix"]


async def test_a_replica_with_old_presets(
    run_site: RunSite, good: GatedLambda, redis_server: Redis, tmp_path: Path
) -> None:
    ports = free_ports(2)
    async with incident(run_site, tmp_path, good, redis_server, ports=[ports[0]], watched_replicas=ports) as watched:
        old = {"PREW_PORT": str(ports[1]), "PREW_PRESETS__CARD__WIDTH": "500"}
        environment = watched.site.environment | old
        with _program([find("prewmanager"), "serve"], tmp_path / "old.log", environment) as program:
            program.wait_ready(lambda: answers(ports[1]))
            await watched.fires("PrewmanagerPresetsDisagree")
            await watched.shows("Versions and presets")
            found = await diagnosed(watched.site, *(f"--replica={LOOPBACK}:{port}" for port in ports))

        assert "card is" in found["replicas: presets"]["detail"]


@contextlib.contextmanager
def _program(argv: list[str], log: Path, environment: Mapping[str, str]) -> Iterator[Program]:
    program = Program(log.stem, argv, log, environment)
    try:
        yield program
    finally:
        program.kill()


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGSTOP], ids=["dead", "frozen"])
async def test_nginx_to_a_replica_that_does_not_answer(
    run_site: RunSite, good: GatedLambda, redis_server: Redis, tmp_path: Path, stop: signal.Signals
) -> None:
    variables = {"PREW_PROXY_READ_TIMEOUT": "2"}
    async with incident(run_site, tmp_path, good, redis_server, nginx_variables=variables) as watched:
        pid = watched.site.services[0].pid
        os.kill(pid, stop)
        try:
            await watched.fires("PrewmanagerMissesFail")
            await until_reported(lambda: {"PrewmanagerDown", "PrewmanagerCanaryFails"} <= watched.prometheus.firing())
            await watched.shows("Who answers", "What clients get", "Canaries")
            found = await diagnosed(watched.site, f"--url={watched.site.nginx.url}")
        finally:
            if stop is signal.SIGSTOP:
                os.kill(pid, signal.SIGCONT)

        assert "PREW_NGINX_SERVICES" in found["nginx: missing previews to the service"]["fix"]
        status = {signal.SIGKILL: 502, signal.SIGSTOP: 504}[stop]
        assert f'"status":{status},' in watched.site.nginx.access_log.read_text()


async def test_a_preset_that_was_deleted(
    run_site: RunSite, good: GatedLambda, redis_server: Redis, tmp_path: Path
) -> None:
    async with incident(run_site, tmp_path, good, redis_server) as watched:
        await watched.fires("PrewmanagerUnknownPresets", "/prew/gone/{}.jpg".format)
        await watched.shows("How requests were answered")

        # Its stored previews are still served; other tests of this bucket store those of another preset.
        found = await diagnosed(watched.site, PREW_PRESETS__CARD__WIDTH="", PREW_PRESETS__THUMB__WIDTH="100")
        assert "purge --orphans" in found["previews: presets"]["fix"]


async def test_a_disk_that_is_full(run_site: RunSite, good: GatedLambda, redis_server: Redis, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    async with incident(run_site, tmp_path, good, redis_server, watched_replicas=[port]) as watched:
        argv = ["sh", "-c", 'exec "$0" serve 2> /dev/full', find("prewmanager")]
        environment = watched.site.environment | {"PREW_PORT": str(port)}
        with _program(argv, tmp_path / "mute.log", environment) as program:
            program.wait_ready(lambda: answers(port))
            await until_reported(lambda: "PrewmanagerLogLost" in watched.prometheus.firing())
            await watched.shows("What must not be")
