"""Clients that ask for what does not exist, or for photos that take too long: the others get their previews."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector
from PIL import Image

from devstack.backends import S3, Redis
from devstack.lambda_server import Lambda
from tests.lambda_resize.pictures import encode
from tests.support.site import Site

# Encoding this many pixels takes several times the limit; a small photo takes a tenth of it.
SLOW_PRESET = {"PREW_PRESETS__HUGE__WIDTH": "6000", "PREW_PRESETS__HUGE__FORMAT": "avif"}
TIMES = {
    "PREW_INVOKE_TIMEOUT": "6",
    "PREW_LAMBDA_TIMEOUT": "3",
    "PREW_TRANSIENT_TTL": "0.2",
    "PREW_RESIZE_WORKERS": "2",
}


async def _status(session: ClientSession, url: str) -> tuple[int, str]:
    async with session.get(url) as response:
        body = await response.read()
        is_problem = response.content_type == "application/problem+json"
        return response.status, json.loads(body).get("kind", "") if is_problem else ""


def _renderings(site: Site) -> int:
    """Return how often a slow photo was rendered."""
    return sum("hostile/slow" in line and "lambda_ms" in line for line in site.log_of().splitlines())


@pytest.mark.fault("missing-names")
async def test_made_up_names_cost_neither_invocations_nor_the_quota(
    s3: S3, redis_server: Redis, function: Lambda, tmp_path: Path
) -> None:
    limits = {"PREW_MAX_RESIZES_PER_SECOND": "0.01", "PREW_RESIZE_BURST": "40"}
    with Site(tmp_path, s3, redis_server, function, settings=limits) as site:
        site.put("hostile/there.jpg", encode(Image.new("RGB", (900, 600)), "JPEG"))
        before = function.stats()["invocations"]
        async with ClientSession(connector=TCPConnector(limit=4)) as session:
            urls = [f"{site.nginx.url}/prew/card/hostile/{number}.jpg" for number in range(300)]
            answers = Counter(await asyncio.gather(*(_status(session, url) for url in urls)))
            honest = await _status(session, f"{site.nginx.url}/prew/card/hostile/there.jpg")
        invocations = function.stats()["invocations"] - before

    assert answers == {(404, "missing"): 300}
    assert honest == (200, "")
    assert invocations <= 10


@pytest.mark.fault("photo-too-slow")
async def test_slow_photos_do_not_keep_the_workers_from_others(s3: S3, redis_server: Redis, tmp_path: Path) -> None:
    """Without Lambda, with two workers: an attack of two photos, requested all the time."""
    slow = encode(Image.effect_noise((6000, 4000), 90), "JPEG", quality=60)
    with Site(tmp_path, s3, redis_server, None, settings={**SLOW_PRESET, **TIMES}) as site:
        site.put("hostile/slow-a.jpg", slow)
        site.put("hostile/slow-b.jpg", slow)
        attacked = [f"{site.nginx.url}/prew/huge/hostile/slow-{name}.jpg" for name in "ab"]
        async with ClientSession(connector=TCPConnector(limit=20)) as session:
            seen: dict[str, list[tuple[int, str]]] = {url: [] for url in attacked}

            async def attack(url: str) -> None:
                while True:
                    seen[url].append(await _status(session, url))

            attackers = [asyncio.create_task(attack(url)) for url in attacked * 5]
            while not all(answers.count((422, "too_slow")) > 5 for answers in seen.values()):  # noqa: ASYNC110 -- tasks report
                await asyncio.sleep(0.05)
            rendered = _renderings(site)
            honest = []
            for number in range(4):
                site.put(f"hostile/honest-{number}.jpg", encode(Image.new("RGB", (900, 600)), "JPEG"))
                honest.append(await _status(session, f"{site.nginx.url}/prew/card/hostile/honest-{number}.jpg"))
            for attacker in attackers:
                attacker.cancel()
            rendered_after = _renderings(site)

    assert {answer for answers in seen.values() for answer in answers} == {(504, "timeout"), (422, "too_slow")}
    assert honest == [(200, "")] * 4
    assert rendered == rendered_after == 4
