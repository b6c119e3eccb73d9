"""Unit tests open no sockets, and time passes only where a test lets it pass."""

from __future__ import annotations

from tests.support.fake_time import FakeTimeLoop


def pytest_asyncio_loop_factories() -> dict[str, type[FakeTimeLoop]]:
    """Run the tests of this folder on loops with a time of their own."""
    return {"fake-time": FakeTimeLoop}
