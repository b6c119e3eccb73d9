"""The programs of a benchmark, in one temporary folder; they end with the block."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devstack.backends import S3, Redis, start_redis, start_s3
from devstack.far_s3 import Distance, start_far_s3
from devstack.lambda_server import Lambda, start_lambda
from devstack.nginx_server import Nginx, start_nginx
from devstack.programs import LOOPBACK, Program, ProgramError, answers, find, free_ports, is_ok
from tests.support.site import FUNCTION, nginx_variables, service_environment

HANDLER = "lambda_resize.handler.handler"
PRESET = "card"
ROOT = Path(__file__).resolve().parents[1]
# At the fastest effort, so that figures go on comparing with those from before there was a choice.
_PRESETS = {
    "PREW_PRESETS__CARD__WIDTH": "720",
    "PREW_PRESETS__CARD__EFFORT": "fast",
    "PREW_PRESETS__THUMB__WIDTH": "200",
    "PREW_PRESETS__THUMB__EFFORT": "fast",
}


@dataclass(frozen=True)
class Replica:
    """A process that serves HTTP."""

    program: Program
    port: int

    @property
    def url(self) -> str:
        """The `http://` address, without a trailing slash."""
        return f"http://{LOOPBACK}:{self.port}"


class Parts:
    """Starts programs, each in its own folder."""

    def __init__(self, folder: Path, exits: contextlib.ExitStack) -> None:
        self._folder = folder
        self._exits = exits
        self._started = 0

    def redis(self) -> Redis:
        """Start a redis-server."""
        redis = start_redis(self.folder("redis"))
        self._keep(redis.program)
        return redis

    def s3(self) -> S3:
        """Start SeaweedFS with the bucket `photos`."""
        s3 = start_s3(self.folder("s3"))
        self._keep(s3.program)
        return s3

    def far_s3(self, s3: S3, distance: Distance) -> S3:
        """Return the same S3 as from a distance."""
        program, far = start_far_s3(self.folder("far-s3"), s3, distance)
        self._keep(program)
        return far

    def function(self, s3: S3, sandboxes: int = 1, **environment: str) -> tuple[Lambda, Path]:
        """Start the Lambda emulator with the resize function in so many sandboxes; return it and the function's log."""
        folder = self.folder("lambda")
        env = plain_environment() | s3.aws_environment() | environment
        options = (f"--concurrency={sandboxes}", f"--task-root={ROOT}")
        service = start_lambda(folder, {FUNCTION: HANDLER}, *options, env=env)
        self._keep(service.program)
        return service, folder / "lambda.log"

    def service(self, redis: Redis, s3: S3, lambda_url: str, **settings: str) -> Replica:
        """Start a replica of prewmanager with these settings, and return it when ready."""
        port = free_ports(1)[0]
        own = {"PREW_LAMBDA_FUNCTION": FUNCTION, "PREW_PORT": str(port)}
        env = service_environment(s3, redis, lambda_url) | _PRESETS | own | settings
        log = self.folder("service") / "service.log"
        program = Program("prewmanager", [find("prewmanager"), "serve"], log, env)
        self._keep(program)
        replica = Replica(program, port)
        program.wait_ready(functools.partial(is_ok, f"{replica.url}/readyz"))
        return replica

    def nginx_before(self, s3: S3, replicas: Sequence[Replica]) -> Nginx:
        """Start prewmanager's nginx in front of this S3 and these replicas."""
        return self.nginx(nginx_variables(s3, [replica.port for replica in replicas]))

    def nginx(self, variables: Mapping[str, str]) -> Nginx:
        """Start prewmanager's nginx with these variables."""
        nginx = start_nginx(self.folder("nginx"), variables)
        self._keep(nginx.program)
        return nginx

    def module(self, name: str, *options: str) -> Replica:
        """Start `python -m benchmarks.<name>` with `--port` and these options, and wait until it listens."""
        port = free_ports(1)[0]
        argv = [sys.executable, "-m", f"benchmarks.{name}", f"--port={port}", *options]
        return self.program(name, argv, port)

    def program(self, name: str, argv: list[str], port: int, **environment: str) -> Replica:
        """Start another program with these variables, and wait until it listens on `port`."""
        env = plain_environment() | environment
        program = Program(name, argv, self.folder(name) / f"{name}.log", env, ROOT)
        self._keep(program)
        program.wait_ready(lambda: answers(port))
        return Replica(program, port)

    def folder(self, name: str) -> Path:
        """Create a new folder."""
        self._started += 1
        folder = self._folder / f"{self._started:02}-{name}"
        folder.mkdir()
        return folder

    def _keep(self, program: Program) -> None:
        self._exits.callback(program.kill)


@contextlib.contextmanager
def running_parts() -> Iterator[Parts]:
    """Yield the parts; programs started inside the block end with it, in reverse order.

    Raises `SystemExit` with the end of a program's log if it fails.
    """
    with tempfile.TemporaryDirectory(prefix="prewmanager-bench-") as folder, contextlib.ExitStack() as exits:
        try:
            yield Parts(Path(folder), exits)
        except ProgramError as error:
            raise SystemExit(str(error)) from error


def plain_environment() -> dict[str, str]:
    """Return a program's environment, without the user's AWS or service configuration."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "AWS_EC2_METADATA_DISABLED": "true"}
