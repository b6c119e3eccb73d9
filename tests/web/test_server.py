"""One process of the service: how it listens, and how long it waits for a request."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from prewmanager import server
from prewmanager.config.reading import read_settings
from prewmanager.config.settings import Settings
from prewmanager.listening import listen

GOOD = {"PREW_SOURCE_BUCKET": "photos", "PREW_PRESETS__CARD__WIDTH": "720", "PREW_LAMBDA_FUNCTION": "f"}


@pytest.fixture(name="settings")
def _settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in [name for name in os.environ if name.startswith(("PREW_", "AWS_"))]:
        monkeypatch.delenv(name)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for name, value in {**GOOD, "PREW_PORT": str(port), "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)
    return read_settings()


def test_it_listens_for_both_versions_of_ip(settings: Settings) -> None:
    assert settings.host == "::"
    hosts = ["127.0.0.1", "::1"] if socket.has_dualstack_ipv6() else ["127.0.0.1"]
    with listen(settings.host, settings.port):
        for host in hosts:
            socket.create_connection((host, settings.port), timeout=5).close()


def test_without_ipv6_it_listens_for_ipv4(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with listen(settings.host, settings.port) as listening:
        assert listening.family is socket.AF_INET
        socket.create_connection(("127.0.0.1", settings.port), timeout=5).close()


@pytest.mark.fault("half-a-request")
async def test_half_a_request_is_not_waited_for(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "KEEPALIVE_S", 0.2)
    serving = asyncio.create_task(server._serve(settings, listen(settings.host, settings.port), (), None))
    reader, writer = await asyncio.open_connection("127.0.0.1", settings.port)
    writer.write(b"GET /prew/card/a.jpg HT")
    async with asyncio.timeout(20):
        assert await reader.read() == b""
    writer.close()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
