"""Previews that somebody waited for are polished by replicas of a running site, one of which is killed meanwhile."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis as RedisClient

from devstack.backends import S3, Redis
from devstack.lambda_server import Lambda, start_lambda
from prewmanager.adapters.redis.polish_queue import POLISH_KEY_PREFIX
from tests.lambda_resize.pictures import encode, gradient
from tests.support.fakes import until_reported
from tests.support.site import FUNCTION, ROOT, RunSite, Site

POLISH = {
    "PREW_POLISH": "true",
    "PREW_MAX_POLISHES_PER_SECOND": "50",
    "PREW_INVOKE_TIMEOUT": "11",
    "PREW_PRESETS__CARD__EFFORT": "fast",
}


@pytest.fixture(name="queue")
def _queue(redis_server: Redis, s3: S3) -> Iterator[Queue]:
    with RedisClient.from_url(redis_server.url) as client:
        queue = Queue(client, f"{POLISH_KEY_PREFIX}{s3.bucket}@127.0.0.1:{s3.port}/prew")
        client.delete(queue.key)
        yield queue


class Queue:
    """The queue in Redis, whose time a test lets pass."""

    def __init__(self, client: RedisClient, key: str) -> None:
        self._client = client
        self.key = key

    def __len__(self) -> int:
        return int(str(self._client.zcard(self.key)))

    def pass_time(self) -> None:
        """Let all waits and claims end."""
        for member in self._members():
            self._client.zincrby(self.key, -60_000, member)

    def _members(self) -> list[bytes]:
        found: Any = self._client.zrange(self.key, 0, -1)
        return list(found)


def _make(site: Site, *names: str) -> list[int]:
    """Upload photos, ask for their previews, and return these's sizes."""
    for place, name in enumerate(names):
        site.put(name, encode(gradient(1200 + place, 900), "JPEG"))
    answers = [site.get(f"/prew/card/{name}") for name in names]
    assert {answer.headers["Cache-Control"] for answer in answers} == {"public, max-age=300"}
    for name in names:
        site.written(f"prew/card/{name}")
    return [len(answer.body) for answer in answers]


def _is_polished(site: Site, name: str) -> bool:
    return bool(site.written(f"prew/card/{name}")["Metadata"].get("polished"))


def _fates(site: Site, *replicas: int) -> dict[str, int]:
    lines = [line for replica in replicas for line in site.log_of(replica).splitlines() if '"polish"' in line]
    entries = [json.loads(line) for line in lines]
    return {each["key"]: sum(each["key"] == other["key"] for other in entries) for each in entries}


async def test_two_replicas_polish_each_preview_once(run_site: RunSite, redis_server: Redis, queue: Queue) -> None:
    """By processes of their own beside the workers."""
    names = [f"polished/{number}.jpg" for number in range(4)]
    with run_site(redis=redis_server, replicas=2, settings=POLISH | {"PREW_RESIZE_WORKERS": "1"}) as site:
        before = _make(site, *names)
        await until_reported(lambda: len(queue) == len(names))
        queue.pass_time()
        await until_reported(lambda: len(queue) == 0)
        after = [len(site.written(f"prew/card/{name}")["Body"]) for name in names]
        again = site.get(f"/prew/card/{names[0]}")

        assert all(_is_polished(site, name) for name in names)
        assert all(small <= 0.95 * size for size, small in zip(before, after, strict=True))
        assert _fates(site, 0, 1) == {f"prew/card/{name}": 1 for name in names}
        saved = sum(site.metric("prewmanager_polish_saved_bytes_total", port) for port in site.ports)
        assert saved == sum(before) - sum(after)
        assert "max-age=31536000" in again.headers["Cache-Control"]


@pytest.fixture(name="stepwise")
def _stepwise(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lambda]:
    monkeypatch.setenv("STEPS", str(tmp_path))
    options = ("--concurrency=2", "--timeout=10", f"--task-root={ROOT}")
    handlers = {FUNCTION: "tests.lambda_resize.stepwise.handler"}
    function = start_lambda(tmp_path, handlers, *options, env=os.environ | s3.aws_environment())
    yield function
    function.program.kill()


@pytest.mark.fault("polisher-killed")
async def test_a_killed_replica_loses_no_preview_and_none_is_polished_twice(
    run_site: RunSite, redis_server: Redis, queue: Queue, stepwise: Lambda, tmp_path: Path
) -> None:
    with run_site(redis=redis_server, function=stepwise, settings=POLISH) as site:
        _make(site, "killed.jpg")
        await until_reported(lambda: len(queue) == 1)
        hold = tmp_path / "hold-write"
        hold.touch()
        queue.pass_time()
        await until_reported((tmp_path / "at-write").exists)
        site.services[0].kill()
        hold.unlink()
        site.restart(0)
        assert len(queue) == 1
        _make(site, "another.jpg")  # the new replica learns what the function can
        await until_reported(lambda: _is_polished(site, "killed.jpg"))
        queue.pass_time()
        await until_reported(lambda: len(queue) == 0)

        outcomes = [json.loads(line) for line in site.log_of(0).splitlines() if '"polish"' in line]
        assert [(each["key"], each["outcome"]) for each in outcomes] == [
            ("prew/card/killed.jpg", "already"),
            ("prew/card/another.jpg", "done"),
        ]
