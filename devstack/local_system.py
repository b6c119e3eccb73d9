"""The whole system on this machine, started in the order of its dependencies."""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self

from rich.console import Console

from devstack import edge
from devstack.backends import S3, Events, S3Keys, create_bucket, start_redis, start_s3
from devstack.environments import BUCKET, nginx_variables, places, service_environment
from devstack.far_s3 import COUNTS, Distance, start_far_s3
from devstack.functions import CLEANER, start_functions, start_s3_events
from devstack.lambda_server import Lambda
from devstack.local_settings import LocalSettings, LocalSettingsError, source_buckets
from devstack.nginx_server import Nginx, start_nginx
from devstack.photos import load_photos
from devstack.programs import LOOPBACK, Program, answers, find, free_ports, is_ok
from devstack.watch import Watched


class LocalSystem:
    """All programs of the local system; leaving the block ends them in reverse order.

    When Redis, SeaweedFS or nginx ends, the system ends. Replicas and the Lambda emulator are restarted.
    """

    def __init__(self, root: Path, settings: LocalSettings, console: Console) -> None:
        self._root = root
        self._folder = root / ".local"
        self._settings = settings
        self._console = console
        self._exits = contextlib.ExitStack()
        self.watched: list[Watched] = []
        self.endpoints: dict[str, object] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name."""
        return {watched.program.name: watched.program.pid for watched in self.watched}

    def start(self) -> None:
        """Start all programs. Raises `ProgramError` or `LocalSettingsError`."""
        self._check_presets()
        redis_url = self._start_redis()
        events_port = free_ports(1)[0] if self._settings.function else None
        s3 = self._start_s3(events_port)
        far_s3, requests = self._start_far_s3(s3)
        ports = free_ports(self._settings.replicas)
        function = self._start_lambda(far_s3, events_port, ports[0])
        cloudfront = self._start_cloudfront(function)
        self._load_photos(s3)
        self._start_services(ports, far_s3, redis_url, function)
        page = self._start_page(s3, ports)
        nginx = self._start_nginx(nginx_variables(self._settings, far_s3, ports, page), cloudfront)
        self.endpoints = {
            "nginx": nginx.url,
            "services": [f"http://{LOOPBACK}:{port}" for port in ports],
            "redis": redis_url or None,
            "s3": s3.as_json(),
            "lambda": function.url if function else None,
            "function": self._settings.function or None,
            "cloudfront": f"{nginx.url}{edge.PREFIX}" if cloudfront else None,
            **({"s3_requests": requests} if requests else {}),
        }

    def _check_presets(self) -> None:
        environment = service_environment(self._settings, port=1, redis_url=self._settings.redis_url or "")
        argv = [find("prewmanager"), "presets", "--json"]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LocalSettingsError(f"{done.stderr.strip()}\n(from .env and the environment)")
        self._say("presets", ", ".join(preset["name"] for preset in json.loads(done.stdout)))

    def _start_redis(self) -> str:
        if self._settings.redis_url is not None:
            self._say(
                "redis", "that of PREW_REDIS_URL" if self._settings.redis_url else "none: PREW_REDIS_URL is empty"
            )
            return self._settings.redis_url
        redis = start_redis(self._own_folder("redis"))
        self._watch(redis.program)
        self._say("redis", redis.url)
        return redis.url

    def _start_s3(self, events_port: int | None) -> S3:
        further = tuple(source_buckets(self._settings.environment))
        url = f"http://{LOOPBACK}:{events_port}/"
        events = Events(url, self._settings.source_keys, further) if events_port else None
        s3 = start_s3(self._own_folder("s3"), bucket=BUCKET, events=events, keys=S3Keys.drawn())
        self._watch(s3.program)
        for bucket in further:
            create_bucket(s3, bucket)
        self._say("s3", " ".join([f"{s3.endpoint}/{s3.bucket}", *further]))
        return s3

    def _start_far_s3(self, s3: S3) -> tuple[S3, str]:
        """Start the proxy that delays and counts, if wanted; return the parts' store, and the URL of the counts."""
        if self._settings.s3_delay_s is None:
            return s3, ""
        program, far_s3 = start_far_s3(self._own_folder("far-s3"), s3, Distance(self._settings.s3_delay_s))
        self._watch(program)
        self._say("far s3", f"{far_s3.endpoint} answers {self._settings.s3_delay_s:g} s later")
        return far_s3, f"{far_s3.endpoint}{COUNTS}"

    def _load_photos(self, s3: S3) -> None:
        folder = self._settings.photos or self._make_samples()
        loaded = load_photos(folder, s3, self._settings.source_keys, self._console)
        self._say("photos", f"{len(loaded.keys)} from {folder}, {loaded.uploaded} of them new or changed")
        for name in loaded.skipped:
            self._say("", f"left out, its name is no valid S3 key: {name}")

    def _make_samples(self) -> Path:
        folder = self._folder / "samples"
        if not folder.exists():
            self._say("samples", "rendered once, which takes 15 seconds")
        argv = [sys.executable, "-m", "devstack.samples", str(folder)]
        program = Program("samples", argv, self._own_folder("log") / "samples.log")
        with contextlib.ExitStack() as exits:
            exits.callback(program.kill)
            program.wait_done()
        return folder

    def _start_lambda(self, s3: S3, events_port: int | None, service_port: int) -> Lambda | None:
        if events_port is None:
            self._say("lambda", "none, since PREW_LAMBDA_FUNCTION is empty; no S3 events and no edge either")
            return None
        folder = self._own_folder("lambda")

        def start(port: int | None = None) -> Lambda:
            return start_functions(self._root, folder, self._settings, s3, service_port, port=port)

        function = start()
        self._watch(function.program, lambda: start(function.port).program)
        self._say("lambda", f"{function.url} functions {self._settings.function}, {CLEANER}, {edge.FUNCTION}")

        events_folder = self._own_folder("s3-events")

        def start_events() -> Program:
            return start_s3_events(events_folder, function, events_port, places=places(self._settings))

        self._watch(start_events(), start_events)
        return function

    def _start_cloudfront(self, function: Lambda | None) -> edge.CloudFront | None:
        if function is None:
            return None
        folder = self._own_folder("cloudfront")
        origin = f"http://{LOOPBACK}:{self._settings.port}"

        def start(port: int | None = None) -> edge.CloudFront:
            accept = edge.chooses_formats(self._root / "edge.json")
            return edge.start_cloudfront(folder, origin, function, accept=accept, port=port)

        cloudfront = start()
        self._watch(cloudfront.program, lambda: start(cloudfront.port).program)
        return cloudfront

    def _start_nginx(self, variables: dict[str, str], cloudfront: edge.CloudFront | None) -> Nginx:
        locations = {"edge": cloudfront.location} if cloudfront else {}
        folder = self._own_folder("nginx")
        nginx = start_nginx(folder, variables, port=self._settings.port, locations=locations)
        self._watch(nginx.program)
        self._say("nginx", nginx.url)
        if cloudfront:
            cloudfront.program.wait_ready(edge.is_ready(cloudfront))
            self._say("cloudfront", f"{nginx.url}{edge.PREFIX}/")
        return nginx

    def _start_services(self, ports: list[int], s3: S3, redis_url: str, function: Lambda | None) -> None:
        log = self._own_folder("log")
        for number, port in enumerate(ports, 1):
            environment = service_environment(self._settings, port=port, redis_url=redis_url, s3=s3, function=function)

            def start(name: str = f"service-{number}", environment: dict[str, str] = environment) -> Program:
                return Program(name, [find("prewmanager"), "serve"], log / f"{name}.log", environment)

            self._watch(start(), start)
        for watched, port in zip(self.watched[-len(ports) :], ports, strict=True):
            url = f"http://{LOOPBACK}:{port}"
            watched.program.wait_ready(functools.partial(is_ok, f"{url}/readyz"))
            self._say(watched.program.name, url)

    def _start_page(self, s3: S3, service_ports: list[int]) -> str:
        """Start the server of the page at `/`; return its address."""
        log = self._own_folder("page") / "page.log"
        port = free_ports(1)[0]
        services = [f"--service=http://{LOOPBACK}:{each}" for each in service_ports]
        nginx = f"--nginx=http://{LOOPBACK}:{self._settings.port}"
        argv = [sys.executable, "-m", "devstack.page", f"--port={port}", nginx, *services]
        environment = service_environment(self._settings, port=port, redis_url="", s3=s3)

        def start() -> Program:
            return Program("page", argv, log, environment, cwd=self._root)

        self._watch(start(), start)
        self.watched[-1].program.wait_ready(lambda: answers(port))
        return f"http://{LOOPBACK}:{port}"

    def _watch(self, program: Program, restart: Callable[[], Program] | None = None) -> None:
        watched = Watched(program, restart)
        self.watched.append(watched)
        self._exits.callback(watched.stop)

    def _own_folder(self, name: str) -> Path:
        """Return `.local/<name>`, with the logs of earlier runs removed."""
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        for log in folder.glob("*.log"):
            log.unlink()
        return folder

    def _say(self, what: str, how: str) -> None:
        self._console.print(f"{what:<10} {how}", markup=False, highlight=False, soft_wrap=True)
