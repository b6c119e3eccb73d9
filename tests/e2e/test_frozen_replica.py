"""A frozen replica behind nginx costs its requests seconds; the time that a flight takes counts against no replica."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest
from aiohttp import ClientSession, TCPConnector

from devstack.backends import S3, Redis
from tests.support.fakes import until_reported
from tests.support.gated_lambda import GatedLambda
from tests.support.site import RunSite, Site

FLIGHTS = 100
# Longer than any wait here: 60 s of nginx's read time-out, in which a request to a frozen replica would hang, are not.
TIMES = {
    "PREW_LAMBDA_TIMEOUT": "30",
    "PREW_INVOKE_TIMEOUT": "40",
    "PREW_LOCK_TTL": "60",
    "PREW_WAIT_TIMEOUT": "90",
    "PREW_PROXY_READ_TIMEOUT": "100",
    "PREW_MAX_INVOCATIONS": str(FLIGHTS),
}
HANGS_S = 30.0


async def _statuses(site: Site, paths: list[str]) -> list[int]:
    async with ClientSession(connector=TCPConnector(limit=0)) as session:

        async def one(path: str) -> int:
            async with session.get(f"{site.nginx.url}{path}") as response:
                await response.read()
                return response.status

        return await asyncio.gather(*map(one, paths))


@pytest.mark.fault("replica-frozen")
async def test_a_frozen_replica_is_left_out_and_long_flights_eject_none(
    run_site: RunSite, s3: S3, redis_server: Redis
) -> None:
    async with GatedLambda(s3).running() as function:
        nginx = {"PREW_PROXY_READ_TIMEOUT": TIMES["PREW_PROXY_READ_TIMEOUT"]}
        with run_site(redis=redis_server, function=function, replicas=3, settings=TIMES, nginx_variables=nginx) as site:
            frozen, healthy = site.services[2], site.ports[:2]
            frozen.signal(signal.SIGSTOP)
            try:
                run = time.time_ns()
                photos = [f"/prew/card/long/{run}-{number}.jpg" for number in range(FLIGHTS)]
                flights = asyncio.create_task(_statuses(site, photos))
                await until_reported(
                    lambda: sum(site.metric("prewmanager_waiting", port) for port in healthy) == FLIGHTS
                )
                before = [site.metric("prewmanager_requests_total", port) for port in healthy]

                async with asyncio.timeout(HANGS_S):
                    others = await _statuses(site, [f"/prew/unknown/{number}.jpg" for number in range(60)])

                after = [site.metric("prewmanager_requests_total", port) for port in healthy]
                function.gate.set()
                answers = await flights
            finally:
                frozen.signal(signal.SIGCONT)
            await _answers_again(site)

    assert set(others) == {404}
    assert all(late > early for early, late in zip(before, after, strict=True))
    assert set(answers) == {200}


async def _answers_again(site: Site) -> None:
    """Return when the third replica, which was left out, gets requests again."""

    def asked() -> bool:
        site.get("/prew/unknown/again.jpg")
        return site.metric("prewmanager_requests_total", site.ports[2]) > 0

    await until_reported(asked)
