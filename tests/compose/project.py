"""The compose project of a test run: commands of the Compose CLI, and the state of its containers."""

from __future__ import annotations

import functools
import itertools
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.support.asking import Answer, ask

ROOT = Path(__file__).resolve().parents[2]

BACK_WITHIN_S = 40.0  # after a container was killed: its restart and its health check


def engine_answers() -> bool:
    """Whether a Docker engine and the Compose CLI are available."""
    try:
        for command in (["docker", "info"], ["docker", "compose", "version"]):
            subprocess.run(command, check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Poll containers, which send no event here, until `holds()`; fail if that takes longer than `BACK_WITHIN_S`."""
    deadline = time.monotonic() + BACK_WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {BACK_WITHIN_S:.0f} s: {what}"
        time.sleep(0.2)


@dataclass(frozen=True)
class Project:
    """A project of `docker-compose.yml`, isolated from others; nginx on its own port."""

    name: str
    port: int

    def compose(self, *arguments: str) -> str:
        """Return the output of `docker compose …`; fail if it fails."""
        environment = os.environ | {"PREW_LOCAL_PORT": str(self.port), "PREW_LOCAL_PHOTOS": ""}
        argv = ["docker", "compose", "--project-name", self.name, *arguments]
        done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def get(self, path: str) -> Answer:
        """Send a request through nginx, whose time-out for the service is shorter."""
        return ask(self.port, path, within_s=65)

    @functools.cached_property
    def photos(self) -> list[str]:
        """Return the samples' paths."""
        found = json.loads(self.get("/presets/photos").body)["photos"]
        return [f"/photo/{quote(photo['name'])}" for photo in found]

    @functools.cached_property
    def fresh_previews(self) -> Iterator[str]:
        """Yield paths of previews that were never requested, each once."""
        presets = [preset["name"] for preset in json.loads(self.get("/presets/facts").body)["presets"]]
        pairs = itertools.product(presets, self.photos)
        return (photo.replace("/photo/", f"/prew/{preset}/", 1) for preset, photo in pairs)

    def containers(self, service: str) -> list[dict[str, Any]]:
        """Return `docker inspect` of a service's containers, also of those that have ended."""
        ids = self.compose("ps", "--all", "--quiet", service).split()
        found: list[dict[str, Any]] = json.loads(_docker("inspect", *ids))
        return found

    def is_healthy(self, service: str) -> bool:
        """Whether all of a service's containers are healthy."""
        states = [container["State"] for container in self.containers(service)]
        return all(state["Running"] and state.get("Health", {}).get("Status") == "healthy" for state in states)

    def kill_one(self, service: str) -> str:
        """End the first process of one container with SIGKILL, like a crash, and return the container's id.

        `docker kill` would also make the engine stop restarting the container.
        """
        container = self.containers(service)[0]
        command = f"kill -9 {container['State']['Pid']}"
        _docker("run", "--rm", "--pid=host", "--user=0", "--entrypoint=sh", "redis:8.2", "-c", command)
        return str(container["Id"])

    def run_in(self, container: str, code: str) -> Any:
        """Run Python code in a container and return its output, parsed as JSON."""
        return json.loads(_docker("exec", container, "python", "-c", code))


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
