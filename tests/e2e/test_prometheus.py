"""A real Prometheus scrapes a site under load: every panel of the dashboard has something to show."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from devstack.programs import LOOPBACK, Program, find, free_ports
from tests.e2e.test_request_path import photo
from tests.observability.promql import FOLDER, alerts, panels
from tests.support.fakes import until_reported
from tests.support.site import Site

pytestmark = pytest.mark.skipif(
    os.environ.get("PREW_TEST_PROMETHEUS") != "1", reason="takes a while: make test-observability"
)


class Prometheus:
    """A server that scrapes a site's replicas every second, with our alerts."""

    def __init__(self, folder: Path, site: Site) -> None:
        (port,) = free_ports(1)
        targets = [f"{LOOPBACK}:{port}" for port in site.ports]
        configuration = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
        configuration["rule_files"] = [str(FOLDER / "rules.yml")]
        configuration["global"] = {"evaluation_interval": "1s"}
        configuration["scrape_configs"][0] |= {"scrape_interval": "1s", "static_configs": [{"targets": targets}]}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        argv = [
            find("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={LOOPBACK}:{port}",
        ]
        self._address = f"{LOOPBACK}:{port}"
        self.program = Program("prometheus", argv, folder / "prometheus.log", {"PATH": os.environ["PATH"]})

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError), urlopen(f"http://{self._address}/-/ready", timeout=1) as response:
            return bool(response.status == 200)
        return False

    def asked(self, path: str, **parameters: str) -> Any:
        with urlopen(f"http://{self._address}/api/v1/{path}?{urlencode(parameters)}", timeout=5) as response:
            return json.load(response)["data"]

    def shows(self, expr: str) -> bool:
        """Whether an expression has a series with a number."""
        values = [float(each["value"][1]) for each in self.asked("query", query=expr)["result"]]
        return any(math.isfinite(value) for value in values)


@pytest.fixture(name="prometheus")
def _prometheus(tmp_path: Path, site: Site) -> Iterator[Prometheus]:
    prometheus = Prometheus(tmp_path, site)
    try:
        prometheus.program.wait_ready(prometheus.is_ready)
        yield prometheus
    finally:
        prometheus.program.stop()


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
    (group,) = prometheus.asked("rules")["groups"]

    assert {rule["name"] for rule in group["rules"]} == {name for name, _ in alerts()}
    assert {rule["health"] for rule in group["rules"]} == {"ok"}
    assert {rule["state"] for rule in group["rules"]} == {"inactive"}
