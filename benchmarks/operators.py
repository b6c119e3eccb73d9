"""The operators' commands on a large bucket: `python -m benchmarks.operators [--objects 200000]`.

Fills a SeaweedFS with tiny photos and previews of one preset, runs the commands on it, and prints the time and peak
memory of each. The photos are no images, and the function writes one byte, so that the figures are the commands' own.
`warm` is killed midway, and started again.
"""

from __future__ import annotations

import asyncio
import base64
import signal
import tempfile
import time
from asyncio.subprocess import PIPE, create_subprocess_exec
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer
from aiohttp import web
from obstore.store import S3Store

from devstack.backends import S3, Redis, start_redis, start_s3
from devstack.objects import object_store
from devstack.programs import find
from tests.support.gated_lambda import InvokeEndpoint, preview_key
from tests.support.site import service_environment


class OneByteFunction(InvokeEndpoint):
    """A function whose previews are one byte with the preset's fingerprint."""

    def __init__(self, store: S3Store) -> None:
        super().__init__(is_open=True)
        self._store = store

    async def answer(self, event: dict[str, Any]) -> web.Response:
        """Answer one invocation."""
        await self._store.put_async(preview_key(event), b"x", attributes={"preset-fingerprint": event["fingerprint"]})
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
    """Return a process's peak memory, or 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


async def _run(environment: dict[str, str], *arguments: str, kill_after_s: float | None = None) -> None:
    """Run a command, and print its exit code, seconds, and peak memory in MB."""
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
    names = [_name(number) for number in range(objects // 2)]
    started = time.perf_counter()
    await asyncio.to_thread(_fill, store, [f"photo/{name}" for name in names], "")
    await asyncio.to_thread(_fill, store, [f"prew/card/{name}" for name in names[: objects // 4]], "000000000000")
    print(f"filled in {time.perf_counter() - started:.0f} s: {len(names)} photos, {objects // 4} stale previews")
    async with function.running():
        environment = {
            **service_environment(s3, redis, function.url),
            "PREW_LAMBDA_FUNCTION": "one-byte",
            "PREW_PRESETS__CARD__WIDTH": "720",
        }
        await _run(environment, "stats")
        await _run(environment, "warm", "--dry-run")
        await _run(environment, "warm", "--concurrency", "32", kill_after_s=60)
        before = function.calls
        await _run(environment, "warm", "--concurrency", "32")
        twice = sum(count > 1 for count in function.invocations.values())
        print(f"  {before} made before SIGKILL, {function.calls - before} after it, {twice} twice")
        await _run(environment, "stale")
        function.invocations.clear()
        await _run(environment, "stale", "--fix", "--concurrency", "32", kill_after_s=60)
        await _run(environment, "stale", "--fix", "--concurrency", "32")
        print(f"  {function.calls} made anew, {sum(count > 1 for count in function.invocations.values())} twice")
        await _run(environment, "purge", "card")
        await _run(environment, "purge", "card", "--yes")
        await _run(environment, "stats")


def main(
    objects: Annotated[int, typer.Option(help="total number of objects, half of them photos")] = 200_000,
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
