"""The operators' commands on a large bucket: `python -m benchmarks.operators [--objects 200000]`.

A SeaweedFS is filled with tiny photos and with previews of one preset, the commands are run on it, and for each its
time and the most memory that it had are printed. Photos are not pictures: what is made comes from a function that
writes one byte, so that the figures are the commands' own. `warm` is killed in its middle, and goes on.
"""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import tempfile
import time
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer
from aiohttp import web
from aiohttp.test_utils import TestServer
from obstore.store import S3Store

from devstack.backends import S3, Redis, start_redis, start_s3
from devstack.objects import object_store
from devstack.programs import find


class OneByteFunction:
    """A Lambda endpoint whose previews are one byte, marked as the real function does."""

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()

    async def invoke(self, request: web.Request) -> web.Response:
        """One invocation; it goes on when the caller goes away, as Lambda does."""
        event = await request.json()
        return await asyncio.shield(asyncio.create_task(self._make(event)))

    async def _make(self, event: dict[str, Any]) -> web.Response:
        key = event["src_key"].replace(event["rewrite_part"], f"{event['root_folder']}/{event['preset_name']}", 1)
        self.calls[key] += 1
        await self._store.put_async(key, b"x", attributes={"preset-fingerprint": event["fingerprint"]})
        data = base64.b64encode(b"x").decode()
        return web.json_response({"status": True, "content_type": "image/jpeg", "data": data})


def _name(number: int) -> str:
    return f"{number % 100:02}/{number // 100 % 40:02}/{number:07}.jpg"


def _fill(store: S3Store, keys: list[str], fingerprint: str) -> None:
    def put(key: str) -> None:
        store.put(key, b"x", attributes={"preset-fingerprint": fingerprint})

    with ThreadPoolExecutor(16) as pool:
        for _ in pool.map(put, keys):
            pass


def _peak_kb(pid: int) -> int:
    """The most memory that a process has had, or 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


async def _run(environment: dict[str, str], *arguments: str, kill_after_s: float | None = None) -> None:
    """Run a command, and print its exit code, its time in seconds and the most memory that it had in MB."""
    started = time.perf_counter()
    argv = [find("prewmanager"), *arguments, "--json"]
    process = await create_subprocess_exec(*argv, env=environment, stdout=PIPE)
    peak_kb = 0
    reading = asyncio.create_task(process.communicate())
    while not reading.done():
        peak_kb = max(peak_kb, _peak_kb(process.pid))
        if kill_after_s is not None and time.perf_counter() - started > kill_after_s:
            process.send_signal(signal.SIGKILL)
            kill_after_s = None
        await asyncio.wait([reading], timeout=0.2)
    await reading
    seconds = time.perf_counter() - started
    print(
        f"{' '.join(arguments):40} exit {process.returncode:3}  {seconds:7.1f} s  {peak_kb / 1024:6.1f} MB", flush=True
    )


async def _measure(s3: S3, redis: Redis, objects: int) -> None:
    store = object_store(s3, s3.bucket)
    function = OneByteFunction(store)
    app = web.Application()
    app.router.add_post("/2015-03-31/functions/{name}/invocations", function.invoke)
    names = [_name(number) for number in range(objects // 2)]
    started = time.perf_counter()
    await asyncio.to_thread(_fill, store, [f"photo/{name}" for name in names], "")
    await asyncio.to_thread(_fill, store, [f"prew/card/{name}" for name in names[: objects // 4]], "000000000000")
    print(f"filled in {time.perf_counter() - started:.0f} s: {len(names)} photos, {objects // 4} stale previews")
    async with TestServer(app) as server:
        environment = {
            "PATH": os.environ["PATH"],
            **s3.aws_environment(),
            "AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{server.port}",
            "PREW_LAMBDA_FUNCTION": "one-byte",
            "PREW_SOURCE_BUCKET": s3.bucket,
            "PREW_REDIS_URL": redis.url,
            "PREW_PRESETS__CARD__WIDTH": "720",
        }
        await _run(environment, "stats")
        await _run(environment, "warm", "--dry-run")
        await _run(environment, "warm", "--concurrency", "32", kill_after_s=60)
        before = sum(function.calls.values())
        await _run(environment, "warm", "--concurrency", "32")
        twice = sum(count > 1 for count in function.calls.values())
        print(f"  {before} made before SIGKILL, {sum(function.calls.values()) - before} after it, {twice} twice")
        await _run(environment, "stale")
        function.calls.clear()
        await _run(environment, "stale", "--fix", "--concurrency", "32", kill_after_s=60)
        await _run(environment, "stale", "--fix", "--concurrency", "32")
        print(
            f"  {sum(function.calls.values())} made anew, {sum(count > 1 for count in function.calls.values())} twice"
        )
        await _run(environment, "purge", "card")
        await _run(environment, "purge", "card", "--yes")
        await _run(environment, "stats")


def main(
    objects: Annotated[int, typer.Option(help="objects in the end, half of them photos")] = 200_000,
) -> None:
    """Start S3 and Redis, fill the bucket, run the commands."""
    with tempfile.TemporaryDirectory() as folder:
        s3, redis = start_s3(Path(folder)), start_redis(Path(folder))
        try:
            asyncio.run(_measure(s3, redis, objects))
        finally:
            s3.program.kill()
            redis.program.kill()


if __name__ == "__main__":
    typer.run(main)
