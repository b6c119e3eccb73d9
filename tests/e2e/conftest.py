"""All parts: real nginx, Redis, SeaweedFS, and the resize function in the real Lambda runtime client."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack.backends import S3, Redis
from devstack.lambda_server import Lambda, start_lambda
from tests.support.private_listing import PrivateListing, private_listing
from tests.support.site import ROOT, RunSite, Site, start_function

FAULTY = ("minimal", "raises", "dies", "sleeps", "nonsense", "huge")


@pytest.fixture(scope="session", name="function")
def _function(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    function = start_function(s3, tmp_path_factory.mktemp("lambda"))
    yield function
    function.program.stop()


@pytest.fixture(name="counted_s3")
def _counted_s3(s3: S3) -> Iterator[PrivateListing]:
    """S3 behind a proxy that counts what it is asked."""
    with private_listing(s3, lists=True) as proxy:
        yield proxy


@pytest.fixture(name="function_of_counted_s3")
def _function_of_counted_s3(counted_s3: PrivateListing, tmp_path: Path) -> Iterator[Lambda]:
    function = start_function(counted_s3.s3, tmp_path)
    yield function
    function.program.kill()


@pytest.fixture(scope="session", name="faulty_functions")
def _faulty_functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    """Functions that misbehave in one way each, in one sandbox each, with a time-out of two seconds."""
    handlers = {name: f"resize_functions.{name}" for name in FAULTY}
    options = ("--concurrency=1", "--timeout=2", f"--task-root={ROOT / 'tests' / 'adapters' / 'functions'}")
    function = start_lambda(tmp_path_factory.mktemp("faulty"), handlers, *options, env=os.environ)
    yield function
    function.program.stop()


@pytest.fixture(scope="session", name="site")
def _site(s3: S3, redis_server: Redis, function: Lambda, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The complete system: two replicas behind nginx."""
    with Site(tmp_path_factory.mktemp("site"), s3, redis_server, function, replicas=2) as site:
        yield site


@pytest.fixture(name="run_site")
def _run_site(s3: S3, tmp_path: Path) -> RunSite:
    """Runs a separate site on the shared S3: `with run_site(redis=…, function=…) as site`."""

    def make(**parts: Any) -> Site:
        return Site(tmp_path, s3, **parts)

    return make
