"""A sandbox or a worker is killed between its answer and its write: whoever asks gets the preview."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from PIL import Image
from redis import Redis as RedisClient

from devstack.backends import Redis
from devstack.lambda_server import Lambda
from prewmanager.times import UNWRITTEN_S
from tests.lambda_resize.pictures import encode
from tests.support.asking import Answer, ask
from tests.support.fakes import until_reported
from tests.support.private_listing import PrivateListing
from tests.support.site import Site

WORKERS = {"PREW_LAMBDA_FUNCTION": "", "PREW_RESIZE_WORKERS": "1"}
BURST = 20


async def _asked(site: Site, path: str, times: int = 1) -> list[Answer]:
    """Ask each replica so many times at once."""
    asking = (asyncio.to_thread(ask, port, path) for port in site.ports for _ in range(times))
    return await asyncio.gather(*asking)


async def _is_warm(site: Site, folder: str) -> None:
    """Have both replicas know what the function can, and that the store shows at once what it has."""
    for number in range(2):
        for place, port in enumerate(site.ports):
            site.put(name := f"{folder}/warm-{number}-{place}.jpg", encode(Image.new("RGB", (90, 60), "teal"), "JPEG"))
            assert (await asyncio.to_thread(ask, port, f"/prew/card/{name}")).status == 200


@pytest.mark.fault("write-lost")
@pytest.mark.parametrize("workers", [False, True], ids=["sandbox", "worker"])
async def test_who_waits_and_who_comes_later_gets_the_preview_of_a_process_that_was_killed(
    counted_s3: PrivateListing, function_of_counted_s3: Lambda, redis_server: Redis, tmp_path: Path, *, workers: bool
) -> None:
    folder = "killed-worker" if workers else "killed-sandbox"
    preview = f"prew/card/{folder}/a.jpg"
    settings = WORKERS if workers else {}
    with Site(tmp_path, counted_s3.s3, redis_server, function_of_counted_s3, replicas=2, settings=settings) as site:
        await _is_warm(site, folder)
        site.put(f"{folder}/a.jpg", encode(Image.new("RGB", (900, 600), "teal"), "JPEG"))
        counted_s3.held.add(f"PUT {preview}")
        rendered = await _asked(site, f"/{preview}", BURST)
        await until_reported(lambda: counted_s3.requests[f"PUT /{counted_s3.s3.bucket}/{preview}"] == 1)
        for pid in _processes(site, function_of_counted_s3, workers=workers):
            os.kill(pid, signal.SIGKILL)
        counted_s3.lost.add(f"PUT {preview}")
        counted_s3.held.clear()
        meanwhile = await _asked(site, f"/{preview}", BURST)
        others = [
            await asyncio.to_thread(site.get, f"/{preview}", "HEAD"),
            await asyncio.to_thread(site.get, f"/{preview}", headers={"Range": "bytes=0-9"}),
            await asyncio.to_thread(site.get, f"/{preview}", headers={"If-None-Match": '"another"'}),
        ]
        with RedisClient.from_url(redis_server.url) as redis:
            (key,) = redis.keys(f"*{preview}@*")
            assert redis.strlen(key) > len(rendered[0].body)
            left_s = redis.pttl(key) / 1000
            redis.pexpire(key, 1)  # as time does
            await until_reported(lambda: not redis.exists(key))
        counted_s3.lost.clear()
        anew = await _asked(site, f"/{preview}", BURST)
        await until_reported(lambda: site.stored(preview) is not None)
        stored = site.stored(preview)

    assert 0 < left_s <= UNWRITTEN_S
    assert {answer.status for answer in (*rendered, *meanwhile, *anew)} == {200}
    assert stored is not None
    assert {answer.body for answer in (*rendered, *meanwhile, *anew)} == {stored["Body"]}
    assert [(answer.status, answer.body) for answer in others] == [(200, b""), *[(200, stored["Body"])] * 2]
    assert others[0].headers["Content-Length"] == str(len(stored["Body"]))
    assert {answer.headers.get("Cache-Control") for answer in (*meanwhile, *others)} == {"no-store"}
    assert {answer.headers.get("ETag") for answer in (*rendered, *meanwhile)} == {None}


def _processes(site: Site, function: Lambda, *, workers: bool) -> list[int]:
    if not workers:
        return list(function.stats()["sandboxes"])
    return [pid for service in site.services for pid in _workers(service.pid)]


def _workers(service: int) -> list[int]:
    """Return the worker processes that a service has spawned, from whichever thread."""
    found = [
        each for task in Path(f"/proc/{service}/task").iterdir() for each in (task / "children").read_text().split()
    ]
    return [int(pid) for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.fault("write-lost")
@pytest.mark.parametrize("arrives", [True, False])
async def test_a_service_that_stops_waits_for_its_workers_writes_and_says_which_are_lost(
    counted_s3: PrivateListing, redis_server: Redis, tmp_path: Path, *, arrives: bool
) -> None:
    preview = f"prew/card/stopping-{arrives}/a.jpg"
    settings = {**WORKERS, "PREW_SHUTDOWN_GRACE": "30" if arrives else "3"}
    with Site(tmp_path, counted_s3.s3, redis_server, settings=settings) as site:
        await _is_warm(site, f"stopping-{arrives}")
        site.put(f"stopping-{arrives}/a.jpg", encode(Image.new("RGB", (900, 600), "teal"), "JPEG"))
        counted_s3.held.add(f"PUT {preview}")
        assert (await _asked(site, f"/{preview}"))[0].status == 200
        (service,) = site.services
        os.kill(service.pid, signal.SIGTERM)
        await until_reported(lambda: '"stopping"' in site.log_of())
        if arrives:
            counted_s3.held.clear()
        await asyncio.to_thread(service.process.wait)
        counted_s3.lost.add(f"PUT {preview}")
        counted_s3.held.clear()
        log, stored = site.log_of(), site.stored(preview)

    assert ('"flight.write_lost"' in log, stored is not None) == (not arrives, arrives)
    assert '"stopped"' in log
