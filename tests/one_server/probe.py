"""What code of an attacker's could reach, as JSON: run in the decoder's sandbox by `test_with_systemd`."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path


def connected(family: socket.AddressFamily, address: str | tuple[str, int]) -> Iterator[str]:
    """Yield a word if a connection is possible."""
    try:
        with socket.socket(family) as connection:
            connection.connect(address)
            yield "connected"
    except OSError:
        pass


def readable(paths: Iterator[Path]) -> Iterator[str]:
    """Yield the paths of those that are not empty."""
    for path in paths:
        try:
            if path.read_bytes():
                yield str(path)
        except OSError:
            pass


def environments() -> Iterator[Path]:
    """Yield the environments of other processes than this one and its parents."""
    own = {"self", "thread-self", str(os.getpid()), str(os.getppid())}
    yield from (path for path in Path("/proc").glob("*/environ") if path.parent.name not in own)


print(  # noqa: T201 -- its output
    json.dumps(
        {
            "S3": list(connected(socket.AF_INET, ("127.0.0.1", 8333))),
            "Redis": list(connected(socket.AF_UNIX, "/run/prewmanager-redis/redis.sock")),
            "sockets": [str(path) for path in Path("/run").rglob("*") if path.is_socket()],
            "settings": list(readable(Path("/etc/prewmanager").glob("*"))),
            "environments": list(readable(environments())),
        }
    )
)
