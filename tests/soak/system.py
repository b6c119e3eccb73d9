"""The system under test: nginx, three replicas, Redis, S3 and Lambda, with a proxy on each way between them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

from devstack.backends import Redis, start_redis, start_s3
from devstack.lambda_server import Lambda, start_lambda
from devstack.nginx_server import Nginx, start_nginx
from devstack.programs import LOOPBACK, Program, free_ports
from tests.soak.pictures import INLINED_BYTES, preset_variables
from tests.soak.proxies import HttpProxy, TcpProxy
from tests.support.site import FUNCTION, ROOT, nginx_variables, service_environment

CLEANER = "prew-cleaner"
REPLICAS = 3
# Shorter than the defaults, so that what a fault leaves behind is over before the next; in seconds.
TIMES = {
    "PREW_LAMBDA_TIMEOUT": 10.0,
    "PREW_INVOKE_TIMEOUT": 12.0,
    "PREW_LEASE": 2.0,
    "PREW_LOCK_TTL": 15.0,
    "PREW_WAIT_TIMEOUT": 30.0,
    "PREW_PROXY_READ_TIMEOUT": 40.0,
    "PREW_SHUTDOWN_GRACE": 10.0,
    "PREW_RESULT_TTL": 5.0,
    "PREW_MISSING_TTL": 3.0,
    "PREW_REJECTED_TTL": 5.0,
    "PREW_TRANSIENT_TTL": 1.0,
}
_SANDBOXES = 4
# A replica that dies is started again this much later, as systemd or Kubernetes would.
_RESTART_AFTER_S = 0.5
_POLL_S = 0.1
_WITHIN_S = 60  # that all replicas have to be alive again


class Replica:
    """One process of the service, which is started again when it dies, with its own ways to Redis, S3 and Lambda."""

    def __init__(  # noqa: PLR0917 -- its own ways to each part
        self, folder: Path, number: int, port: int, redis: TcpProxy, s3: HttpProxy, function: HttpProxy
    ) -> None:
        self.port = port
        self.redis, self.s3, self.function = redis, s3, function
        self.tasks_file = folder / f"tasks-{number}"
        self._folder, self._number = folder, number
        self.starts = 0

    def start(self, environment: dict[str, str]) -> None:
        """Start the process, without waiting until it answers."""
        self.starts += 1
        argv = [sys.executable, "-m", "tests.soak.replica", str(self.tasks_file)]
        log = self._folder / f"replica-{self._number}.log"
        self.program = Program(f"replica-{self._number}", argv, log, environment, cwd=ROOT)

    def kill(self) -> None:
        """End the process at once."""
        self.program.kill()

    def answers(self) -> bool:
        """Whether it is alive."""
        with suppress(OSError), urlopen(f"http://{LOOPBACK}:{self.port}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
        return False


class System:
    """All parts; they run while the block of `running` is open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.replicas: list[Replica] = []
        self._ports = free_ports(REPLICAS)
        self.redis: Redis

    @asynccontextmanager
    async def running(self) -> AsyncIterator[System]:
        """Start everything, and end it with the block."""
        async with AsyncExitStack() as exits:
            self.redis = self._start_redis()
            exits.callback(self._end_redis)
            (self.folder / "s3").mkdir()
            self.s3 = start_s3(self.folder / "s3")
            exits.callback(self.s3.program.kill)
            self.function_s3 = await exits.enter_async_context(HttpProxy(self.s3.endpoint).running())
            self.nginx_s3 = await exits.enter_async_context(HttpProxy(self.s3.endpoint).running())
            self.function = self._start_functions()
            exits.callback(self.function.program.kill)
            for number in range(REPLICAS):
                replica = await self._make_replica(number, exits)
                self.replicas.append(replica)
                replica.start(self._environment(replica))
                exits.callback(replica.kill)
            await self.all_answer()
            self.nginx = self._start_nginx()
            exits.callback(self.nginx.program.stop)
            keeper = asyncio.create_task(self._keep_running())
            exits.callback(keeper.cancel)
            yield self

    @property
    def ways_to_s3(self) -> list[HttpProxy]:
        """Every proxy before S3."""
        return [self.nginx_s3, self.function_s3, *(replica.s3 for replica in self.replicas)]

    @property
    def ways_to_lambda(self) -> list[HttpProxy]:
        """Every proxy before Lambda."""
        return [replica.function for replica in self.replicas]

    async def all_answer(self) -> None:
        """Return when every replica is alive."""
        async with asyncio.timeout(_WITHIN_S):
            for replica in self.replicas:
                while not await asyncio.to_thread(replica.answers):  # noqa: ASYNC110 -- another process has no event
                    await asyncio.sleep(_POLL_S)

    @contextmanager
    def redis_away(self) -> Iterator[None]:
        """Kill Redis, and start an empty one when the block ends."""
        self.redis.program.kill()
        try:
            yield
        finally:
            self.redis = self._start_redis(self.redis.port)

    async def _keep_running(self) -> None:
        while True:
            await asyncio.sleep(_RESTART_AFTER_S)
            for replica in self.replicas:
                if not replica.program.alive:
                    replica.start(self._environment(replica))

    def _start_redis(self, port: int | None = None) -> Redis:
        (self.folder / "redis").mkdir(exist_ok=True)
        return start_redis(self.folder / "redis", port=port)

    def _end_redis(self) -> None:
        self.redis.program.kill()

    def _start_functions(self) -> Lambda:
        options = (f"--concurrency={_SANDBOXES}", "--queue-wait=6", "--timeout=10", f"--task-root={ROOT}")
        functions = {FUNCTION: "lambda_resize.handler.handler", CLEANER: "lambda_resize.cleaner.handler@10"}
        through = self.s3.aws_environment() | {"AWS_ENDPOINT_URL_S3": self.function_s3.url}
        # One of the replicas: while it is away, events wait.
        service = {"PREW_SERVICE_URL": f"http://{LOOPBACK}:{self._ports[0]}"}
        environment = os.environ | through | service | {"RESIZE_MAX_DATA_BYTES": str(INLINED_BYTES)}
        return start_lambda(self.folder, functions, *options, env=environment)

    async def _make_replica(self, number: int, exits: AsyncExitStack) -> Replica:
        redis = await exits.enter_async_context(TcpProxy(self.redis.port).running())
        s3 = await exits.enter_async_context(HttpProxy(self.s3.endpoint).running())
        function = await exits.enter_async_context(HttpProxy(self.function.url).running())
        return Replica(self.folder, number, self._ports[number], redis, s3, function)

    def _environment(self, replica: Replica) -> dict[str, str]:
        return {
            **service_environment(self.s3, None, replica.function.url),
            # Not another address of S3, which is part of the keys in Redis.
            "HTTP_PROXY": replica.s3.url,
            "NO_PROXY": f"{LOOPBACK}:{replica.function.port}",
            "PREW_REDIS_URL": f"redis://{LOOPBACK}:{replica.redis.port}/0",
            "PREW_LAMBDA_FUNCTION": FUNCTION,
            "PREW_PORT": str(replica.port),
            "PREW_MAX_RESULT_BYTES": str(INLINED_BYTES),
            **preset_variables(),
            **{name: f"{seconds:g}" for name, seconds in TIMES.items()},
        }

    def _start_nginx(self) -> Nginx:
        (self.folder / "nginx").mkdir()
        times = {"PREW_PROXY_READ_TIMEOUT": f"{TIMES['PREW_PROXY_READ_TIMEOUT']:g}"}
        given = nginx_variables(self.s3, [replica.port for replica in self.replicas])
        through = {"PREW_NGINX_S3_SERVER": f"{LOOPBACK}:{self.nginx_s3.port}"}
        return start_nginx(self.folder / "nginx", {**given, **through, **preset_variables(), **times})
