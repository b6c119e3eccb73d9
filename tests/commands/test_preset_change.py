"""A preset changes while a site runs, as docs/how-to/change-a-preset.md describes."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from aiohttp import ClientSession

from devstack.backends import Redis
from tests.commands.conftest import Shop
from tests.support.gated_lambda import GatedLambda
from tests.support.site import Site

VISITORS = 2
NAMES = [f"{number}.jpg" for number in range(6)]


class Visitor:
    """Requests one preview after another, and records each wrong answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.leaving = False
        self.wrong: list[tuple[str, int, int]] = []

    async def visit(self) -> None:
        """Request all previews repeatedly; after the block, finish the round and run one more."""
        async with ClientSession() as session:
            while not self.leaving:
                await self._round(session)
            await self._round(session)

    async def _round(self, session: ClientSession) -> None:
        for name in NAMES:
            async with session.get(f"{self._url}/prew/card/{name}") as response:
                body = await response.read()
            # The function's pictures are 50,000 bytes and begin with the photo's name.
            if response.status != 200 or len(body) < 50_000 or not body.startswith(f"photo/{name}".encode()):
                self.wrong.append((name, response.status, len(body)))


async def test_no_visitor_sees_a_fault(shop: Shop, function: GatedLambda, redis_server: Redis, tmp_path: Path) -> None:
    """New settings, a restart of each replica, `stale --fix`: each preview is rendered once more, and always served."""
    shop.put(*(f"photo/{name}" for name in NAMES))
    await shop.run_beside("warm", "card")
    shop.allow_anonymous_reads()
    site = Site(
        tmp_path,
        shop.s3,
        redis_server,
        function,
        replicas=2,
        settings=shop.environment,
        nginx_variables={"PREW_NGINX_BUCKET_PATH": f"/{shop.bucket}"},
    )
    entered = await asyncio.to_thread(site.__enter__)
    try:
        visitors = [Visitor(entered.nginx.url) for _ in range(VISITORS)]
        visits = [asyncio.create_task(visitor.visit()) for visitor in visitors]
        shop.environment["PREW_PRESETS__CARD__WIDTH"] = "500"
        for replica in range(2):
            await asyncio.to_thread(site.restart, replica)
        report = await shop.run_beside("stale", "card", "--fix")
        for visitor in visitors:
            visitor.leaving = True
        await asyncio.gather(*visits)
    finally:
        await asyncio.to_thread(site.__exit__)

    assert [wrong for visitor in visitors for wrong in visitor.wrong] == []
    assert (report["done"], report["left"]) == ({"made": 6}, 0)
    assert function.invocations == Counter({f"photo/{name}": 2 for name in NAMES})
