"""The edge of the local system: the CloudFront emulator, the function behind it, and nginx's location for both."""

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
# CloudFront ends a function on the origin's response after 30 s.
HANDLER = "devstack.cloudfront.local_edge.handler@30"
# This machine, as the function may know it: browsers and curl resolve it by themselves (RFC 6761).
HOST = "photos.localhost"


@dataclass(frozen=True)
class CloudFront:
    """A running CloudFront emulator."""

    program: Program
    port: int

    @property
    def location(self) -> str:
        """What nginx needs: paths and queries go on exactly as they came."""
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


def start_cloudfront(folder: Path, origin: str, function: Lambda, *, port: int | None = None) -> CloudFront:
    """Start it in front of `origin` (`http://` address of nginx); it need not answer yet."""
    port = port or free_ports(1)[0]
    argv = [sys.executable, "-m", "devstack.cloudfront", f"--port={port}", f"--origin={origin}"]
    argv += [f"--invoke-url={function.invoke_url(FUNCTION)}", f"--domain={domain(origin)}", f"--prefix={PREFIX}"]
    return CloudFront(Program("cloudfront", argv, folder / "cloudfront.log"), port)


def is_ready(cloudfront: CloudFront) -> Callable[[], bool]:
    """Whether it listens, to be asked again and again."""
    return lambda: answers(cloudfront.port)


def domain(origin: str) -> str:
    """The distribution's name: the function refuses images from there, which would ask for themselves again."""
    return f"{HOST}:{origin.rpartition(':')[2]}{PREFIX}"


def function_environment(folder: Path, nginx_port: int, users: Path, hosts: dict[str, str]) -> dict[str, str]:
    """The edge function's environment, and in `folder` the settings that a package would hold.

    Args:
        folder: of this system.
        nginx_port: where photos are, under the name `HOST`.
        users: `edge.json` as for `make package`; its hosts are allowed besides.
        hosts: further names that lead to this machine or another, and where.
    """
    settings: dict[str, Any] = json.loads(users.read_text(encoding="utf-8")) if users.exists() else {}
    settings["allowed_hosts"] = [*settings.get("allowed_hosts", []), f"{HOST}:{nginx_port}"]
    settings["schemes"] = sorted({"https", "http", *settings.get("schemes", [])})
    config = folder / "edge_config.json"
    config.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    return {"LOCAL_EDGE_CONFIG": str(config), "LOCAL_EDGE_HOSTS": json.dumps({HOST: LOOPBACK, **hosts})}
