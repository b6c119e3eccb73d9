"""The names that the service answers to: with DNS rebinding, another site's name leads to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from prewmanager.web.hosts import own_names_only
from tests.support.asking import ask
from tests.support.replica import WebReplica


@pytest.fixture(name="named")
async def _named() -> AsyncIterator[WebReplica]:
    """A replica that answers to one site's name, on loopback."""
    replica = WebReplica(middlewares=[own_names_only(["images.example.com"])])
    replica.resizer.gate.set()
    async with replica.running() as site:
        yield site


@pytest.mark.parametrize(
    "host",
    [
        "images.example.com",
        "IMAGES.example.com:8180",
        "images.example.com.",
        "prewmanager",
        "127.0.0.1",
        "127.0.0.1:8180",
        "10.0.0.7",
        "[::1]",
        "[fe80::1]:8180",
    ],
)
async def test_its_own_name_and_addresses_are_answered(named: WebReplica, host: str) -> None:
    response = await named.request("GET", "/prew/card/a.jpg", {"Host": host})

    assert response.status == 200


@pytest.mark.fault("foreign-host")
@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "evil.test:8180",
        "images.example.com.evil.test",
        "127.0.0.1.evil.test",
        "localhost",
        "evil.test:images.example.com",
        "[evil]",
        ":8180",
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/prew/card/a.jpg"),
        ("HEAD", "/prew/card/a.jpg"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/-/able"),
        ("GET", "/-/fingerprints"),
        ("DELETE", "/-/results/photo/a.jpg"),
        ("POST", "/nowhere"),
    ],
)
async def test_another_name_is_misdirected(named: WebReplica, host: str, method: str, path: str) -> None:
    response = await named.request(method, path, {"Host": host})

    assert response.status == 421
    assert response.headers["Cache-Control"] == "no-store"
    if method != "HEAD":
        assert await response.json(content_type="application/problem+json") == {
            "title": "Misdirected request",
            "status": 421,
        }
    assert named.resizer.calls == []


@pytest.mark.fault("foreign-host")
async def test_no_name_is_misdirected(named: WebReplica) -> None:
    assert named.port is not None
    answer = await asyncio.to_thread(ask, named.port, "/healthz", headers={"Host": ""})

    assert answer.status == 421
