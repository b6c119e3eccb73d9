"""What makes previews where S3 is far away: ours, and a handler of Node, sharp and AWS's client, each behind our nginx.

All render alike: 720 wide, JPEG of quality 80 with colour at half resolution, Lanczos, one thread for a photo.
"""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks import node
from benchmarks.parts import Parts, Replica
from devstack.backends import S3
from devstack.far_s3 import COUNTS, Distance
from devstack.lambda_server import Lambda
from devstack.programs import free_ports
from tests.support.site import nginx_variables

_QUALITY = "80"
_PINNED = {"PREW_PRESETS__CARD__FORMAT": "jpeg", "PREW_PRESETS__CARD__QUALITY": _QUALITY, "VIPS_CONCURRENCY": "1"}
_ANSWERED_FIRST_TRIPS = 2.2  # nginx asks; photo and preview come
_WRITTEN_FIRST_TRIPS = 3.2  # and the preview is written
_WRITTEN_FIRST = {"PREW_ANSWER_FIRST": "false"}


@dataclass(frozen=True)
class System:
    """A way to make previews.

    Attributes:
        name: In tables and plots.
        start: Starts it on an S3, and returns what nginx passes misses to.
        trips_target: The most answers of S3 that may wait for one another in a miss; None: not ours.
    """

    name: str
    start: Callable[[Parts, S3], Replica]
    trips_target: float | None = None


def with_lambda(parts: Parts, s3: S3, **settings: str) -> tuple[Replica, Lambda]:
    """Start a replica with the function in one sandbox; return both."""
    function, _ = parts.function(s3, VIPS_CONCURRENCY="1")
    return parts.service(parts.redis(), s3, function.url, **_PINNED, **settings), function


def _with_workers(parts: Parts, s3: S3, **settings: str) -> Replica:
    workers = {"PREW_LAMBDA_FUNCTION": "", "PREW_RESIZE_WORKERS": "1"}
    return parts.service(parts.redis(), s3, "", **workers, **_PINNED, **settings)


def _on_node(parts: Parts, s3: S3, *options: str) -> Replica:
    (port,) = free_ports(1)
    argv = node.command(Path(node.__file__).with_name("handler.mjs"))
    argv += [f"--port={port}", f"--bucket={s3.bucket}", "--width=720", f"--quality={_QUALITY}", *options]
    return parts.program("node", argv, port, **s3.aws_environment())


def _stores_first(parts: Parts, s3: S3) -> Replica:
    return _on_node(parts, s3, "--stores")


OURS = (
    System("Lambda", lambda parts, s3: with_lambda(parts, s3)[0], _ANSWERED_FIRST_TRIPS),
    System("worker processes", _with_workers, _ANSWERED_FIRST_TRIPS),
    System(
        "Lambda, written first",
        lambda parts, s3: with_lambda(parts, s3, **_WRITTEN_FIRST)[0],
        _WRITTEN_FIRST_TRIPS,
    ),
    System(
        "worker processes, written first",
        lambda parts, s3: _with_workers(parts, s3, **_WRITTEN_FIRST),
        _WRITTEN_FIRST_TRIPS,
    ),
)
SAMPLE = System("Node: GET, resize, PUT, answer", _stores_first)
BARE = System("Node: GET, resize, answer", _on_node)


def present(console: Console) -> list[System]:
    """Return the systems that can run here; where Node's packages are missing, a line says so."""
    return [*OURS, *((SAMPLE, BARE) if node.packages(console) else ())]


@dataclass(frozen=True)
class Site:
    """A system behind nginx, with an S3 of its own distance and counts."""

    system: System
    far: S3
    port: int


def sites(parts: Parts, s3: S3, distance: Distance, systems: Sequence[System]) -> Iterator[Site]:
    """Start each system as far from `s3` as that, behind an nginx of its own."""
    for system in systems:
        far = parts.far_s3(s3, distance)
        replica = system.start(parts, far)
        yield Site(system, far, parts.nginx(nginx_variables(far, [replica.port])).port)


def asked(far: S3) -> Counter[str]:
    """Return what a far S3 has been asked since its start, by verb and first segment of the key."""
    with urllib.request.urlopen(f"{far.endpoint}{COUNTS}") as response:  # noqa: S310 -- on loopback
        counts = json.load(response)
    return Counter({f"{verb} {part}": times for verb, parts in counts.items() for part, times in parts.items()})
