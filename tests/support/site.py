"""A complete site for a test: nginx, replicas of the service, and a given Redis, S3 and function."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.request import urlopen

from aiohttp import ClientSession, TCPConnector
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from devstack.backends import S3, Redis, s3_client
from devstack.lambda_server import Lambda, start_lambda
from devstack.nginx_server import Nginx, start_nginx
from devstack.programs import LOOPBACK, Program, find, free_ports
from tests.support.asking import Answer, ask

PRESETS = {
    "PREW_PRESETS__THUMB__WIDTH": "200",
    "PREW_PRESETS__CARD__WIDTH": "720",
    "PREW_PRESETS__SQUARE__WIDTH": "320",
    "PREW_PRESETS__SQUARE__HEIGHT": "320",
}
FUNCTION = "prew-resize"
ROOT = Path(__file__).resolve().parents[2]
_numbers = itertools.count(1)


def start_function(s3: S3, folder: Path) -> Lambda:
    """Start the resize function in up to four sandboxes; further calls wait for one."""
    options = ("--concurrency=4", "--queue-wait=10", "--timeout=10", f"--task-root={ROOT}")
    return start_lambda(
        folder, {FUNCTION: "lambda_resize.handler.handler"}, *options, env=os.environ | s3.aws_environment()
    )


def service_environment(s3: S3, redis: Redis | None, lambda_url: str) -> dict[str, str]:
    """Return a service's environment for these parts, without presets, function, port and the user's variables."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        **s3.aws_environment(),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_LAMBDA": lambda_url,
        "PREW_SOURCE_BUCKET": s3.bucket,
        "PREW_REDIS_URL": redis.url if redis else "",
        "PREW_HOST": LOOPBACK,
    }


def nginx_variables(s3: S3, ports: Iterable[int]) -> dict[str, str]:
    """Return nginx's variables for this S3, and services at these ports."""
    return {
        "PREW_NGINX_S3_SERVER": f"{LOOPBACK}:{s3.port}",
        "PREW_NGINX_S3_SCHEME": "http",
        "PREW_NGINX_BUCKET_PATH": f"/{s3.bucket}",
        "PREW_NGINX_SERVICES": " ".join(f"{LOOPBACK}:{port}" for port in ports),
        "PREW_NGINX_BALANCE": "random",  # most tests are about flights that replicas share
    }


class Function(Protocol):
    """The address of a function: in the Lambda emulator, or a gated one."""

    @property
    def url(self) -> str: ...


@dataclass
class Site:
    """A site that runs while its block is open.

    `redis` or `function` None: the service works without. `settings` are further variables of the service;
    `ports`, if they are given, those of its replicas.
    """

    folder: Path
    s3: S3
    redis: Redis | None = None
    function: Function | None = None
    function_name: str = FUNCTION
    replicas: int = 1
    settings: Mapping[str, str] = field(default_factory=dict)
    nginx_variables: Mapping[str, str] = field(default_factory=dict)
    ports: list[int] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._number = next(_numbers)
        self._exits = contextlib.ExitStack()
        self.ports = self.ports or free_ports(self.replicas)
        self.services = [self._start_service(port) for port in self.ports]
        self._exits.callback(self._stop_services)
        for replica in range(self.replicas):
            self._wait_for(replica)
        self.nginx = self._start_nginx()
        return self

    def _stop_services(self) -> None:
        for service in self.services:
            service.stop()

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    @property
    def environment(self) -> dict[str, str]:
        """The service's environment, without its port."""
        function = {"PREW_LAMBDA_FUNCTION": self.function_name} if self.function else {}
        lambda_url = self.function.url if self.function else ""
        return {**service_environment(self.s3, self.redis, lambda_url), **PRESETS, **function, **self.settings}

    def get(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request through nginx; `path` is sent unchanged."""
        return ask(self.nginx.port, path, method, headers)

    async def burst(self, path: str, count: int, accept: str = "*/*") -> list[tuple[int, str, bytes]]:
        """Send `count` requests at once through nginx; return status, X-Preview and body of each."""
        url = URL(f"{self.nginx.url}{path}", encoded=True)
        async with ClientSession(connector=TCPConnector(limit=0), headers={"Accept": accept}) as session:

            async def one() -> tuple[int, str, bytes]:
                async with session.get(url) as response:
                    return response.status, response.headers.get("X-Preview", ""), await response.read()

            return await asyncio.gather(*(one() for _ in range(count)))

    def requests_to_services(self) -> int:
        """Return how many preview requests have reached any replica."""
        return round(sum(self.metric("prewmanager_requests_total", port) for port in self.ports))

    def metric(self, name: str, port: int, **labels: str) -> float:
        """Return the sum of a metric's samples with these labels."""
        with urlopen(f"http://{LOOPBACK}:{port}/metrics") as response:
            families = list(text_string_to_metric_families(response.read().decode()))
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def put(self, name: str, data: bytes) -> None:
        """Store a photo."""
        s3_client(self.s3).put_object(Bucket=self.s3.bucket, Key=f"photo/{name}", Body=data)

    def stored(self, key: str) -> dict[str, Any] | None:
        """Return an object of the bucket with its bytes as `Body`, or None."""
        client = s3_client(self.s3)
        try:
            found: dict[str, Any] = client.get_object(Bucket=self.s3.bucket, Key=key)
        except client.exceptions.NoSuchKey:
            return None
        return found | {"Body": found["Body"].read()}

    def written(self, key: str) -> dict[str, Any]:
        """Return an object as `stored` does, once it is there: a preview may be written after its answer."""
        while (found := self.stored(key)) is None:
            time.sleep(0.01)
        return found

    def delete_previews(self, preset: str) -> None:
        """Purge a preset's previews from the bucket."""
        client = s3_client(self.s3)
        listed = client.list_objects_v2(Bucket=self.s3.bucket, Prefix=f"prew/{preset}/").get("Contents", [])
        for item in listed:
            client.delete_object(Bucket=self.s3.bucket, Key=item["Key"])

    def log_of(self, replica: int = 0) -> str:
        """Return a replica's log."""
        return self.services[replica].log.read_text()

    def restart(self, replica: int) -> None:
        """Stop a replica as a deployment does, and start it again on its port."""
        self.services[replica].stop(within_s=30)
        self.services[replica] = self._start_service(self.ports[replica])
        self._wait_for(replica)

    def _wait_for(self, replica: int) -> None:
        self.services[replica].wait_ready(lambda: self._is_alive(self.ports[replica]))

    def _start_service(self, port: int) -> Program:
        name = f"service-{self._number}-{port}"
        environment = self.environment | {"PREW_PORT": str(port)}
        return Program(name, [find("prewmanager"), "serve"], self.folder / f"{name}.log", environment)

    def _start_nginx(self) -> Nginx:
        variables = {
            **nginx_variables(self.s3, self.ports),
            **{
                name: value for name, value in self.settings.items() if name.startswith(("PREW_PRESETS", "PREW_SOURCE"))
            },
            **self.nginx_variables,
        }
        folder = self.folder / f"nginx-{self._number}"
        folder.mkdir()
        nginx = start_nginx(folder, variables)
        self._exits.callback(nginx.program.stop)
        return nginx

    def _is_alive(self, port: int) -> bool:
        with contextlib.suppress(OSError), urlopen(f"http://{LOOPBACK}:{port}/healthz", timeout=1) as response:
            return bool(response.status == 200)
        return False


RunSite = Callable[..., Site]
