"""Fixtures of the commands' tests: a separate bucket on a real S3, and the command line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from devstack.backends import S3, Redis, s3_client
from devstack.programs import LOOPBACK, find, ignore_no_signal
from tests.commands.fork_server import ForkServer
from tests.docs.shapes import SHAPES, is_of_shape
from tests.support.gated_lambda import GatedLambda


def _read(command: str, output: str) -> Any:
    """Read documents and lines, which have the shapes of docs/reference/output.schema.json."""
    if command not in {"stale", "warm"}:
        document = json.loads(output)
        assert command not in SHAPES or is_of_shape(command, document)
        return document
    *lines, summary = map(json.loads, output.splitlines())
    assert all(is_of_shape(command, each) for each in (*lines, summary))
    assert summary.pop("type") == "summary"
    for line in lines:
        summary.setdefault(line.pop("type"), []).append(line)
    return summary


@dataclass
class Shop:
    """An empty bucket, and `prewmanager` with the environment of its site."""

    s3: S3
    bucket: str
    client: Any
    command_line: ForkServer
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """What its keys in Redis begin with."""
        return f"{self.bucket}@{LOOPBACK}:{self.s3.port}"

    def put(self, *keys: str, body: bytes = b"picture", fingerprint: str | None = None) -> None:
        """Store objects under these keys."""
        metadata = {} if fingerprint is None else {"preset-fingerprint": fingerprint}
        for key in keys:
            self.client.put_object(Bucket=self.bucket, Key=key, Body=body, Metadata=metadata)

    def put_later(self, key: str, than: str, body: bytes = b"newer") -> None:
        """Store an object until S3, whose times are in whole seconds, reports it as younger than another one."""
        other = self.client.head_object(Bucket=self.bucket, Key=than)["LastModified"]
        self.put(key, body=body)
        while self.client.head_object(Bucket=self.bucket, Key=key)["LastModified"] <= other:
            self.put(key, body=body)

    def read(self, key: str) -> bytes:
        """The bytes of an object."""
        body: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def keys(self, prefix: str = "") -> set[str]:
        """All keys in the bucket."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return {item["Key"] for page in pages for item in page.get("Contents", ())}

    def run(self, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return self.command_line.run([*arguments], self.environment | changed)

    async def start(self, *arguments: str, **changed: str) -> Process:
        """Start a command."""
        return await create_subprocess_exec(
            find("prewmanager"),
            *arguments,
            env=self.environment | changed,
            stdout=PIPE,
            stderr=PIPE,
            preexec_fn=ignore_no_signal,
        )

    @contextlib.asynccontextmanager
    async def serving(self, **changed: str) -> AsyncIterator[None]:
        """Run the service, which answers inside the block."""
        stack = contextlib.ExitStack()
        log = stack.enter_context(self.command_line.running(["serve"], self.environment | changed))
        try:
            while '"serving"' not in log.read_text(encoding="utf-8"):  # noqa: ASYNC110 -- a file has no event
                await asyncio.sleep(0.02)
            yield
        finally:
            # Beside the event loop, in which the service's function may run.
            await asyncio.to_thread(stack.close)

    def json(self, *arguments: str, exit_code: int = 0, **changed: str) -> Any:
        """Run a command with --json, check its exit code, and return its output.

        Of a command that prints lines, the summary, with the other lines in lists by type.
        """
        done = self.run(*arguments, "--json", **changed)
        assert done.returncode == exit_code, done.stdout + done.stderr
        return _read(arguments[0], done.stdout)

    async def run_beside(self, *arguments: str, exit_code: int = 0, **changed: str) -> Any:
        """Run the command likewise, without blocking this process."""
        return await asyncio.to_thread(self.json, *arguments, exit_code=exit_code, **changed)

    def allow_anonymous_reads(self) -> None:
        """Let anybody read the bucket's objects."""
        statement = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{self.bucket}/*",
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self.client.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(policy))


def environment_of(s3: S3, bucket: str, **more: str) -> dict[str, str]:
    """The variables of a site with this bucket and the presets card and thumb."""
    return {
        "PATH": os.environ["PATH"],
        **{name: value for name, value in os.environ.items() if name.startswith("COV")},
        **s3.aws_environment(),
        "AWS_EC2_METADATA_DISABLED": "true",
        "PREW_SOURCE_BUCKET": bucket,
        "PREW_PRESETS__CARD__WIDTH": "720",
        "PREW_PRESETS__THUMB__WIDTH": "200",
        **more,
    }


def fingerprints(environment: Mapping[str, str]) -> dict[str, str]:
    """The presets' fingerprints by name, from the command line."""
    done = subprocess.run(
        [find("prewmanager"), "presets", "--json"], env=environment, capture_output=True, text=True, check=True
    )
    return {each["name"]: each["fingerprint"] for each in json.loads(done.stdout)}


@pytest.fixture(scope="session", name="command_line")
def _command_line() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture(name="shop")
def _shop(s3: S3, command_line: ForkServer) -> Iterator[Shop]:
    bucket = f"shop-{uuid4().hex[:12]}"
    client = s3_client(s3)
    client.create_bucket(Bucket=bucket)
    yield Shop(s3, bucket, client, command_line, environment_of(s3, bucket))
    client.close()


@pytest.fixture(name="function")
async def _function(s3: S3, shop: Shop, redis_server: Redis) -> AsyncIterator[GatedLambda]:
    """The shop's function, with its gate open; brings the shop's Redis."""
    async with GatedLambda(s3, is_open=True).running() as function:
        shop.environment |= {
            "AWS_ENDPOINT_URL_LAMBDA": function.url,
            "PREW_LAMBDA_FUNCTION": "prew-resize",
            "PREW_REDIS_URL": redis_server.url,
        }
        yield function
