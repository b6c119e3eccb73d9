"""Skips all of these tests, unless their target runs them: what they run is not installed otherwise."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def _installed() -> None:
    if not os.environ.get("PREW_TEST_SUPPLY"):
        pytest.skip("needs pip-audit and CycloneDX's library: `make test-supply`")
