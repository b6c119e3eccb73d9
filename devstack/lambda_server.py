"""Starts the Lambda emulator, reads its counts, and makes clients for it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
from botocore.config import Config

from devstack.backends import ACCESS_KEY, REGION, SECRET_KEY
from devstack.programs import LOOPBACK, Program, answers, free_ports


@dataclass(frozen=True)
class Lambda:
    """A running Lambda emulator."""

    program: Program
    port: int

    @property
    def url(self) -> str:
        """`http://` address of its Invoke API."""
        return f"http://{LOOPBACK}:{self.port}"

    def aws_environment(self) -> dict[str, str]:
        """The AWS SDK's environment variable for this server."""
        return {"AWS_ENDPOINT_URL_LAMBDA": self.url}

    def invoke_url(self, function: str) -> str:
        """Return the URL that invokes a function, for clients without the SDK."""
        return f"{self.url}/2015-03-31/functions/{function}/invocations"

    def stats(self) -> dict[str, Any]:
        """Return its counts: `invocations`, `in_flight`, `cold_starts`, `throttled`, `recent` and more."""
        with urlopen(f"{self.url}/-/stats", timeout=10) as response:  # noqa: S310 -- of this machine
            counts: dict[str, Any] = json.load(response)
        return counts


def start_lambda(
    folder: Path,
    functions: Mapping[str, str],
    *options: str,
    port: int | None = None,
    env: Mapping[str, str] | None = None,
) -> Lambda:
    """Start the emulator and return when it answers.

    Args:
        folder: Contains its log.
        functions: `package.module.attribute` by name, optionally followed by `@SECONDS`, the time-out.
        options: Further command-line options of `python -m devstack.aws_lambda`.
        port: The port to listen on; by default a free one.
        env: The environment of emulator and functions; inherited by default.
    """
    port = port or free_ports(1)[0]
    argv = [sys.executable, "-m", "devstack.aws_lambda", f"--port={port}", *options]
    argv += [f"--function={name}={handler}" for name, handler in functions.items()]
    program = Program("lambda", argv, folder / "lambda.log", os.environ if env is None else env)
    program.wait_ready(lambda: answers(port))
    return Lambda(program, port)


def lambda_client(service: Lambda):  # type: ignore[no-untyped-def]  # noqa: ANN201 -- boto3 makes its client classes at run time
    """Return a boto3 Lambda client for this server, without retries."""
    return boto3.client(
        "lambda",
        endpoint_url=service.url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=50),
    )
