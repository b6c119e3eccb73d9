"""Fixtures for all tests: real programs, started once per session on free loopback ports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.backends import S3, Redis, start_redis, start_s3


@pytest.fixture(scope="session", name="redis_server")
def _redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    redis = start_redis(tmp_path_factory.mktemp("redis"))
    yield redis
    redis.program.kill()


@pytest.fixture(scope="session", name="s3")
def _s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    s3 = start_s3(tmp_path_factory.mktemp("s3"))
    yield s3
    s3.program.kill()


@pytest.fixture(scope="session", name="real_photos")
def _real_photos() -> Path:
    """The folder of real photos beside the checkout; tests that need it are skipped without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "photos"
    if not folder.is_dir():
        pytest.skip("no folder of real photos here")
    return folder


@pytest.fixture(scope="session", name="image_cases")
def _image_cases() -> Path:
    """The folder of images that came out wrong, beside the checkout; tests that need it are skipped without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "cases" / "images"
    if not folder.is_dir():
        pytest.skip("no folder of images that came out wrong here")
    return folder
