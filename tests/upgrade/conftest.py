"""Replicas and functions of both versions, on one Redis and one bucket."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import ClientSession

from devstack.backends import S3, Redis, s3_client
from devstack.lambda_server import start_lambda
from devstack.programs import LOOPBACK, Program, answers, free_ports
from tests.support.site import FUNCTION, PRESETS, ROOT, service_environment
from tests.upgrade.previous import NoHistory, unpack

_WHERE = "import prewmanager, lambda_resize; print(prewmanager.__file__, lambda_resize.__file__)"


@dataclass(frozen=True)
class Replica:
    """A replica of one of the two versions."""

    program: Program
    port: int

    async def get(self, path: str) -> tuple[int, str, bytes]:
        """Return status, X-Preview and body."""
        async with ClientSession() as session, session.get(f"http://{LOOPBACK}:{self.port}{path}") as response:
            return response.status, response.headers.get("X-Preview", ""), await response.read()


@dataclass
class Ground:
    """One Redis and one bucket; `packages` has the folder of each version's."""

    s3: S3
    redis: Redis
    bucket: str
    packages: dict[str, Path]
    folder: Path
    exits: ExitStack = field(default_factory=ExitStack)

    def put(self, key: str, body: bytes = b"photo") -> None:
        """Store a photo."""
        s3_client(self.s3).put_object(Bucket=self.bucket, Key=key, Body=body)

    def metadata(self, key: str) -> dict[str, str]:
        """The metadata of an object."""
        found: dict[str, str] = s3_client(self.s3).head_object(Bucket=self.bucket, Key=key)["Metadata"]
        return found

    def environment(self, version: str, function_url: str = "") -> dict[str, str]:
        """The environment of a version's commands."""
        return {
            **service_environment(self.s3, self.redis, function_url),
            **PRESETS,
            "PREW_SOURCE_BUCKET": self.bucket,
            "PREW_LAMBDA_FUNCTION": FUNCTION,
            "PYTHONPATH": str(self.packages[version]),
        }

    def start(self, version: str, function_url: str) -> Replica:
        """Start a replica of a version."""
        port = free_ports(1)[0]
        name, environment = f"{version}-{port}", self.environment(version, function_url) | {"PREW_PORT": str(port)}
        argv = [sys.executable, "-m", "prewmanager", "serve"]
        program = Program(name, argv, self.folder / f"{name}.log", environment, cwd=self.folder)
        self.exits.callback(program.stop)
        program.wait_ready(lambda: answers(port))
        return Replica(program, port)

    def start_function(self, version: str) -> str:
        """Start a version's resize function, and return the address of its emulator."""
        options = ("--concurrency=2", "--timeout=10", f"--task-root={self.packages[version]}")
        environment = {**os.environ, **self.s3.aws_environment(), "PYTHONPATH": str(self.packages[version])}
        handlers = {FUNCTION: "lambda_resize.handler.handler"}
        emulator = start_lambda(self.folder, handlers, *options, env=environment)
        self.exits.callback(emulator.program.stop)
        return emulator.url

    def run(self, version: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a version's command to its end."""
        argv = [sys.executable, "-m", "prewmanager", *arguments]
        return subprocess.run(
            argv, env=self.environment(version), cwd=self.folder, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="session", name="packages")
def _packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of both versions' packages, each of which Python imports from there."""
    if not os.environ.get("PREW_TEST_UPGRADE"):
        pytest.skip("runs the previous release: `make test-upgrade`")
    try:
        found = {"new": ROOT, "old": unpack(tmp_path_factory.mktemp("previous"))}
    except NoHistory as error:
        pytest.skip(str(error))
    for folder in found.values():
        environment, elsewhere = {"PYTHONPATH": str(folder)}, tmp_path_factory.getbasetemp()
        imported = subprocess.check_output([sys.executable, "-c", _WHERE], env=environment, cwd=elsewhere, text=True)
        assert imported.count(f"{folder}/") == 2
    return found


@pytest.fixture(name="ground")
def _ground(packages: dict[str, Path], s3: S3, redis_server: Redis, tmp_path: Path) -> Iterator[Ground]:
    bucket = f"upgrade-{uuid4().hex[:12]}"
    s3_client(s3).create_bucket(Bucket=bucket)
    with ExitStack() as exits:
        yield Ground(s3, redis_server, bucket, packages, tmp_path, exits)
