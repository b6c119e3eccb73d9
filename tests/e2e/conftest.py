"""All parts: real nginx, Redis, SeaweedFS, and the resize function in the real Lambda runtime client."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pyvips

from devstack.backends import S3, Redis
from devstack.lambda_server import Lambda, start_lambda
from devstack.programs import Program, free_ports
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


@pytest.fixture(name="checkout")
def _checkout(tmp_path: Path) -> Path:
    """A copy of the files in git."""
    folder = tmp_path / "checkout"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().strip("\0").split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


@pytest.fixture(name="photos")
def _photos(tmp_path: Path) -> Path:
    """A user's folder of photos."""
    folder = tmp_path / "my photos"
    (folder / "more").mkdir(parents=True)
    noise = pyvips.Image.gaussnoise(1000, 500, mean=128).cast("uchar")
    noise.jpegsave(str(folder / "one.jpg"))
    noise.rot90().jpegsave(str(folder / "more" / "two ü.jpg"))
    return folder


@pytest.fixture(name="system")
def _system(request: pytest.FixtureRequest, checkout: Path, photos: Path, tmp_path: Path) -> Iterator[Program]:
    """The running local system, ready, with further variables where a test gives some."""
    environment = (
        os.environ
        | getattr(request, "param", {})
        | {"PREW_LOCAL_PORT": str(free_ports(1)[0]), "PREW_LOCAL_PHOTOS": str(photos)}
    )
    log = tmp_path / "system.log"
    system = Program("system", [sys.executable, "-m", "devstack"], log, environment, cwd=checkout)
    system.wait_ready(lambda: "\nready http://127.0.0.1:" in log.read_text(), within_s=50)
    yield system
    system.kill()
