"""A real Prometheus scrapes a site under load: every panel of the dashboard has something to show."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.backends import Redis
from devstack.lambda_server import Lambda
from devstack.programs import LOOPBACK, free_ports
from tests.e2e.test_request_path import photo
from tests.observability.promql import alerts, panels
from tests.support.fakes import until_reported
from tests.support.prometheus import Prometheus, watching
from tests.support.site import RunSite, Site

pytestmark = pytest.mark.skipif(
    os.environ.get("PREW_TEST_PROMETHEUS") != "1", reason="takes a while: make test-observability"
)


@pytest.fixture(name="site")
def _site(run_site: RunSite, redis_server: Redis, function: Lambda) -> Iterator[Site]:
    """A site with all that has metrics: it polishes, and purges nginx's cache."""
    (port,) = free_ports(1)
    own = {"PREW_POLISH": "true", "PREW_PURGES": f"nginx:{LOOPBACK}:{port}"}
    nginx = {"PREW_NGINX_CACHE": "on", "PREW_NGINX_PURGE_LISTEN": f"{LOOPBACK}:{port}"}
    with run_site(redis=redis_server, function=function, replicas=2, settings=own, nginx_variables=nginx) as site:
        yield site


@pytest.fixture(name="prometheus")
def _prometheus(tmp_path: Path, site: Site) -> Iterator[Prometheus]:
    site.put("canary.jpg", photo(300, 200))
    site.get("/prew/card/canary.jpg")
    with watching(tmp_path, site, in_a_hurry=False) as prometheus:
        yield prometheus


async def test_every_panel_shows_something(site: Site, prometheus: Prometheus) -> None:
    site.put("watched/a.jpg", photo(900, 600))
    asked = 0

    async def load() -> None:
        nonlocal asked
        while True:
            asked += 1
            site.put(f"watched/{asked}.jpg", photo(300, 200))
            await site.burst(f"/prew/thumb/watched/{asked}.jpg", 5)
            await site.burst(f"/prew/card/watched/none-{asked}.jpg", 1)

    clients = asyncio.create_task(load())
    try:
        for _, expr in panels():
            await until_reported(lambda expr=expr: prometheus.shows(expr))  # type: ignore[misc]  # mypy sees no default
    finally:
        clients.cancel()
        await asyncio.gather(clients, return_exceptions=True)
    rules = prometheus.rules()

    assert {rule["name"] for rule in rules} == {name for name, _ in alerts()}
    assert {rule["health"] for rule in rules} == {"ok"}
    assert prometheus.firing() == set()
