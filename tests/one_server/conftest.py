"""The units of one server, started once for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devstack.one_server import OneServer, running_one_server


@pytest.fixture(scope="session", name="one_server")
def _one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneServer]:
    """All units, with the example's settings on other ports."""
    with running_one_server(tmp_path_factory.mktemp("one")) as one_server:
        yield one_server
