"""The cost of a bare invocation: a process that only invokes through aioboto3 and reads the answer.

Prints one JSON object: `wall_ms` of each invocation, and `cpu_ms` of the process for all of them.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Annotated, Any

import aioboto3
import typer
from aiobotocore.config import AioConfig

from tests.support.site import FUNCTION

_WARM_UP = 30


async def _invoke(client: Any, number: int, wall_ms: list[float]) -> None:
    event = {"src_key": f"photo/raw/{number}.jpg", "src_bucket": "photos", "dst_bucket": "photos", "width": 720}
    started = time.perf_counter()
    response = await client.invoke(FunctionName=FUNCTION, Payload=json.dumps(event).encode())
    async with response["Payload"] as stream:
        await stream.read()
    wall_ms.append((time.perf_counter() - started) * 1000)


async def _worker(client: Any, numbers: list[int], wall_ms: list[float]) -> None:
    while numbers:
        await _invoke(client, numbers.pop(), wall_ms)


async def _measure(lambda_url: str, count: int, concurrency: int) -> dict[str, object]:
    wall_ms: list[float] = []
    config = AioConfig(retries={"total_max_attempts": 1, "mode": "standard"}, max_pool_connections=concurrency)
    opened = aioboto3.Session().client("lambda", region_name="us-east-1", endpoint_url=lambda_url, config=config)
    async with opened as client:
        for number in range(_WARM_UP):
            await _invoke(client, number, [])
        numbers = list(range(count))
        cpu_s = time.process_time()
        await asyncio.gather(*(_worker(client, numbers, wall_ms) for _ in range(concurrency)))
        return {"wall_ms": wall_ms, "cpu_ms": (time.process_time() - cpu_s) * 1000}


def main(
    lambda_url: Annotated[str, typer.Option()],
    count: Annotated[int, typer.Option()],
    concurrency: Annotated[int, typer.Option()],
) -> None:
    """Invoke `count` times, `concurrency` at once."""
    print(json.dumps(asyncio.run(_measure(lambda_url, count, concurrency))))


if __name__ == "__main__":
    typer.run(main)
