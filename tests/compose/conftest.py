"""One compose project for all of these tests, created from scratch and removed with its volumes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from devstack.programs import free_ports
from tests.compose.project import Project, engine_answers


@pytest.fixture(scope="session", name="project")
def _project() -> Iterator[Project]:
    if not os.environ.get("PREW_TEST_COMPOSE"):
        pytest.skip("takes minutes: `make test-compose`")
    if not engine_answers():
        pytest.skip("no Docker engine answers here")
    project = Project("prewmanager-test", free_ports(1)[0])
    project.compose("down", "--volumes", "--remove-orphans")
    try:
        project.compose("up", "--build", "--detach", "--wait", "--wait-timeout=600")
        yield project
    finally:
        project.compose("down", "--volumes", "--remove-orphans", "--timeout=5")
