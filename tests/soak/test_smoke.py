"""A short soak, to keep `make soak` working, with the faults that only the soak injects."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.soak.run import soak

FAULTS = ["redis-slow", "redis-half-open", "redis-full", "redis-read-only", "s3-slow", "nginx-reloaded"]


@pytest.mark.timeout(400)  # half a minute of load, and up to 200 s for connections that are kept for reuse
@pytest.mark.fault("redis-slow")
@pytest.mark.fault("redis-half-open")
@pytest.mark.fault("redis-full")
@pytest.mark.fault("redis-read-only")
@pytest.mark.fault("s3-slow")
@pytest.mark.fault("nginx-reloaded")
async def test_a_short_soak_finds_nothing(tmp_path: Path) -> None:
    if not os.environ.get("PREW_TEST_SOAK"):
        pytest.skip("takes more than a minute: `make test-soak`")
    result = await soak(tmp_path, 30, seed=1, clients=8, names=FAULTS)

    assert result.violations == {}
    assert result.faults.keys() == set(FAULTS)
    assert result.seen["burst"]["200"] > 0
