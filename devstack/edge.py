"""The local system's edge: the CloudFront emulator, its function, and nginx's location for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack.lambda_server import Lambda
from devstack.programs import LOOPBACK, Program, answers, free_ports

PREFIX = "/edge"
FUNCTION = "prew-edge"
# CloudFront's limit for an origin-response function is 30 s.
HANDLER = "devstack.cloudfront.local_edge.handler@30"
# The function's name for this machine; browsers and curl resolve it without DNS (RFC 6761).
HOST = "photos.localhost"
_CONFIG = "edge_config.json"


@dataclass(frozen=True)
class CloudFront:
    """A running CloudFront emulator."""

    program: Program
    port: int

    @property
    def location(self) -> str:
        """The location for nginx, which passes path and query on unchanged."""
        return (
            f"location {PREFIX}/ {{\n"
            f"    proxy_pass http://{LOOPBACK}:{self.port};\n"
            "    proxy_http_version 1.1;\n"
            '    proxy_set_header Connection "";\n'
            "    # An origin that is silent for 60 s, and a function that takes its 30.\n"
            "    proxy_read_timeout 100s;\n"
            "    proxy_max_temp_file_size 0;\n"
            "}\n"
        )


def start_cloudfront(
    folder: Path, origin: str, function: Lambda, *, accept: bool, port: int | None = None
) -> CloudFront:
    """Start the emulator in front of `origin` (`http://` address of nginx), without waiting until it is ready.

    `accept`: the function answers in formats by `Accept`, which is then a part of the cache's key.
    """
    port = port or free_ports(1)[0]
    argv = [sys.executable, "-m", "devstack.cloudfront", f"--port={port}", f"--origin={origin}"]
    argv += [f"--invoke-url={function.invoke_url(FUNCTION)}", f"--domain={domain(origin)}", f"--prefix={PREFIX}"]
    argv += ["--accept"] if accept else []
    return CloudFront(Program("cloudfront", argv, folder / "cloudfront.log"), port)


def is_ready(cloudfront: CloudFront) -> Callable[[], bool]:
    """Return a check whether it listens, for polling."""
    return lambda: answers(cloudfront.port)


def domain(origin: str) -> str:
    """Return the distribution's name. The function refuses images from there, which would be requests to itself."""
    return f"{HOST}:{origin.rpartition(':')[2]}{PREFIX}"


def function_environment(folder: Path, nginx_port: int, users: Path, hosts: dict[str, str]) -> dict[str, str]:
    """Return the edge function's environment, and write into `folder` the settings that a package would contain.

    Args:
        folder: The local system's folder.
        nginx_port: The port that serves the photos, under the name `HOST`.
        users: Path of the user's `edge.json`, as for `make package`; its hosts are allowed as well.
        hosts: Further names, and the names or addresses they resolve to.
    """
    settings = _of(users)
    settings["allowed_hosts"] = [*settings.get("allowed_hosts", []), f"{HOST}:{nginx_port}"]
    settings["schemes"] = sorted({"https", "http", *settings.get("schemes", [])})
    config = folder / _CONFIG
    config.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    return {"LOCAL_EDGE_CONFIG": str(config), "LOCAL_EDGE_HOSTS": json.dumps({HOST: LOOPBACK, **hosts})}


def chooses_formats(users: Path) -> bool:
    """Whether the user's `edge.json` has the function answer in formats by `Accept`."""
    return bool(_of(users).get("formats"))


def _of(users: Path) -> dict[str, Any]:
    return json.loads(users.read_text(encoding="utf-8")) if users.exists() else {}
