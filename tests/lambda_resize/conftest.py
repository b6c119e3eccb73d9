"""Fixtures of the resize function's tests."""

from __future__ import annotations

import pytest

from devstack.backends import S3


@pytest.fixture(name="environment")
def _environment(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a function that uses the real S3."""
    for name, value in s3.aws_environment().items():
        monkeypatch.setenv(name, value)
